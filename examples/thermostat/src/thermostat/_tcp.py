"""The line protocol over TCP; every failure of the network is one error class."""

from __future__ import annotations

import socket

from thermostat.errors import ConnectionFailedError

_LONGEST_ANSWER = 256


class TcpLink:
    """A connection to an instrument at a host and port."""

    def __init__(self, host: str, port: int, timeout_seconds: float) -> None:
        self._name = f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"
        try:
            self._socket = socket.create_connection((host, port), timeout_seconds)
        except (OSError, UnicodeError) as error:
            raise ConnectionFailedError(
                f"cannot reach {self._name}: {_reason(error)}"
            ) from error
        self._reader = self._socket.makefile("rb")

    def request(self, line: str) -> str:
        """Sends one line and returns the answer without its line end."""
        try:
            self._socket.sendall(f"{line}\n".encode("ascii"))
            answer = self._reader.readline(_LONGEST_ANSWER)
        except OSError as error:
            raise ConnectionFailedError(
                f"lost {self._name}: {_reason(error)}"
            ) from error
        if not answer.endswith(b"\n"):
            raise ConnectionFailedError(
                f"{self._name} ended in the middle of an answer"
            )
        return answer.decode("ascii", "replace").strip()

    def close(self) -> None:
        """Closes the connection."""
        self._reader.close()
        self._socket.close()


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return "not a usable address"
