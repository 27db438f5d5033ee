"""An event loop whose clock jumps: whatever is waited for happens at once, in the right order.

`anyio.run(..., backend_options={"loop_factory": VirtualLoop})`, or the `anyio_backend` fixture of conftest.
"""

from __future__ import annotations

import asyncio
import selectors
from typing import Any

import anyio
from anyio import to_thread


class _JumpingSelector(selectors.BaseSelector):
    """A selector that never sleeps while only timers are left: it moves the clock to the next one instead."""

    def __init__(self) -> None:
        self._real = selectors.DefaultSelector()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return self._real.select(timeout)
        if ready := self._real.select(0):
            return ready
        if _threads_at_work():
            # A worker thread is about to answer; time must not run ahead of it.
            return self._real.select(0.001)
        self.now += timeout
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def get_map(self) -> Any:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


def _threads_at_work() -> bool:
    try:
        return to_thread.current_default_thread_limiter().borrowed_tokens > 0
    except (RuntimeError, anyio.NoEventLoopError):
        return False


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual seconds, which begin at 0."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


class VirtualClock:
    """The package's `Clock`, on the running virtual loop. `epoch` is the wall time at the loop's second 0."""

    def __init__(self, epoch: float = 1_790_000_000.0) -> None:
        self.epoch = epoch

    def wall(self) -> float:
        return self.epoch + self.monotonic()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(max(0.0, seconds))
