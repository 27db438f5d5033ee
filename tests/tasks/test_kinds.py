"""Several kinds of task in one account: waited for together, found without the journal, kept apart where it counts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from helpers import API_KEY, requests_to
from never_twice.crashable import Process, Processes
from never_twice.wishes import draft_of, tasks_at, voice_of
from virtual_time import VirtualClock

from kling_mcp.errors import InputError, NotFoundError
from kling_mcp.simulator import Faults, World
from kling_mcp.tasks.collector import CollectedTask

pytestmark = pytest.mark.anyio


async def wait_for(process: Process, *ids: str, seconds: float = 60) -> list[CollectedTask]:
    """What `wait_for_tasks` does."""
    collector = process.own_account().collector
    collected = await collector.resolve(ids)
    await collector.wait(collected, seconds)
    return collected


def status_of(item: CollectedTask) -> str:
    assert item.snapshot.task is not None, item.warning
    return str(item.snapshot.task.task_status)


def ends(collected: list[CollectedTask]) -> dict[str, str]:
    """How each task ended, by its kind."""
    return {item.kind: status_of(item) for item in collected}


async def test_element_and_voice_are_waited_for_in_one_call(server: Process, clock: VirtualClock) -> None:
    await server.make(draft_of("Mia"))
    await server.make(voice_of("Mia"))
    began = clock.monotonic()
    assert ends(await wait_for(server)) == {"element": "succeed", "voice": "succeed"}
    assert clock.monotonic() - began < 35, "one after the other"
    assert await wait_for(server) == []


async def test_voice_begun_by_another_process_is_waited_for(processes: Processes) -> None:
    await processes.start().make(voice_of("Mia"))
    (item,) = await wait_for(processes.start())
    assert (item.kind, item.label, status_of(item)) == ("voice", "Mia", "succeed")


async def test_voice_that_the_journal_does_not_know_is_found_by_its_task_id(server: Process, world: World) -> None:
    account = server.own_account()
    made = await account.client.create_voice(
        {"voice_name": "Mia", "voice_url": "https://example.com/mia.mp3"}, external_task_id="theirs"
    )
    (item,) = await wait_for(server, made.task_id)
    assert (item.kind, status_of(item)) == ("voice", "succeed")


async def test_voice_that_the_journal_does_not_know_is_found_by_its_external_id(server: Process) -> None:
    account = server.own_account()
    made = await account.client.create_voice(
        {"voice_name": "Mia", "voice_url": "https://example.com/mia.mp3"}, external_task_id="theirs"
    )
    (item,) = await wait_for(server, "theirs")
    assert (item.kind, item.name) == ("voice", made.task_id)


async def test_id_of_no_task_of_any_kind_is_not_found(server: Process) -> None:
    (item,) = await wait_for(server, "880000000000099999")
    assert isinstance(item.snapshot.error, NotFoundError)


async def test_external_id_of_an_element_is_refused_for_a_voice(server: Process, world: World) -> None:
    """One namespace of external ids for the whole account. fact: gen-external-id"""
    await server.make(draft_of("Mia", external_task_id="mia-1"))
    with pytest.raises(InputError, match='it is the id of the element "Mia"'):
        await server.make(voice_of("Leo", external_task_id="mia-1"))
    assert len(tasks_at(world)) == 1


async def test_id_of_a_failed_element_may_name_a_voice_next(server: Process, faults: Faults, world: World) -> None:
    faults.fail_task()
    await server.make(draft_of("Mia", external_task_id="mia-1"))
    await wait_for(server)
    made = await server.make(voice_of("Leo", external_task_id="mia-1"))
    assert made.external_task_id == "mia-1-2"
    entry = await server.own_account().journal.find("mia-1-2")
    assert entry is not None
    assert (entry.kind, entry.label) == ("voice", "Leo")


async def test_same_name_is_no_conflict_between_kinds(server: Process) -> None:
    await server.make(voice_of("Mia"))
    made = await server.make(draft_of("Mia"))
    assert made.outcome == "submitted"


async def test_voices_are_never_proved_absent_by_the_list_of_elements(
    server: Process, world: World, faults: Faults
) -> None:
    """Each kind is looked up on its own route, and what was learned of one route says nothing of another."""
    world.quirks = replace(world.quirks, query_by_external_id=False)
    faults.lose_reply_after_commit(route="voice-create")
    made = await server.make(voice_of("Mia"), patience=120)
    assert made.outcome == "recovered"
    assert requests_to(world, "voice-list")
    assert not requests_to(world, "list")
    assert [task.owned_by for task in tasks_at(world)] == [world.account_of(API_KEY).owner_id]
