"""When a request is sent again: bounded in attempts and in time, with jitter, as Kling asks within a cap."""

from __future__ import annotations

from itertools import pairwise

import pytest
from helpers import API_KEY, ATTEMPTS, dice, failure_of, requests_to
from hypothesis import given
from hypothesis import strategies as st
from virtual_time import VirtualClock

from kling_mcp.account import Account
from kling_mcp.api.auth import ApiKey
from kling_mcp.api.client import KlingClient
from kling_mcp.api.retry import RetryPolicy, delay_before_retry
from kling_mcp.api.sender import Sender
from kling_mcp.errors import ConnectionFailedError, KlingError, RateLimitError, ServerError, UnexpectedReplyError
from kling_mcp.simulator import Faults, SimulatorTransport, World

POLICY = RetryPolicy()


def rate_limited(asked: float | None = None) -> RateLimitError:
    """1302, with or without Retry-After."""
    return RateLimitError("slow down", http_status=429, retry_after=asked)


@pytest.mark.anyio
class TestReads:
    @pytest.mark.parametrize("failures", range(1, ATTEMPTS))
    async def test_a_passing_failure_is_not_noticed(
        self, account: Account, world: World, faults: Faults, failures: int
    ) -> None:
        """fact: retry-reads"""
        faults.reply_code(5000, times=failures)
        assert await account.client.list_elements() == []
        assert len(world.requests) == failures + 1

    async def test_a_mix_of_failures_shares_one_count(self, account: Account, world: World, faults: Faults) -> None:
        faults.reply_code(1302)
        faults.reply_status(502)
        faults.lose_reply_before_commit()
        faults.reply_code(5002)
        assert (await failure_of(account.client, "list")).code == 5002
        assert len(world.requests) == ATTEMPTS

    async def test_pauses_grow_and_differ_between_clients(self, clock: VirtualClock, world: World) -> None:
        """Jitter: clients that failed together do not come back together."""
        faults = Faults()
        faults.reply_code(5001, times=None)
        pauses = []
        for seed in (1, 2):
            world.requests.clear()
            sender = Sender(
                "https://kling.example",
                clock,
                make_transport=lambda: SimulatorTransport(world, faults),
                rng=dice(seed),
            )
            await failure_of(KlingClient(sender, ApiKey(API_KEY), clock), "query")
            times = [request.time for request in world.requests]
            pauses.append([after - before for before, after in pairwise(times)])
        assert pauses[0] != pauses[1]
        for first, second, third in pauses:
            assert 0.25 <= first <= 0.5 <= second <= 1.0 <= third <= 2.0

    async def test_slow_failures_end_early(self, account: Account, world: World, faults: Faults) -> None:
        """Bounded in time, too: a server that needs 15 seconds for each 504 gets one second chance."""
        faults.reply_code(5002, times=None)
        faults.delay(15, times=None)
        await failure_of(account.client, "query")
        assert len(world.requests) == 2


@pytest.mark.anyio
class TestRetryAfter:
    """fact: retry-after-unseen"""

    async def test_retry_after_is_obeyed_within_a_cap(
        self, account: Account, world: World, faults: Faults, clock: VirtualClock
    ) -> None:
        faults.rate_limit(retry_after="7")
        await account.client.list_elements()
        first, second = world.requests
        assert second.time - first.time == pytest.approx(7)

    @pytest.mark.parametrize("seconds", ["11", "3600"])
    async def test_retry_after_beyond_the_cap_fails_at_once(
        self, account: Account, world: World, faults: Faults, clock: VirtualClock, seconds: str
    ) -> None:
        faults.rate_limit(retry_after=seconds, times=None)
        error = await failure_of(account.client, "list")
        assert isinstance(error, RateLimitError)
        assert (error.retry_after, error.retry) == (float(seconds), "later")
        assert (len(world.requests), clock.monotonic()) == (1, 0.0)

    @pytest.mark.parametrize("value", ["soon", "-5", "1.5", "Wed, 21 Oct 2026 07:28:00 GMT", "9" * 400])
    async def test_unreadable_retry_after_is_ignored(
        self, account: Account, world: World, faults: Faults, clock: VirtualClock, value: str
    ) -> None:
        faults.rate_limit(retry_after=value)
        await account.client.list_elements()
        assert len(world.requests) == 2
        assert clock.monotonic() < 1


class TestRetryDecision:
    """`delay_before_retry` alone."""

    @given(st.integers(1, 12), st.floats(0, 60), st.floats(0, 60) | st.none(), st.integers())
    def test_retry_delay_never_leaves_its_bounds(
        self, attempt: int, elapsed: float, asked: float | None, seed: int
    ) -> None:
        delay = delay_before_retry(
            POLICY, rate_limited(asked), "read", attempt=attempt, elapsed=elapsed, rng=dice(seed)
        )
        if delay is None:
            return
        assert attempt < POLICY.attempts
        assert elapsed + delay <= POLICY.within_seconds
        assert max(asked or 0, 0.25) <= delay <= max(POLICY.longest_delay, POLICY.longest_retry_after)

    @pytest.mark.parametrize(
        ("error", "effects"),
        [
            (ConnectionFailedError("no"), {"read", "create", "delete"}),
            (rate_limited(), {"read", "delete"}),  # a creation stays in the gate's queue instead
            (ServerError("no", http_status=500), {"read"}),
            (UnexpectedReplyError("no", http_status=502), {"read"}),
            (UnexpectedReplyError("no", http_status=429, kind="rate_limited"), {"read"}),
            (UnexpectedReplyError("no", http_status=200), set()),
            (KlingError("no"), set()),
        ],
    )
    def test_errors_are_retried_only_for_the_effects_that_allow_it(self, error: KlingError, effects: set[str]) -> None:
        """facts: retry-create, retry-reads"""
        repeated = {
            effect
            for effect in ("read", "create", "delete")
            if delay_before_retry(POLICY, error, effect, attempt=1, elapsed=0, rng=dice(1)) is not None
        }
        assert repeated == effects


@pytest.mark.anyio
async def test_a_deletion_repeats_only_what_was_surely_not_done(account: Account, world: World, faults: Faults) -> None:
    faults.reply_code(1303, times=2, route="delete")
    mia = world.add_element(world.account_of(API_KEY), "Mia")
    await account.client.delete_element(mia.element_id)
    assert [request.code for request in requests_to(world, "delete")] == [1303, 1303, 0]
