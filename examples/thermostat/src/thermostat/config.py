"""Settings: an argument beats a variable beats a file beats the packaged default.

Never looks into the working directory: a file counts only when it is named, by
the caller or by `THERMOSTAT_CONFIG`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import cast

import yaml

from thermostat.errors import InvalidInputError

__all__ = [
    "ConnectionSettings",
    "DisplaySettings",
    "SafetySettings",
    "Settings",
    "load_settings",
]

UNITS = ("celsius", "kelvin", "fahrenheit")

Value = bool | int | float | str


@dataclass(frozen=True)
class SafetySettings:
    """What may be done to the instrument."""

    allow_writes: bool
    dry_run: bool
    setpoint_min: float
    setpoint_max: float


@dataclass(frozen=True)
class ConnectionSettings:
    """Where the instrument is, and how long to wait for it."""

    device: str
    timeout_seconds: float


@dataclass(frozen=True)
class DisplaySettings:
    """How temperatures are shown."""

    unit: str
    decimals: int


@dataclass(frozen=True)
class Settings:
    """All settings, and for each where its value came from.

    `origins` maps names such as `safety.dry_run` to `default`, `config`,
    `environment` or `argument`.
    """

    safety: SafetySettings
    connection: ConnectionSettings
    display: DisplaySettings
    origins: Mapping[str, str]


def load_settings(
    path: str | os.PathLike[str] | None = None,
    *,
    arguments: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Loads the settings in the order argument, environment, file, default.

    `path` names a YAML file with the sections `safety`, `connection` and
    `display`; without it, `THERMOSTAT_CONFIG` may. `arguments` maps dotted names
    to values and skips those that are None. `environ` defaults to `os.environ`.
    """
    environ = os.environ if environ is None else environ
    values = packaged_defaults()
    origins = dict.fromkeys(values, "default")

    def overlay(layer: Mapping[str, Value], origin: str) -> None:
        values.update(layer)
        origins.update(dict.fromkeys(layer, origin))

    chosen = path if path is not None else environ.get("THERMOSTAT_CONFIG") or None
    if chosen is not None:
        overlay(_read_file(Path(chosen)), "config")
    overlay(_read_environment(environ), "environment")
    overlay(_read_arguments(arguments or {}), "argument")
    return _assemble(values, origins)


def packaged_defaults() -> dict[str, Value]:
    """Returns the defaults that ship with the package, by dotted name."""
    folder = resources.files("thermostat.resources").joinpath("config")
    values: dict[str, Value] = {}
    for section in _SECTIONS:
        where = f"packaged {section}.yaml"
        text = folder.joinpath(f"{section}.yaml").read_text(encoding="utf-8")
        values.update(_section(section, _parse_yaml(text, where), where))
    missing = sorted(_KEYS.keys() - values.keys())
    if missing:
        raise InvalidInputError(f"packaged defaults lack {', '.join(missing)}")
    return values


def settings_by_section(settings: Settings) -> dict[str, dict[str, Value]]:
    """Returns the settings as they would stand in a file."""
    sections: dict[str, dict[str, Value]] = {name: {} for name in _SECTIONS}
    for key in _KEYS:
        section, name = key.split(".")
        sections[section][name] = getattr(getattr(settings, section), name)
    return sections


def write_settings(settings: Settings, path: Path, *, replace: bool) -> None:
    """Writes a file that `load_settings` reads back to the same values."""
    body = yaml.safe_dump(settings_by_section(settings), sort_keys=False)
    try:
        with path.open("w" if replace else "x", encoding="utf-8") as file:
            file.write(body)
    except FileExistsError:
        raise InvalidInputError(f"`{path}` exists; pass --force") from None
    except OSError as error:
        raise InvalidInputError(f"cannot write `{path}`: {error.strerror}") from None


def environment_variable(key: str) -> str:
    """Returns the variable of a dotted name; `display.unit` is `THERMOSTAT_UNIT`."""
    return f"THERMOSTAT_{key.split('.')[1].upper()}"


def _boolean(value: object) -> Value:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        word = value.strip().lower()
        if word in ("1", "true", "yes", "on"):
            return True
        if word in ("0", "false", "no", "off"):
            return False
    raise ValueError("expected true or false")


def _number(value: object) -> Value:
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if math.isfinite(number):
            return number
    raise ValueError("expected a number")


def _duration(value: object) -> Value:
    number = _number(value)
    if not 0 < cast(float, number) <= 3600:
        raise ValueError("expected seconds above 0, at most 3600")
    return number


def _decimals(value: object) -> Value:
    text = value.strip() if isinstance(value, str) else value
    for count in range(7):
        if text == str(count) or (text == count and type(text) is int):
            return count
    raise ValueError("expected a whole number from 0 to 6")


def _unit(value: object) -> Value:
    if isinstance(value, str) and value in UNITS:
        return value
    raise ValueError(f"expected one of {', '.join(UNITS)}")


def _device(value: object) -> Value:
    if isinstance(value, str) and value.strip():
        return value.strip()
    raise ValueError("expected `simulator` or `tcp://HOST:PORT`")


_SECTIONS = ("safety", "connection", "display")
_KEYS: dict[str, Callable[[object], Value]] = {
    "safety.allow_writes": _boolean,
    "safety.dry_run": _boolean,
    "safety.setpoint_min": _number,
    "safety.setpoint_max": _number,
    "connection.device": _device,
    "connection.timeout_seconds": _duration,
    "display.unit": _unit,
    "display.decimals": _decimals,
}


def _convert(key: str, value: object, where: str) -> Value:
    try:
        return _KEYS[key](value)
    except ValueError as error:
        raise InvalidInputError(
            f"{where}: `{key}` is {value!r}, {error.args[0]}"
        ) from None


def _parse_yaml(text: str, where: str) -> dict[object, object]:
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark is not None else ""
        raise InvalidInputError(f"{where}: not valid YAML{line}") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise InvalidInputError(f"{where}: expected names with values")
    return document


def _section(
    section: str, entries: Mapping[object, object], where: str
) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for name, value in entries.items():
        key = f"{section}.{name}"
        if key not in _KEYS:
            known = [k.split(".")[1] for k in _KEYS if k.startswith(f"{section}.")]
            raise InvalidInputError(
                f"{where}: unknown setting `{key}`; known: {', '.join(known)}"
            )
        values[key] = _convert(key, value, where)
    return values


def _read_file(path: Path) -> dict[str, Value]:
    where = f"config `{path}`"
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InvalidInputError(f"{where}: not UTF-8") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a usable path"
        raise InvalidInputError(f"{where}: {reason}") from None
    values: dict[str, Value] = {}
    for section, entries in _parse_yaml(text, where).items():
        if section not in _SECTIONS:
            raise InvalidInputError(
                f"{where}: unknown section `{section}`; known: {', '.join(_SECTIONS)}"
            )
        if entries is None:
            continue
        if not isinstance(entries, dict):
            raise InvalidInputError(f"{where}: `{section}` must hold settings")
        values.update(_section(str(section), entries, where))
    return values


def _read_environment(environ: Mapping[str, str]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for key in _KEYS:
        variable = environment_variable(key)
        if environ.get(variable):
            values[key] = _convert(key, environ[variable], f"variable {variable}")
    return values


def _read_arguments(arguments: Mapping[str, object]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for key, value in arguments.items():
        if key not in _KEYS:
            raise InvalidInputError(f"unknown setting `{key}`")
        if value is not None:
            values[key] = _convert(key, value, "argument")
    return values


def _assemble(values: Mapping[str, Value], origins: Mapping[str, str]) -> Settings:
    safety = SafetySettings(
        allow_writes=bool(values["safety.allow_writes"]),
        dry_run=bool(values["safety.dry_run"]),
        setpoint_min=float(values["safety.setpoint_min"]),
        setpoint_max=float(values["safety.setpoint_max"]),
    )
    if safety.setpoint_min >= safety.setpoint_max:
        raise InvalidInputError(
            f"`safety.setpoint_min` {safety.setpoint_min:g} is not below "
            f"`safety.setpoint_max` {safety.setpoint_max:g}"
        )
    connection = ConnectionSettings(
        device=str(values["connection.device"]),
        timeout_seconds=float(values["connection.timeout_seconds"]),
    )
    display = DisplaySettings(
        unit=str(values["display.unit"]), decimals=int(values["display.decimals"])
    )
    return Settings(safety, connection, display, dict(origins))
