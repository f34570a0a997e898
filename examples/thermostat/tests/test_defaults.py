"""What a fresh install does unless somebody says otherwise."""

from __future__ import annotations

import re
import unittest
from pathlib import Path

import thermostat
from thermostat.config import packaged_defaults

SAFETY = {"safety.allow_writes": False, "safety.dry_run": True}


class DefaultsTest(unittest.TestCase):
    def test_safety_defaults_are_the_safe_ones(self) -> None:
        defaults = packaged_defaults()
        self.assertEqual(SAFETY, {key: defaults[key] for key in SAFETY})

    def test_other_defaults_need_no_instrument(self) -> None:
        defaults = packaged_defaults()
        self.assertEqual("simulator", defaults["connection.device"])
        self.assertEqual("celsius", defaults["display.unit"])

    def test_both_version_places_agree(self) -> None:
        pyproject = Path(__file__).parent.parent / "pyproject.toml"
        declared = re.search(
            r'^version = "(.+)"', pyproject.read_text(encoding="utf-8"), re.MULTILINE
        )
        assert declared is not None
        self.assertEqual(declared[1], thermostat.__version__)


if __name__ == "__main__":
    unittest.main()
