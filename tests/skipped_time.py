"""Commands in this process whose waits are skipped, though they speak to Kling through a real socket.

Where nothing is left but to wait for a time, `SkippingLoop` goes there at once. While a socket is read or written, or a
thread works, time passes as it does. The system's clocks are replaced for the package, and Kling lives by them, too,
so it finds that as much time has passed as the command does.
"""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, ClassVar

import anyio
from virtual_time import JumpingSelector, VirtualLoop

from kling_mcp.concurrency import clock

if TYPE_CHECKING:
    import selectors

    import pytest

    from kling_mcp.simulator import World


class Skipped:
    """How many seconds were skipped; they stay skipped for every clock, from one command to the next."""

    seconds: ClassVar[float] = 0.0


class _Selector(JumpingSelector):
    """Jumps only if no socket can become ready."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return self._real.select(timeout)
        sockets = len(self._real.get_map()) - 1  # without the pipe that wakes the loop itself
        if sockets or self._has_busy_threads():
            return self._real.select(timeout)
        if ready := self._real.select(0):
            return ready
        Skipped.seconds += timeout
        return []


class SkippingLoop(VirtualLoop):
    """An event loop on the system's time and what was skipped."""

    selector = _Selector

    def time(self) -> float:
        return time.monotonic() + Skipped.seconds


class _Time:
    """Stands for the module `time`, as far as the package's clock reads it."""

    CLOCK_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", 0)
    CLOCK_MONOTONIC = getattr(time, "CLOCK_MONOTONIC", 0)

    @staticmethod
    def time() -> float:
        return time.time() + Skipped.seconds

    @staticmethod
    def monotonic() -> float:
        return time.monotonic() + Skipped.seconds

    @staticmethod
    def clock_gettime(which: int) -> float:
        return time.clock_gettime(which) + Skipped.seconds


def skip_waits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the test ends: for commands that this process runs, and for this Kling."""
    monkeypatch.setattr(clock, "time", _Time)
    monkeypatch.setattr(anyio, "run", functools.partial(anyio.run, backend_options={"loop_factory": SkippingLoop}))
    world.clock = _Time.time
