"""How tests are dealt to the workers that run them."""

from __future__ import annotations

import pytest
from costs import dealt


@pytest.mark.parametrize(("long", "others", "workers"), [(7, 100, 4), (7, 100, 1), (9, 2, 4), (0, 5, 2), (3, 0, 2)])
def test_dealing_loses_no_test_and_keeps_the_order_of_the_others(long: int, others: int, workers: int) -> None:
    first, rest = [f"long {n}" for n in range(long)], [f"other {n}" for n in range(others)]
    dealt_out = dealt(first, rest, workers)
    assert sorted(dealt_out) == sorted([*first, *rest])
    assert [name for name in dealt_out if name in rest] == rest


def test_every_worker_begins_with_its_share_of_the_long_tests() -> None:
    order = dealt(["long"] * 8, ["other"] * 32, 4)
    assert [order[start : start + 3] for start in (0, 10, 20, 30)] == [["long", "long", "other"]] * 4
