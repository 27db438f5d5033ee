"""Delays between attempts that double up to a limit, with jitter if many may try at once. Pure: it never sleeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random


class Backoff:
    """Delays in seconds: `initial`, twice that, and so on up to `maximum`.

    With an `rng` each delay is drawn from its upper half, so that callers who failed together do not return together.
    """

    def __init__(self, initial: float, maximum: float, rng: random.Random | None = None) -> None:
        self._initial = initial
        self._maximum = maximum
        self._rng = rng
        self._delay = initial

    def next_delay(self) -> float:
        """The delay before the next attempt; the one after it is twice as long."""
        delay, self._delay = self._delay, min(self._maximum, 2 * self._delay)
        return delay if self._rng is None else self._rng.uniform(delay / 2, delay)

    def reset(self) -> None:
        """Start again with the initial delay: an attempt succeeded."""
        self._delay = self._initial
