"""Waits for any number of creations, given by id or all that the journal knows as unfinished.

A creation whose reply was lost has no task id yet; it is looked for first.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kling_mcp.errors import KlingError, NotFoundError, StorageError
from kling_mcp.sanitize import quote
from kling_mcp.tasks.entry import mark_abandoned
from kling_mcp.tasks.poller import TaskSnapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.tasks.entry import JournalEntry
    from kling_mcp.tasks.journal import Journal
    from kling_mcp.tasks.lookup import TaskLookup
    from kling_mcp.tasks.poller import Poller

STILL_LOST = "Kling does not show this creation; repeat the same create call to settle it, nothing is made twice."
NEVER_ARRIVED = "Nothing was made; if it is still wanted, repeat the same create call."


@dataclass(slots=True)
class CollectedTask:
    """One creation: how it is called, what was seen of it, and what the caller should know."""

    name: str
    external_task_id: str
    label: str
    snapshot: TaskSnapshot
    warning: str = ""


class TaskCollector:
    """Waits of one account across calls, chats and restarts."""

    def __init__(self, journal: Journal, poller: Poller, searcher: TaskLookup, clock: Clock) -> None:
        self._journal = journal
        self._poller = poller
        self._searcher = searcher
        self._clock = clock

    async def resolve(self, ids: Sequence[str]) -> list[CollectedTask]:
        """What to wait for: the given ones, or every unfinished one of this account.

        Raises:
            StorageError: the journal is needed (no ids were given) and cannot be read.
        """
        if not ids:
            return [await self._from_entry(entry) for entry in await self._journal.unfinished()]
        return [await self._from_id(name) for name in dict.fromkeys(ids)]

    async def wait(self, collected: Sequence[CollectedTask], seconds: float) -> None:
        """Wait for all of them together and note what became of each; a mix of ends is no error."""
        waiting = [item for item in collected if not item.warning]
        if not waiting:
            return
        sightings = await self._poller.wait([item.name for item in waiting], seconds)
        for item in waiting:
            item.snapshot = sightings[item.name]
        with suppress(StorageError):
            await self._journal.record_results(item.snapshot.task for item in waiting if item.snapshot.task)

    async def _from_id(self, name: str) -> CollectedTask:
        entry = None
        with suppress(StorageError):  # the ids say enough without the journal
            entry = await self._journal.find(name)
        return await self._from_stranger(name) if entry is None else await self._from_entry(entry)

    async def _from_stranger(self, name: str) -> CollectedTask:
        """An id that the journal does not know. Queries by external id may not work (query-external-id)."""
        task = None
        if not name.isdecimal():
            with suppress(KlingError):  # the wait meets the same trouble and tells it
                task = await self._searcher.find(name)
        return (
            CollectedTask(name, "", "", TaskSnapshot())
            if task is None
            else CollectedTask(task.task_id, name, "", TaskSnapshot())
        )

    async def _from_entry(self, entry: JournalEntry) -> CollectedTask:
        item = CollectedTask(
            entry.task_id or entry.external_task_id, entry.external_task_id, entry.label, TaskSnapshot()
        )
        if entry.task_id:
            return item
        await self._find(entry, item)
        return item

    async def _find(self, entry: JournalEntry, item: CollectedTask) -> None:
        """Look for a creation whose reply was lost, and settle it if nobody works on it."""
        finding = await self._searcher.search(entry)
        now = self._clock.wall()
        is_held, is_settled = entry.lease_until > now, mark_abandoned(entry).settles_at <= now
        with suppress(StorageError):
            if finding.task is not None:
                item.name = finding.task.task_id
                if not is_held:  # else whoever holds it finds the same task
                    await self._journal.mark_accepted(entry, finding.task.task_id)
            elif finding.is_absent and is_settled and not is_held:
                item.snapshot.error = _never_arrived(entry)
                item.warning = item.snapshot.error.message
                await self._journal.mark_refused(mark_abandoned(entry), "it never arrived")
            else:
                item.warning = STILL_LOST


def _never_arrived(entry: JournalEntry) -> NotFoundError:
    name = entry.external_task_id
    return NotFoundError(
        f"The creation of {quote(entry.label, 40)} (external_task_id {name}) never arrived at Kling.",
        advice=NEVER_ARRIVED,
    )
