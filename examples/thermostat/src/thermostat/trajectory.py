"""Temperature ramps. Provisional: names here may change in any release.

Only computes; following a ramp is the caller's loop over `Thermostat.write`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from thermostat.config import SafetySettings
from thermostat.driver import check_setpoint
from thermostat.errors import InvalidInputError

__all__ = ["Point", "plan_ramp"]

_MOST_POINTS = 100_000


@dataclass(frozen=True)
class Point:
    """A setpoint and when to send it, counted from the start."""

    seconds: float
    setpoint: float


def plan_ramp(
    start: float,
    target: float,
    *,
    rate: float,
    safety: SafetySettings,
    step_seconds: float = 60.0,
) -> list[Point]:
    """Plans a ramp of `rate` degrees a minute, ending exactly on the target."""
    if not all(map(math.isfinite, (start, target, rate, step_seconds))):
        raise InvalidInputError("a ramp needs finite numbers")
    if rate <= 0 or step_seconds <= 0:
        raise InvalidInputError("rate and step of a ramp must be above 0")
    check_setpoint(start, safety)
    check_setpoint(target, safety)
    duration = abs(target - start) / rate * 60
    steps = duration / step_seconds
    if steps > _MOST_POINTS:
        raise InvalidInputError(f"ramp needs more than {_MOST_POINTS} points")
    points = [
        Point(step * step_seconds, start + (target - start) * step / steps)
        for step in range(math.ceil(steps))
    ]
    return [*points, Point(duration, target)]
