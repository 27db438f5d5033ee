"""What creations from this server asked for, from the journal, where Kling does not show it. Reads only."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

from kling_mcp.errors import KlingError
from kling_mcp.library.records import Submitted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.tasks.journal import Journal

PATIENCE_SECONDS = 1.0  # a search works without the state, so it hardly waits for it
RETRY_SECONDS = 10.0


class Submissions:
    """The creations of one account as its library needs them."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._rests_until = 0.0

    async def of_tasks(self, task_ids: Sequence[str]) -> Mapping[str, Submitted]:
        """By task id; empty if the journal cannot be read just now."""
        if not task_ids or self._clock.monotonic() < self._rests_until:
            return {}
        with anyio.move_on_after(PATIENCE_SECONDS), suppress(KlingError):
            entries = await self._journal.by_task_ids(task_ids)
            return {task_id: Submitted.of(entry.label, entry.memo) for task_id, entry in entries.items()}
        self._rests_until = self._clock.monotonic() + RETRY_SECONDS
        return {}
