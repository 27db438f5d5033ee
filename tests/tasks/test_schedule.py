"""When to look next: near the moments at which tasks end here, seldom where none can, never too late."""

from __future__ import annotations

import pytest

from kling_mcp.tasks.schedule import (
    IMAGE_SECONDS,
    MAX_GAP,
    MIN_GAP,
    VIDEO_SECONDS,
    PollSchedule,
    gap_for_all,
    longest_gap,
)

AGES = [0.0, 4.7, 5.5, 30.0, 60.0, 119.0, 500.0, 100_000.0]


def looks_until(durations: PollSchedule, end: float) -> list[float]:
    """The ages at which a task that ends at `end` seconds is looked at."""
    looks = [durations.gap_after(0.0)]
    while looks[-1] < end:
        looks.append(looks[-1] + durations.gap_after(looks[-1]))
    return looks


def taught(*seconds: float, times: int = 60) -> PollSchedule:
    durations = PollSchedule()
    for one in seconds:
        for _ in range(times):
            durations.learn(one)
    return durations


def test_first_look_comes_when_the_fastest_published_tasks_end() -> None:
    """fact: time-image"""
    assert 4.5 <= looks_until(PollSchedule(), 60.0)[0] <= 7.0


def test_picture_is_looked_at_once_before_any_published_one_ended() -> None:
    """Published durations are few, so they may be wrong. fact: gen-times"""
    looks = looks_until(PollSchedule(IMAGE_SECONDS), 28.0)
    assert 10.0 <= looks[0] <= 20.0
    assert looks[1] >= 21.0
    assert len(looks) <= 6
    assert looks[-1] - 28.0 < 3.0


def test_pictures_seen_here_save_the_look_at_what_cannot_have_ended() -> None:
    durations = PollSchedule(IMAGE_SECONDS)
    for _ in range(60):
        durations.learn(28.0)
    assert looks_until(durations, 28.0)[0] >= 24.0


def test_looks_are_rare_where_no_task_is_known_to_end() -> None:
    durations = PollSchedule()
    assert durations.gap_after(20.0) > 2 * durations.gap_after(65.0)


def test_looks_are_denser_towards_the_end_of_the_known_durations() -> None:
    durations = PollSchedule()
    assert durations.gap_after(112.0) < durations.gap_after(65.0)


@pytest.mark.parametrize("age", AGES)
@pytest.mark.parametrize("durations", [PollSchedule(), PollSchedule(VIDEO_SECONDS), taught(33.0), taught(2.0, 7000.0)])
def test_every_gap_stays_within_the_bounds_of_its_age(durations: PollSchedule, age: float) -> None:
    """Whatever was learned, and whether it is right."""
    assert MIN_GAP <= durations.gap_after(age) <= longest_gap(age) <= MAX_GAP


@pytest.mark.parametrize("end", [1.0, 7.0, 20.0, 45.0, 90.0, 400.0, 3000.0])
@pytest.mark.parametrize("believed", [2.0, 30.0, 600.0])
def test_wrong_durations_cost_half_a_minute_or_a_quarter_of_the_age(believed: float, end: float) -> None:
    looks = looks_until(taught(believed), end)
    assert looks[-1] - end <= max(30.0, end / 4)


def test_tasks_that_take_half_a_minute_here_are_soon_met_on_time() -> None:
    before, after = looks_until(PollSchedule(), 30.0), looks_until(taught(30.0, times=30), 30.0)
    assert after[-1] - 30.0 <= min(1.0, before[-1] - 30.0)
    assert len(after) <= 4


def test_impossible_durations_teach_nothing() -> None:
    durations, fresh = taught(-5.0, 0.0, 1e9, times=1), PollSchedule()
    assert [durations.gap_after(age) for age in AGES] == [fresh.gap_after(age) for age in AGES]


def test_only_recent_durations_count() -> None:
    durations = taught(300.0, 20.0)
    assert durations.gap_after(17.0) < durations.gap_after(280.0)


def test_usual_seconds_hold_half_of_the_known_durations() -> None:
    low, high = PollSchedule(IMAGE_SECONDS).usual()
    assert 24.0 <= low < high <= 34.0
    low, high = taught(40.0, 50.0, 60.0, 70.0, times=15).usual()
    assert 40.0 <= low <= 55.0 <= high <= 70.0


@pytest.mark.parametrize("ages", [[0.0], [5.5] * 3, [119.0] * 2000, [float(age) for age in range(0, 1000, 7)]])
@pytest.mark.parametrize("company", [1, 5000])
def test_every_gap_for_several_tasks_stays_within_their_bounds(ages: list[float], company: int) -> None:
    durations = PollSchedule()
    gap = gap_for_all((durations, age, company) for age in ages)
    assert MIN_GAP <= gap <= longest_gap(min(ages))


def test_more_tasks_in_one_look_are_looked_at_sooner() -> None:
    durations = PollSchedule()
    gaps = [gap_for_all([(durations, 64.0, 10)] * many) for many in (1, 10, 100)]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[0] > gaps[2]


def test_the_last_of_many_costs_fewer_looks_than_one_alone() -> None:
    durations = PollSchedule(VIDEO_SECONDS)
    assert gap_for_all([(durations, 200.0, 50)]) > durations.gap_after(200.0)


def test_newcomer_is_met_as_early_beside_the_last_of_many_as_alone() -> None:
    durations = PollSchedule()
    assert gap_for_all([(durations, 4.0, 1), (durations, 400.0, 50)]) <= durations.gap_after(4.0)


def test_each_task_is_met_by_the_durations_of_its_own_kind() -> None:
    images, elements = PollSchedule(IMAGE_SECONDS), PollSchedule()
    beside = gap_for_all([(images, 0.0, 2), (elements, 0.0, 2)])
    assert beside <= min(images.gap_after(0.0), elements.gap_after(0.0) + 1.0)
