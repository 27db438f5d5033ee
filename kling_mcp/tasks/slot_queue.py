"""The queue for slots of one kind: first come, first served, inside the time of each call.

The first call in it looks what became of the tasks that hold the slots, so that a task whose end no call has seen
blocks nothing. Other processes are seen in the journal, which decides in the end (`Journal.mark_sending`).
"""

from __future__ import annotations

import itertools
from bisect import insort
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Generic

import anyio

from kling_mcp.concurrency.background import run_in_background
from kling_mcp.errors import LimitError, NotFoundError, StorageError
from kling_mcp.tasks.route import T
from kling_mcp.tasks.slots import RUNS_AT_MOST, fits, slots_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.tasks.entry import JournalEntry
    from kling_mcp.tasks.journal import Journal
    from kling_mcp.tasks.poller import Poller
    from kling_mcp.tasks.rounds import TaskSnapshot
    from kling_mcp.tasks.slots import Ceilings

LOOK_SECONDS = 2.0  # how often the journal is read for what other calls and processes did
LOOK_AFRESH_SECONDS = 60.0  # how often everything is looked at again, whatever was missed
PAUSE_AFTER_ERROR = 5.0
MOST_REMEMBERED = 1000  # ended tasks; one that is forgotten is asked for again
MOST_POLLED = 20  # the oldest end first; fact: tasks-20

_arrivals = itertools.count(1)


def next_arrival() -> int:
    """A place behind every call that came before."""
    return next(_arrivals)


@dataclass(slots=True)
class _Line:
    """The calls that wait for slots of one group.

    Attributes:
        waiting: arrivals, the earliest first.
        scout: the arrival of the call that is finding out whether more fit than the ceiling says; 0 if none is.
        use: how many slots are in use, in words.
    """

    waiting: list[int] = field(default_factory=list)
    scout: int = 0
    changed: anyio.Event = field(default_factory=anyio.Event)
    use: str = ""

    def tell(self) -> None:
        changed, self.changed = self.changed, anyio.Event()
        changed.set()


class SlotQueue(Generic[T]):
    """Slots of one account and kind."""

    def __init__(self, journal: Journal, poller: Poller[T], ceilings: Ceilings, clock: Clock) -> None:
        self._journal = journal
        self._poller = poller
        self._ceilings = ceilings
        self._clock = clock
        self._lines: dict[str, _Line] = {}
        self._ended: set[str] = set()  # ids of tasks that the journal still takes as running

    async def wait(self, entry: JournalEntry, arrival: int, say: Callable[[str], None]) -> None:
        """Return when it is this call's turn and there is room, as far as this process can know. Cancel it to leave.

        `say` is told what it waits for, such as `3 of 3 in use`.
        """
        if not entry.slot_group:
            return
        line = self._lines.setdefault(entry.slot_group, _Line())
        insort(line.waiting, arrival)
        try:
            while not await self._is_its_turn(line, entry, arrival, say):
                pass
        finally:
            line.waiting.remove(arrival)
            line.tell()

    def leave(self, entry: JournalEntry, arrival: int) -> None:
        """The call whose turn it was has sent its request, or has not; the next one may go on."""
        if self._is_scout(entry, arrival):
            self._lines[entry.slot_group].scout = 0
            self._lines[entry.slot_group].tell()

    def room_for(self, entry: JournalEntry, arrival: int) -> Callable[[Sequence[JournalEntry]], bool] | None:
        """Decides in the journal's transaction whether there is room beside these; None if no ceiling is known."""
        is_scout = self._is_scout(entry, arrival)
        ceiling = self._ceilings.of_packs(entry) if is_scout else self._ceilings.of(entry)
        if not entry.slot_group or ceiling is None:
            return None
        return lambda holders: fits(entry, slots_of(self._running(holders)), ceiling)

    async def note_refusal(self, entry: JournalEntry) -> bool:
        """Kling refused this request with 1303; whether it may be sent again before a task of ours has ended.

        Raises:
            LimitError: it asks for more than the account's packs allow at all.
        """
        if not entry.slot_group:
            return True
        await self._ceilings.refresh()
        most = self._ceilings.of_packs(entry)
        if most is not None and entry.slots > most:
            raise _too_many(entry, most)
        try:
            used = slots_of(self._running(await self._journal.slot_holders(entry)))
        except StorageError:
            return True
        self._ceilings.note_refusal(entry, used)
        return fits(entry, used, self._ceilings.of(entry))

    async def note_acceptance(self, entry: JournalEntry, arrival: int) -> None:
        """Kling has a task for this request. Never fails."""
        if self._is_scout(entry, arrival):
            with suppress(StorageError):
                used = slots_of(self._running(await self._journal.slot_holders(entry)))
                self._ceilings.note_acceptance(entry, used)

    def _is_scout(self, entry: JournalEntry, arrival: int) -> bool:
        line = self._lines.get(entry.slot_group)
        return line is not None and line.scout == arrival

    async def _is_its_turn(self, line: _Line, entry: JournalEntry, arrival: int, say: Callable[[str], None]) -> bool:
        """Whether this call may go on; if not, something has changed meanwhile."""
        if line.waiting[0] != arrival or line.scout:
            say(line.use)
            await line.changed.wait()
            return False
        if (ceiling := self._ceilings.of(entry)) is None:
            return True
        try:
            holders = self._running(await self._journal.slot_holders(entry))
        except StorageError:
            return True  # the attempt to record the sending says what is wrong
        if line.waiting[0] != arrival or line.scout:
            return False
        used = slots_of(holders)
        if fits(entry, used, ceiling):
            return True
        if self._ceilings.is_doubted(entry, used):
            line.scout = arrival
            return True
        line.use = f"{used} of {ceiling} in use"
        say(line.use)
        line.tell()
        await self._ceilings.refresh()
        if self._ceilings.of(entry) == ceiling:
            await self._until_change(entry, holders)
        return False

    async def _until_change(self, entry: JournalEntry, holders: Sequence[JournalEntry]) -> None:
        """Wait until a task of the holders has ended, others hold slots, or the ceiling is doubted."""
        ended = anyio.Event()
        deadline = self._clock.monotonic() + min(self._ceilings.doubted_in(entry), LOOK_AFRESH_SECONDS)
        async with run_in_background(partial(self._poll, holders, ended)):
            while (left := deadline - self._clock.monotonic()) > 0:
                with anyio.move_on_after(min(LOOK_SECONDS, left)):
                    await ended.wait()
                if ended.is_set() or await self._has_other_holders(entry, holders):
                    return

    async def _poll(self, holders: Sequence[JournalEntry], ended: anyio.Event) -> None:
        """Set `ended` as soon as one of these tasks has ended, whoever sees it."""
        names = [holder.task_id for holder in holders if holder.task_id][:MOST_POLLED]
        while names:
            seen = await self._poller.wait(names, RUNS_AT_MOST, until_first=True)
            if over := {name for name, snapshot in seen.items() if _is_over(snapshot)}:
                # Not recorded: whichever call sees the end next must find the task unfinished, and save its results.
                self._ended = over | (self._ended if len(self._ended) < MOST_REMEMBERED else set())
                ended.set()
                return
            await self._clock.sleep(PAUSE_AFTER_ERROR)

    async def _has_other_holders(self, entry: JournalEntry, holders: Sequence[JournalEntry]) -> bool:
        try:
            now = self._running(await self._journal.slot_holders(entry))
        except StorageError:
            return False
        return _names_of(now) != _names_of(holders)

    def _running(self, holders: Sequence[JournalEntry]) -> list[JournalEntry]:
        return [holder for holder in holders if holder.task_id not in self._ended]


def _names_of(holders: Sequence[JournalEntry]) -> set[tuple[str, str]]:
    """Which these are; one that got a task id meanwhile can be looked at from now on."""
    return {(holder.external_task_id, holder.task_id) for holder in holders}


def _is_over(snapshot: TaskSnapshot[T]) -> bool:
    return isinstance(snapshot.error, NotFoundError) or (snapshot.task is not None and snapshot.task.is_final)


def no_slot(entry: JournalEntry, use: str) -> LimitError:
    """The time of a call ran out while it waited."""
    return LimitError(
        f"Kling runs only so many tasks at once, and all slots for {entry.slot_group} are taken: {use}.",
        kind="busy",
        advice="Nothing was sent and nothing was paid. Call again with the same arguments when a task has ended "
        "(wait_for_tasks shows which run), or with a longer wait_seconds.",
    )


def _too_many(entry: JournalEntry, most: int) -> LimitError:
    return LimitError(
        f"This request needs {entry.slots} slots at once, and the packs of this account allow {most}.",
        retry="never",
        advice=f"Nothing was sent and nothing was paid. Ask for at most {most} results, and for the rest with another "
        "take.",
    )
