"""Graceful shutdown: waits end early, as if their time had run out.

Only waits end: a request on its way to Kling continues, and whatever cannot wait for it is cancelled elsewhere.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kling_mcp.concurrency.clock import Clock


class Shutdown:
    """Whether shutdown has begun; one per process. Use it from one event loop."""

    def __init__(self) -> None:
        self.is_started = False
        self._scopes: set[anyio.CancelScope] = set()
        self._listeners: list[Callable[[], None]] = []

    def start(self) -> None:
        """End every wait; later ones end at once."""
        self.is_started = True
        for listener in self._listeners:
            listener()
        for scope in list(self._scopes):
            scope.cancel()

    def on_start(self, listener: Callable[[], None]) -> None:
        """Call this when shutdown begins, before any wait ends."""
        self._listeners.append(listener)

    @contextmanager
    def move_on_after(self, seconds: float) -> Iterator[anyio.CancelScope]:
        """Like anyio's, for a block that only waits; it also moves on when shutdown begins."""
        with anyio.move_on_after(0 if self.is_started else seconds) as scope:
            self._scopes.add(scope)
            try:
                yield scope
            finally:
                self._scopes.discard(scope)

    async def sleep(self, clock: Clock, seconds: float) -> None:
        """Sleep, but not past the start of shutdown."""
        with self.move_on_after(float("inf")):
            await clock.sleep(seconds)
