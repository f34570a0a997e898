"""`thermctl` as a user meets it: stdout, stderr and exit code."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

import thermostat
from thermostat.cli import main


class CliTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        kept = {k: v for k, v in os.environ.items() if not k.startswith("THERMOSTAT_")}
        kept["THERMOSTAT_DATA_DIR"] = str(self.folder / "data")
        patch = mock.patch.dict(os.environ, kept, clear=True)
        patch.start()
        self.addCleanup(patch.stop)

    def run_cli(self, *arguments: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = main(arguments)
            except SystemExit as exit_:
                code = int(exit_.code or 0)
        return code, out.getvalue(), err.getvalue()

    def run_json(self, *arguments: str) -> dict[str, Any]:
        code, out, err = self.run_cli(*arguments, "--json")
        self.assertEqual((0, ""), (code, err))
        document = json.loads(out)
        assert isinstance(document, dict)
        return document

    def assert_refused(self, code: int, start: str, *arguments: str) -> str:
        result, out, err = self.run_cli(*arguments)
        self.assertEqual((code, ""), (result, out), err)
        self.assertTrue(err.startswith(f"thermctl: {start}: "), err)
        self.assertEqual(1, err.count("\n"), err)
        return err

    def test_capabilities(self) -> None:
        document = self.run_json("capabilities")
        self.assertEqual("thermostat.capabilities/1", document["schema"])
        self.assertEqual(thermostat.__version__, document["version"])
        self.assertEqual(
            [
                "capabilities",
                "get",
                "read",
                "set",
                "plan",
                "history",
                "config show",
                "config save",
                "simulate",
            ],
            document["commands"],
        )
        self.assertEqual(
            {"invalid-input": 3, "connection": 4, "policy": 5, "unavailable": 6},
            document["exit_codes"],
        )
        self.assertLessEqual({"allow_writes", "dry_run"}, document["defaults"].keys())

    def test_capabilities_tell_the_packaged_defaults_not_the_ones_in_force(
        self,
    ) -> None:
        before = self.run_json("capabilities")["defaults"]
        os.environ["THERMOSTAT_SETPOINT_MAX"] = "99"
        self.assertEqual(before, self.run_json("capabilities")["defaults"])

    def test_get_shows_the_unit_that_is_set(self) -> None:
        document = self.run_json("get", "temperature", "--unit", "kelvin")
        self.assertEqual((294.15, "kelvin"), (document["value"], document["unit"]))
        code, out, _ = self.run_cli("get", "temperature", "--unit", "fahrenheit")
        self.assertEqual(
            (0, ["temperature", "69.80", "fahrenheit"]), (code, out.split())
        )

    def test_read_all_and_some(self) -> None:
        everything = self.run_json("read", "--all")
        names = [reading["parameter"] for reading in everything["readings"]]
        self.assertEqual(["temperature", "setpoint", "heater"], names)
        some = self.run_json("read", "heater", "setpoint")
        self.assertEqual(2, len(some["readings"]))
        self.assert_refused(3, "invalid-input", "read")
        self.assert_refused(3, "invalid-input", "read", "heater", "--all")

    def test_recorded_readings_are_kept(self) -> None:
        self.assertEqual([], self.run_json("history")["readings"])
        self.run_cli("read", "--all", "--record", "--unit", "kelvin")
        self.run_cli("read", "heater", "--record")
        readings = self.run_json("history")["readings"]
        self.assertEqual(4, len(readings))
        self.assertEqual((21.0, "celsius"), (readings[0]["value"], readings[0]["unit"]))
        heater = self.run_json("history", "--parameter", "heater")["readings"]
        self.assertEqual(2, len(heater))

    def test_a_damaged_journal_is_named_by_line(self) -> None:
        self.run_cli("read", "heater", "--record")
        journal = self.folder / "data" / "readings.jsonl"
        with journal.open("a", encoding="utf-8") as file:
            file.write('{"half\n')
        error = self.assert_refused(3, "invalid-input", "history")
        self.assertIn("line 2: not a reading", error)

    def test_a_journal_that_cannot_be_written(self) -> None:
        (self.folder / "data").write_text("a file", encoding="utf-8")
        self.assert_refused(6, "unavailable", "read", "heater", "--record")

    def test_set(self) -> None:
        locked = ("--no-allow-writes",)
        error = self.assert_refused(5, "policy", "set", "setpoint", "25", *locked)
        self.assertIn("writes are not allowed", error)
        rehearsed = ("--allow-writes", "--dry-run")
        document = self.run_json("set", "setpoint", "25", *rehearsed)
        self.assertEqual((False, 25.0), (document["applied"], document["after"]))
        applied = self.run_json(
            "set", "setpoint", "25", "--allow-writes", "--no-dry-run"
        )
        self.assertTrue(applied["applied"])
        self.assert_refused(5, "policy", "set", "setpoint", "99", *rehearsed)
        self.assert_refused(3, "invalid-input", "set", "setpoint", "warm", *rehearsed)
        self.assert_refused(3, "invalid-input", "set", "heater", "9", *rehearsed)

    def test_every_error_class_has_its_exit_code_and_one_line(self) -> None:
        self.assert_refused(2, "usage", "get")
        self.assert_refused(2, "usage", "nosuch")
        self.assert_refused(2, "usage", "get", "temperature", "--unit", "rankine")
        self.assert_refused(3, "invalid-input", "get", "nosuch")
        self.assert_refused(3, "invalid-input", "get", "heater", "--config", "a\nb")
        dead = "tcp://127.0.0.1:1"
        self.assert_refused(4, "connection", "get", "heater", "--device", dead)
        self.assert_refused(6, "unavailable", "get", "humidity")

    def test_plan(self) -> None:
        points = self.run_json("plan", "20", "23", "--rate", "1.5")["points"]
        self.assertEqual({"seconds": 120.0, "setpoint": 23.0}, points[-1])
        self.assert_refused(5, "policy", "plan", "20", "90", "--rate", "1")
        self.assert_refused(3, "invalid-input", "plan", "20", "30", "--rate", "0")

    def test_config_save_and_show(self) -> None:
        file = str(self.folder / "site.yaml")
        self.assertEqual(0, self.run_cli("config", "save", file, "--unit", "kelvin")[0])
        self.assert_refused(3, "invalid-input", "config", "save", file)
        document = self.run_json("config", "show", "--config", file)
        self.assertEqual("kelvin", document["values"]["display"]["unit"])
        self.assertEqual("config", document["origins"]["display"]["unit"])
        os.environ["THERMOSTAT_UNIT"] = "fahrenheit"
        document = self.run_json("config", "show", "--config", file)
        self.assertEqual("environment", document["origins"]["display"]["unit"])

    def test_simulate_refuses_an_address_it_cannot_have(self) -> None:
        self.assert_refused(3, "invalid-input", "simulate", "--bind", "nowhere")
        self.assert_refused(6, "unavailable", "simulate", "--bind", "192.0.2.1:4077")

    def test_as_a_module_from_an_empty_directory(self) -> None:
        source = str(Path(thermostat.__file__).parent.parent)
        result = subprocess.run(
            [sys.executable, "-m", "thermostat", "get", "nosuch"],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": source},
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual((3, ""), (result.returncode, result.stdout))
        self.assertIn("invalid-input: unknown parameter 'nosuch'", result.stderr)
        self.assertEqual([], list(self.folder.iterdir()))


if __name__ == "__main__":
    unittest.main()
