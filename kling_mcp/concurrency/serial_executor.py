"""A worker thread that runs functions one at a time, in the order in which it gets them.

It runs every function, whatever happens to the caller: a caller that is cancelled meanwhile still gets the result,
and is cancelled at its next await. So a cancelled call never leaves it open whether its function ran.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, TypeVar

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class SerialExecutor:
    """See the module. The thread starts with the first function, and ends with `finish` or with this object.

    The interpreter waits for all functions at its end. They must not use the event loop.
    """

    def __init__(self, name: str) -> None:
        """`name` is the thread's, as a list of threads shows it."""
        self._name = name
        # A pool of its own: in a shared one, a short function would wait for long ones of other users.
        self._pool: ThreadPoolExecutor | None = None
        self._unfinished: set[object] = set()

    async def run(self, function: Callable[[], T]) -> T:
        """What `function` returns or raises."""
        job = self._job(function)
        future = asyncio.get_running_loop().run_in_executor(self._thread(), copy_context().run, job)
        await _end_of(future)
        return future.result()

    def finish(self, function: Callable[[], None]) -> None:
        """Run `function` after everything before it; here and now if nothing is left to do, and end the thread."""
        if self._unfinished:
            self._thread().submit(self._job(function))
            return
        function()
        if self._pool is not None:
            self._pool.shutdown(wait=False)
            self._pool = None

    def _thread(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=self._name)
        return self._pool

    def _job(self, function: Callable[[], T]) -> Callable[[], T]:
        mark = object()

        def job() -> T:
            try:
                return function()
            finally:
                self._unfinished.discard(mark)

        self._unfinished.add(mark)
        return job


async def _end_of(future: asyncio.Future[T]) -> None:
    """Wait for the end, however often the task is cancelled meanwhile; the cancellation is delivered afterwards.

    A shielded scope blocks cancellation by anyio, but not by asyncio, which servers use to shut down.
    """
    was_cancelled = False
    with anyio.CancelScope(shield=True):
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError:
                was_cancelled = True
    if was_cancelled and (task := asyncio.current_task()):
        # Requested again, so that it is delivered at the next await; counted once.
        task.uncancel()
        task.cancel()
