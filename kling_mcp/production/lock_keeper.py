"""Keeps one lock file up to date while its plan is carried out: one entry at a time, each on the disk at once.

What is on the disk is read again before each change, so that two processes at one sheet keep each other's entries.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from kling_mcp.concurrency.clock import iso_utc
from kling_mcp.production.lock import read_lock, write_lock
from kling_mcp.production.model import Lock, LockedElement, ReplacedElement

if TYPE_CHECKING:
    from pathlib import Path

    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.production.model import LockedShot


class LockKeeper:
    """The lock file beside one sheet. Every method may raise `KlingError`: the file cannot be read or written."""

    def __init__(self, sheet: Path, clock: Clock) -> None:
        self._sheet = sheet
        self._clock = clock
        self._turn = anyio.Lock()

    async def put_element(self, name: str, element: LockedElement) -> None:
        """The element of this entry is this one now; the one before is remembered."""
        now = iso_utc(round(self._clock.wall() * 1000))

        def change(lock: Lock) -> Lock:
            before = lock.cast.get(name)
            if before is None:
                return replace(lock, cast={**lock.cast, name: element})
            replaced = tuple(old for old in before.replaced if old.element_id != element.element_id)
            if before.element_id not in {"", element.element_id}:
                replaced += (ReplacedElement(before.element_id, before.element_name, now),)
            return replace(lock, cast={**lock.cast, name: replace(element, replaced=replaced)})

        await self._change(change)

    async def put_take(self, shot_id: str, take: int, shot: LockedShot) -> None:
        """This take was rendered."""

        def change(lock: Lock) -> Lock:
            takes = {**lock.shots.get(shot_id, {}), take: shot}
            return replace(lock, shots={**lock.shots, shot_id: dict(sorted(takes.items()))})

        await self._change(change)

    async def _change(self, change: Callable[[Lock], Lock]) -> None:
        def work() -> None:
            write_lock(self._sheet, change(read_lock(self._sheet)))

        async with self._turn:
            await to_thread.run_sync(work)
