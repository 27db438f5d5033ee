"""Finds the task of a request that the journal does not know: its state was lost, or another computer sent it.

The id of a request follows from its content, so a task that bears it fulfils the request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_mcp.errors import NotFoundError
from kling_mcp.tasks.entry import OVER, end_state
from kling_mcp.tasks.intent import id_of_attempt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kling_mcp.api.models import ElementTask
    from kling_mcp.library.records import LibraryElement
    from kling_mcp.library.sqlite.catalogue import SqliteCatalogue
    from kling_mcp.tasks.entry import JournalEntry
    from kling_mcp.tasks.kind import TaskKind

MAX_ATTEMPTS = 20


class EarlierTasks:
    """The tasks of one account at Kling, by the ids of a request's attempts."""

    def __init__(self, kind: TaskKind[ElementTask], catalogue: SqliteCatalogue) -> None:
        self._kind = kind
        self._catalogue = catalogue

    async def find(self, entry: JournalEntry, *, ask: bool) -> ElementTask | None:
        """The task of this attempt or of a later one that has neither failed nor been deleted.

        Args:
            ask: query Kling by each id as well; otherwise only what the index read from the list counts.

        Raises:
            KlingError: a task exists, or may exist, and could not be read.
        """
        for external_task_id in ids_of_attempts(entry):
            record = await self._listed(external_task_id)
            if record is not None and record.status in OVER:
                continue
            task = await self._read(record, external_task_id) if record or ask else None
            if task is None:
                return None
            if end_state(task) not in OVER:
                return task
        return None

    async def _listed(self, external_task_id: str) -> LibraryElement | None:
        records = await self._catalogue.with_id(external_task_id)
        own = (each for each in records if each.source == "custom" and each.external_task_id == external_task_id)
        return next(own, None)

    async def _read(self, record: LibraryElement | None, external_task_id: str) -> ElementTask | None:
        if record is None or not record.task_id:
            return await self._kind.lookup.by_external_id(external_task_id)
        try:
            return await self._kind.route.get(record.task_id)
        except NotFoundError:
            return None


def ids_of_attempts(entry: JournalEntry) -> Iterator[str]:
    """The external task ids of this attempt and the next ones."""
    first_id = entry.external_task_id
    if entry.attempt > 1:
        first_id = first_id.removesuffix(f"-{entry.attempt}")
    for attempt in range(entry.attempt, entry.attempt + MAX_ATTEMPTS):
        yield id_of_attempt(first_id, attempt)
