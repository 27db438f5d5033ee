"""The real clock, and Kling's milliseconds as people read them."""

from __future__ import annotations

import time

import pytest

from kling_mcp.concurrency.clock import SystemClock, iso_utc


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [
        (1780000000000, "2026-05-28T20:26:40.000Z"),
        (1780000000007, "2026-05-28T20:26:40.007Z"),
        (1, "1970-01-01T00:00:00.001Z"),
        (0, ""),
        (-5, ""),
        (10**18, ""),
        (10**400, ""),
    ],
)
def test_milliseconds_become_a_moment_in_utc(milliseconds: int, shown: str) -> None:
    assert iso_utc(milliseconds) == shown


@pytest.mark.anyio
@pytest.mark.parametrize("seconds", [0.0, -1.0, 0.001])
async def test_the_system_clock_is_the_systems(seconds: float) -> None:
    clock = SystemClock()
    assert abs(clock.wall() - time.time()) < 5
    before = clock.monotonic()
    await clock.sleep(seconds)
    assert clock.monotonic() >= before
