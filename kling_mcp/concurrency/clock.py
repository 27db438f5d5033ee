"""The only source of time, so that tests can control it.

Nothing else in the package calls `time` or sleeps.
"""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from typing import Protocol

import anyio


class Clock(Protocol):
    """Reads the time and sleeps."""

    def wall(self) -> float:
        """Seconds since 1970, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let other tasks run for `seconds`."""
        ...


class SystemClock:
    """The real clock."""

    def wall(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(max(0.0, seconds))


def iso_utc(milliseconds: int) -> str:
    """Kling's Unix milliseconds as ISO 8601 in UTC with milliseconds; "" for 0 or less or out of range."""
    if milliseconds <= 0:
        return ""
    try:
        moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return ""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def format_duration(seconds: float) -> str:
    """A time to wait, rounded up: seconds, minutes or hours, whichever reads best."""
    for unit, size in (("second", 1), ("minute", 60)):
        if (count := math.ceil(seconds / size)) < 120:
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{math.ceil(seconds / 3600)} hours"
