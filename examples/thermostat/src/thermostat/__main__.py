"""Lets `python -m thermostat` stand for `thermctl`."""

import sys

from thermostat.cli import main

if __name__ == "__main__":
    sys.exit(main())
