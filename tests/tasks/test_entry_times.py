"""The times of an entry as another process reads them, whatever the wall clocks of both have shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from virtual_time import VirtualClock

from kling_mcp.tasks import entry_times
from kling_mcp.tasks.entry import LEASE_SECONDS, LONGEST_SETTLING, JournalEntry
from kling_mcp.tasks.entry_times import EntryTimes

if TYPE_CHECKING:
    from kling_mcp.store import Row

pytestmark = pytest.mark.anyio

HOUR = 3600.0
OLD_VERSION = ""  # what stands in rows of versions that only knew the wall clock

Write = Callable[..., "Row"]


@pytest.fixture
def clock() -> VirtualClock:
    """Of the process that reads; its wall clock is right."""
    return VirtualClock(boot="here")


@pytest.fixture
def times(clock: VirtualClock) -> EntryTimes:
    return EntryTimes(clock)


def write(*, boot: str = "here", error: float = 0.0, name: str = "one") -> Row:
    """The row of a request that another process sends just now, and that has 30 seconds yet to arrive."""
    clock = VirtualClock(boot=boot, error=error)
    now = clock.steady()
    entry = JournalEntry("an account", name, "element", "key", 1, "key", "Mia", "sending")
    entry = replace(entry, lease_until=now + 8, settles_at=now + 30, sent_at=now - 2, updated_at=now)
    return EntryTimes(clock).to_row(entry)


def waits(entry: JournalEntry, clock: VirtualClock) -> tuple[float, float]:
    """Seconds until the lease ends, and until the request has settled."""
    return round(entry.lease_until - clock.steady(), 3), round(entry.settles_at - clock.steady(), 3)


class TestSameComputer:
    async def test_times_of_this_process_are_as_they_were_written(self, times: EntryTimes, clock: VirtualClock) -> None:
        row = write()
        clock.error = HOUR
        await clock.sleep(5)
        assert times.to_row(times.read(row)) == row
        assert waits(times.read(row), clock) == (3, 25)

    async def test_clock_that_was_behind_shortens_no_wait(self, times: EntryTimes, clock: VirtualClock) -> None:
        row = write(error=-HOUR)
        await clock.sleep(5)
        entry = times.read(row)
        assert waits(entry, clock) == (3, 25)
        assert (entry.sent_at, entry.updated_at) == (clock.steady() - 7, clock.steady() - 5)

    async def test_clock_that_was_ahead_prolongs_a_wait_by_no_more_than_the_time_to_the_first_look(
        self, times: EntryTimes, clock: VirtualClock
    ) -> None:
        row = write(error=HOUR)
        await clock.sleep(5)
        assert waits(times.read(row), clock) == (8, 30)
        await clock.sleep(5)
        assert waits(times.read(row), clock) == (3, 25)


@pytest.mark.parametrize("error", [-HOUR, 0.0, HOUR])
class TestUnrelatedClocks:
    async def test_wait_begins_with_the_first_look(self, times: EntryTimes, clock: VirtualClock, error: float) -> None:
        row = write(boot="there", error=error)
        await clock.sleep(100)
        assert waits(times.read(row), clock) == (8, 30)
        await clock.sleep(20)
        assert waits(times.read(row), clock) == (-12, 10)

    async def test_lease_of_a_refused_request_ends_as_well(
        self, times: EntryTimes, clock: VirtualClock, error: float
    ) -> None:
        row = {**write(boot="there", error=error), "state": "refused"}
        times.read(row)
        await clock.sleep(20)
        assert waits(times.read(row), clock)[0] == -12

    async def test_renewed_lease_is_another_look(self, times: EntryTimes, clock: VirtualClock, error: float) -> None:
        row = dict(write(boot="there", error=error))
        times.read(row)
        await clock.sleep(5)
        row["lease_until"] += 5
        assert waits(times.read(row), clock)[0] == LEASE_SECONDS

    async def test_row_of_an_earlier_version_is_unrelated(
        self, times: EntryTimes, clock: VirtualClock, error: float
    ) -> None:
        row = {**write(error=error), "timeline": OLD_VERSION}
        await clock.sleep(100)
        assert waits(times.read(row), clock) == (8, 30)

    @pytest.mark.parametrize("timeline", ["here", "here nan", "here x", " 5.0", "here inf"])
    async def test_timeline_that_cannot_be_read_is_unrelated(
        self, times: EntryTimes, clock: VirtualClock, error: float, timeline: str
    ) -> None:
        row = {**write(error=error), "timeline": timeline}
        await clock.sleep(100)
        assert waits(times.read(row), clock) == (8, 30)


@pytest.mark.parametrize("boot", ["here", "there"])
async def test_wait_never_takes_longer_than_the_longest(times: EntryTimes, clock: VirtualClock, boot: str) -> None:
    row = dict(write(boot=boot, error=1.0))
    row["lease_until"] += HOUR
    row["settles_at"] += HOUR
    assert waits(times.read(row), clock) == (LEASE_SECONDS, LONGEST_SETTLING)


async def test_entry_without_waits_has_none(times: EntryTimes) -> None:
    row = {**write(boot="there"), "lease_until": 0.0, "settles_at": 0.0, "sent_at": 0.0}
    entry = times.read(row)
    assert (entry.lease_until, entry.settles_at, entry.sent_at) == (0.0, 0.0, 0.0)


async def test_memory_of_looks_has_an_end(
    times: EntryTimes, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is looked at again and again stays."""
    monkeypatch.setattr(entry_times, "MAX_LOOKS", 3)
    watched = write(boot="there")
    for number in range(10):
        times.read(watched)
        times.read(write(boot="there", name=f"{number}"))
        await clock.sleep(1)
    assert waits(times.read(watched), clock) == (-2, 20)
