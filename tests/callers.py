"""Callers that are cancelled at a moment of the test's choice, and functions that a worker thread cannot leave."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

import anyio
from anyio import lowlevel
from processes import SOON

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")
Way = Literal["by its scope", "by Task.cancel"]
WAYS: tuple[Way, ...] = ("by its scope", "by Task.cancel")  # anyio's way, and the one that servers use at their end


class Held:
    """A function that a thread cannot leave before it is let go."""

    def __init__(self) -> None:
        self.has_begun = threading.Event()
        self.let_go = threading.Event()

    async def begun(self) -> None:
        """Wait until a thread is in it."""
        await turn_until(self.has_begun.is_set)

    def __call__(self) -> str:
        self.has_begun.set()
        assert self.let_go.wait(SOON)
        return "done"


class Caller(Generic[T]):
    """A task that asks for one thing and then waits for ever; `heard` is what it was answered."""

    def __init__(self, ask: Callable[[], Awaitable[T]], way: Way = "by its scope") -> None:
        self._ask = ask
        self._way = way
        self._scope = anyio.CancelScope()
        self.heard: list[T] = []
        self.task = asyncio.ensure_future(self._call())

    async def _call(self) -> None:
        with self._scope:
            self.heard.append(await self._ask())
            await anyio.sleep_forever()

    def cancel(self) -> None:
        """Ask it to end; it may have something to finish first."""
        if self._way == "by Task.cancel":
            self.task.cancel()
        else:
            self._scope.cancel()

    async def end(self) -> None:
        """Wait until a cancelled one has ended."""
        with anyio.fail_after(SOON), suppress(asyncio.CancelledError):
            await asyncio.wait([self.task])
            await self.task


async def turn_until(has_happened: Callable[[], bool]) -> None:
    """Wait for another thread, on a loop whose time does not move until that thread has answered."""
    ends = time.monotonic() + SOON
    while not has_happened():
        assert time.monotonic() < ends
        await lowlevel.checkpoint()


async def turn_the_loop() -> None:
    """Let every task do what it can do now; no time passes."""
    for _ in range(50):
        await lowlevel.checkpoint()
