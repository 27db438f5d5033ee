"""The create gate: few creations in flight, first come, first served, and a pause for all when Kling is busy.

1302 and 1303 mean that nothing was created (fact: slots-refused), so a refused creation stays first in the queue.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import anyio

from kling_mcp.concurrency.backoff import Backoff
from kling_mcp.errors import LimitError

if TYPE_CHECKING:
    import random

    from kling_mcp.concurrency.clock import Clock

INITIAL_DELAY, MAX_DELAY = 1.0, 15.0  # fact: slots-refused (back off from 1 s)
MAX_WAITING = 100  # at a second or two each, the last one waits for minutes


class CreateGate:
    """Lets at most `width` creations of an account through at a time, in order of arrival."""

    def __init__(self, width: int, clock: Clock, rng: random.Random, most_waiting: int = MAX_WAITING) -> None:
        self._free = width
        self._most_waiting = most_waiting
        self._clock = clock
        self._queue: deque[anyio.Event] = deque()
        self._backoff = Backoff(INITIAL_DELAY, MAX_DELAY, rng)
        self._open_at = 0.0

    @property
    def waiting(self) -> int:
        """How many callers are in the queue."""
        return len(self._queue)

    async def enter(self) -> None:
        """Take one of the places; `leave` must follow. A cancelled caller leaves the queue.

        Raises:
            LimitError: the queue is full.
        """
        if self._free and not self._queue:
            self._free -= 1
            return
        if len(self._queue) >= self._most_waiting:
            raise _queue_is_full(len(self._queue))
        turn = anyio.Event()
        self._queue.append(turn)
        try:
            await turn.wait()
        except BaseException:
            if turn.is_set():
                self.leave()  # the place was freed just as the caller left
            else:
                self._queue.remove(turn)
            raise

    def leave(self) -> None:
        """Give the place to the next in the queue."""
        if self._queue:
            self._queue.popleft().set()
        else:
            self._free += 1

    def opens_in(self) -> float:
        """Seconds until the common pause is over; 0 or less if there is none."""
        return self._open_at - self._clock.monotonic()

    def was_busy(self, asked: float | None) -> None:
        """Kling said 1302 or 1303: all callers pause, longer each time, with jitter, or as long as Kling asked."""
        pause = min(asked or 0.0, MAX_DELAY)
        if self.opens_in() <= 0:  # several refusals at once count as one
            pause = max(pause, self._backoff.next_delay())
        self._open_at = max(self._open_at, self._clock.monotonic() + pause)

    def was_accepted(self) -> None:
        """Kling accepted a creation: the next pause is short again."""
        self._backoff.reset()


def _queue_is_full(waiting: int) -> LimitError:
    return LimitError(
        f"This account already has {waiting} creations in the queue, which is the limit.",
        advice="Nothing was sent. Repeat the same call in a minute.",
    )
