"""The create gate: so many at once, first come, first served, and one pause for all when Kling is busy."""

from __future__ import annotations

import asyncio

import anyio
import pytest
from helpers import dice
from virtual_time import VirtualClock

from kling_mcp.api.throttle import INITIAL_DELAY, MAX_DELAY, CreateGate
from kling_mcp.errors import LimitError

pytestmark = pytest.mark.anyio


@pytest.fixture
def gate(clock: VirtualClock) -> CreateGate:
    return CreateGate(2, clock, dice(7))


class Visitors:
    """Callers that go through the gate one after the other, and stay for a second each."""

    def __init__(self, gate: CreateGate, clock: VirtualClock) -> None:
        self.gate, self.clock = gate, clock
        self.came: list[str] = []
        self.inside = self.most = 0

    async def visit(self, name: str) -> None:
        place = await self.gate.enter()
        self.came.append(name)
        self.inside += 1
        self.most = max(self.most, self.inside)
        await self.clock.sleep(1)
        self.inside -= 1
        self.gate.leave(place)


async def test_gate_admits_callers_in_order_up_to_the_limit(gate: CreateGate, clock: VirtualClock) -> None:
    visitors = Visitors(gate, clock)
    async with anyio.create_task_group() as group:
        for name in "abcde":
            group.start_soon(visitors.visit, name)
        await clock.sleep(0.5)
        assert gate.waiting == 3
    assert (visitors.came, visitors.most, clock.monotonic()) == (list("abcde"), 2, 3.0)


async def test_gate_lets_newcomers_wait_behind_the_queue(clock: VirtualClock) -> None:
    """A place that is freed goes to the first in the queue, also when somebody arrives at that moment."""
    visitors = Visitors(CreateGate(1, clock, dice(7)), clock)
    async with anyio.create_task_group() as group:
        for name in "ab":
            group.start_soon(visitors.visit, name)
        await clock.sleep(1)
        group.start_soon(visitors.visit, "late")
    assert visitors.came == ["a", "b", "late"]


async def test_a_cancelled_caller_leaves_the_queue(gate: CreateGate, clock: VirtualClock) -> None:
    visitors = Visitors(gate, clock)
    async with anyio.create_task_group() as group:
        for name in "ab":
            group.start_soon(visitors.visit, name)
        await clock.sleep(0.1)
        with anyio.move_on_after(0.2):
            await gate.enter()
        assert gate.waiting == 0
        group.start_soon(visitors.visit, "c")
    assert visitors.came == ["a", "b", "c"]


async def test_slot_given_to_a_cancelled_caller_is_passed_on(gate: CreateGate, clock: VirtualClock) -> None:
    place = await gate.enter()
    await gate.enter()
    waiter = asyncio.create_task(gate.enter())
    await clock.sleep(0)
    gate.leave(place)  # it is the waiter's now, who has not run since
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    with anyio.fail_after(1):
        await gate.enter()


async def test_a_queue_has_an_end(clock: VirtualClock) -> None:
    """Whoever would have to wait for very many others is told so at once; nothing was sent."""
    gate = CreateGate(1, clock, dice(7), most_waiting=2)
    visitors = Visitors(gate, clock)
    async with anyio.create_task_group() as group:
        for name in "abc":
            group.start_soon(visitors.visit, name)
        await clock.sleep(0.1)
        with pytest.raises(LimitError) as caught:
            await gate.enter()
    assert (caught.value.kind, caught.value.created, caught.value.retry) == ("limit", "no", "later")
    assert visitors.came == ["a", "b", "c"]


class TestPause:
    """fact: slots-refused (back off from 1 s)"""

    async def test_pause_of_the_gate_grows_with_jitter_up_to_a_bound(
        self, gate: CreateGate, clock: VirtualClock
    ) -> None:
        assert gate.opens_in() <= 0
        ceiling = INITIAL_DELAY
        for _ in range(8):
            gate.was_busy(None)
            assert ceiling / 2 <= gate.opens_in() <= ceiling
            await clock.sleep(gate.opens_in())
            ceiling = min(MAX_DELAY, ceiling * 2)
        assert ceiling == MAX_DELAY

    async def test_kling_may_ask_for_more_within_a_cap(self, gate: CreateGate, clock: VirtualClock) -> None:
        gate.was_busy(6)
        assert gate.opens_in() == 6
        gate.was_busy(3600)
        assert gate.opens_in() == MAX_DELAY

    async def test_simultaneous_refusals_count_once_for_the_pause(self, gate: CreateGate, clock: VirtualClock) -> None:
        gate.was_busy(None)
        first = gate.opens_in()
        for _ in range(5):
            gate.was_busy(None)
        assert gate.opens_in() == first <= INITIAL_DELAY

    async def test_pause_of_the_gate_is_short_again_after_a_success(
        self, gate: CreateGate, clock: VirtualClock
    ) -> None:
        for _ in range(5):
            gate.was_busy(None)
            await clock.sleep(60)
        assert gate.opens_in() < 0
        gate.was_accepted()
        gate.was_busy(None)
        assert gate.opens_in() <= INITIAL_DELAY

    @pytest.mark.parametrize("news", ["accepted", "left"])
    async def test_only_the_first_inside_tries_until_a_creation_is_accepted(
        self, gate: CreateGate, clock: VirtualClock, news: str
    ) -> None:
        first, second = await gate.enter(), await gate.enter()
        gate.was_busy(None)
        tried: list[str] = []

        async def attempt(name: str, place: anyio.Event) -> None:
            await gate.wait_for_turn(place)
            tried.append(name)

        async with anyio.create_task_group() as group:
            group.start_soon(attempt, "second", second)
            group.start_soon(attempt, "first", first)
            await clock.sleep(MAX_DELAY)
            assert tried == ["first"]
            if news == "accepted":
                gate.was_accepted()
            else:
                gate.leave(first)
        assert tried == ["first", "second"]
