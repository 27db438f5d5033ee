"""When to poll a task next, given how long tasks take here. Pure arithmetic, no clock.

An early poll costs a request, a late one costs a person's time. For a given number of polls, the mean lag is lowest
when their density follows the square root of the chance that the task ends at that moment. So this module keeps known
durations (at first published ones, soon observed ones) and spaces polls accordingly. Where one poll shows many tasks,
it is the chance that any of them ends that counts.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Sequence

PublishedDurations = Sequence[tuple[float, float]]  # seconds, and the weight of that figure
# fact: time-image (5 s, elsewhere 1 to 2 minutes)
ELEMENT_SECONDS: PublishedDurations = (
    (5.0, 3.0),
    (12.0, 0.3),
    (60.0, 0.55),
    (75.0, 0.55),
    (90.0, 0.55),
    (105.0, 0.55),
    (118.0, 0.55),
)
# What was measured, from Turbo to Omni with references. fact: gen-times
VIDEO_SECONDS: PublishedDurations = (
    (28.0, 1.0),
    (60.0, 1.0),
    (83.0, 1.0),
    (120.0, 1.0),
    (200.0, 1.0),
    (320.0, 1.0),
    (450.0, 0.5),
    (700.0, 0.5),
    (900.0, 0.5),
)
IMAGE_SECONDS: PublishedDurations = ((24.0, 1.0), (28.0, 1.0), (32.0, 1.0))  # fact: gen-times
VOICE_SECONDS: PublishedDurations = ((9.0, 1.0), (12.0, 1.0), (15.0, 1.0))  # fact: time-voice
_SPREAD = 0.14  # a duration of 100 s counts as 86 to 114 s
_REMEMBERED = 60
_STEP = 0.25
# Polls per square root of hazard: trades requests for lag; benchmarks/waiting.py shows both.
_LOOKS = 1.6
_LOOKS_TOGETHER = 0.25  # for many tasks that one poll shows: fewer for each of them
MIN_GAP, MAX_GAP = 1.0, 10.0  # fact: poll
INITIAL_GAP = 2.0  # fact: poll; published durations are few, so the first poll is early
_FLOOR_HAZARD = 0.0025  # a task may end at any time; keeps the gap finite if no duration is known


class PollSchedule:
    """The known durations of one kind of task, in seconds."""

    def __init__(self, published: PublishedDurations = ELEMENT_SECONDS) -> None:
        self._published = published
        self._observed: deque[float] = deque(maxlen=_REMEMBERED)
        self._hazards: dict[int, float] = {}  # by age in steps; all tasks of a kind share them

    def learn(self, seconds: float) -> None:
        """Remember one duration; impossible ones are ignored."""
        if 0.2 <= seconds <= 7200:
            self._observed.append(seconds)
            self._hazards.clear()

    def usual(self) -> tuple[float, float]:
        """How long most tasks take: half of them end between these two, in seconds."""
        samples = sorted([*self._published, *((seconds, 1.0) for seconds in self._observed)])
        total = sum(weight for _, weight in samples)
        low, high = (_quantile(samples, share * total) for share in (0.25, 0.75))
        return low, high

    def gap_after(self, elapsed: float) -> float:
        """Seconds until the next poll of a task that is `elapsed` seconds old and not ready."""
        if not self._observed and elapsed < MIN_GAP:
            return INITIAL_GAP
        gap = looks = 0.0
        while gap < MAX_GAP:
            looks += _STEP * _LOOKS * math.sqrt(self._hazard(elapsed + gap))
            gap += _STEP
            if looks >= 1.0:
                break
        return max(MIN_GAP, gap)

    def gap_for_all(self, ages: Iterable[float]) -> float:
        """Seconds until the next poll that shows all of these tasks, which are so many seconds old; at least one.

        A few are polled as often together as one of them would be alone, many somewhat more often.
        """
        steps = Counter(round(age / _STEP) for age in ages)
        weight = max(_LOOKS_TOGETHER, _LOOKS / math.sqrt(steps.total()))
        gap = looks = 0.0
        while gap < MAX_GAP:
            ending = sum(many * self._hazard(step * _STEP + gap) for step, many in steps.items())
            looks += _STEP * weight * math.sqrt(ending)
            gap += _STEP
            if looks >= 1.0:
                break
        return max(MIN_GAP, gap)

    def _hazard(self, elapsed: float) -> float:
        """The chance per second that a task ends in the step that begins about `elapsed` seconds after its own."""
        step = round(elapsed / _STEP)
        known = self._hazards.get(step)
        if known is None:
            samples = [*self._published, *((seconds, 1.0) for seconds in self._observed)]
            known = self._hazards[step] = _hazard(samples, (step + 0.5) * _STEP)
        return known


def _quantile(samples: Sequence[tuple[float, float]], weight: float) -> float:
    """The first duration up to which the samples weigh as much."""
    for seconds, its_weight in samples:
        weight -= its_weight
        if weight <= 0:
            return seconds
    return samples[-1][0]


def _hazard(samples: list[tuple[float, float]], at: float) -> float:
    """The chance per second that a task still running at `at` seconds ends there."""
    ending = alive = 0.0
    for seconds, weight in samples:
        low, high = seconds * (1 - _SPREAD) - 0.3, seconds * (1 + _SPREAD) + 0.3
        if at >= high:
            continue
        if at <= low:
            alive += weight
        else:
            alive += weight * (high - at) / (high - low)
            ending += weight / (high - low)
    if alive <= 0:
        return _FLOOR_HAZARD
    # At least a tenth of a sample: near the longest known duration, the hazard would go to infinity.
    return max(_FLOOR_HAZARD, ending / max(alive, 0.1))
