"""Slots: how many generations may run at once, as far as that is known.

A task holds its slots until it ends, and competes with the tasks of the same account, product and model (facts: slots,
gen-slots). Two things tell the ceiling: names of packs (fact: slots-size), and a refusal while so many of our own run,
which says nothing of tasks that were made elsewhere and so is forgotten after a while. Nothing is stored or sent here.
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

FORGETS_AFTER = 60.0  # a refused call may try again then; a refusal costs nothing (fact: slots-refused)
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
        self._refused: dict[str, tuple[int, float]] = {}  # by group: the ceiling, and when it is forgotten
        self._read_at = -math.inf

    def of_packs(self, entry: JournalEntry) -> int | None:
        """The ceiling that names of packs tell."""
        return self._by_product.get(entry.product)

    def of(self, entry: JournalEntry) -> int | None:
        """The ceiling for this request; None if none is known."""
        most, until = self._refused.get(entry.slot_group, (0, -math.inf))
        known = [self.of_packs(entry), most if until > self._clock.monotonic() else None]
        return min((ceiling for ceiling in known if ceiling is not None), default=None)

    def forgets_in(self, entry: JournalEntry) -> float:
        """Seconds until a refusal no longer counts; infinite where none does, or packs tell no more than it."""
        most, until = self._refused.get(entry.slot_group, (0, -math.inf))
        left, packs = until - self._clock.monotonic(), self.of_packs(entry)
        return left if left > 0 and (packs is None or most < packs) else math.inf

    def note_packs(self, by_product: Mapping[str, int]) -> None:
        """Names of packs tell these ceilings."""
        self._by_product, self._read_at = by_product, self._clock.monotonic()

    def note_refusal(self, entry: JournalEntry, used: int) -> None:
        """Kling refused this request while our own tasks of its group held `used` slots. fact: slots-refused"""
        most = max(1, used + entry.slots - 1)
        self._refused[entry.slot_group] = most, self._clock.monotonic() + FORGETS_AFTER

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
