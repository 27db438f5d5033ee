"""Elements that may have been deleted without this index knowing: Kling is asked before the next answer.

Kling has no look-up by element id (no-get-by-element-id), so it is asked for the task that the index has for them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio

from kling_mcp.errors import KlingError, NotFoundError
from kling_mcp.library.from_kling import records_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from kling_mcp.api.models import ElementTask
    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.library.records import LibraryElement
    from kling_mcp.library.sqlite.catalogue import SqliteCatalogue

MAX_DOUBTS = 1000  # beyond that, the oldest are dropped; the next full sync finds them
MAX_LOOKUPS = 50  # per answer; the rest waits for the next question
LOOKUPS_AT_ONCE = 5
RETRY_SECONDS = 10.0  # after a failure, before the next attempt


class DeletionDoubts:
    """The doubtful elements of one account. Use it from one event loop."""

    def __init__(
        self, get_task: Callable[[str], Awaitable[ElementTask]], catalogue: SqliteCatalogue, clock: Clock
    ) -> None:
        self._get_task = get_task
        self._catalogue = catalogue
        self._clock = clock
        self._ids: dict[str, None] = {}
        self._lock = anyio.Lock()
        self._rests_until = 0.0

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, element_id: str) -> None:
        """This element may be deleted."""
        self._ids[element_id] = None
        if len(self._ids) > MAX_DOUBTS:
            del self._ids[next(iter(self._ids))]

    async def settle(self) -> None:
        """Ask Kling about them and record its answers; elements whose look-up failed stay doubtful.

        Concurrent callers wait and share the result.

        Raises:
            StorageError: the index cannot be used.
        """
        async with self._lock:
            if not self._ids or self._clock.monotonic() < self._rests_until:
                return
            # Removed first: an id that is added while Kling is asked is a new doubt.
            asked = list(self._ids)[:MAX_LOOKUPS]
            open_ids = dict.fromkeys(asked)
            for element_id in asked:
                del self._ids[element_id]
            try:
                open_ids = dict.fromkeys(await self._ask_about(asked))
            finally:
                self._ids = open_ids | self._ids
            if open_ids:
                self._rests_until = self._clock.monotonic() + RETRY_SECONDS

    async def _ask_about(self, element_ids: list[str]) -> list[str]:
        """Look these up; returns those whose look-up failed."""
        records = [record for element_id in element_ids for record in await self._living(element_id)]
        replies: dict[str, ElementTask | KlingError] = {}
        limiter = anyio.CapacityLimiter(LOOKUPS_AT_ONCE)

        async def look_up(task_id: str) -> None:
            async with limiter:
                try:
                    replies[task_id] = await self._get_task(task_id)
                except KlingError as error:
                    replies[task_id] = error

        async with anyio.create_task_group() as group:
            for task_id in {record.task_id for record in records}:
                group.start_soon(look_up, task_id)
        await self._catalogue.put(_news(records, replies), now=self._clock.wall())
        return [record.element_id for record in records if _has_failed(replies[record.task_id])]

    async def _living(self, element_id: str) -> list[LibraryElement]:
        """The index's records of the account's own element; empty if it is unknown or known to be deleted."""
        return [
            record
            for record in await self._catalogue.with_id(element_id)
            if record.element_id == element_id
            and record.source == "custom"
            and record.status != "deleted"
            and record.task_id
        ]


def _news(records: list[LibraryElement], replies: Mapping[str, ElementTask | KlingError]) -> list[LibraryElement]:
    """Kling's current answers: its tasks, and deletions of elements whose task is gone."""
    news = [replace(each, status="deleted") for each in records if isinstance(replies[each.task_id], NotFoundError)]
    for reply in replies.values():
        if not isinstance(reply, KlingError):
            news += records_of(reply, "custom")
    return news


def _has_failed(reply: ElementTask | KlingError) -> bool:
    return isinstance(reply, KlingError) and not isinstance(reply, NotFoundError)
