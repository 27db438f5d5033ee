"""A repeated request whose journal is gone, as in a container without a volume: the task is found at Kling."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from helpers import API_KEY, requests_to
from never_twice.crashable import Process, Processes
from never_twice.wishes import draft_of, elements_at, named

from kling_mcp.errors import InputError, KlingError, NameTakenError
from kling_mcp.simulator import Faults, Quirks, World

if TYPE_CHECKING:
    from pathlib import Path

    from virtual_time import VirtualClock

pytestmark = pytest.mark.anyio

MIA = draft_of("Mia")
OTHER_MIA = draft_of("Mia", "another Mia")
TAKES = 20.0  # seconds of a video element in the simulator

StartAfresh = Callable[[], Process]
End = Callable[[Process, Faults, "VirtualClock"], Awaitable[None]]


@pytest.fixture
def quirks() -> Quirks:
    """Nothing that is proved here rests on Kling's refusal of a used id."""
    return Quirks(refuse_used_external_id=False)


@pytest.fixture
def start_afresh(tmp_path: Path, world: World, faults: Faults, quirks: Quirks) -> Iterator[StartAfresh]:
    """Starts a server with a state folder of its own, as each `docker run --rm` does."""
    world.quirks = quirks
    numbers = itertools.count()
    with ExitStack() as started:

        def start() -> Process:
            number = next(numbers)
            process = Process(tmp_path / f"state-{number}", world, faults, owner=f"container-{number}:1")
            started.enter_context(closing(process.store))
            return process

        yield start


def posts(world: World) -> int:
    return len(requests_to(world, "create"))


# How Kling shows which task belongs to a request.
SHOWN = {
    "in the list and by a query": Quirks(refuse_used_external_id=False),
    "only in the list": Quirks(refuse_used_external_id=False, query_by_external_id=False),
    "only by a query": Quirks(refuse_used_external_id=False, task_info="always-empty"),
}


class TestRepeatedRequest:
    @pytest.mark.parametrize("quirks", SHOWN.values(), ids=SHOWN)
    async def test_repeated_request_of_a_new_state_returns_the_first_task(
        self, start_afresh: StartAfresh, world: World, clock: VirtualClock
    ) -> None:
        first = await start_afresh().create(MIA)
        await clock.sleep(TAKES)
        for _ in range(2):
            again = await start_afresh().create(MIA)
            assert (again.outcome, again.task.task_id) == ("already_submitted", first.task.task_id)
        assert posts(world) == 1

    async def test_found_task_is_in_the_journal_from_then_on(
        self, start_afresh: StartAfresh, world: World, clock: VirtualClock
    ) -> None:
        first = await start_afresh().create(MIA)
        await clock.sleep(TAKES)
        process = start_afresh()
        await process.create(MIA)
        world.requests.clear()
        again = await process.create(MIA, allow_duplicate_name=True)
        assert (again.outcome, again.task.task_id) == ("already_submitted", first.task.task_id)
        assert [request.route for request in world.requests] == ["query"]

    async def test_task_that_the_index_beside_a_removed_state_knows_is_found_without_a_look_at_names(
        self, processes: Processes, world: World, clock: VirtualClock
    ) -> None:
        """Allowing a second name allows no second element."""
        process = processes.start()
        first = await process.create(MIA)
        await clock.sleep(TAKES)
        await process.own_account().library.refresh()
        process.store.close()
        for path in processes.folder.glob("state.*"):
            path.unlink()
        again = await processes.start().create(MIA, allow_duplicate_name=True)
        assert (again.outcome, again.task.task_id) == ("already_submitted", first.task.task_id)
        assert posts(world) == 1

    async def test_running_task_of_a_new_state_is_found_in_the_list(
        self, start_afresh: StartAfresh, world: World
    ) -> None:
        first = await start_afresh().create(MIA)
        again = await start_afresh().create(MIA)
        assert (again.outcome, again.task.task_id) == ("already_submitted", first.task.task_id)
        assert posts(world) == 1

    @pytest.mark.parametrize("quirks", [Quirks(list_running=False), Quirks(task_info="empty-while-running")])
    async def test_running_task_that_the_list_does_not_show_is_found_by_the_refusal(
        self, start_afresh: StartAfresh, world: World
    ) -> None:
        first = await start_afresh().create(MIA)
        again = await start_afresh().create(MIA)
        assert (again.outcome, again.task.task_id) == ("already_submitted", first.task.task_id)
        assert len(elements_at(world)) == 1

    async def test_id_of_the_caller_is_found_as_well(
        self, start_afresh: StartAfresh, world: World, clock: VirtualClock
    ) -> None:
        copy = named(MIA, "second-mia")
        first = await start_afresh().create(copy)
        await clock.sleep(TAKES)
        again = await start_afresh().create(copy)
        assert (again.outcome, again.task.task_id) == ("already_submitted", first.task.task_id)
        with pytest.raises(InputError, match="must not be in use for something else"):
            await start_afresh().create(named(draft_of("Leo"), "second-mia"))
        assert posts(world) == 1


async def fail(process: Process, faults: Faults, clock: VirtualClock) -> None:
    """A first attempt that Kling refuses."""
    faults.fail_task()
    await process.create(MIA)
    await clock.sleep(TAKES)


async def delete(process: Process, _: Faults, clock: VirtualClock) -> None:
    """A first attempt whose element was deleted."""
    creation = await process.create(MIA)
    await clock.sleep(TAKES)
    client = process.own_account().client
    (element_id,) = (await client.get_task(creation.task.task_id)).element_ids
    await client.delete_element(element_id)


class TestEarlierAttempts:
    @pytest.mark.parametrize("quirks", SHOWN.values(), ids=SHOWN)
    @pytest.mark.parametrize("end", [fail, delete])
    async def test_second_attempt_is_found_behind_a_first_one_that_is_over(
        self, end: End, start_afresh: StartAfresh, world: World, faults: Faults, clock: VirtualClock
    ) -> None:
        process = start_afresh()
        await end(process, faults, clock)
        second = await process.create(MIA)
        assert second.external_task_id.endswith("-2")
        await clock.sleep(TAKES)
        again = await start_afresh().create(MIA)
        assert (again.outcome, again.task.task_id) == ("already_submitted", second.task.task_id)
        assert posts(world) == 2

    @pytest.mark.parametrize("quirks", [Quirks(), Quirks(refuse_used_external_id=False)])
    @pytest.mark.parametrize("end", [fail, delete])
    async def test_request_whose_attempts_are_all_over_is_sent(
        self, end: End, start_afresh: StartAfresh, world: World, faults: Faults, clock: VirtualClock
    ) -> None:
        await end(start_afresh(), faults, clock)
        again = await start_afresh().create(MIA)
        assert again.outcome == "submitted"
        assert len(elements_at(world)) == 2


class TestNamesakes:
    async def test_namesake_of_other_content_is_refused_without_a_further_request(
        self, start_afresh: StartAfresh, world: World, clock: VirtualClock
    ) -> None:
        await start_afresh().create(MIA)
        await clock.sleep(TAKES)
        world.requests.clear()
        with pytest.raises(NameTakenError):
            await start_afresh().create(OTHER_MIA)
        assert [request.route for request in world.requests] == ["list"]

    async def test_namesake_whose_id_is_not_shown_costs_one_request(
        self, start_afresh: StartAfresh, world: World
    ) -> None:
        world.add_element(world.account_of(API_KEY).name, "Mia")
        with pytest.raises(NameTakenError):
            await start_afresh().create(MIA)
        assert [request.route for request in world.requests] == ["list", "query"]

    async def test_own_task_is_found_beside_namesakes_of_other_content(
        self, start_afresh: StartAfresh, world: World, clock: VirtualClock
    ) -> None:
        first = await start_afresh().create(MIA)
        world.add_element(world.account_of(API_KEY).name, "Mia")
        await clock.sleep(TAKES)
        assert (await start_afresh().create(MIA)).task.task_id == first.task.task_id

    async def test_new_name_costs_no_further_request(self, start_afresh: StartAfresh, world: World) -> None:
        await start_afresh().create(MIA)
        assert [request.route for request in world.requests] == ["list", "create"]


async def test_found_task_that_cannot_be_read_stops_the_request(
    start_afresh: StartAfresh, world: World, faults: Faults, clock: VirtualClock
) -> None:
    """It would be a second one, where Kling takes an id twice."""
    await start_afresh().create(MIA)
    await clock.sleep(TAKES)
    faults.malformed("html", route="query")
    with pytest.raises(KlingError) as caught:
        await start_afresh().create(MIA)
    assert (caught.value.kind, caught.value.created, caught.value.retry) == ("vendor_fault", "no", "later")
    assert posts(world) == 1


async def test_quota_is_not_used_by_a_task_that_was_found(
    start_afresh: StartAfresh, world: World, clock: VirtualClock
) -> None:
    await start_afresh().create(MIA)
    await clock.sleep(TAKES)
    process = start_afresh()
    await process.create(MIA)
    entry = await process.own_account().journal.find(elements_at(world)[0].task_id)
    assert entry is not None
    assert replace(entry, sent_at=0.0) == entry
