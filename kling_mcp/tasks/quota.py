"""Fair use: how many requests of a kind an account may make per minute and per day.

Over the limit, a call fails at once and says when to try again. Nothing here queues or sends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kling_mcp.concurrency.clock import format_duration
from kling_mcp.errors import LimitError

if TYPE_CHECKING:
    from kling_mcp.store import Transaction
    from kling_mcp.tasks.entry import JournalEntry

MINUTE, DAY = 60.0, 86_400.0
REPLICAS_MAY_DIFFER = 5.0  # seconds; what is dated later was sent by a clock that ran ahead, at an unknown time


@dataclass(frozen=True, slots=True)
class SubmitQuota:
    """Requests of one kind that an account may send within a minute and within 24 hours; 0 sets no limit.

    It counts the sent requests in the journal. So it survives restarts and applies across all replicas that share a
    journal; requests that Kling refused, that were never sent, or that are dated in the future, do not count.
    """

    per_minute: int = 0
    per_day: int = 0

    def check(self, tx: Transaction, entry: JournalEntry, now: float) -> None:
        """Check in the transaction that records the sending, so that two replicas cannot both use the last place.

        Args:
            entry: the request in question, which is not counted.

        Raises:
            LimitError: one of the limits is reached.
        """
        for most, window, name in ((self.per_day, DAY, "day"), (self.per_minute, MINUTE, "minute")):
            if not most:
                continue
            rows = tx.fetch(
                "SELECT sent_at FROM tasks WHERE account = ? AND kind = ? AND external_task_id <> ? AND sent_at > ? "
                "AND sent_at <= ? ORDER BY sent_at DESC LIMIT 1 OFFSET ?",
                entry.account,
                entry.kind,
                entry.external_task_id,
                now - window,
                now + REPLICAS_MAY_DIFFER,
                most - 1,
            )
            if rows:
                left = min(window, max(1.0, rows[0]["sent_at"] + window - now))
                raise _used_up(entry.kind, most, name, left)


def _used_up(kind: str, most: int, name: str, left: float) -> LimitError:
    return LimitError(
        f"This server lets an account create {most} {kind}{'' if most == 1 else 's'} a {name}, and that is used up.",
        advice=f"Nothing was sent. Repeat the same call in {format_duration(left)}.",
    )
