"""From settings to a connected thermostat."""

from __future__ import annotations

from urllib.parse import urlsplit

from thermostat._simulator import SimulatedDevice
from thermostat._tcp import TcpLink
from thermostat.config import Settings, load_settings
from thermostat.driver import Link, Thermostat
from thermostat.errors import InvalidInputError

__all__ = ["create_client"]


def create_client(settings: Settings | None = None) -> Thermostat:
    """Connects to the device of the settings, by default those of this machine."""
    settings = load_settings() if settings is None else settings
    return Thermostat(_open_link(settings), settings.safety)


def _open_link(settings: Settings) -> Link:
    device = settings.connection.device
    if device == "simulator":
        return SimulatedDevice()
    host, port = parse_tcp(device)
    return TcpLink(host, port, settings.connection.timeout_seconds)


def parse_tcp(device: str) -> tuple[str, int]:
    """Splits `tcp://HOST:PORT`."""
    try:
        parts = urlsplit(device)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    else:
        if parts.scheme != "tcp" or parts.path or parts.query or parts.username:
            host = None
    if not host or port is None:
        raise InvalidInputError(
            f"device {device!r} is neither `simulator` nor `tcp://HOST:PORT`"
        )
    return host, port
