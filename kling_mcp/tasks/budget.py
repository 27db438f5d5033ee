"""Caps on what an account may spend in a day, counted in the journal before anything is sent.

An estimate counts from the moment a request is sent; when Kling tells what it deducted, that counts instead. So the
cap holds over processes, replicas and restarts, and two calls cannot both use the last units.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from kling_mcp.errors import OverBudgetError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kling_mcp.store import Transaction
    from kling_mcp.tasks.entry import JournalEntry

DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What a request is estimated to cost: at most this many units of a product type, `video` or `image`."""

    product: str
    units: Decimal


@dataclass(frozen=True, slots=True)
class Budget:
    """Units that an account may spend within 24 hours, by product type; a product without a figure has no cap."""

    per_day: Mapping[str, int] = field(default_factory=dict)

    def check(self, tx: Transaction, entry: JournalEntry, now: float) -> None:
        """Check in the transaction that records the sending.

        Args:
            entry: the request in question, which is not counted.

        Raises:
            OverBudgetError: the cap would be passed.
        """
        most = self.per_day.get(entry.product, 0)
        if not most or not entry.units_estimated:
            return
        wanted = units_of(entry.units_estimated)
        spent = spent_since(tx, entry.account, entry.product, now - DAY_SECONDS, but=entry.external_task_id)
        if spent + wanted > most:
            raise OverBudgetError(
                f"This server lets an account spend {most} {entry.product} units in 24 hours; {show_units(spent)} are "
                f"spent or under way, and this request may cost {show_units(wanted)}.",
                advice="Nothing was sent and nothing was paid. Wait, make it cheaper, or ask the operator to raise "
                "KLING_MCP_MAX_UNITS_PER_DAY.",
                retry="later",
            )


def spent_since(tx: Transaction, account: str, product: str, since: float, *, but: str = "") -> Decimal:
    """Units that were spent or are reserved since then, without the request under the external id `but`."""
    rows = tx.fetch(
        "SELECT units_estimated, units_deducted FROM tasks "
        "WHERE account = ? AND product = ? AND sent_at > ? AND external_task_id <> ?",
        account,
        product,
        since,
        but,
    )
    return sum((units_of(row["units_deducted"] or row["units_estimated"]) for row in rows), Decimal(0))


def units_of(text: str) -> Decimal:
    """A figure as a number; 0 if it is none."""
    try:
        number = Decimal(text or 0)
    except InvalidOperation:
        return Decimal(0)
    return number if number.is_finite() else Decimal(0)


def show_units(units: Decimal) -> str:
    """A figure as people write it: `3`, not `3.0`."""
    return f"{units.normalize():f}"
