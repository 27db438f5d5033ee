"""The fewest requests that any schedule needs for a lag: it knows the distribution of durations, but no duration.

For one task the best schedule is found by backward induction: the next look from each age, so that the looks, at a
price in seconds of lag, and the lag together cost least. Over all prices these are the frontier.

For several that were submitted together, and that one request shows, the price of a look is divided among the tasks
that may still run at that age. Whatever a schedule does, and whatever it learns from the other tasks, each task then
costs at least what the best schedule for it alone costs at its share of the price. A look after which none of its kind
can run is free for it, as others pay that one. So price x requests + lag is bounded from below for each price, and
with it the requests for a given lag. The true least lies above: a task that has ended pays no share any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import accumulate, pairwise

_STEP = 1.0
_PRICES = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 40.0)

Durations = Sequence[tuple[float, float, float]]  # from and to so many seconds evenly, and how probable


def ended(durations: Durations, age: float) -> float:
    """How probable it is that a task has ended at this age."""
    return sum(share * min(1.0, max(0.0, (age - low) / (high - low))) for low, high, share in durations)


@cache
def least_cost(durations: Durations, prices: tuple[tuple[float, float], ...]) -> float:
    """Seconds of lag and of looks together that one task costs at least, on average.

    Args:
        prices: of a look in seconds, each up to an age in seconds.
    """
    steps = round(max(high for _, high, _ in durations) / _STEP)
    shares = [ended(durations, step * _STEP) for step in range(steps + 1)]
    # The mean lag of what ends between two ages is the area below the shares.
    areas = list(accumulate(((a + b) / 2 * _STEP for a, b in pairwise(shares)), initial=0.0))
    costs = [0.0] * (steps + 1)
    for step in range(steps - 1, -1, -1):
        running = 1.0 - shares[step]
        if running <= 1e-9:
            continue
        costs[step] = min(
            running * _price_at(prices, later * _STEP)
            + areas[later]
            - areas[step]
            - shares[step] * (later - step) * _STEP
            + costs[later]
            for later in range(step + 1, min(steps, step + 90) + 1)
        )
    return costs[0]


def _price_at(prices: Sequence[tuple[float, float]], age: float) -> float:
    return next(price for until, price in prices if age <= until)


def least_requests(kinds: Mapping[str, Durations], tasks: int, lag: float) -> float:
    """Requests a task that are needed at least for this mean lag in seconds, where as many tasks of each kind run."""
    ends = sorted({max(high for _, high, _ in durations) for durations in kinds.values()})
    # Before the first kind must have ended all tasks may run, then those of the other kinds.
    counts = [(end, max(1.0, tasks * sum(_last(one) >= end for one in kinds.values()) / len(kinds))) for end in ends]
    bounds = []
    for price in _PRICES:
        costs = [least_cost(tuple(one), _shares(price, counts, _last(one), tasks)) for one in kinds.values()]
        bounds.append((sum(costs) / len(costs) - lag) / (price / tasks) / tasks)
    return max(0.0, *bounds)


def _shares(
    price: float, counts: Sequence[tuple[float, float]], last: float, tasks: int
) -> tuple[tuple[float, float], ...]:
    """What a task of a kind that ends by `last` pays for a look, each up to an age."""
    if tasks == 1:
        return ((last, price),)
    paid = [(min(end, last - _STEP / 2), price / count) for end, count in counts if end <= last]
    return (*paid, (last, 0.0))


def _last(durations: Durations) -> float:
    return max(high for _, high, _ in durations)
