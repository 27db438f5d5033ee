"""Keeps one lock file up to date while its plan is carried out: one entry at a time, each on the disk at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from kling_mcp.concurrency.clock import iso_utc
from kling_mcp.production.lock import lock_path, read_lock, update_lock
from kling_mcp.production.model import ReplacedElement

if TYPE_CHECKING:
    from pathlib import Path

    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.production.model import LockedElement, LockedShot


class LockKeeper:
    """The lock file beside one sheet. Every method may raise `KlingError`: the file cannot be read or written."""

    def __init__(self, sheet: Path, clock: Clock) -> None:
        self._path = lock_path(sheet)
        self._clock = clock
        self._turn = anyio.Lock()

    async def put_element(self, name: str, element: LockedElement) -> None:
        """The element of this entry is this one now; the one before is remembered."""
        now = self._clock.wall()

        def work() -> None:
            before = read_lock(self._path).cast.get(name)
            kept = with_history(element, before, iso_utc(round(now * 1000)))
            update_lock(self._path, cast={name: kept}, now=now)

        await self._in_turn(work)

    async def put_take(self, shot_id: str, take: int, shot: LockedShot) -> None:
        """This take was rendered."""
        now = self._clock.wall()
        await self._in_turn(lambda: update_lock(self._path, shots={shot_id: {take: shot}}, now=now))

    async def _in_turn(self, work: Callable[[], None]) -> None:
        async with self._turn:
            await to_thread.run_sync(work)


def with_history(element: LockedElement, before: LockedElement | None, now: str) -> LockedElement:
    """The element, which remembers those that the entry had before. `now` is ISO 8601 in UTC."""
    if before is None:
        return element
    replaced = tuple(old for old in before.replaced if old.element_id != element.element_id)
    if before.element_id not in {"", element.element_id}:
        replaced += (ReplacedElement(before.element_id, before.element_name, now),)
    return replace(element, replaced=replaced)
