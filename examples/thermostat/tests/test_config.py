"""Where a setting may come from, and which place wins."""

from __future__ import annotations

import os
import tempfile
import unittest
from pathlib import Path

from thermostat.config import (
    Settings,
    environment_variable,
    load_settings,
    write_settings,
)
from thermostat.errors import InvalidInputError


class ConfigTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def write(self, text: str) -> Path:
        path = self.folder / "site.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    def refused(self, text: str) -> str:
        with self.assertRaises(InvalidInputError) as caught:
            load_settings(self.write(text), environ={})
        return str(caught.exception)

    def test_each_place_beats_the_next(self) -> None:
        path = self.write("display: {unit: kelvin, decimals: 1}\n")
        environ = {"THERMOSTAT_UNIT": "fahrenheit"}
        arguments = {"display.unit": "celsius"}

        def unit(settings: Settings) -> tuple[str, str]:
            return settings.display.unit, settings.origins["display.unit"]

        self.assertEqual(("celsius", "default"), unit(load_settings(environ={})))
        self.assertEqual(("kelvin", "config"), unit(load_settings(path, environ={})))
        self.assertEqual(
            ("fahrenheit", "environment"), unit(load_settings(path, environ=environ))
        )
        everything = load_settings(path, arguments=arguments, environ=environ)
        self.assertEqual(("celsius", "argument"), unit(everything))
        self.assertEqual(1, everything.display.decimals)
        self.assertEqual("config", everything.origins["display.decimals"])

    def test_the_variable_names_a_file_and_the_argument_beats_it(self) -> None:
        named = self.write("display: {decimals: 1}\n")
        other = self.folder / "other.yaml"
        other.write_text("display: {decimals: 5}\n", encoding="utf-8")
        environ = {"THERMOSTAT_CONFIG": str(named)}
        self.assertEqual(1, load_settings(environ=environ).display.decimals)
        self.assertEqual(5, load_settings(other, environ=environ).display.decimals)

    def test_the_working_directory_is_never_read(self) -> None:
        for name in ("safety.yaml", "site.yaml", "thermostat.yaml"):
            text = "safety: {setpoint_max: 99}\nsetpoint_max: 99\n"
            (self.folder / name).write_text(text, encoding="utf-8")
        before = Path.cwd()
        self.addCleanup(os.chdir, before)
        os.chdir(self.folder)
        self.assertNotEqual(99, load_settings(environ={}).safety.setpoint_max)
        os.chdir(before)

    def test_a_saved_file_reads_back_to_the_same_values(self) -> None:
        arguments = {"display.unit": "kelvin", "safety.setpoint_max": 30}
        settings = load_settings(arguments=arguments, environ={})
        path = self.folder / "saved.yaml"
        write_settings(settings, path, replace=False)
        again = load_settings(path, environ={})
        self.assertEqual(settings.safety, again.safety)
        self.assertEqual(settings.connection, again.connection)
        self.assertEqual(settings.display, again.display)

    def test_saving_replaces_only_when_told(self) -> None:
        path = self.write("display: {decimals: 1}\n")
        before = path.read_bytes()
        with self.assertRaises(InvalidInputError):
            write_settings(load_settings(environ={}), path, replace=False)
        self.assertEqual(before, path.read_bytes())
        write_settings(load_settings(environ={}), path, replace=True)
        self.assertNotEqual(before, path.read_bytes())

    def test_mistakes_are_named(self) -> None:
        for text, expected in {
            "saftey: {dry_run: true}\n": "unknown section `saftey`",
            "safety: {dryrun: true}\n": "unknown setting `safety.dryrun`",
            "safety: {dry_run: maybe}\n": "expected true or false",
            "safety: {dry_run: 1}\n": "expected true or false",
            "safety: {setpoint_max: .nan}\n": "expected a number",
            "safety: {setpoint_min: 50}\n": "is not below",
            "safety: true\n": "must hold settings",
            "display: {decimals: true}\n": "expected a whole number",
            "display: {unit: [celsius]}\n": "expected one of",
            "connection: {timeout_seconds: 0}\n": "seconds above 0",
            "- safety\n": "expected names with values",
            "safety: {\n": "not valid YAML at line",
            "safety: !!python/name:os.system\n": "not valid YAML",
        }.items():
            with self.subTest(text=text):
                self.assertIn(expected, self.refused(text))

    def test_an_empty_file_or_section_changes_nothing(self) -> None:
        for text in ("", "safety:\n"):
            settings = load_settings(self.write(text), environ={})
            self.assertEqual(load_settings(environ={}), settings)

    def test_a_file_that_cannot_be_read_is_refused(self) -> None:
        bad = self.folder / "bad.yaml"
        bad.write_bytes(b"\xff\xfe\xff")
        for path in (self.folder / "missing.yaml", self.folder, bad, Path("a\0b")):
            with self.subTest(path=path), self.assertRaises(InvalidInputError):
                load_settings(path, environ={})

    def test_variables(self) -> None:
        self.assertEqual("THERMOSTAT_DRY_RUN", environment_variable("safety.dry_run"))
        environ = {"THERMOSTAT_ALLOW_WRITES": "on", "THERMOSTAT_DECIMALS": "0"}
        settings = load_settings(environ=environ)
        self.assertTrue(settings.safety.allow_writes)
        self.assertEqual(0, settings.display.decimals)
        with self.assertRaisesRegex(InvalidInputError, "THERMOSTAT_DRY_RUN"):
            load_settings(environ={"THERMOSTAT_DRY_RUN": "perhaps"})
        unset = load_settings(environ={"THERMOSTAT_DRY_RUN": ""})
        self.assertEqual("default", unset.origins["safety.dry_run"])


if __name__ == "__main__":
    unittest.main()
