"""What creations from this server asked for, from the journal, where Kling does not show it. Reads only."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

from kling_mcp.errors import KlingError
from kling_mcp.library.records import Submitted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.library.records import LibraryElement
    from kling_mcp.tasks.entry import JournalEntry
    from kling_mcp.tasks.journal import Journal

PATIENCE_SECONDS = 1.0  # a search works without the state, so it hardly waits for it
RETRY_SECONDS = 10.0
SETTLED_SECONDS = 600.0  # after that no call of another process is still recording the task
MAX_KEPT = 10_000


class Submissions:
    """The creations of one account as its library needs them.

    What a task was asked for never changes, so the journal says it once. That it does not know a task counts only if
    the task is over and not young: another one may be about to be recorded.
    """

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._rests_until = 0.0
        self._said: dict[str, Submitted | None] = {}

    async def of_records(self, records: Sequence[LibraryElement]) -> Mapping[str, Submitted]:
        """By task id; those that the journal can say just now."""
        unknown = [record for record in records if record.task_id and not self.has_asked(record.task_id)]
        if unknown and self._clock.monotonic() >= self._rests_until:
            await self._ask(unknown)
        return self.known(record.task_id for record in records)

    def has_asked(self, task_id: str) -> bool:
        """Whether asking the journal once more would bring nothing new."""
        return task_id in self._said

    def known(self, task_ids: Iterable[str]) -> Mapping[str, Submitted]:
        """What is known without asking."""
        return {task_id: said for task_id in task_ids if (said := self._said.get(task_id))}

    def learn(self, entries: Mapping[str, JournalEntry], ended: Mapping[str, int]) -> None:
        """Keep what the journal said.

        Args:
            entries: of the tasks that it knows, by task id.
            ended: when those of the tasks in question that are over were created, in Unix milliseconds.
        """
        if len(self._said) > MAX_KEPT:
            self._said.clear()
        self._said |= {task_id: Submitted.of(entry.label, entry.memo) for task_id, entry in entries.items()}
        settled_before = (self._clock.wall() - SETTLED_SECONDS) * 1000
        for task_id, created_at_ms in ended.items():
            if task_id not in entries and created_at_ms < settled_before:
                self._said[task_id] = None

    def forget(self, task_id: str) -> None:
        """The journal knows this task from now on."""
        self._said.pop(task_id, None)

    async def _ask(self, records: Sequence[LibraryElement]) -> None:
        ended = {record.task_id: record.created_at_ms for record in records if record.status != "pending"}
        with anyio.move_on_after(PATIENCE_SECONDS), suppress(KlingError):
            self.learn(await self._journal.by_task_ids([record.task_id for record in records]), ended)
            return
        self._rests_until = self._clock.monotonic() + RETRY_SECONDS
