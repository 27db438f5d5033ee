"""Waiting for creations of earlier: all that the journal knows, also after a restart, and what became of each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest
from helpers import API_KEY
from never_twice.crashable import Process, Processes
from never_twice.wishes import draft_of, elements_at

from kling_mcp.errors import NotFoundError, StorageError, UnknownOutcomeError
from kling_mcp.simulator import Faults, Quirks, World
from kling_mcp.tasks.collector import STILL_LOST, CollectedTask

if TYPE_CHECKING:
    from virtual_time import VirtualClock

pytestmark = pytest.mark.anyio

MIA, LEO = draft_of("Mia"), draft_of("Leo")
TAKES = 20.0  # seconds of a video element in the simulator


async def collect(process: Process, *ids: str, seconds: float = 60) -> list[CollectedTask]:
    """What `wait_for_tasks` does."""
    collector = process.own_account().collector
    collected = await collector.resolve(ids)
    await collector.wait(collected, seconds)
    return collected


def ends(collected: list[CollectedTask]) -> dict[str, str]:
    """What became of each, by the name of its element."""
    return {item.label: item.snapshot.task.task_status if item.snapshot.task else item.warning for item in collected}


async def lose(process: Process, faults: Faults, world: World, *, committed: bool) -> str:
    """A creation of Mia of which only the id is known."""
    faults.arm(f"lose_reply_{'after' if committed else 'before'}_commit", route="create", ending="hang")
    if committed:
        faults.malformed("html", route="query", times=1)
    with pytest.raises(UnknownOutcomeError) as caught:
        await process.create(MIA, patience=5, allow_duplicate_name=True)
    faults.clear()
    return caught.value.external_task_id


class TestUnfinishedTasks:
    async def test_tasks_begun_by_one_process_are_waited_for_by_another(
        self, processes: Processes, faults: Faults, clock: VirtualClock
    ) -> None:
        first = processes.start()
        faults.fail_task()
        await first.create(LEO)
        await first.create(MIA)
        collected = await collect(processes.start())
        assert ends(collected) == {"Leo": "failed", "Mia": "succeed"}
        assert clock.monotonic() < TAKES + 5

    async def test_accepted_task_is_waited_for_by_its_task_id(self, server: Process, world: World) -> None:
        """fact: query-external-id"""
        world.quirks = replace(world.quirks, query_by_external_id=False)
        creation = await server.create(MIA)
        (item,) = await server.own_account().collector.resolve([])
        assert item.name == creation.task.task_id
        assert ends(await collect(server)) == {"Mia": "succeed"}

    async def test_ended_task_is_not_waited_for_again(self, server: Process, world: World) -> None:
        await server.create(MIA)
        await collect(server)
        world.requests.clear()
        assert await collect(server) == []
        assert world.requests == []

    async def test_a_mix_is_handed_over_when_the_time_is_over(self, server: Process, faults: Faults) -> None:
        faults.slow_task(3600)
        await server.create(LEO)
        await server.create(MIA)
        assert ends(await collect(server)) == {"Leo": "processing", "Mia": "succeed"}
        assert ends(await collect(server)) == {"Leo": "processing"}


class TestLostTasks:
    async def test_lost_task_is_found_and_waited_for(self, server: Process, world: World, faults: Faults) -> None:
        await lose(server, faults, world, committed=True)
        assert ends(await collect(server)) == {"Mia": "succeed"}
        assert (await server.create(MIA)).outcome == "already_submitted"

    async def test_lost_task_is_found_by_its_external_id_too(
        self, server: Process, world: World, faults: Faults
    ) -> None:
        name = await lose(server, faults, world, committed=True)
        (item,) = await collect(server, name)
        assert (item.external_task_id, item.name) == (name, elements_at(world)[0].task_id)

    async def test_lost_task_may_still_arrive(
        self, server: Process, world: World, faults: Faults, clock: VirtualClock
    ) -> None:
        await lose(server, faults, world, committed=False)
        (item,) = await collect(server)
        assert item.warning == STILL_LOST
        assert not item.snapshot.is_final

    async def test_lost_task_that_never_arrived_is_reported_once(
        self, server: Process, world: World, faults: Faults, clock: VirtualClock
    ) -> None:
        """Looked for when nothing can come any more: it is no longer unfinished, and the caller is told once."""
        name = await lose(server, faults, world, committed=False)
        await clock.sleep(100)
        (item,) = await collect(server)
        assert isinstance(item.snapshot.error, NotFoundError)
        assert f"(external_task_id {name}) never reached Kling" in item.warning
        assert await collect(server) == []
        assert (await server.create(MIA)).outcome == "submitted"
        assert len(elements_at(world)) == 1

    async def test_request_of_a_dead_process_has_time_to_arrive(
        self, processes: Processes, world: World, faults: Faults, clock: VirtualClock
    ) -> None:
        faults.delay(25, route="create")
        await processes.start().die_while_creating(MIA, after=1)
        await clock.sleep(12)
        server = processes.start()
        assert ends(await collect(server)) == {"Mia": STILL_LOST}
        await clock.sleep(14)
        assert ends(await collect(server)) == {"Mia": "succeed"}

    async def test_request_of_a_dead_process_may_never_arrive(
        self, processes: Processes, world: World, faults: Faults, clock: VirtualClock
    ) -> None:
        faults.lose_reply_before_commit(ending="hang", route="create")
        await processes.start().die_while_creating(MIA, after=1)
        await clock.sleep(60)
        (item,) = await collect(processes.start())
        assert isinstance(item.snapshot.error, NotFoundError)

    async def test_request_that_another_call_is_sending_is_left_to_that_call(
        self, server: Process, processes: Processes, world: World, faults: Faults
    ) -> None:
        """Its reply is on the way; here is seen only that Kling has the task."""
        faults.delay(20, after_commit=True, route="create")
        async with anyio.create_task_group() as group:
            group.start_soon(server.create, MIA)
            await anyio.sleep(5)
            (item,) = await processes.start().own_account().collector.resolve([])
            assert item.name == elements_at(world)[0].task_id
            entry = await server.own_account().journal.find(item.external_task_id)
            assert entry is not None
            assert entry.state == "sending"
        entry = await server.own_account().journal.find(item.external_task_id)
        assert entry is not None
        assert entry.state == "accepted"

    async def test_lost_task_of_unknown_outcome_stays_unfinished(
        self, server: Process, world: World, faults: Faults, clock: VirtualClock
    ) -> None:
        world.quirks = Quirks(query_by_external_id=False, task_info="always-empty")
        await lose(server, faults, world, committed=True)
        await clock.sleep(3600)
        for _ in range(2):
            assert ends(await collect(server)) == {"Mia": STILL_LOST}

    async def test_request_that_was_never_sent_is_not_unfinished(
        self, server: Process, world: World, faults: Faults
    ) -> None:
        faults.delay(30, route="list")
        with anyio.move_on_after(1):
            await server.create(MIA)
        assert await collect(server) == []


class TestGivenIds:
    async def test_by_task_id_and_by_external_id(self, server: Process) -> None:
        mia, leo = await server.create(MIA), await server.create(LEO)
        collected = await collect(server, mia.task.task_id, leo.external_task_id)
        assert ends(collected) == {"Mia": "succeed", "Leo": "succeed"}

    async def test_task_given_twice_is_waited_for_once(self, server: Process) -> None:
        mia = await server.create(MIA)
        assert len(await collect(server, mia.task.task_id, mia.task.task_id)) == 1

    async def test_given_task_that_has_ended_is_answered_again(self, server: Process) -> None:
        mia = await server.create(MIA)
        await collect(server)
        assert ends(await collect(server, mia.task.task_id)) == {"Mia": "succeed"}

    @pytest.mark.parametrize("works", [True, False])
    async def test_given_task_that_was_made_elsewhere_is_waited_for(
        self, works: bool, server: Process, world: World
    ) -> None:
        """fact: query-external-id"""
        world.quirks = replace(world.quirks, query_by_external_id=works)
        there = world.add_element(world.account_of(API_KEY), "Zoe", external_task_id="zoe", status="pending")
        by_task_id, by_external_id = await collect(server, there.task_id, "zoe")
        for item in (by_task_id, by_external_id):
            assert item.snapshot.task is not None
            assert item.snapshot.task.element_ids == [there.element_id]

    async def test_given_task_that_is_unknown_is_an_error_of_its_own(self, server: Process) -> None:
        mia = await server.create(MIA)
        unknown, known = await collect(server, "870000000000000009", mia.task.task_id)
        assert isinstance(unknown.snapshot.error, NotFoundError)
        assert known.snapshot.task is not None
        assert known.snapshot.task.element_ids

    async def test_a_journal_that_fails_is_not_needed(self, processes: Processes, world: World, faults: Faults) -> None:
        mia = await processes.start().create(MIA)
        nowhere = processes.folder / "state.sqlite3" / "below a file"
        async with Processes(nowhere, world, faults) as others:
            server = others.start()
            (item,) = await collect(server, mia.task.task_id)
            assert item.snapshot.is_final
            with pytest.raises(StorageError):
                await collect(server)
