"""Waits for tasks of any kind: those given by id, or all unfinished ones in the journal.

A request whose reply was lost has no task id yet; it is looked up first. One that this process is still sending is
waited for, too.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import anyio

from kling_mcp.errors import KlingError, NotFoundError, StorageError
from kling_mcp.sanitize import quote
from kling_mcp.tasks.entry import mark_abandoned
from kling_mcp.tasks.rounds import TaskSnapshot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.tasks.entry import JournalEntry
    from kling_mcp.tasks.in_flight import InFlight, Work
    from kling_mcp.tasks.journal import Journal
    from kling_mcp.tasks.kind import TaskKind

STILL_LOST = "Kling does not show this task yet; repeat the same create call to settle it, nothing is created twice."
NEVER_ARRIVED = "Nothing was created; if it is still wanted, repeat the same create call."

# `sending`: this process is sending it. `lost`: sent, but Kling does not show it yet. `never_arrived`: sent, but Kling
# certainly has no task for it. `refused`: sent, and refused by Kling while no call was there to hear it.
Standing = Literal["known", "sending", "lost", "never_arrived", "refused"]


@dataclass(slots=True)
class CollectedTask:
    """One task: its kind, its ids and its latest state.

    Attributes:
        name: the id to poll with: its task id, or an external task id.
        label, memo: from the journal; empty for a task that this server did not submit.
        work: what is sending it, or was.
    """

    kind: str
    name: str
    external_task_id: str = ""
    label: str = ""
    memo: Mapping[str, str] = field(default_factory=dict)
    snapshot: TaskSnapshot[Any] = field(default_factory=TaskSnapshot)
    standing: Standing = "known"
    work: Work[Any] | None = None

    @property
    def sent(self) -> str:
        """How much has been sent, such as `3.1 of 6.5 MB`; "" if it is small, or not being sent."""
        return str(self.work.attempt.upload) if self.work and self.standing == "sending" else ""

    @property
    def is_unknown(self) -> bool:
        """Whether neither the journal nor Kling knows a task of this id; then its `kind` says nothing."""
        is_missing = self.snapshot.task is None and isinstance(self.snapshot.error, NotFoundError)
        return is_missing and not self.external_task_id

    @property
    def warning(self) -> str:
        """What the caller should know about a task that is not known to exist, or ""."""
        if self.standing in {"never_arrived", "refused"} and self.snapshot.error:
            return self.snapshot.error.message
        if self.standing == "sending":
            return f"It is still being sent to Kling{f': {self.sent} so far' if self.sent else ''}."
        return STILL_LOST if self.standing == "lost" else ""


class TaskCollector:
    """Waits of one account across calls, chats and restarts."""

    def __init__(self, journal: Journal, kinds: Sequence[TaskKind[Any]], clock: Clock, in_flight: InFlight) -> None:
        """`kinds` in the order in which unknown ids are tried."""
        self._journal = journal
        self._in_flight = in_flight
        self._kinds = {kind.name: kind for kind in kinds}
        self._clock = clock

    async def resolve(self, ids: Sequence[str]) -> list[CollectedTask]:
        """What to wait for: the given tasks, or every unfinished one of this account.

        A task that was submitted from here may be given by its name, too.

        Raises:
            StorageError: no ids were given, and the journal cannot be read.
        """
        if not ids:
            entries = await self._journal.unfinished()
            return [await self._from_entry(entry) for entry in entries if entry.kind in self._kinds]
        return [item for name in dict.fromkeys(ids) for item in await self._from_name(name)]

    async def wait(self, collected: Sequence[CollectedTask], seconds: float) -> None:
        """Wait for all of them together and record their outcomes; mixed outcomes are no error."""
        deadline = self._clock.monotonic() + seconds
        for item in collected:
            if item.work and await item.work.wait(deadline):
                await self._was_sent(item, item.work)
        waiting = [item for item in collected if item.standing == "known"]
        while waiting:
            await self._wait_by_kind(waiting, max(0.0, deadline - self._clock.monotonic()))
            waiting = [item for item in waiting if self._try_next_kind(item)]
        with suppress(StorageError):
            await self._journal.record_results(item.snapshot.task for item in collected if item.snapshot.task)

    async def _wait_by_kind(self, items: Sequence[CollectedTask], seconds: float) -> None:
        async def wait(kind: TaskKind[Any], some: list[CollectedTask]) -> None:
            snapshots = await kind.poller.wait([item.name for item in some], seconds)
            for item in some:
                item.snapshot = snapshots[item.name]

        async with anyio.create_task_group() as group:
            for name, kind in self._kinds.items():
                if some := [item for item in items if item.kind == name]:
                    group.start_soon(wait, kind, some)

    def _try_next_kind(self, item: CollectedTask) -> bool:
        """Whether an unknown id may be a task of another kind. fact: gen-route-bound"""
        if item.external_task_id or not isinstance(item.snapshot.error, NotFoundError):
            return False
        names, asked = list(self._kinds), self._kinds[item.kind].poller
        following = names[names.index(item.kind) + 1 :]
        # What is read by the same requests was looked for just now.
        other = next((name for name in following if not self._kinds[name].poller.reads_with(asked)), "")
        if other:
            item.kind, item.snapshot = other, TaskSnapshot()
        return bool(other)

    async def _from_name(self, name: str) -> list[CollectedTask]:
        entries: list[JournalEntry] = []
        with suppress(StorageError):  # the ids are enough without the journal
            entry = await self._journal.find(name)
            entries = [entry] if entry else await self._journal.named(name)
        known = [await self._from_entry(entry) for entry in entries if entry.kind in self._kinds]
        return known or [await self._from_unknown(name)]

    async def _from_unknown(self, name: str) -> CollectedTask:
        """An id that the journal does not know. Queries by external id may not work (query-external-id)."""
        if not name.isdecimal():
            for kind in self._kinds.values():
                with suppress(KlingError):  # the wait has the same error and reports it
                    if (task := await kind.lookup.find(name)) is not None:
                        return CollectedTask(kind.name, task.task_id, name)
        return CollectedTask(next(iter(self._kinds)), name)

    async def _from_entry(self, entry: JournalEntry) -> CollectedTask:
        name = entry.task_id or entry.external_task_id
        item = CollectedTask(entry.kind, name, entry.external_task_id, entry.label, entry.memo)
        work = self._in_flight.find(entry)
        if work and work.attempt.is_sending:
            item.standing, item.work = "sending", work
        elif not entry.task_id:
            await self._find(entry, item)
        return item

    async def _was_sent(self, item: CollectedTask, work: Work[Any]) -> None:
        """See what became of a request that has been sent."""
        if work.attempt.refusal:
            item.standing, item.snapshot.error = "refused", work.attempt.refusal
            self._in_flight.take_refusal(work.attempt.entry)
            return
        now, *_ = await self._from_name(item.external_task_id)
        item.kind, item.name, item.standing, item.snapshot = now.kind, now.name, now.standing, now.snapshot

    async def _find(self, entry: JournalEntry, item: CollectedTask) -> None:
        """Look up a request whose reply was lost, and settle it if no call is working on it."""
        found = await self._kinds[entry.kind].lookup.search(entry)
        now = self._clock.steady()
        is_held, is_settled = entry.lease_until > now, mark_abandoned(entry).settles_at <= now
        with suppress(StorageError):
            if found.task is not None:
                item.name = found.task.task_id
                if not is_held:  # otherwise its holder finds the same task
                    await self._journal.mark_accepted(entry, found.task.task_id)
            elif found.is_absent and is_settled and not is_held:
                item.standing, item.snapshot.error = "never_arrived", _never_arrived(entry)
                await self._journal.mark_refused(mark_abandoned(entry), item.snapshot.error)
            else:
                item.standing = "lost"


def _never_arrived(entry: JournalEntry) -> NotFoundError:
    return NotFoundError(
        f"The request for the {entry.kind} {quote(entry.label, 40)} (external_task_id {entry.external_task_id}) "
        "never reached Kling.",
        advice=NEVER_ARRIVED,
    )
