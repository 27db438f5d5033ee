"""Elements that may have been deleted without this index knowing: Kling is asked about them before the next answer.

Kling has no look-up by element id (no-get-by-element-id), so it is asked for the task that the index knows them by.
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
    from kling_mcp.library.catalogue import Catalogue
    from kling_mcp.library.records import LibraryElement

MAX_DOUBTS = 1000  # more are forgotten, the oldest first: the age of the index bounds what is missed
MAX_LOOKUPS = 50  # before one answer; the rest waits for the next question
LOOKUPS_AT_ONCE = 5
RETRY_SECONDS = 10.0  # after a failure, before Kling is asked the same again


class DeletionDoubts:
    """The doubtful elements of one account. Use it from one event loop."""

    def __init__(self, get_task: Callable[[str], Awaitable[ElementTask]], catalogue: Catalogue, clock: Clock) -> None:
        self._get_task = get_task
        self._catalogue = catalogue
        self._clock = clock
        self._ids: dict[str, None] = {}
        self._lock = anyio.Lock()
        self._rests_until = 0.0

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, element_id: str) -> None:
        """This one may be deleted."""
        self._ids[element_id] = None
        if len(self._ids) > MAX_DOUBTS:
            del self._ids[next(iter(self._ids))]

    async def settle(self) -> None:
        """Ask Kling about them and write down what it says; what could not be asked stays doubtful.

        Whoever comes meanwhile waits and shares the result.

        Raises:
            StorageError: the index cannot be used.
        """
        async with self._lock:
            if not self._ids or self._clock.monotonic() < self._rests_until:
                return
            # Taken out beforehand: what is added while Kling is asked is a doubt of its own.
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
        """Look these up; those that could not be."""
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
        """What the index has of the account's own element; nothing where that is unknown or known to be deleted."""
        return [
            record
            for record in await self._catalogue.with_id(element_id)
            if record.element_id == element_id
            and record.source == "custom"
            and record.status != "deleted"
            and record.task_id
        ]


def _news(records: list[LibraryElement], replies: Mapping[str, ElementTask | KlingError]) -> list[LibraryElement]:
    """What Kling says now: its tasks, and the end of elements whose task is gone."""
    news = [replace(each, status="deleted") for each in records if isinstance(replies[each.task_id], NotFoundError)]
    for reply in replies.values():
        if not isinstance(reply, KlingError):
            news += records_of(reply, "custom")
    return news


def _has_failed(reply: ElementTask | KlingError) -> bool:
    return isinstance(reply, KlingError) and not isinstance(reply, NotFoundError)
