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

DAY_SECONDS = 86_400.0
CLOCKS_MAY_DIFFER = 300.0  # those of replicas; what is dated later was written by a clock that was wrong


@dataclass(frozen=True, slots=True)
class Cost:
    """What a request is estimated to cost: at most this many units of a product type, `video` or `image`.

    If it `is_known` not, `units` is 0, and no cap allows it.
    """

    product: str
    units: Decimal
    is_known: bool = True

    def __str__(self) -> str:
        if not self.is_known:
            return f"an unknown number of {self.product} units"
        return f"{show_units(self.units)} {self.product} units"


@dataclass(frozen=True, slots=True)
class Budget:
    """Units that an account may spend on one request and within 24 hours, by product type; 0 or nothing is no cap."""

    per_day: Mapping[str, int] = field(default_factory=dict)
    per_call: Mapping[str, int] = field(default_factory=dict)

    def check(self, tx: Transaction, account: str, cost: Cost, now: float, *, but: str = "") -> None:
        """Check in the transaction that records the sending, so that two replicas cannot both use the last units.

        Args:
            but: the external id of the request in question, which is not counted.

        Raises:
            OverBudgetError: a cap would be passed.
        """
        caps = self.per_call.get(cost.product, 0), self.per_day.get(cost.product, 0)
        if not cost.is_known and any(caps):
            raise _unknown_price(cost)
        if (most := self.per_call.get(cost.product, 0)) and cost.units > most:
            raise _too_dear(cost, f"{most} for one call", "KLING_MCP_MAX_UNITS_PER_CALL")
        if most := self.per_day.get(cost.product, 0):
            if cost.units > most:  # no wait helps
                raise _too_dear(cost, f"{most} in 24 hours", "KLING_MCP_MAX_UNITS_PER_DAY")
            spent = _spent(tx, account, cost.product, now, but)
            if spent + cost.units > most:
                raise _used_up(cost, spent, most)


def _spent(tx: Transaction, account: str, product: str, now: float, but: str) -> Decimal:
    """Units of a day that were spent or are reserved. A clock that ran ahead for a while must not lock them."""
    rows = tx.fetch(
        "SELECT units_estimated, units_deducted FROM tasks "
        "WHERE account = ? AND product = ? AND sent_at > ? AND sent_at <= ? AND external_task_id <> ?",
        account,
        product,
        now - DAY_SECONDS,
        now + CLOCKS_MAY_DIFFER,
        but,
    )
    return sum((units_of(row["units_deducted"] or row["units_estimated"]) for row in rows), Decimal(0))


def _too_dear(cost: Cost, most: str, variable: str) -> OverBudgetError:
    return OverBudgetError(
        f"This request may cost {cost}, and this server allows {most}.",
        advice="Nothing was sent and nothing was paid. Make it cheaper (shorter, fewer, lower resolution), or ask the "
        f"operator to raise {variable}.",
    )


def _unknown_price(cost: Cost) -> OverBudgetError:
    return OverBudgetError(
        f"The price of this request is not known, and this server limits what may be spent on {cost.product} units.",
        advice="Nothing was sent and nothing was paid. Use another model, or ask the operator to give its price in "
        "KLING_MCP_EXTRA_MODELS, as name=route/model@units a second.",
    )


def _used_up(cost: Cost, spent: Decimal, most: int) -> OverBudgetError:
    return OverBudgetError(
        f"This server lets an account spend {most} {cost.product} units in 24 hours; {show_units(spent)} are spent or "
        f"under way, and this request may cost {cost}.",
        advice="Nothing was sent and nothing was paid. Wait, make it cheaper, or ask the operator to raise "
        "KLING_MCP_MAX_UNITS_PER_DAY.",
        retry="later",
    )


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
