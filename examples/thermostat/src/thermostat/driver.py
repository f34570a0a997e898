"""The instrument: reads its parameters, changes them only as policy allows.

Knows nothing of sockets or files: a link carries lines, `SafetySettings` decide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from thermostat.config import SafetySettings
from thermostat.errors import (
    ConnectionFailedError,
    InvalidInputError,
    PolicyError,
    UnavailableError,
)

__all__ = ["PARAMETERS", "Change", "Link", "Parameter", "Reading", "Thermostat"]


@dataclass(frozen=True)
class Parameter:
    """Something the instrument may know."""

    name: str
    unit: str
    writable: bool = False


PARAMETERS: dict[str, Parameter] = {
    parameter.name: parameter
    for parameter in (
        Parameter("temperature", "celsius"),
        Parameter("setpoint", "celsius", writable=True),
        Parameter("heater", "percent"),
        Parameter("humidity", "percent"),
    )
}


@dataclass(frozen=True)
class Reading:
    """One value as the instrument gave it."""

    parameter: str
    value: float
    unit: str


@dataclass(frozen=True)
class Change:
    """What a write did, or would have done when `applied` is false."""

    parameter: str
    before: float
    after: float
    unit: str
    applied: bool


class Link(Protocol):
    """Carries one line to the instrument and its answer back."""

    def request(self, line: str) -> str:
        """Returns the answer without its line end."""

    def close(self) -> None:
        """Lets go of the instrument."""


class Thermostat:
    """A connected thermostat; close it, or use it in a `with` statement."""

    def __init__(self, link: Link, safety: SafetySettings) -> None:
        self._link = link
        self._safety = safety

    def __enter__(self) -> Thermostat:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the instrument."""
        self._link.close()

    def read(self, parameter: str) -> Reading:
        """Reads one parameter."""
        known = _parameter(parameter)
        word, _, rest = self._link.request(f"GET {known.name}").partition(" ")
        if word != "VALUE":
            raise _refusal(known.name, word, rest)
        try:
            value = float(rest)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise ConnectionFailedError(f"instrument sent {rest!r} as a value")
        return Reading(known.name, value, known.unit)

    def read_all(self) -> list[Reading]:
        """Reads every parameter that is fitted."""
        readings = []
        for name in PARAMETERS:
            try:
                readings.append(self.read(name))
            except UnavailableError:
                continue
        return readings

    def write(self, parameter: str, value: float) -> Change:
        """Changes one parameter, or only says what would change in a dry run."""
        known = _parameter(parameter)
        if not math.isfinite(value):
            raise InvalidInputError(f"`{value}` is not a finite number")
        if not known.writable:
            raise InvalidInputError(f"parameter `{known.name}` is read-only")
        if not self._safety.allow_writes:
            raise PolicyError(
                f"writes are not allowed; `{known.name}` stays as it is "
                "(setting `safety.allow_writes`)"
            )
        check_setpoint(value, self._safety)
        before = self.read(known.name).value
        if not self._safety.dry_run:
            answer = self._link.request(f"SET {known.name} {value:.3f}")
            word, _, rest = answer.partition(" ")
            if word != "OK":
                raise _refusal(known.name, word, rest)
        applied = not self._safety.dry_run
        return Change(known.name, before, value, known.unit, applied)


def check_setpoint(value: float, safety: SafetySettings) -> None:
    """Refuses a setpoint outside the limits."""
    if not safety.setpoint_min <= value <= safety.setpoint_max:
        raise PolicyError(
            f"setpoint {value:g} is outside {safety.setpoint_min:g} to "
            f"{safety.setpoint_max:g} celsius"
        )


def _parameter(name: str) -> Parameter:
    try:
        return PARAMETERS[name]
    except KeyError:
        known = ", ".join(PARAMETERS)
        raise InvalidInputError(f"unknown parameter {name!r}; known: {known}") from None


def _refusal(
    parameter: str, word: str, rest: str
) -> UnavailableError | ConnectionFailedError:
    if (word, rest) == ("ERR", "unavailable"):
        return UnavailableError(f"`{parameter}` is not fitted on this instrument")
    return ConnectionFailedError(f"instrument answered {f'{word} {rest}'.strip()!r}")
