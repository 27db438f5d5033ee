"""An event loop whose clock jumps: whatever is waited for happens at once, in the right order.

`anyio.run(..., backend_options={"loop_factory": VirtualLoop})`, or the `anyio_backend` fixture of conftest.
"""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, TypeVarTuple, Unpack

import anyio
from anyio import to_thread

from kling_mcp.concurrency.clock import Timeline

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class JumpingSelector(selectors.BaseSelector):
    """A selector that never sleeps while only timers are left: it moves the clock to the next one instead."""

    def __init__(self, has_busy_threads: Callable[[], bool]) -> None:
        self._real = selectors.DefaultSelector()
        self._has_busy_threads = has_busy_threads
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return self._real.select(timeout)
        if ready := self._real.select(0):
            return ready
        if self._has_busy_threads():
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


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual seconds, which begin at 0."""

    started_last: ClassVar[VirtualLoop | None] = None
    selector: ClassVar[type[JumpingSelector]] = JumpingSelector

    def __init__(self) -> None:
        self._jumping = self.selector(self.has_busy_threads)
        self._in_executors: set[asyncio.Future[Any]] = set()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now

    def run_forever(self) -> None:
        VirtualLoop.started_last = self
        super().run_forever()

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Note what is at work, as asyncio does it."""
        future = super().run_in_executor(executor, func, *args)
        self._in_executors.add(future)
        future.add_done_callback(self._in_executors.discard)
        return future

    def has_busy_threads(self) -> bool:
        """Whether a worker thread of anyio's, or one of an executor, is about to answer."""
        if self._in_executors:
            return True
        try:
            return to_thread.current_default_thread_limiter().borrowed_tokens > 0
        except (RuntimeError, anyio.NoEventLoopError):
            return False


class SingleThreadLoop(VirtualLoop):
    """Runs at once what is meant for a thread of an executor: for stories whose thousands of transactions are short.

    The caller goes on at a later turn of the loop all the same, and others take theirs before it.
    """

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - raised where it is awaited
            future.set_exception(error)
        return future


class VirtualClock:
    """The package's `Clock`, on the running virtual loop. `epoch` is the true time at the loop's second 0.

    The wall clock may be wrong, by `error`, and steps when a test changes that. Processes of one computer share `boot`.
    In a worker thread, where no loop runs, it shows the time of the virtual loop that was started last.
    """

    def __init__(self, epoch: float = 1_790_000_000.0, *, boot: str = "a-computer", error: float = 0.0) -> None:
        self.epoch = epoch
        self.error = error
        self.timeline = Timeline(boot, epoch + error)

    def wall(self) -> float:
        return self.epoch + self.error + self.monotonic()

    def steady(self) -> float:
        return self.timeline.began + self.monotonic()

    def monotonic(self) -> float:
        try:
            return asyncio.get_running_loop().time()
        except RuntimeError:
            if VirtualLoop.started_last is None:
                raise
            return VirtualLoop.started_last.time()

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(max(0.0, seconds))
