"""The real clock, and Kling's milliseconds as people read them."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_mcp.concurrency.clock import SystemClock, Timeline, boot_id, iso_utc

HAS_BOOT_ID = Path("/proc/sys/kernel/random/boot_id").exists()


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


def test_steady_time_begins_with_the_wall_clock_and_goes_on_by_itself() -> None:
    clock = SystemClock()
    before = clock.steady()
    assert abs(before - time.time()) < 5
    assert clock.steady() >= before
    assert clock.timeline.began < before


@pytest.mark.skipif(not HAS_BOOT_ID, reason="needs a system that names its starts")
def test_two_processes_of_one_computer_count_from_the_same_start() -> None:
    program = "from kling_mcp.concurrency.clock import SystemClock; print(SystemClock().timeline)"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    theirs, ours = Timeline.parse(told.strip()), SystemClock().timeline
    assert theirs is not None
    assert theirs.boot == ours.boot
    assert abs(theirs.began - ours.began) < 5


def test_start_without_a_name_has_none(tmp_path: Path) -> None:
    assert boot_id(tmp_path / "none") == ""
    (tmp_path / "id").write_text("6c3b-11\n")
    assert boot_id(tmp_path / "id") == "6c3b11"


@given(boot=st.text("abcdef0123456789-", min_size=1), began=st.floats(allow_nan=False, allow_infinity=False))
def test_timeline_is_read_as_it_was_written(boot: str, began: float) -> None:
    timeline = Timeline(boot, began)
    assert Timeline.parse(str(timeline)) == timeline
