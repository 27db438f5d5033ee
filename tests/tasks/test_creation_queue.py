"""Creations through the gate: few in flight, first come first served, and patience with a busy Kling.

The gate by itself is tested beside the client; here it stands where it belongs, between the journal and Kling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest
from helpers import requests_to
from never_twice.crashable import Fate, Process, Processes
from never_twice.wishes import draft_of, elements_at

from kling_mcp.api.throttle import MAX_WAITING
from kling_mcp.elements.create import Creation
from kling_mcp.errors import BusyError, KlingError, LimitError, RateLimitError
from kling_mcp.simulator import Faults, World

if TYPE_CHECKING:
    from virtual_time import VirtualClock

pytestmark = pytest.mark.anyio


class Counting(Fate):
    """Counts the creation requests that are at work at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0

    async def decide(self, where: str) -> None:
        self.now += {"before POST": 1, "after POST": -1}.get(where, 0)
        self.most = max(self.most, self.now)


@pytest.fixture
def server(processes: Processes) -> Process:
    return processes.start(max_creates=2, fate=Counting())


async def ask_in_turn(server: Process, count: int, *, patience: float = 45.0) -> list[Creation | KlingError]:
    """Creations that come one after the other without waiting; what each is told."""
    told: dict[int, Creation | KlingError] = {}

    async def ask(number: int) -> None:
        try:
            told[number] = await server.create(draft_of(f"Ada {number}"), patience=patience, allow_duplicate_name=True)
        except KlingError as error:
            told[number] = error

    async with anyio.create_task_group() as group:
        for number in range(count):
            group.start_soon(ask, number)
            await anyio.sleep(0.01)
    return [told[number] for number in range(count)]


def names_at(world: World) -> list[str]:
    """The elements in the order in which Kling accepted them."""
    return [task.element_name for task in elements_at(world)]


class TestInFlight:
    async def test_creations_in_flight_never_exceed_the_setting(
        self, server: Process, world: World, faults: Faults, clock: VirtualClock
    ) -> None:
        faults.delay(4, route="create", times=None)
        told = await ask_in_turn(server, 6)
        assert {type(one) for one in told} == {Creation}
        assert isinstance(server.fate, Counting)
        assert server.fate.most == 2
        assert clock.monotonic() == pytest.approx(12, abs=0.1)

    async def test_first_come_first_served(self, server: Process, world: World, faults: Faults) -> None:
        faults.delay(4, route="create", times=None)
        await ask_in_turn(server, 6)
        assert names_at(world) == [f"Ada {number}" for number in range(6)]

    async def test_caller_waiting_for_a_slot_does_not_wait_for_ever(
        self, server: Process, world: World, faults: Faults
    ) -> None:
        faults.delay(30, after_commit=True, route="create", times=None)
        told = await ask_in_turn(server, 3, patience=10)
        last = told[2]
        assert isinstance(last, LimitError)
        assert (last.kind, last.created, last.retry) == ("busy", "no", "later")
        assert len(elements_at(world)) == 2
        again = await server.create(draft_of("Ada 2"), patience=100, allow_duplicate_name=True)
        assert again.outcome == "submitted"
        assert len(elements_at(world)) == 3

    async def test_caller_who_leaves_the_queue_leaves_no_gap(
        self, server: Process, world: World, faults: Faults, clock: VirtualClock
    ) -> None:
        faults.delay(4, route="create", times=None)
        async with anyio.create_task_group() as group:
            group.start_soon(ask_in_turn, server, 2)
            await clock.sleep(1)
            with anyio.move_on_after(1):
                await server.create(draft_of("Zoe"), allow_duplicate_name=True)
            await server.create(draft_of("Mia"), allow_duplicate_name=True)
        assert names_at(world) == ["Ada 0", "Ada 1", "Mia"]
        assert clock.monotonic() == pytest.approx(8, abs=0.1)

    async def test_a_lost_reply_gives_its_place_back_while_it_is_looked_for(
        self, processes: Processes, world: World, faults: Faults
    ) -> None:
        server = processes.start(max_creates=1)
        faults.lose_reply_before_commit(route="create")
        told = await ask_in_turn(server, 2)
        assert {type(one) for one in told} == {Creation}
        assert names_at(world) == ["Ada 1", "Ada 0"]

    async def test_a_queue_has_an_end(self, processes: Processes, world: World, faults: Faults) -> None:
        server = processes.start(max_creates=1)
        faults.delay(3, route="create")
        told = await ask_in_turn(server, MAX_WAITING + 2, patience=60)
        last = told[-1]
        assert isinstance(last, LimitError)
        assert (last.kind, last.created) == ("limit", "no")
        assert {type(one) for one in told[:-1]} == {Creation}
        assert len(elements_at(world)) == MAX_WAITING + 1


class TestBusyKling:
    """facts: slots-refused, msg-parallel. 1302 and 1303 mean that nothing was created."""

    @pytest.mark.parametrize("code", [1302, 1303])
    async def test_busy_kling_is_asked_again_until_it_accepts(
        self, code: int, server: Process, world: World, faults: Faults
    ) -> None:
        faults.reply_code(code, route="create", times=3)
        (creation,) = await ask_in_turn(server, 1)
        assert isinstance(creation, Creation)
        assert creation.outcome == "submitted"
        assert len(requests_to(world, "create")) == 4
        assert requests_to(world, "query", "list") == [], "there is nothing to look for"

    async def test_places_at_kling_are_waited_for_in_order(self, server: Process, world: World, faults: Faults) -> None:
        """Two at once there, each for twenty seconds."""
        faults.limit_parallel(2)
        told = await ask_in_turn(server, 6, patience=200)
        assert {type(one) for one in told} == {Creation}
        assert sorted(names_at(world)[:2]) == ["Ada 0", "Ada 1"]
        assert len(elements_at(world)) == 6

    @pytest.mark.parametrize(("code", "error"), [(1302, RateLimitError), (1303, BusyError)])
    async def test_busy_kling_at_the_end_of_the_time_created_nothing(
        self, code: int, error: type[KlingError], server: Process, faults: Faults
    ) -> None:
        faults.reply_code(code, route="create", times=None)
        (told,) = await ask_in_turn(server, 1, patience=20)
        assert isinstance(told, error)
        assert (told.kind, told.created, told.retry, told.code) == (error.kind, "no", "later", code)
        faults.clear()
        (creation,) = await ask_in_turn(server, 1)
        assert isinstance(creation, Creation)
        assert creation.outcome == "submitted", "and not recovered: there was nothing to look for"

    async def test_the_pause_is_for_everybody(
        self, server: Process, world: World, faults: Faults, clock: VirtualClock
    ) -> None:
        faults.rate_limit(retry_after="8", route="create")
        told = await ask_in_turn(server, 3)
        assert {type(one) for one in told} == {Creation}
        first, *others = [request.time for request in requests_to(world, "create")]
        assert min(others) - first >= 8

    async def test_caller_without_time_for_the_pause_fails_at_once(
        self, server: Process, faults: Faults, clock: VirtualClock
    ) -> None:
        faults.rate_limit(retry_after="15", route="create")
        told = await ask_in_turn(server, 2, patience=10)
        assert isinstance(told[0], RateLimitError)
        assert isinstance(told[1], LimitError)
        assert [error.created for error in told if isinstance(error, KlingError)] == ["no", "no"]
        assert clock.monotonic() < 1

    async def test_a_crash_during_the_pause_makes_no_second_element(
        self, processes: Processes, world: World, faults: Faults
    ) -> None:
        faults.rate_limit(retry_after="10", route="create")
        await processes.start().die_while_creating(draft_of("Mia"), after=5)
        creation = await processes.start().create(draft_of("Mia"), patience=60)
        assert creation.outcome == "submitted"
        assert len(elements_at(world)) == 1
