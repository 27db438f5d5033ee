"""The create gate: few creations in flight, first come, first served, and a pause for all when Kling is busy.

1302 and 1303 mean that nothing was created (fact: slots-refused), so a refused creation stays first in the queue. Until
Kling accepts one again, only the first of those inside tries: a slot that becomes free is its.
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
        self._inside: list[anyio.Event] = []  # in order of arrival
        self._is_busy = False
        self._changed = anyio.Event()
        self._backoff = Backoff(INITIAL_DELAY, MAX_DELAY, rng)
        self._open_at = 0.0

    @property
    def waiting(self) -> int:
        """How many callers are in the queue."""
        return len(self._queue)

    async def enter(self) -> anyio.Event:
        """Take one of the places, which `leave` must give back. A cancelled caller leaves the queue.

        Raises:
            LimitError: the queue is full.
        """
        place = anyio.Event()
        if self._free and not self._queue:
            self._free -= 1
            self._inside.append(place)
            return place
        if len(self._queue) >= self._most_waiting:
            raise _queue_is_full(len(self._queue))
        self._queue.append(place)
        try:
            await place.wait()
        except BaseException:
            if place.is_set():
                self.leave(place)  # it was freed just as the caller left
            else:
                self._queue.remove(place)
            raise
        return place

    def leave(self, place: anyio.Event) -> None:
        """Give the place to the next in the queue."""
        self._inside.remove(place)
        if self._queue:
            following = self._queue.popleft()
            self._inside.append(following)
            following.set()
        else:
            self._free += 1
        self._tell()

    async def wait_for_turn(self, place: anyio.Event) -> None:
        """Wait until there is no pause, and while Kling is busy, until nobody inside came earlier."""
        while True:
            if (pause := self.opens_in()) > 0:
                await self._clock.sleep(pause)
            elif self._is_busy and self._inside[0] is not place:
                await self._changed.wait()
            else:
                return

    def opens_in(self) -> float:
        """Seconds until the common pause is over; 0 or less if there is none."""
        return self._open_at - self._clock.monotonic()

    def was_busy(self, asked: float | None) -> None:
        """Kling said 1302 or 1303: all callers pause, longer each time, with jitter, or as long as Kling asked."""
        self._is_busy = True
        pause = min(asked or 0.0, MAX_DELAY)
        if self.opens_in() <= 0:  # several refusals at once count as one
            pause = max(pause, self._backoff.next_delay())
        self._open_at = max(self._open_at, self._clock.monotonic() + pause)

    def was_accepted(self) -> None:
        """Kling accepted a creation: the next pause is short again, and all inside may try."""
        self._backoff.reset()
        self._is_busy = False
        self._tell()

    def _tell(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()


def _queue_is_full(waiting: int) -> LimitError:
    return LimitError(
        f"This account already has {waiting} creations in the queue, which is the limit.",
        advice="Nothing was sent. Repeat the same call in a minute.",
    )
