"""Slots: how many generations may run at once, as far as that is known.

A task holds its slots until it ends, and competes with the tasks of the same account, product and model (facts: slots,
gen-slots). Two things tell the ceiling: names of packs (fact: slots-size), and a refusal while so many of our own run.
The latter is doubted after a while, because tasks that were made elsewhere may have held the other slots: then one
request at a time finds out whether more fit. Nothing is stored or sent here.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from kling_mcp.errors import KlingError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.tasks.entry import JournalEntry

    ReadCeilings = Callable[[], Awaitable[Mapping[str, int]]]

DOUBTS_AFTER = 60.0  # a refusal costs nothing (fact: slots-refused)
FORGETS_AFTER = 600.0
RUNS_AT_MOST = 3600.0  # fact: gen-times; what is older has ended, though no call saw it
STARTS_WITHIN = 120.0  # a request without a task id by then is lost, and settled by its own call
PACKS_ARE_FRESH_FOR = 600.0
READS_PACKS_WITHIN = 2.0


class SlotsTakenError(Exception):
    """Other requests took the slots meanwhile: wait again."""


@dataclass(frozen=True, slots=True)
class SlotUse:
    """What a request holds until its task ends: `count` slots of `group`, the name of those that compete."""

    group: str
    count: int


class Ceilings:
    """What this process knows of the ceilings of one account."""

    def __init__(self, clock: Clock, read: ReadCeilings | None = None) -> None:
        """
        Args:
            read: reads the ceilings that names of packs tell, by product type.
        """
        self._clock = clock
        self._read = read
        self._by_product: Mapping[str, int] = {}
        self._refused: dict[str, tuple[int, float]] = {}  # by group: the ceiling, and when Kling refused more
        self._read_at = -math.inf

    def of_packs(self, entry: JournalEntry) -> int | None:
        """The ceiling that names of packs tell."""
        return self._by_product.get(entry.product)

    def of(self, entry: JournalEntry) -> int | None:
        """The ceiling for this request; None if none is known."""
        most, at = self._refused.get(entry.slot_group, (0, -math.inf))
        known = [self.of_packs(entry), most if self._clock.monotonic() - at < FORGETS_AFTER else None]
        return min((ceiling for ceiling in known if ceiling is not None), default=None)

    def is_doubted(self, entry: JournalEntry, used: int) -> bool:
        """Whether one request may find out if it fits beside so many slots, above the ceiling."""
        return self._doubted_at(entry) <= self._clock.monotonic() and fits(entry, used, self.of_packs(entry))

    def doubted_in(self, entry: JournalEntry) -> float:
        """Seconds until the ceiling is doubted; infinite if it is now, or never will be."""
        left = self._doubted_at(entry) - self._clock.monotonic()
        return left if left > 0 else math.inf

    def _doubted_at(self, entry: JournalEntry) -> float:
        most, at = self._refused.get(entry.slot_group, (0, -math.inf))
        packs = self.of_packs(entry)
        return at + DOUBTS_AFTER if packs is None or most < packs else math.inf

    def note_packs(self, by_product: Mapping[str, int]) -> None:
        """Names of packs tell these ceilings."""
        self._by_product, self._read_at = by_product, self._clock.monotonic()

    def note_refusal(self, entry: JournalEntry, used: int) -> None:
        """Kling refused this request while our own tasks of its group held `used` slots. fact: slots-refused"""
        self._refused[entry.slot_group] = max(1, used + entry.slots - 1), self._clock.monotonic()

    def note_acceptance(self, entry: JournalEntry, used: int) -> None:
        """Kling accepted this request beside `used` slots of our own, so at least as many fit together."""
        if refused := self._refused.get(entry.slot_group):
            most, at = refused
            self._refused[entry.slot_group] = max(most, used + entry.slots), at

    async def refresh(self) -> None:
        """Read the packs, unless that was done lately: for a call that has to wait anyway. Quick, and never fails."""
        if self._read is None or self._clock.monotonic() - self._read_at < PACKS_ARE_FRESH_FOR:
            return
        self._read_at = self._clock.monotonic()
        with suppress(KlingError), anyio.move_on_after(READS_PACKS_WITHIN):
            self.note_packs(await self._read())


def holds_slots(entry: JournalEntry, now: float) -> bool:
    """Whether an unfinished request probably still holds its slots."""
    return now - entry.sent_at < (RUNS_AT_MOST if entry.task_id else STARTS_WITHIN)


def slots_of(entries: Iterable[JournalEntry]) -> int:
    """The slots that these hold."""
    return sum(entry.slots for entry in entries)


def fits(entry: JournalEntry, used: int, ceiling: int | None) -> bool:
    """Whether a request may be sent. A request alone always may: only Kling knows its limits for sure."""
    return ceiling is None or not used or used + entry.slots <= ceiling
