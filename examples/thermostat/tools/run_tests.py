"""Runs the tests against an installed copy of the project.

Makes an environment in a temporary directory, installs this checkout into it with
its dependencies, and runs the tests from there, so that no test can succeed because
it imported the checkout. Needs Python alone; writes nothing into the checkout.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Returns the exit code of the tests."""
    with tempfile.TemporaryDirectory(prefix="thermostat-tests-") as scratch:
        home = Path(scratch, "venv")
        venv.create(home, with_pip=True)
        python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        install = [str(python), "-m", "pip", "install", "--quiet"]
        quiet = ["--disable-pip-version-check", "--no-input", str(PROJECT)]
        if code := subprocess.run([*install, *quiet], check=False).returncode:
            return code
        # The version test compares with pyproject.toml, hence the copy beside tests.
        copy = Path(scratch, "checkout")
        shutil.copytree(PROJECT / "tests", copy / "tests")
        shutil.copy(PROJECT / "pyproject.toml", copy)
        tests = [str(python), "-m", "unittest", "discover", "-s", "tests", "-t", "."]
        return subprocess.run(tests, cwd=copy, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
