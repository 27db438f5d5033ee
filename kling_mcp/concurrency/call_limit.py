"""Limits the calls that an account may have running at once; one too many is refused at once, never queued."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from kling_mcp.errors import LimitError

if TYPE_CHECKING:
    from collections.abc import Iterator


class CallLimit:
    """How many calls of one account run at once; 0 sets no limit."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._running = 0

    @contextmanager
    def acquire(self) -> Iterator[None]:
        """Count the block as a running call.

        Raises:
            LimitError: the limit is reached.
        """
        if self._most and self._running >= self._most:
            raise LimitError(
                f"This account already has {self._running} calls running, which is the limit.",
                advice="Call again in a minute, or wait for several tasks with one wait_for_tasks call.",
            )
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1
