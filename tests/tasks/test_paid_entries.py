"""Entries that cost something are kept between looks, and read again when any process changed them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from kling_mcp.store.sqlite import SqliteStore
from kling_mcp.tasks.budget import Cost
from kling_mcp.tasks.intent import make_intent
from kling_mcp.tasks.journal import Journal
from kling_mcp.tasks.paid_entries import PaidEntries

if TYPE_CHECKING:
    from pathlib import Path

    from virtual_time import VirtualClock

    from kling_mcp.tasks.entry import JournalEntry

pytestmark = pytest.mark.anyio

ACCOUNT = "an account"


class Look:
    """One process with its own connection; notes what it had to decode."""

    def __init__(self, store: SqliteStore, clock: VirtualClock, owner: str) -> None:
        self.journal = Journal(store, ACCOUNT, clock, owner)
        self.decoded: list[str] = []
        self.entries = PaidEntries(store, ACCOUNT, 100, self._keep)

    def _keep(self, entry: JournalEntry) -> JournalEntry:
        self.decoded.append(entry.label)
        return entry

    async def labels(self) -> list[str]:
        return [entry.label for entry in await self.entries.newest()]

    async def make(self, label: str, *, cost: bool = True) -> JournalEntry:
        """A request that was sent."""
        units = Cost("video", Decimal(3)) if cost else None
        intent = make_intent("video", ACCOUNT, [label], label=label, memo={"prompt": label}, cost=units)
        entry, _ = await self.journal.claim(intent, "1")
        return await self.journal.mark_sending(entry)


@pytest.fixture
def looks(tmp_path: Path, clock: VirtualClock) -> Iterator[tuple[Look, Look]]:
    with closing(SqliteStore(tmp_path, clock)) as here, closing(SqliteStore(tmp_path, clock)) as there:
        yield Look(here, clock, "here:1"), Look(there, clock, "there:1")


async def test_unchanged_entries_are_decoded_once(looks: tuple[Look, Look]) -> None:
    here, _ = looks
    await here.make("first")
    await here.make("second")
    await here.make("free", cost=False)
    first = await here.entries.newest()
    assert [entry.label for entry in first] == ["second", "first"]
    assert await here.entries.newest() is first
    assert sorted(here.decoded) == ["first", "second"]


async def test_entry_that_another_process_changed_is_decoded_again(looks: tuple[Look, Look]) -> None:
    here, there = looks
    await there.make("first")
    entry = await there.make("second")
    assert await here.labels() == ["second", "first"]
    here.decoded.clear()
    await there.journal.mark_accepted(entry, "870000000000000001")
    assert (await here.entries.newest())[0].task_id == "870000000000000001"
    await there.make("third")
    assert await here.labels() == ["third", "second", "first"]
    assert here.decoded == ["second", "third"]


async def test_units_and_end_of_a_task_are_seen_at_the_next_look(looks: tuple[Look, Look]) -> None:
    here, there = looks
    entry = await there.journal.mark_accepted(await there.make("first"), "870000000000000001")
    assert (await here.entries.newest())[0].state == "accepted"
    await there.journal.release(replace(entry, state="ready", units_deducted="2.5"))
    (seen,) = await here.entries.newest()
    assert (seen.state, seen.units_deducted) == ("ready", "2.5")


async def test_refused_request_leaves_the_kept_entries(looks: tuple[Look, Look]) -> None:
    here, there = looks
    entry = await there.make("first")
    assert await here.labels() == ["first"]
    await there.journal.release(replace(entry, state="refused"))
    assert await here.labels() == []


async def test_entries_beyond_the_limit_are_not_kept(looks: tuple[Look, Look]) -> None:
    here, _ = looks
    here.entries.limit = 3
    for number in range(5):
        await here.make(str(number))
        assert len(await here.labels()) == min(3, number + 1)
    assert await here.labels() == ["4", "3", "2"]
    assert len(here.entries._kept) == 3
