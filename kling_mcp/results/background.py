"""Saves that outlive the calls that began them: clients give up, and a clip may take longer to download.

A call may leave at any time; the download goes on, the next call for the same task joins it, and one after that finds
the file.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio

from kling_mcp.errors import ResultError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.concurrency.shutdown import Shutdown
    from kling_mcp.results.saver import Result, ResultSaver, SavedFile
    from kling_mcp.results.sidecar import Description

logger = logging.getLogger(__name__)

LAST_SECONDS = 5.0  # for downloads when the server ends; the next start begins again with what is missing


class BackgroundSaver:
    """One per process. Use it from one event loop."""

    def __init__(self, saver: ResultSaver, shutdown: Shutdown) -> None:
        """Once `shutdown` has started, calls do not wait for downloads."""
        self.saver = saver
        self._shutdown = shutdown
        self._running: dict[str, asyncio.Task[list[SavedFile]]] = {}

    async def save(self, results: Sequence[Result], description: Description, seconds: float) -> list[SavedFile]:
        """A row for each result, in order, after at most `seconds`; what is not saved by then goes on being saved.

        Raises:
            InputError: the name to save as leads out of the output folder; nothing was downloaded.
        """
        task_id = description.task_id
        work = self._running.get(task_id)
        if work is None:
            work = self._running[task_id] = asyncio.create_task(self.saver.save(results, description))
            work.add_done_callback(lambda ended: self._ended(task_id, ended))
        with self._shutdown.move_on_after(seconds):
            await asyncio.wait([work])
        if work.done() and not work.cancelled():
            return work.result()
        (rows,) = await self.saver.look([(results, description)])
        return [row if row.path else replace(row, error=_still_saving()) for row in rows]

    async def aclose(self) -> None:
        """End all downloads; what ends within a moment is saved."""
        running = list(self._running.values())
        if not running:
            return
        with anyio.CancelScope(shield=True):
            await asyncio.wait(running, timeout=LAST_SECONDS)
            for work in running:
                work.cancel()
            await asyncio.wait(running)

    def _ended(self, task_id: str, work: asyncio.Task[list[SavedFile]]) -> None:
        del self._running[task_id]
        if not work.cancelled() and (error := work.exception()):  # a call that waits gets it, too
            logger.info("Saving the results of task %s failed: %s", task_id, error)


def _still_saving() -> ResultError:
    return ResultError(
        "The result is still being downloaded into the output folder.",
        retry="later",
        advice="Call wait_for_tasks for it in a moment to get its path.",
    )
