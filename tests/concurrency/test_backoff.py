"""Growing delays: doubled, capped, reset after a success, and spread by jitter."""

from __future__ import annotations

from helpers import dice

from kling_mcp.concurrency.backoff import Backoff


def test_delays_double_up_to_the_maximum() -> None:
    backoff = Backoff(1.0, 8.0)
    assert [backoff.next_delay() for _ in range(6)] == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def test_reset_starts_again_with_the_initial_delay() -> None:
    backoff = Backoff(0.5, 30.0)
    backoff.next_delay()
    backoff.next_delay()
    backoff.reset()
    assert backoff.next_delay() == 0.5


def test_jitter_draws_each_delay_from_its_upper_half() -> None:
    backoff = Backoff(1.0, 4.0, dice(7))
    delays = [backoff.next_delay() for _ in range(3)]
    assert all(low <= delay <= 2 * low for delay, low in zip(delays, [0.5, 1.0, 2.0], strict=True))
    assert len({round(delay, 6) for delay in delays}) == 3
