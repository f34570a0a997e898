"""Ramps end on their target and stay within the limits."""

from __future__ import annotations

import unittest

from thermostat.config import SafetySettings
from thermostat.errors import InvalidInputError, PolicyError
from thermostat.trajectory import Point, plan_ramp

SAFETY = SafetySettings(
    allow_writes=False, dry_run=True, setpoint_min=4.0, setpoint_max=45.0
)


class RampTest(unittest.TestCase):
    def test_up_and_down(self) -> None:
        up = plan_ramp(20, 23, rate=1.5, safety=SAFETY)
        self.assertEqual([Point(0, 20), Point(60, 21.5), Point(120, 23)], up)
        down = plan_ramp(23, 20, rate=2, safety=SAFETY)
        self.assertEqual([Point(0, 23), Point(60, 21), Point(90, 20)], down)

    def test_already_there(self) -> None:
        self.assertEqual([Point(0, 20)], plan_ramp(20, 20, rate=1, safety=SAFETY))

    def test_limits(self) -> None:
        for start, target in ((20, 50), (0, 20)):
            with self.assertRaises(PolicyError):
                plan_ramp(start, target, rate=1, safety=SAFETY)

    def test_numbers_that_make_no_ramp(self) -> None:
        for rate, step in ((0, 60), (-1, 60), (1, 0), (1e-9, 60), (float("nan"), 60)):
            with self.subTest(rate=rate), self.assertRaises(InvalidInputError):
                plan_ramp(20, 30, rate=rate, safety=SAFETY, step_seconds=step)


if __name__ == "__main__":
    unittest.main()
