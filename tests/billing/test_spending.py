"""Sums of packs and deductions."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from kling_mcp.api.billing_models import Deduction, Pack
from kling_mcp.billing.spending import packs_left, product_of, spent_by_model, units_left
from kling_mcp.tasks.entry import JournalEntry

NOON = 1_780_056_000_000  # 2026-05-29T12:00:00Z
DAY = 86_400_000


def pack(name: str, left: float, **changes: Any) -> Pack:
    fields = {"resource_pack_id": name, "remaining_quantity": left, "status": "online", "invalid_time": NOON}
    return Pack.model_validate({"resource_pack_name": name, **fields, **changes})


def row(task_id: str, amount: float, **changes: Any) -> Deduction:
    fields = {"product_type": "video", "model_name": "kling-3.0-omni", "deduction_time": str(NOON)}
    return Deduction.model_validate({"task_id": task_id, "deduction_amount": amount, **fields, **changes})


def entry(task_id: str, units: str) -> JournalEntry:
    return JournalEntry("a", f"kmcp-{task_id}", "video", "k", 1, "k", "", "ready", task_id, units_estimated=units)


@pytest.mark.parametrize(
    ("name", "product"),
    [
        ("Video Generation - 10,000 entries", "video"),
        ("Image Generation - 2,000 entries", "image"),
        ("视频生成-1000Units-5Con-90Days", "video"),
        ("Virtual Try-On - 100", "try-on"),
        ("Video and Image bundle", ""),
        ("Trial", ""),
    ],
)
def test_name_of_a_pack_says_what_it_pays_for(name: str, product: str) -> None:
    assert product_of(name) == product


def test_ledger_knows_better_than_the_name_what_a_pack_pays_for() -> None:
    left = packs_left([pack("Trial", 5)], [row("1", 3, package_id="Trial", product_type="image")])
    assert left[0].product == "image"


def test_packs_that_are_not_in_force_do_not_count() -> None:
    packs = [
        pack("Video old", 7, status="expired"),
        pack("Video late", 2, invalid_time=NOON + DAY),
        pack("Video soon", 1.5),
        pack("Trial", 4),
        pack("Image used", 0, status="runOut"),
    ]
    left = packs_left(packs, [])
    assert [each.pack.resource_pack_name for each in left if each.is_in_force] == ["Video soon", "Trial", "Video late"]
    assert units_left(left) == {"video": Decimal("3.5"), "unknown": Decimal(4)}


def test_spending_is_summed_by_day_model_and_maker() -> None:
    deductions = [
        row("1", 3.0),
        row("2", 0.6),
        row("3", 1),
        row("4", 2, deduction_time=str(NOON - DAY)),
        row("5", 0.05, model_name="", product_function="Voice Clone"),
    ]
    entries = {"1": entry("1", "3"), "2": entry("2", "0.9")}
    rows = spent_by_model(deductions, entries)
    told = [(each.day, each.model, each.is_ours, each.amount, each.estimated, each.differs) for each in rows]
    assert told == [
        ("2026-05-29", "kling-3.0-omni", True, Decimal("3.6"), Decimal("3.9"), True),
        ("2026-05-29", "kling-3.0-omni", False, Decimal(1), Decimal(0), False),
        ("2026-05-29", "Voice Clone", False, Decimal("0.05"), Decimal(0), False),
        ("2026-05-28", "kling-3.0-omni", False, Decimal(2), Decimal(0), False),
    ]


def test_task_that_two_packs_paid_is_estimated_once() -> None:
    (one,) = spent_by_model([row("1", 1), row("1", 2)], {"1": entry("1", "3")})
    assert (one.amount, one.estimated, len(one.tasks), one.differs) == (Decimal(3), Decimal(3), 1, False)


def test_floats_leave_no_noise_in_sums() -> None:
    (one,) = spent_by_model([row("1", 0.1 + 0.2), row("2", 0.6)], {"1": entry("1", "0.3"), "2": entry("2", "0.6")})
    assert (one.amount, one.differs) == (Decimal("0.9"), False)
    (left,) = packs_left([pack("Video", 118.30000000000001)], [])
    assert left.units_left == Decimal("118.3")


def test_money_is_never_added_to_units() -> None:
    rows = spent_by_model([row("1", 3), row("2", 0.42, currency="USD")], {})
    assert {(each.currency, each.amount) for each in rows} == {("", Decimal(3)), ("USD", Decimal("0.42"))}


@pytest.mark.parametrize("odd", [None, "", "much", "NaN", "1e300", 1e300, True, [], {}])
def test_unreadable_amount_of_a_deduction_counts_as_zero(odd: object) -> None:
    (one,) = spent_by_model([Deduction.model_validate({"task_id": "1", "deduction_amount": odd})], {})
    assert one.amount == 0
