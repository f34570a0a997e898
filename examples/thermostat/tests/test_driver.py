"""Reading and writing, against the simulator in the process and over TCP."""

from __future__ import annotations

import dataclasses
import socket
import threading
import unittest

from thermostat._simulator import SimulatedDevice, SimulatorServer
from thermostat.client import create_client
from thermostat.config import SafetySettings, load_settings
from thermostat.driver import Thermostat
from thermostat.errors import (
    ConnectionFailedError,
    InvalidInputError,
    PolicyError,
    UnavailableError,
)

LOCKED = SafetySettings(
    allow_writes=False, dry_run=True, setpoint_min=4.0, setpoint_max=45.0
)
REHEARSED = dataclasses.replace(LOCKED, allow_writes=True)
OPEN = dataclasses.replace(REHEARSED, dry_run=False)


class Scripted:
    """Answers the same line to everything, and remembers what was asked."""

    def __init__(self, answer: str) -> None:
        self.answer = answer
        self.asked: list[str] = []
        self.closed = False

    def request(self, line: str) -> str:
        self.asked.append(line)
        return self.answer

    def close(self) -> None:
        self.closed = True


class ReadTest(unittest.TestCase):
    def test_reads_what_is_fitted(self) -> None:
        readings = Thermostat(SimulatedDevice(), LOCKED).read_all()
        names = [reading.parameter for reading in readings]
        self.assertEqual(["temperature", "setpoint", "heater"], names)
        self.assertEqual((21.0, "celsius"), (readings[0].value, readings[0].unit))

    def test_unknown_is_refused_before_the_instrument_is_asked(self) -> None:
        link = Scripted("VALUE 1")
        for name in ("nosuch", "Temperature", "", "temperature\nSET setpoint 40"):
            with self.subTest(name=name), self.assertRaises(InvalidInputError):
                Thermostat(link, LOCKED).read(name)
        self.assertEqual([], link.asked)

    def test_a_sensor_that_is_not_fitted(self) -> None:
        with self.assertRaisesRegex(UnavailableError, "`humidity` is not fitted"):
            Thermostat(SimulatedDevice(), LOCKED).read("humidity")

    def test_an_answer_out_of_protocol(self) -> None:
        for answer in ("", "VALUE", "VALUE warm", "VALUE nan", "ERR unknown", "?"):
            with self.subTest(answer=answer), self.assertRaises(ConnectionFailedError):
                Thermostat(Scripted(answer), LOCKED).read("temperature")

    def test_with_closes_the_link(self) -> None:
        link = Scripted("VALUE 1")
        with Thermostat(link, LOCKED) as thermostat:
            thermostat.read("heater")
            self.assertFalse(link.closed)
        self.assertTrue(link.closed)


class WriteTest(unittest.TestCase):
    def test_refused_by_policy_and_nothing_sent(self) -> None:
        link = Scripted("OK")
        with self.assertRaisesRegex(PolicyError, "writes are not allowed"):
            Thermostat(link, LOCKED).write("setpoint", 25.0)
        self.assertEqual([], link.asked)

    def test_dry_run_sends_no_change(self) -> None:
        device = SimulatedDevice()
        thermostat = Thermostat(device, REHEARSED)
        change = thermostat.write("setpoint", 25.0)
        self.assertEqual(
            (21.0, 25.0, False), (change.before, change.after, change.applied)
        )
        self.assertEqual(21.0, thermostat.read("setpoint").value)

    def test_write_changes_the_instrument(self) -> None:
        thermostat = Thermostat(SimulatedDevice(), OPEN)
        self.assertTrue(thermostat.write("setpoint", 25.0).applied)
        self.assertEqual(25.0, thermostat.read("setpoint").value)
        self.assertEqual(40.0, thermostat.read("heater").value)
        self.assertEqual(21.4, thermostat.read("temperature").value)

    def test_limits_hold_however_open_the_policy(self) -> None:
        device = SimulatedDevice()
        for value in (3.9, 45.1, -300.0, 1e9):
            with self.subTest(value=value), self.assertRaises(PolicyError):
                Thermostat(device, OPEN).write("setpoint", value)
        self.assertEqual("VALUE 21.000", device.request("GET setpoint"))

    def test_input_that_makes_no_sense(self) -> None:
        thermostat = Thermostat(SimulatedDevice(), OPEN)
        for name, value in (
            ("setpoint", float("nan")),
            ("setpoint", float("inf")),
            ("temperature", 20.0),
            ("nosuch", 20.0),
        ):
            with self.subTest(name=name), self.assertRaises(InvalidInputError):
                thermostat.write(name, value)


class TcpTest(unittest.TestCase):
    def connect(self, device: str) -> Thermostat:
        arguments = {
            "connection.device": device,
            "connection.timeout_seconds": 0.5,
            "safety.allow_writes": True,
            "safety.dry_run": False,
        }
        return create_client(load_settings(arguments=arguments, environ={}))

    def serve_once(self, answer: bytes) -> str:
        """Answers one request with these bytes and hangs up."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def answer_one() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(256)
                connection.sendall(answer)

        thread = threading.Thread(target=answer_one)
        thread.start()
        self.addCleanup(thread.join)
        return f"tcp://127.0.0.1:{listener.getsockname()[1]}"

    def test_round_trip(self) -> None:
        with SimulatorServer("127.0.0.1", 0) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            try:
                port = server.server_address[1]
                with self.connect(f"tcp://127.0.0.1:{port}") as thermostat:
                    thermostat.write("setpoint", 30.5)
                with self.connect(f"tcp://127.0.0.1:{port}") as thermostat:
                    self.assertEqual(30.5, thermostat.read("setpoint").value)
                    with self.assertRaises(UnavailableError):
                        thermostat.read("humidity")
            finally:
                server.shutdown()
                thread.join()

    def test_nothing_listens(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        with self.assertRaisesRegex(ConnectionFailedError, "cannot reach tcp://127"):
            self.connect(f"tcp://127.0.0.1:{port}")

    def test_connection_ends_in_the_middle_of_an_answer(self) -> None:
        for answer in (b"", b"VALUE 2", b"VALUE " + b"1" * 300 + b"\n"):
            with self.subTest(answer=answer):
                thermostat = self.connect(self.serve_once(answer))
                self.addCleanup(thermostat.close)
                with self.assertRaises(ConnectionFailedError):
                    thermostat.read("temperature")

    def test_an_instrument_that_stays_silent(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            thermostat = self.connect(f"tcp://127.0.0.1:{port}")
            self.addCleanup(thermostat.close)
            with self.assertRaisesRegex(ConnectionFailedError, "in time"):
                thermostat.read("temperature")

    def test_device_that_is_no_address(self) -> None:
        for device in (
            "simulato",
            "tcp://",
            "tcp://host",
            "tcp://host:port",
            "tcp://host:99999",
            "tcp://host:1/path",
            "http://host:1",
            "tcp://[::1",
        ):
            with self.subTest(device=device), self.assertRaises(InvalidInputError):
                self.connect(device)


if __name__ == "__main__":
    unittest.main()
