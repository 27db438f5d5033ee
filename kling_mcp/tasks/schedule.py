"""When to look at tasks next, given how long tasks take here. Pure arithmetic, no clock.

An early look costs a request, a late one costs a person's time. So the next look comes when the lag that is to be
expected until then weighs as much as a request: near the ends that are probable, and seldom elsewhere. What is known
of durations are at first published ones, soon observed ones; as they may be wrong, no task is left alone for longer
than `longest_gap`. One look at many tasks weighs the lag of all of them.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence

PublishedDurations = Sequence[tuple[float, float, float]]  # from and to so many seconds, and the weight of that figure
# fact: time-image (5 s, elsewhere 1 to 2 minutes)
ELEMENT_SECONDS: PublishedDurations = ((5.0, 5.0, 3.0), (12.0, 12.0, 0.3), (60.0, 120.0, 2.7))
# What was measured: Turbo, Omni, ordinary clips, Omni with references. fact: gen-times
VIDEO_SECONDS: PublishedDurations = ((28.0, 28.0, 1.0), (83.0, 83.0, 1.0), (30.0, 320.0, 4.0), (300.0, 900.0, 1.5))
IMAGE_SECONDS: PublishedDurations = ((24.0, 32.0, 3.0),)  # fact: gen-times
VOICE_SECONDS: PublishedDurations = ((9.0, 15.0, 3.0),)  # fact: time-voice
_SPREAD = 0.08  # a duration of 100 s counts as 92 to 108 s
_REMEMBERED = 60
_STEP = 0.25
# The weight of what is not known: tasks that take any time, half of them up to so many seconds. It counts much where
# only published durations are known, and little beside many observed ones.
_UNKNOWN, _UNKNOWN_SECONDS = 0.7, 100.0
# Seconds of lag that weigh as much as a look: for any task, for each that was looked at together with it, and at most.
# benchmarks/waiting.py shows what both come to.
_PRICE, _PRICE_OF_COMPANY, _HIGHEST_PRICE = 0.14, 0.06, 8.0
MIN_GAP, MAX_GAP = 1.0, 60.0
_ANY_AGE, _SHARE_OF_AGE = 30.0, 0.25  # how long a task is left alone at most, whatever is known of durations


class PollSchedule:
    """The known durations of one kind of task, in seconds."""

    def __init__(self, published: PublishedDurations = ELEMENT_SECONDS) -> None:
        self._published = published
        self._observed: deque[float] = deque(maxlen=_REMEMBERED)
        self._running: dict[int, float] = {}  # by age in steps; all tasks of a kind share them

    def learn(self, seconds: float) -> None:
        """Remember one duration; impossible ones are ignored."""
        if 0.2 <= seconds <= 7200:
            self._observed.append(seconds)
            self._running.clear()

    def usual(self) -> tuple[float, float]:
        """How long most tasks take: half of them end between these two, in seconds."""
        return self._age_at(0.75), self._age_at(0.25)

    def gap_after(self, elapsed: float) -> float:
        """Seconds until the next look at a task that is `elapsed` seconds old and not ready."""
        return gap_for_all([(self, elapsed, 1)])

    def share_running(self, step: int) -> float:
        """The share of all tasks that still run at an age in steps; never 0."""
        known = self._running.get(step)
        if known is None:
            known = self._running[step] = self._share_running(step * _STEP)
        return known

    def _share_running(self, age: float) -> float:
        running, total = _UNKNOWN * _UNKNOWN_SECONDS / (_UNKNOWN_SECONDS + age), _UNKNOWN
        for low, high, weight in self._durations():
            first, last = low * (1 - _SPREAD) - 0.3, high * (1 + _SPREAD) + 0.3
            running += weight * min(1.0, max(0.0, (last - age) / (last - first)))
            total += weight
        return running / total

    def _durations(self) -> Iterable[tuple[float, float, float]]:
        return [*self._published, *((seconds, seconds, 1.0) for seconds in self._observed)]

    def _age_at(self, share: float) -> float:
        """The age in seconds at which this share of all tasks still runs."""
        step = 0
        while self.share_running(step) > share:
            step += 1
        return step * _STEP


def longest_gap(age: float) -> float:
    """How long a task of this age may be left alone, and so the most that a wrong duration may cost, in seconds."""
    return min(MAX_GAP, max(_ANY_AGE, age * _SHARE_OF_AGE))


def gap_for_all(running: Iterable[tuple[PollSchedule, float, int]]) -> float:
    """Seconds until the next look that shows all of these tasks, at least one.

    Each with its durations, how old it is in seconds, and the most tasks that one look showed together with it, itself
    included: the more these were, the less its own lag weighs, also when it is the last of them.
    """
    tasks = Counter((schedule, round(age / _STEP), company) for schedule, age, company in running)
    groups = [(schedule, step, many / _price(company)) for (schedule, step, company), many in tasks.items()]
    longest = longest_gap(min(step for _, step, _ in groups) * _STEP)
    lag, steps = 0.0, 0
    while lag < 1.0 and steps * _STEP < longest:
        steps += 1
        lag += _STEP * sum(
            weight * (1 - schedule.share_running(step + steps) / schedule.share_running(step))
            for schedule, step, weight in groups
        )
    return max(MIN_GAP, steps * _STEP)


def _price(company: int) -> float:
    return min(_HIGHEST_PRICE, _PRICE + _PRICE_OF_COMPANY * company)
