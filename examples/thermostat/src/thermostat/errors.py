"""What can go wrong, in four classes; each class has one exit code."""

from __future__ import annotations

from typing import ClassVar


class ThermostatError(Exception):
    """Anything this package refuses or fails to do."""

    error_class: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1


class InvalidInputError(ThermostatError):
    """The caller, a variable or a configuration file said something wrong."""

    error_class = "invalid-input"
    exit_code = 3


class ConnectionFailedError(ThermostatError):
    """The instrument cannot be reached, or stopped talking sense."""

    error_class = "connection"
    exit_code = 4


class PolicyError(ThermostatError):
    """The safety settings forbid it."""

    error_class = "policy"
    exit_code = 5


class UnavailableError(ThermostatError):
    """Known, but this instrument or this machine does not have it."""

    error_class = "unavailable"
    exit_code = 6


ERROR_CLASSES: tuple[type[ThermostatError], ...] = (
    InvalidInputError,
    ConnectionFailedError,
    PolicyError,
    UnavailableError,
)
