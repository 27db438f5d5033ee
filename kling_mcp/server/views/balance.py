"""What an account has and spent as callers see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from kling_mcp.billing.balance import KEPT_SECONDS
from kling_mcp.billing.spending import exact, units_left
from kling_mcp.concurrency.clock import iso_utc
from kling_mcp.sanitize import clean, identifier, quote
from kling_mcp.server.views.view import View
from kling_mcp.tasks.budget import show_units

if TYPE_CHECKING:
    from kling_mcp.billing.balance import Balance
    from kling_mcp.billing.spending import PackLeft, Spent

_NAME, _WORD, _MAX_PACKS, _MAX_ROWS = 80, 40, 50, 200
# facts: costs-pack, costs-at-once
DELAY = "Kling documents that units left may be up to 12 hours old; where it was measured, they were right at once."
CASH = (
    "This is a cash account: Kling takes money at list price instead of units, and its API does not tell how much is "
    "left; the console does."
)
NOTHING = "Kling shows no pack in force and no payment in money: buy a pack, or see the balance in Kling's console."


class PackRow(View):
    """A pack. `product_type` is "" if Kling does not say what it pays for."""

    pack_name: str
    product_type: str
    units_left: str
    units_total: str
    valid_until: str
    status: str


class SpentRow(View):
    """What tasks of one day and model cost. `units_estimated` is the journal's figure for the same tasks.

    `units_deducted` is "" where money was paid, and `cash` where it was units.
    """

    day: str
    product_type: str
    model_name: str
    tasks: int
    made_here: bool
    units_deducted: str
    units_estimated: str
    cash: str


class BalanceView(View):
    """What an account has and spent."""

    SHOWN: ClassVar[tuple[str, ...]] = ("packs", "complete")

    packs: list[PackRow]
    units_left: dict[str, str]
    spent: list[SpentRow]
    days: int
    pays_with: str
    read_at: str
    complete: bool
    notes: list[str]


def balance_view(balance: Balance, now: float) -> BalanceView:
    """A balance as it was read, at `now` (Unix seconds)."""
    left = units_left(balance.packs)
    rows = balance.spent[:_MAX_ROWS]
    notes = [*balance.notes, *_notes_on(balance)]
    if len(rows) < len(balance.spent):
        notes.append(f"Only the newest {_MAX_ROWS} of {len(balance.spent)} rows are shown; ask for fewer days.")
    age = max(0, round(now - balance.read_at))
    notes.append(f"Read {age} s ago; Kling is asked again after {KEPT_SECONDS:.0f} s.")
    return BalanceView(
        packs=[_pack_row(each) for each in balance.packs[:_MAX_PACKS]],
        units_left={clean(product, _WORD): show_units(units) for product, units in left.items()},
        spent=[_spent_row(each) for each in rows],
        days=balance.days,
        pays_with=balance.pays_with,
        read_at=iso_utc(round(balance.read_at * 1000)),
        complete=balance.is_complete and len(rows) == len(balance.spent),
        notes=notes,
    )


def balance_text(view: BalanceView) -> str:
    """The facts of a balance, the most important first."""
    left = ", ".join(f"{product} {units}" for product, units in view.units_left.items())
    hours = f"{view.days * 24} hours (days={view.days})"
    lines = [
        f"units_left: {left or 'none'}{f' (pays_with={quote(view.pays_with)})' if view.pays_with else ''}",
        *map(_pack_text, view.packs),
        f"Spent on tasks of the last {hours}, by day in UTC:" if view.spent else f"Nothing was spent in {hours}.",
        *map(_spent_text, view.spent),
        *(f"Note: {note}" for note in view.notes),
        f"complete={str(view.complete).lower()} read_at={view.read_at}",
    ]
    return "\n".join(lines)


def _notes_on(balance: Balance) -> list[str]:
    notes = []
    match balance.pays_with:
        case "cash":
            notes.append(CASH)
        case "":
            notes.append(NOTHING)
        case _:
            notes.append(DELAY)
    if any(row.differs for row in balance.spent):
        notes.append("Kling deducted other units than this server had estimated; see the rows with differs=true.")
    return notes


def _pack_row(left: PackLeft) -> PackRow:
    pack = left.pack
    return PackRow(
        pack_name=clean(pack.resource_pack_name, _NAME),
        product_type=clean(left.product, _WORD),
        units_left=show_units(left.units_left),
        units_total=show_units(exact(pack.total_quantity)) if pack.total_quantity else "",
        valid_until=iso_utc(pack.invalid_time),
        status=clean(pack.status, _WORD),
    )


def _spent_row(spent: Spent) -> SpentRow:
    is_cash = bool(spent.currency)
    return SpentRow(
        day=spent.day,
        product_type=clean(spent.product, _WORD),
        model_name=clean(spent.model, _NAME),
        tasks=len(spent.tasks),
        made_here=spent.is_ours,
        units_deducted="" if is_cash else show_units(spent.amount),
        units_estimated=show_units(spent.estimated) if spent.is_ours else "",
        cash=f"{show_units(spent.amount)} {clean(spent.currency, _WORD)}" if is_cash else "",
    )


def _pack_text(row: PackRow) -> str:
    facts = [
        f"{quote(row.pack_name, _NAME)}: units_left={row.units_left} of {row.units_total or 'unknown'}",
        f"product_type={identifier(row.product_type) if row.product_type else 'unknown'}",
        row.valid_until and f"valid_until={row.valid_until}",
        row.status and f"status={identifier(row.status)}",
    ]
    return "- " + "; ".join(fact for fact in facts if fact)


def _spent_text(row: SpentRow) -> str:
    differs = row.units_deducted and row.made_here and row.units_deducted != row.units_estimated
    facts = [
        " ".join(word for word in (row.day, row.product_type, row.model_name) if word),
        f"tasks={row.tasks}",
        row.units_deducted and f"units_deducted={row.units_deducted}",
        row.cash and f"cash={quote(row.cash)}",
        f"made_here={str(row.made_here).lower()}",
        row.made_here and f"units_estimated={row.units_estimated}",
        differs and "differs=true",
    ]
    return "- " + "; ".join(fact for fact in facts if fact)
