"""How tests are dealt to the workers that run them."""

from __future__ import annotations

import pytest
from costs import dealt


@pytest.mark.parametrize("workers", [1, 2, 3, 4, 8])
@pytest.mark.parametrize(("waits", "busy", "others"), [(7, 5, 100), (9, 2, 2), (0, 3, 5), (3, 0, 0), (0, 0, 4)])
def test_dealing_loses_no_test_and_keeps_the_order_of_the_others(
    waits: int, busy: int, others: int, workers: int
) -> None:
    first, second = [f"wait {n}" for n in range(waits)], [f"busy {n}" for n in range(busy)]
    rest = [f"other {n}" for n in range(others)]
    dealt_out = dealt(first, second, rest, workers)
    assert sorted(dealt_out) == sorted([*first, *second, *rest])
    assert [name for name in dealt_out if name in rest] == rest


def test_half_of_the_workers_begin_with_tests_that_wait_and_half_with_busy_ones() -> None:
    order = dealt(["wait"] * 4, ["busy"] * 6, ["other"] * 30, 4)
    begins = [order[start : start + 4] for start in (0, 10, 20, 30)]
    assert begins == [["wait", "wait", "other", "other"]] * 2 + [["busy", "busy", "busy", "other"]] * 2
