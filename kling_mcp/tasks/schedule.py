"""When to poll a task next, given how long tasks take here. Pure arithmetic, no clock.

A poll costs a request, a late one costs a person's time. For a given number of polls the mean lag is least when
they are as dense as the square root of the chance that the task ends just then. So this module keeps what is known
of durations (at first the published ones, soon the observed ones) and spaces polls that way.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

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
VOICE_SECONDS: PublishedDurations = ((9.0, 1.0), (12.0, 1.0), (15.0, 1.0))  # fact: time-voice
_SPREAD = 0.14  # a duration of 100 s stands for 86 to 114 s
_REMEMBERED = 60
_STEP = 0.25
# Looks per square root of hazard: the one knob between requests and lag; benchmarks/waiting.py shows both.
_LOOKS = 1.6
MIN_GAP, MAX_GAP = 1.0, 10.0  # fact: poll
INITIAL_GAP = 2.0  # fact: poll; published durations are few, so a newcomer looks early once
_FLOOR_HAZARD = 0.0025  # a task may always end; keeps the gap finite where no duration is known


class PollSchedule:
    """What is known of how long tasks of one kind take, in seconds."""

    def __init__(self, published: PublishedDurations = ELEMENT_SECONDS) -> None:
        self._published = published
        self._observed: deque[float] = deque(maxlen=_REMEMBERED)

    def learn(self, seconds: float) -> None:
        """Remember one duration; impossible ones are ignored."""
        if 0.2 <= seconds <= 7200:
            self._observed.append(seconds)

    def gap_after(self, elapsed: float) -> float:
        """Seconds until the next look at a task that is `elapsed` seconds old and not ready."""
        if not self._observed and elapsed < MIN_GAP:
            return INITIAL_GAP
        samples = [*self._published, *((seconds, 1.0) for seconds in self._observed)]
        gap = looks = 0.0
        while gap < MAX_GAP:
            looks += _STEP * _LOOKS * math.sqrt(_hazard(samples, elapsed + gap + _STEP / 2))
            gap += _STEP
            if looks >= 1.0:
                break
        return max(MIN_GAP, gap)


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
    # Not below one tenth of a whole sample: at the very edge of what was seen, hazard would go to infinity.
    return max(_FLOOR_HAZARD, ending / max(alive, 0.1))
