"""Recorded readings: one JSON object a line, only ever appended."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from thermostat.driver import Reading
from thermostat.errors import InvalidInputError, UnavailableError


def journal_path(environ: Mapping[str, str]) -> Path:
    """Returns the file below `THERMOSTAT_DATA_DIR`, or the user's data directory."""
    if folder := environ.get("THERMOSTAT_DATA_DIR"):
        return Path(folder) / "readings.jsonl"
    shared = environ.get("XDG_DATA_HOME")
    base = Path(shared) if shared else Path.home() / ".local" / "share"
    return base / "thermostat" / "readings.jsonl"


def append(path: Path, time: str, readings: Iterable[Reading]) -> None:
    """Appends the readings in one write."""
    lines = "".join(
        json.dumps({"time": time, **_entry(reading)}) + "\n" for reading in readings
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(lines)
    except OSError as error:
        raise UnavailableError(
            f"cannot write journal `{path}`: {os.strerror(error.errno or 0).lower()}"
        ) from error


def entries(path: Path) -> list[dict[str, object]]:
    """Reads what was recorded; a missing file is an empty journal."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise UnavailableError(f"cannot read journal `{path}`") from error
    found: list[dict[str, object]] = []
    for number, line in enumerate(lines, start=1):
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if not isinstance(entry, dict) or not {"time", "parameter"} <= entry.keys():
            raise InvalidInputError(f"journal `{path}` line {number}: not a reading")
        found.append(entry)
    return found


def _entry(reading: Reading) -> dict[str, object]:
    return {
        "parameter": reading.parameter,
        "value": reading.value,
        "unit": reading.unit,
    }
