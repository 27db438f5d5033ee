"""The only source of time, so that tests can control it.

Nothing else in the package calls `time` or sleeps.

The wall clock may be wrong, and steps when somebody or a time server corrects it. It is for dates that people or Kling
see. Waits of this process are measured on the monotonic clock. What is decided by a time that was stored, perhaps by
another process, counts on a `Timeline`, which never steps.
"""

from __future__ import annotations

import math
import secrets
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import anyio

_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Timeline:
    """How a process counts: by the seconds since its computer was started, to which it gives dates once and for all.

    Attributes:
        boot: names this start of this computer; where the system has no such name, it names the process alone.
        began: when the computer was started, in seconds since 1970, by the wall clock of when the process began.
    """

    boot: str
    began: float

    def __str__(self) -> str:
        """As it is stored beside times that are counted so."""
        return f"{self.boot} {self.began!r}"

    @classmethod
    def parse(cls, text: str) -> Timeline | None:
        """A stored one; None if it cannot be read."""
        boot, _, began = text.partition(" ")
        try:
            return cls(boot, float(began)) if boot and math.isfinite(float(began)) else None
        except ValueError:
            return None


class Clock(Protocol):
    """Reads the time and sleeps."""

    @property
    def timeline(self) -> Timeline:
        """On what `steady` counts; always the same."""
        ...

    def wall(self) -> float:
        """Seconds since 1970, UTC, as the computer has it just now; may step."""
        ...

    def steady(self) -> float:
        """Seconds since 1970 on `timeline`; goes on while the computer sleeps, and never steps."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let other tasks run for `seconds`."""
        ...


class SystemClock:
    """The real clock."""

    def __init__(self) -> None:
        self._timeline = Timeline(boot_id() or f"process-{secrets.token_hex(8)}", time.time() - _since_boot())

    @property
    def timeline(self) -> Timeline:
        return self._timeline

    def wall(self) -> float:
        return time.time()

    def steady(self) -> float:
        return self._timeline.began + _since_boot()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(max(0.0, seconds))


def boot_id(file: Path = _BOOT) -> str:
    """Names this computer since it was started, as no other one is called; "" where the system has no such name."""
    try:
        return file.read_text("ascii").strip().replace("-", "")
    except (OSError, ValueError):
        return ""


def _since_boot() -> float:
    """Seconds, sleep included as far as the system counts it."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)  # noqa: TID251 - behind its guard
    if sys.platform == "darwin":  # where the clock of `time.monotonic` stops with the computer
        return time.clock_gettime(time.CLOCK_MONOTONIC)  # noqa: TID251 - behind its guard
    return time.monotonic()


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
