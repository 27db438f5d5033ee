"""A clock that stands still, for code that talks to a real database."""

from __future__ import annotations

import anyio
import anyio.lowlevel

from kling_mcp.concurrency.clock import Timeline


class StandingClock:
    """Time that passes only when a test says so, for code that talks to a real network: no age ever explains a result.

    Sleeping only gives way, unless `hold` says that it must wait for `release`.
    """

    def __init__(self, epoch: float = 1_790_000_000.0) -> None:
        self.now = epoch
        self.timeline = Timeline("a-computer", 0.0)
        self.slept: list[float] = []
        self._gate: anyio.Event | None = None

    def wall(self) -> float:
        return self.now

    def steady(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if self._gate is not None:
            await self._gate.wait()
        await anyio.lowlevel.checkpoint()

    def hold(self) -> None:
        """From now on no sleeper wakes up."""
        self._gate = anyio.Event()

    def release(self) -> None:
        """Every sleeper wakes up."""
        if self._gate is not None:
            self._gate.set()
        self._gate = None
