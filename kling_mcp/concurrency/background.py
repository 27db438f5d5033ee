"""Runs something in the background of a block, and lets the block's own errors come out as they are."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine


@asynccontextmanager
async def run_in_background(work: Callable[[], Coroutine[None, None, None]]) -> AsyncIterator[None]:
    """Run `work` while the block runs; it is cancelled when the block ends.

    A task group wraps what its body raises; here the first error comes out bare, as if there were no group.
    """
    # Only the work is cancelled, not the block that waits for its end: Python 3.11 loses trace events of what is
    # cancelled in the middle of a wait, and with them the coverage of every caller.
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
