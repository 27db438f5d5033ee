"""Clocks for code that talks to a real database: virtual time in worker threads, and time that stands still."""

from __future__ import annotations

import asyncio

import anyio
import anyio.lowlevel
from virtual_time import VirtualClock


class ThreadedClock(VirtualClock):
    """The virtual clock; in a thread it shows the time of the loop that asked last."""

    def __init__(self, epoch: float = 1_790_000_000.0) -> None:
        super().__init__(epoch)
        self._loop: asyncio.AbstractEventLoop | None = None

    def monotonic(self) -> float:
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            if self._loop is None:
                raise
        return self._loop.time()


class StandingClock:
    """Time that passes only when a test says so, for code that talks to a real network: no age ever explains a result.

    Sleeping only gives way, unless `hold` says that it must wait for `release`.
    """

    def __init__(self, epoch: float = 1_790_000_000.0) -> None:
        self.now = epoch
        self.slept: list[float] = []
        self._gate: anyio.Event | None = None

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if self._gate is not None:
            await self._gate.wait()
        await anyio.lowlevel.checkpoint()

    def hold(self) -> None:
        """From now on nobody who sleeps wakes up."""
        self._gate = anyio.Event()

    def release(self) -> None:
        """Everybody who sleeps wakes up."""
        if self._gate is not None:
            self._gate.set()
        self._gate = None
