"""`thermctl`: arguments in, data on stdout, one line on stderr when it fails.

Exit codes: 0 done, 2 wrong usage, and one for each class in `thermostat.errors`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import NoReturn

from thermostat import __version__, journal
from thermostat._simulator import SimulatorServer
from thermostat.client import create_client, parse_tcp
from thermostat.config import (
    UNITS,
    DisplaySettings,
    Settings,
    load_settings,
    packaged_defaults,
    settings_by_section,
    write_settings,
)
from thermostat.driver import PARAMETERS, Reading
from thermostat.errors import (
    ERROR_CLASSES,
    InvalidInputError,
    ThermostatError,
    UnavailableError,
)
from thermostat.trajectory import plan_ramp


class Parser(argparse.ArgumentParser):
    """Reports wrong usage in one line, as every other error."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"thermctl: usage: {message}; see `{self.prog} --help`\n")


def build_parser() -> argparse.ArgumentParser:
    """Describes every command and option."""
    output = Parser(add_help=False)
    output.add_argument("--json", action="store_true", help="print one JSON document")

    settings = Parser(add_help=False)
    group = settings.add_argument_group("settings")
    group.add_argument("--config", metavar="FILE", help="settings file (YAML)")
    group.add_argument("--device", help="`simulator` or `tcp://HOST:PORT`")
    group.add_argument("--timeout-seconds", metavar="SECONDS")
    group.add_argument("--unit", choices=UNITS, help="unit of shown temperatures")
    group.add_argument("--decimals", metavar="COUNT")
    group.add_argument("--allow-writes", action=argparse.BooleanOptionalAction)
    group.add_argument("--dry-run", action=argparse.BooleanOptionalAction)

    parser = Parser(
        prog="thermctl",
        description="Read and, when allowed, steer a laboratory thermostat.",
        epilog="exit codes: 0 done, 2 wrong usage, 3 invalid input, "
        "4 connection, 5 refused by policy, 6 unavailable",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version", action="version", version=f"thermctl {__version__}"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    commands.add_parser(
        "capabilities",
        help="say what this program can do, and its packaged defaults",
        parents=[output],
        allow_abbrev=False,
    )

    get = commands.add_parser(
        "get",
        help="read one parameter",
        parents=[output, settings],
        allow_abbrev=False,
    )
    get.add_argument("parameter", metavar="PARAMETER")

    read = commands.add_parser(
        "read",
        help="read several parameters",
        parents=[output, settings],
        allow_abbrev=False,
    )
    read.add_argument("parameters", metavar="PARAMETER", nargs="*")
    read.add_argument("--all", action="store_true", help="everything that is fitted")
    read.add_argument("--record", action="store_true", help="append to the journal")

    change = commands.add_parser(
        "set",
        help="change one parameter, when writes are allowed",
        parents=[output, settings],
        allow_abbrev=False,
    )
    change.add_argument("parameter", metavar="PARAMETER")
    change.add_argument("value", metavar="VALUE")

    plan = commands.add_parser(
        "plan",
        help="plan a temperature ramp (provisional)",
        parents=[output, settings],
        allow_abbrev=False,
    )
    plan.add_argument("start", metavar="START", help="degrees Celsius")
    plan.add_argument("target", metavar="TARGET", help="degrees Celsius")
    plan.add_argument("--rate", required=True, help="degrees a minute")

    history = commands.add_parser(
        "history",
        help="show recorded readings",
        parents=[output],
        allow_abbrev=False,
    )
    history.add_argument("--parameter", metavar="PARAMETER")

    config = commands.add_parser("config", help="show or save the settings in force")
    actions = config.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser(
        "show",
        help="every setting, and where its value came from",
        parents=[output, settings],
        allow_abbrev=False,
    )
    save = actions.add_parser(
        "save",
        help="write the settings in force to a file",
        parents=[settings],
        allow_abbrev=False,
    )
    save.add_argument("file", metavar="FILE")
    save.add_argument("--force", action="store_true", help="replace the file")

    simulate = commands.add_parser(
        "simulate", help="serve a simulated instrument over TCP", allow_abbrev=False
    )
    simulate.add_argument("--bind", metavar="HOST:PORT", default="127.0.0.1:4077")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs `thermctl` and returns its exit code."""
    options = build_parser().parse_args(arguments)
    try:
        _run(options)
    except ThermostatError as error:
        reason = " ".join(str(error).splitlines())
        print(f"thermctl: {error.error_class}: {reason}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


def _run(options: argparse.Namespace) -> None:
    match options.command:
        case "capabilities":
            _capabilities(options)
        case "get":
            _get(options)
        case "read":
            _read(options)
        case "set":
            _set(options)
        case "plan":
            _plan(options)
        case "history":
            _history(options)
        case "config" if options.action == "show":
            _config_show(options)
        case "config":
            write_settings(
                _settings(options), Path(options.file), replace=options.force
            )
        case "simulate":
            _simulate(options.bind)


def _capabilities(options: argparse.Namespace) -> None:
    defaults = {key.split(".")[1]: value for key, value in packaged_defaults().items()}
    document = {
        "version": __version__,
        "commands": _command_names(build_parser()),
        "parameters": {
            parameter.name: {"unit": parameter.unit, "writable": parameter.writable}
            for parameter in PARAMETERS.values()
        },
        "defaults": defaults,
        "exit_codes": {kind.error_class: kind.exit_code for kind in ERROR_CLASSES},
    }
    text = [f"thermctl {__version__}"]
    text += [f"command    {name}" for name in _command_names(build_parser())]
    text += [f"parameter  {name}" for name in PARAMETERS]
    text += [f"default    {key}={json.dumps(value)}" for key, value in defaults.items()]
    _print(options, "capabilities", document, text)


def _get(options: argparse.Namespace) -> None:
    settings = _settings(options)
    with create_client(settings) as thermostat:
        reading = _shown(thermostat.read(options.parameter), settings.display)
    _print(options, "reading", _as_json(reading), [_as_text(reading, settings)])


def _read(options: argparse.Namespace) -> None:
    if options.all == bool(options.parameters):
        raise InvalidInputError("name parameters, or pass --all")
    settings = _settings(options)
    with create_client(settings) as thermostat:
        if options.all:
            readings = thermostat.read_all()
        else:
            readings = [thermostat.read(name) for name in options.parameters]
    if options.record:
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        journal.append(journal.journal_path(os.environ), now, readings)
    shown = [_shown(reading, settings.display) for reading in readings]
    document = {
        "device": settings.connection.device,
        "readings": [_as_json(reading) for reading in shown],
    }
    _print(options, "readings", document, [_as_text(r, settings) for r in shown])


def _set(options: argparse.Namespace) -> None:
    settings = _settings(options)
    value = _number("VALUE", options.value)
    with create_client(settings) as thermostat:
        change = thermostat.write(options.parameter, value)
    document = {
        "parameter": change.parameter,
        "before": change.before,
        "after": change.after,
        "unit": change.unit,
        "applied": change.applied,
    }
    verb = "changed" if change.applied else "would change"
    line = f"{verb} {change.parameter} from {change.before:g} to {change.after:g}"
    _print(options, "change", document, [f"{line} {change.unit}"])


def _plan(options: argparse.Namespace) -> None:
    points = plan_ramp(
        _number("START", options.start),
        _number("TARGET", options.target),
        rate=_number("--rate", options.rate),
        safety=_settings(options).safety,
    )
    document = {
        "unit": "celsius",
        "points": [{"seconds": p.seconds, "setpoint": p.setpoint} for p in points],
    }
    text = [f"{p.seconds:10.1f} s  {p.setpoint:8.3f} celsius" for p in points]
    _print(options, "plan", document, text)


def _history(options: argparse.Namespace) -> None:
    wanted = options.parameter
    if wanted is not None and wanted not in PARAMETERS:
        raise InvalidInputError(f"unknown parameter {wanted!r}")
    found = [
        entry
        for entry in journal.entries(journal.journal_path(os.environ))
        if wanted in (None, entry["parameter"])
    ]
    text = [
        f"{e['time']}  {e['parameter']} {e.get('value')} {e.get('unit')}" for e in found
    ]
    _print(options, "history", {"readings": found}, text)


def _config_show(options: argparse.Namespace) -> None:
    settings = _settings(options)
    values = settings_by_section(settings)
    origins: dict[str, dict[str, str]] = {section: {} for section in values}
    text = []
    for key, origin in settings.origins.items():
        section, name = key.split(".")
        origins[section][name] = origin
        text.append(f"{key} = {json.dumps(values[section][name])}  ({origin})")
    _print(options, "config", {"values": values, "origins": origins}, text)


def _simulate(bind: str) -> None:
    host, port = parse_tcp(f"tcp://{bind}")
    try:
        server = SimulatorServer(host, port)
    except OSError as error:
        reason = (error.strerror or "not a usable address").lower()
        raise UnavailableError(f"cannot listen on {bind}: {reason}") from error
    with server:
        bound_host, bound_port = server.server_address[:2]
        print(f"serving tcp://{bound_host!s}:{bound_port}", flush=True)
        server.serve_forever()


def _settings(options: argparse.Namespace) -> Settings:
    return load_settings(
        options.config,
        arguments={
            "connection.device": options.device,
            "connection.timeout_seconds": options.timeout_seconds,
            "display.unit": options.unit,
            "display.decimals": options.decimals,
            "safety.allow_writes": options.allow_writes,
            "safety.dry_run": options.dry_run,
        },
    )


def _command_names(parser: argparse.ArgumentParser) -> list[str]:
    names: list[str] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, child in action.choices.items():
                below = _command_names(child)
                names += [f"{name} {rest}" for rest in below] or [name]
    return names


def _number(what: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidInputError(f"{what} is {text!r}, expected a number") from None


def _shown(reading: Reading, display: DisplaySettings) -> Reading:
    value, unit = reading.value, reading.unit
    if unit == "celsius":
        unit = display.unit
        if unit == "kelvin":
            value += 273.15
        elif unit == "fahrenheit":
            value = value * 9 / 5 + 32
    return Reading(reading.parameter, round(value, display.decimals), unit)


def _as_json(reading: Reading) -> dict[str, object]:
    return {
        "parameter": reading.parameter,
        "value": reading.value,
        "unit": reading.unit,
    }


def _as_text(reading: Reading, settings: Settings) -> str:
    digits = settings.display.decimals
    return f"{reading.parameter:<12}{reading.value:10.{digits}f} {reading.unit}"


def _print(
    options: argparse.Namespace,
    name: str,
    document: Mapping[str, object],
    text: Sequence[str],
) -> None:
    if options.json:
        print(json.dumps({"schema": f"thermostat.{name}/1", **document}, indent=2))
    else:
        for line in text:
            print(line)
