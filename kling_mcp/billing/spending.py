"""Packs and deductions as sums: what is left by product type, and what was spent by day and model. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from kling_mcp.concurrency.clock import iso_utc
from kling_mcp.tasks.budget import units_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kling_mcp.api.billing_models import Deduction, Pack
    from kling_mcp.tasks.entry import JournalEntry

# Kling's packs do not say what they pay for, but their names do. facts: costs-pack, gen-slots
_WORDS = {
    "video": ("video", "视频"),
    "image": ("image", "picture", "图像", "图片"),
    "try-on": ("try-on", "try on", "试"),
}
IN_FORCE = "online"
_MAX_UNITS = 10**15  # no pack has as many: such a figure is none
_PLACES = 6  # prices have four at most, as dollars (fact: price-rule)


@dataclass(frozen=True, slots=True)
class PackLeft:
    """A pack and what it pays for: video, image, try-on, or "" if that is not known."""

    pack: Pack
    product: str

    @property
    def units_left(self) -> Decimal:
        """As Kling says."""
        return exact(self.pack.remaining_quantity)

    @property
    def is_in_force(self) -> bool:
        """Whether it pays now."""
        return self.pack.status == IN_FORCE


@dataclass(slots=True)
class Spent:
    """What tasks of one day, product type and model cost.

    Attributes:
        day: in UTC.
        model: Kling's name, or what was made where there is no model, such as `Element`.
        is_ours: whether this server made them; then `estimated` is what its journal said of the same tasks.
        currency: of `amount`, or "" if it is units.
    """

    day: str
    product: str
    model: str
    is_ours: bool
    currency: str
    tasks: set[str] = field(default_factory=set)
    amount: Decimal = Decimal(0)
    estimated: Decimal = Decimal(0)

    @property
    def differs(self) -> bool:
        """Whether Kling took other units than the journal estimated."""
        return self.is_ours and not self.currency and self.amount != self.estimated


def exact(text: str) -> Decimal:
    """A quantity without what a floating-point number added to it: 118.3 for 118.30000000000001."""
    units = units_of(text)
    return round(units, _PLACES) if abs(units) < _MAX_UNITS else Decimal(0)


def packs_left(packs: Iterable[Pack], deductions: Iterable[Deduction]) -> list[PackLeft]:
    """The packs, those in force first, then those that end first."""
    paid_for = {row.package_id: row.product_type for row in deductions if row.package_id}
    found = [
        PackLeft(pack, paid_for.get(pack.resource_pack_id) or product_of(pack.resource_pack_name)) for pack in packs
    ]
    return sorted(found, key=lambda left: (not left.is_in_force, left.pack.invalid_time))


def product_of(pack_name: str) -> str:
    """What a pack of this name pays for, if the name says it of one type alone."""
    name = pack_name.lower()
    named = [product for product, words in _WORDS.items() if any(word in name for word in words)]
    return named[0] if len(named) == 1 else ""


def units_left(packs: Iterable[PackLeft]) -> dict[str, Decimal]:
    """Units of the packs in force by product type; `unknown` for packs whose type is not known."""
    left: dict[str, Decimal] = {}
    for each in packs:
        if each.is_in_force:
            product = each.product or "unknown"
            left[product] = left.get(product, Decimal(0)) + each.units_left
    return left


def spent_by_model(deductions: Sequence[Deduction], entries: Mapping[str, JournalEntry]) -> list[Spent]:
    """Sums, the newest day first, then what cost most.

    Args:
        entries: what the journal knows of the tasks, by task id.
    """
    rows: dict[tuple[str, ...], Spent] = {}
    for deduction in deductions:
        entry = entries.get(deduction.task_id)
        day = iso_utc(deduction.deduction_time)[:10]
        model = deduction.model_name or deduction.product_function
        key = (day, deduction.product_type, model, str(entry is not None), deduction.currency)
        row = rows.setdefault(key, Spent(day, deduction.product_type, model, entry is not None, deduction.currency))
        row.amount += exact(deduction.deduction_amount)
        if entry is not None and deduction.task_id not in row.tasks:  # a task may be paid from two packs
            row.estimated += units_of(entry.units_estimated)
        row.tasks.add(deduction.task_id)
    by_cost = sorted(rows.values(), key=lambda row: (-row.amount, row.product, row.model, row.is_ours))
    return sorted(by_cost, key=lambda row: row.day, reverse=True)
