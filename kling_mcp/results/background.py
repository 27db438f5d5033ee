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

from kling_mcp.api.network import Network, way_to
from kling_mcp.errors import ResultError
from kling_mcp.results.download import SETTING, Downloader
from kling_mcp.results.links import LinkRules
from kling_mcp.results.saver import ResultSaver

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import httpx

    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.concurrency.shutdown import Shutdown
    from kling_mcp.results.saver import Result, SavedFile
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


def make_saver(
    folder: Path | None,
    base_url: str,
    clock: Clock,
    shutdown: Shutdown,
    *,
    make_transport: Callable[[], httpx.AsyncBaseTransport] | None,
    in_process: bool,
    read_only: bool,
    why_not: str,
) -> BackgroundSaver:
    """Wire it.

    Args:
        folder: where results are saved; None saves none, and `why_not` says why.
        base_url, in_process: of the API, see `LinkRules`.
        make_transport: replaces the network.
    """
    open_way = None if make_transport is None else lambda link: Network(make_transport(), way_to(link, SETTING))
    downloader = Downloader(LinkRules(base_url, in_process=in_process), clock, open_way=open_way)
    return BackgroundSaver(ResultSaver(folder, downloader, clock, read_only=read_only, why_not=why_not), shutdown)


def _still_saving() -> ResultError:
    return ResultError(
        "The result is still being downloaded into the output folder.",
        retry="later",
        advice="Call wait_for_tasks for it in a moment to get its path.",
    )
