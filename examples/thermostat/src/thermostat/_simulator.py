"""A simulated instrument, in the process or behind a TCP port.

Deterministic: no clock and no chance, so that a test can name every value.
"""

from __future__ import annotations

import socketserver


class SimulatedDevice:
    """Warms towards its setpoint by a tenth of the distance at each reading."""

    def __init__(self) -> None:
        self._temperature = 21.0
        self._setpoint = 21.0

    def request(self, line: str) -> str:
        """Answers one line of the protocol."""
        match line.split():
            case ["GET", "temperature"]:
                self._temperature += (self._setpoint - self._temperature) / 10
                return f"VALUE {self._temperature:.3f}"
            case ["GET", "setpoint"]:
                return f"VALUE {self._setpoint:.3f}"
            case ["GET", "heater"]:
                distance = self._setpoint - self._temperature
                return f"VALUE {min(100.0, max(0.0, 10 * distance)):.3f}"
            case ["GET", "humidity"]:
                return "ERR unavailable"
            case ["SET", "setpoint", text]:
                try:
                    self._setpoint = float(text)
                except ValueError:
                    return "ERR value"
                return "OK"
        return "ERR unknown"

    def close(self) -> None:
        """Does nothing; there is nothing to let go of."""


class SimulatorServer(socketserver.TCPServer):
    """Serves one simulated device, one connection at a time."""

    allow_reuse_address = True

    def __init__(self, host: str, port: int) -> None:
        self.device = SimulatedDevice()
        super().__init__((host, port), _Handler)


class _Handler(socketserver.StreamRequestHandler):
    server: SimulatorServer
    timeout = 30

    def handle(self) -> None:
        try:
            while line := self.rfile.readline(256):
                answer = self.server.device.request(line.decode("ascii", "replace"))
                self.wfile.write(f"{answer}\n".encode("ascii"))
        except OSError:
            return
