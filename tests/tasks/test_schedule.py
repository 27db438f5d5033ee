"""When to look next: near the moments at which tasks end here, seldom where none can."""

from __future__ import annotations

import pytest

from kling_mcp.tasks.schedule import MAX_GAP, MIN_GAP, PollSchedule


def looks_until(durations: PollSchedule, end: float) -> list[float]:
    """The ages at which a task that ends at `end` seconds is looked at."""
    looks = [durations.gap_after(0.0)]
    while looks[-1] < end:
        looks.append(looks[-1] + durations.gap_after(looks[-1]))
    return looks


def test_a_newcomer_looks_early_once_and_then_when_the_fastest_published_tasks_end() -> None:
    """facts: poll, time-image"""
    first, second, *_ = looks_until(PollSchedule(), 60.0)
    assert first == 2.0
    assert 4.0 <= second <= 6.0


def test_the_early_look_is_saved_where_tasks_are_known_to_take_longer() -> None:
    durations = PollSchedule()
    durations.learn(30.0)
    assert durations.gap_after(0.0) > 4.0


def test_looks_are_rare_where_no_task_is_known_to_end() -> None:
    durations = PollSchedule()
    assert durations.gap_after(20.0) > 2 * durations.gap_after(65.0)


def test_looks_are_denser_towards_the_end_of_the_known_durations() -> None:
    durations = PollSchedule()
    assert durations.gap_after(112.0) < durations.gap_after(65.0)


@pytest.mark.parametrize("age", [0.0, 4.7, 5.5, 30.0, 60.0, 119.0, 500.0, 100_000.0])
def test_every_gap_stays_within_its_bounds(age: float) -> None:
    """fact: poll"""
    assert MIN_GAP <= PollSchedule().gap_after(age) <= MAX_GAP


def test_tasks_that_take_half_a_minute_here_are_soon_met_on_time() -> None:
    durations = PollSchedule()
    before = looks_until(durations, 30.0)
    for _ in range(30):
        durations.learn(30.0)
    after = looks_until(durations, 30.0)
    assert after[-1] - 30.0 < before[-1] - 30.0
    assert len(after) <= len(before)


def test_impossible_durations_teach_nothing() -> None:
    durations, fresh = PollSchedule(), PollSchedule()
    for seconds in (-5.0, 0.0, 1e9):
        durations.learn(seconds)
    assert [durations.gap_after(age) for age in range(0, 200, 5)] == [fresh.gap_after(age) for age in range(0, 200, 5)]


def test_only_recent_durations_count() -> None:
    durations = PollSchedule()
    for seconds in [300.0] * 50 + [20.0] * 60:
        durations.learn(seconds)
    assert durations.gap_after(17.0) < durations.gap_after(280.0)


@pytest.mark.parametrize("ages", [[0.0], [5.5] * 3, [119.0] * 2000, [float(age) for age in range(0, 1000, 7)]])
def test_every_gap_for_several_tasks_stays_within_its_bounds(ages: list[float]) -> None:
    assert MIN_GAP <= PollSchedule().gap_for_all(ages) <= MAX_GAP


def test_few_tasks_are_looked_at_together_as_often_as_one_alone() -> None:
    durations = PollSchedule()
    for age in (10.0, 64.0, 90.0, 112.0):
        assert durations.gap_for_all([age] * 10) == pytest.approx(durations.gap_after(age), abs=0.5)


def test_many_tasks_are_looked_at_more_often_together_than_few() -> None:
    durations = PollSchedule()
    assert durations.gap_for_all([90.0] * 1000) < durations.gap_for_all([90.0] * 10)


def test_learned_durations_count_for_several_tasks_at_once() -> None:
    durations = PollSchedule()
    before = durations.gap_for_all([200.0] * 5)
    for _ in range(30):
        durations.learn(205.0)
    assert durations.gap_for_all([200.0] * 5) < before
