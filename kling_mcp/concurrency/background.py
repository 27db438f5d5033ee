"""Runs something in the background of a block, and leaves the block's own errors as they are."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine


@asynccontextmanager
async def run_in_background(work: Callable[[], Coroutine[None, None, None]]) -> AsyncIterator[None]:
    """Run `work` while the block runs; it is cancelled when the block ends.

    A task group wraps what its body raises; here the first error comes out as it is.
    """
    # Only the work is cancelled, not the block that waits for it: Python 3.11 loses the trace events of code that is
    # cancelled during a wait, and with them the coverage of every caller.
    scope = anyio.CancelScope()

    async def stoppable() -> None:
        with scope:
            await work()

    try:
        async with anyio.create_task_group() as group:
            group.start_soon(stoppable)
            yield
            scope.cancel()
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
