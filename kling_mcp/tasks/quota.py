"""Fair use: how many creations an account may make in a time, and how many calls it may have running.

Over a limit the answer comes at once and says when to come back. Nothing here queues or sends.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kling_mcp.errors import LimitError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kling_mcp.store import Transaction

MINUTE, DAY = 60.0, 86_400.0


@dataclass(frozen=True, slots=True)
class SubmitQuota:
    """Creations of an account within a minute and within 24 hours; 0 sets no limit.

    It counts what the journal says was sent: so it survives restarts, holds over all replicas that share a journal,
    and what Kling refused, or what never left, costs nothing.
    """

    per_minute: int = 0
    per_day: int = 0

    def check(self, tx: Transaction, account: str, external_task_id: str, now: float) -> None:
        """Ask in the transaction that writes down the sending, so that two replicas cannot both take the last place.

        Args:
            external_task_id: the creation in question, which does not stand in its own way.

        Raises:
            LimitError: one of the limits is reached.
        """
        for most, window, name in ((self.per_day, DAY, "day"), (self.per_minute, MINUTE, "minute")):
            if not most:
                continue
            rows = tx.fetch(
                "SELECT sent_at FROM tasks WHERE account = ? AND external_task_id <> ? AND sent_at > ? "
                "ORDER BY sent_at DESC LIMIT 1 OFFSET ?",
                account,
                external_task_id,
                now - window,
                most - 1,
            )
            if rows:
                left = min(window, max(1.0, rows[0]["sent_at"] + window - now))
                raise _used_up(most, name, left)


class CallLimit:
    """How many calls of one account run at once; 0 sets no limit."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._running = 0

    @contextmanager
    def acquire(self) -> Iterator[None]:
        """Count the block as a running call.

        Raises:
            LimitError: so many are running already.
        """
        if self._most and self._running >= self._most:
            raise LimitError(
                f"This account has {self._running} calls running at this server, which is the most.",
                advice="Call again in a minute, or wait for several elements with one wait_for_elements.",
            )
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1


def format_duration(seconds: float) -> str:
    """A time to wait, rounded up: seconds, minutes or hours, whichever reads best."""
    for unit, size in (("second", 1), ("minute", 60)):
        if (count := math.ceil(seconds / size)) < 120:
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{math.ceil(seconds / 3600)} hours"


def _used_up(most: int, name: str, left: float) -> LimitError:
    elements = "1 element" if most == 1 else f"{most} elements"
    return LimitError(
        f"This server lets one account create {elements} a {name}, and that is used up.",
        advice=f"Nothing was sent. Repeat the same call in {format_duration(left)}.",
    )
