"""A handle outlives the server that gave it, because Kling's task and the journal do."""

from __future__ import annotations

import math
import os
import sqlite3
from typing import Any

import anyio
import pytest
from helpers import API_KEY, last_line, structured, text_of
from mcp import MCPError
from mcp_types import INTERNAL_ERROR, CallToolResult

from kling_mcp.runtime import Runtime
from kling_mcp.settings import Settings
from kling_mcp.simulator import Faults, Quirks, World
from kling_mcp.store.process_owner import current_owner
from kling_mcp.store.sqlite import FILE_NAME
from mcp_tasks.client import ask, call, get, handle_of, until
from mcp_tasks.conftest import Start

pytestmark = pytest.mark.anyio

CREATE = "create_element_and_wait"


def result_of(task: dict[str, Any]) -> CallToolResult:
    assert task["status"] == "completed", task
    return CallToolResult.model_validate(task["result"])


def neighbour() -> str:
    """The owner name of another living process of this computer."""
    return f"{current_owner().rpartition(':')[0]}:{os.getppid()}"


async def test_running_task_is_followed_by_the_next_server(
    start: Start, creation: dict[str, Any], faults: Faults, world: World
) -> None:
    faults.slow_task(120)
    async with start() as client:
        handle = await handle_of(client, CREATE, creation)
        created = (await get(client, handle))["createdAt"]
    async with start() as client:
        task = await get(client, handle)
        assert (task["status"], task["createdAt"]) == ("working", created)
        assert task["statusMessage"].startswith('Creating "Mia" at Kling')
        view = structured(result_of(await until(client, handle)))
    assert view["element_ids"]
    assert view["outcome"] == "recovered"
    assert view["external_task_id"]
    assert view["waited_seconds"] >= 120
    assert sum(world.accepted_creations().values()) == 1


async def test_voice_that_another_server_paid_for_is_followed_by_the_next_server(
    start: Start, faults: Faults, world: World
) -> None:
    faults.slow_task(120, route="voice-create")
    wanted = {"voice_name": "Narrator", "voice_url": "https://example.com/narrator.mp3", "max_units": 1}
    async with start() as client:
        handle = await handle_of(client, "create_voice", wanted)
    async with start() as client:
        view = structured(result_of(await until(client, handle)))
    assert view["voice_id"]
    assert (view["voice_name"], view["units_estimated"], view["outcome"]) == ("Narrator", "0.05", "recovered")
    assert sum(world.accepted_creations().values()) == 1


async def test_voice_left_out_by_kling_is_reported_by_the_next_server_too(
    start: Start, creation: dict[str, Any], faults: Faults, world: World
) -> None:
    """Facts: voice-on-images, video-voice-unreliable."""
    world.quirks = Quirks(bind_voices=False)
    faults.slow_task(120)
    voice = world.add_voice(world.account_of(API_KEY), "Narrator")
    async with start() as client:
        handle = await handle_of(client, CREATE, {**creation, "element_voice_id": voice.voice_id})
    async with start() as client:
        (warning,) = structured(result_of(await until(client, handle)))["warnings"]
    assert f"Kling did not bind the voice {voice.voice_id}" in warning


async def test_task_that_ended_during_a_restart_is_answered_at_the_first_poll(
    start: Start, creation: dict[str, Any], faults: Faults
) -> None:
    faults.slow_task(60)
    async with start() as client:
        handle = await handle_of(client, CREATE, creation)
    await anyio.sleep(3600)
    async with start() as client:
        task = await get(client, handle)
        first = result_of(task)
        assert structured(first)["element_ids"]
        assert result_of(await get(client, handle)) == first, "an end is told once and for all"


async def test_task_whose_time_is_over_is_answered_as_pending(
    start: Start, creation: dict[str, Any], faults: Faults
) -> None:
    faults.slow_task(math.inf)
    async with start() as client:
        handle = await handle_of(client, CREATE, creation)
    await anyio.sleep(3600)
    async with start() as client:
        view = structured(result_of(await get(client, handle)))
    assert view["task_status"] in {"submitted", "processing"}
    assert "wait_for_tasks" in view["next_step"]


async def test_failure_of_kling_is_reported_after_a_restart(
    start: Start, creation: dict[str, Any], faults: Faults
) -> None:
    faults.slow_task(60)
    faults.fail_task()
    async with start() as client:
        handle = await handle_of(client, CREATE, creation)
    async with start() as client:
        line = last_line(result_of(await until(client, handle)))
    assert (line["kind"], line["created"]) == ("task_failed", "no")


async def test_reported_failure_is_reported_again_with_its_reason(
    start: Start, creation: dict[str, Any], faults: Faults
) -> None:
    faults.slow_task(10)
    faults.fail_task("No face in the picture")
    async with start() as client:
        handle = await handle_of(client, CREATE, creation)
        await until(client, handle)
    async with start() as client:
        result = result_of(await until(client, handle))
    assert last_line(result)["kind"] == "task_failed"
    assert "No face in the picture" in text_of(result)


@pytest.mark.parametrize("owner", ["", "another-computer:7"])
async def test_creation_that_was_still_queued_was_never_made(
    start: Start, creation: dict[str, Any], faults: Faults, world: World, owner: str
) -> None:
    faults.limit_parallel(0)
    async with start(owner=owner) as client:
        handle = await handle_of(client, CREATE, creation)
    faults.clear()
    async with start() as client:
        line = last_line(result_of(await until(client, handle)))
        assert (line["created"], line["retry"]) == ("no", "now")
    assert not world.accepted_creations()


async def test_creation_cut_off_between_sending_and_answer_is_found(
    start: Start, creation: dict[str, Any], faults: Faults, world: World
) -> None:
    faults.delay(30, after_commit=True, route="create")
    async with start() as client:
        handle = await handle_of(client, CREATE, creation)
    async with start() as client:
        assert structured(result_of(await until(client, handle)))["element_ids"]
    assert sum(world.accepted_creations().values()) == 1


async def test_creation_that_never_arrived_is_reported_as_not_made(
    start: Start, creation: dict[str, Any], faults: Faults, world: World
) -> None:
    faults.lose_reply_before_commit(ending="hang", route="create")
    async with start() as client:
        handle = await handle_of(client, CREATE, creation)
    async with start() as client:
        line = last_line(result_of(await until(client, handle)))
    assert (line["kind"], line["created"]) == ("not_found", "no")
    async with start() as client:
        assert last_line(result_of(await until(client, handle))) == line, "a third server says the same"
    assert not world.accepted_creations()


async def test_creation_that_kling_refused_is_reported_with_its_reason(
    start: Start, creation: dict[str, Any], faults: Faults
) -> None:
    faults.delay(5, route="create")
    faults.reply_code(1103, route="create")
    async with start() as client:
        handle = await handle_of(client, CREATE, creation)
        await anyio.sleep(10)
    async with start() as client:
        line = last_line(result_of(await until(client, handle)))
    assert (line["code"], line["created"]) == ("1103", "no")


async def test_finding_of_another_call_about_the_creation_is_used(
    start: Start, creation: dict[str, Any], faults: Faults
) -> None:
    faults.lose_reply_before_commit(ending="hang", route="create")
    async with start() as client:
        lost = await handle_of(client, CREATE, creation)
    faults.limit_parallel(0)
    async with start() as client:
        queued = await handle_of(client, CREATE, {**creation, "element_name": "Ben"})
    faults.clear()
    async with start() as client:
        await anyio.sleep(60)
        await call(client, "wait_for_tasks", {"wait_seconds": 1})
        faults.reply_code(1103, route="create")
        await call(client, CREATE, {**creation, "element_name": "Ben"})
        line = last_line(result_of(await until(client, lost)))
        assert (line["kind"], line["created"]) == ("not_found", "no")
        line = last_line(result_of(await until(client, queued)))
        assert (line["code"], line["created"]) == ("1103", "no")


async def test_creation_that_cannot_be_looked_up_stays_unknown_with_advice(
    start: Start, creation: dict[str, Any], faults: Faults
) -> None:
    faults.lose_reply_before_commit(ending="hang", route="create")
    async with start() as client:
        handle = await handle_of(client, CREATE, creation)
    faults.refuse_connection(times=None)
    async with start() as client:
        line = last_line(result_of(await until(client, handle)))
    assert (line["kind"], line["created"]) == ("unknown_outcome", "maybe")


async def test_error_that_ended_the_call_is_still_known_after_a_restart(
    start: Start, creation: dict[str, Any], faults: Faults
) -> None:
    async with start() as client:
        await call(client, CREATE, {**creation, "wait_seconds": 0})
        await anyio.sleep(30)
        faults.delay(5, route="list")
        other = {**creation, "element_description": "Another Mia"}
        handle = await handle_of(client, CREATE, other)
        before = last_line(result_of(await until(client, handle)))
        assert before["kind"] == "name_taken"
    async with start() as client:
        assert last_line(result_of(await until(client, handle))) == before


async def test_cancelled_task_stays_cancelled(
    start: Start, creation: dict[str, Any], faults: Faults, world: World
) -> None:
    faults.slow_task(120)
    async with start() as client:
        handle = await handle_of(client, CREATE, creation)
        await ask(client, "tasks/cancel", handle)
    async with start() as client:
        seen = len(world.requests)
        assert (await get(client, handle))["status"] == "cancelled"
        assert len(world.requests) == seen


async def test_task_can_be_cancelled_without_having_been_asked_for(
    start: Start, creation: dict[str, Any], faults: Faults
) -> None:
    faults.slow_task(120)
    async with start() as client:
        handle = await handle_of(client, CREATE, creation)
    async with start() as client:
        await ask(client, "tasks/update", handle, inputResponses={"question-1": {"action": "accept"}})
        await ask(client, "tasks/cancel", handle)
        assert (await get(client, handle))["status"] == "cancelled"


async def test_wait_for_tasks_is_followed_too(start: Start, creation: dict[str, Any], faults: Faults) -> None:
    faults.slow_task(120, times=2)
    async with start() as client:
        for name in ("Mia", "Ben"):
            await call(client, "create_element", {**creation, "element_name": name})
        handle = await handle_of(client, "wait_for_tasks", {})
    async with start() as client:
        view = structured(result_of(await until(client, handle)))
    assert len(view["tasks"]) == 2
    assert all(task["element_ids"] for task in view["tasks"])


async def test_wait_that_had_not_found_out_what_to_wait_for_is_to_be_repeated(
    start: Start, creation: dict[str, Any], faults: Faults
) -> None:
    faults.lose_reply_after_create(ending="hang")
    async with start() as client:
        with anyio.move_on_after(1):
            await call(client, CREATE, creation)
    async with start() as client:
        faults.delay(30, times=None)
        handle = await handle_of(client, "wait_for_tasks", {})
    faults.clear()
    async with start() as client:
        line = last_line(result_of(await until(client, handle)))
    assert (line["created"], line["retry"]) == ("no", "now")


async def test_wait_that_has_not_yet_found_out_elsewhere_is_followed_from_here(
    start: Start, creation: dict[str, Any], faults: Faults
) -> None:
    faults.lose_reply_after_create(ending="hang")
    async with start() as client, start(owner=neighbour()) as other:
        with anyio.move_on_after(1):
            await call(client, CREATE, creation)
        faults.delay(10)
        handle = await handle_of(client, "wait_for_tasks", {})
        assert (await get(other, handle))["status"] == "working"
        view = structured(result_of(await until(other, handle)))
    assert view["tasks"][0]["element_ids"]


async def test_creation_is_found_without_the_journal(
    start: Start, creation: dict[str, Any], faults: Faults, settings: Settings
) -> None:
    faults.slow_task(60)
    async with start() as client:
        handle = await handle_of(client, CREATE, creation)
    assert settings.state_dir is not None
    with sqlite3.connect(settings.state_dir / FILE_NAME) as database:
        database.execute("DELETE FROM tasks")
    async with start() as client:
        assert structured(result_of(await until(client, handle)))["element_ids"]


async def test_state_that_breaks_does_not_break_a_running_task(
    start: Start, creation: dict[str, Any], faults: Faults, settings: Settings
) -> None:
    faults.slow_task(60, times=2)
    runtimes: list[Runtime] = []
    async with start() as client:
        followed = await handle_of(client, CREATE, creation)
    async with start(runtimes=runtimes) as client:
        begun = await handle_of(client, CREATE, {**creation, "element_name": "Ben"})
        assert (await get(client, followed))["status"] == "working"
        runtimes[0].store.close()
        assert settings.state_dir is not None
        settings.state_dir.rename(settings.state_dir.with_name("moved"))
        settings.state_dir.write_text("a file where a folder should be")
        for handle in (followed, begun):
            assert structured(result_of(await until(client, handle)))["element_ids"]
        with pytest.raises(MCPError) as refused:
            await get(client, "another")
        assert refused.value.code == INTERNAL_ERROR


async def test_task_of_another_living_server_is_followed_from_here(
    start: Start, creation: dict[str, Any], faults: Faults, settings: Settings, world: World
) -> None:
    faults.limit_parallel(0)
    async with start() as client, start(owner=neighbour()) as other:
        handle = await handle_of(client, CREATE, creation)
        task = await get(other, handle)
        await anyio.sleep(30)
        assert task["status"] == (await get(other, handle))["status"] == "working", "it is only queued over there"
        faults.clear()
        here, there = await until(client, handle), await until(other, handle)
        assert structured(result_of(here))["element_ids"] == structured(result_of(there))["element_ids"]
    assert sum(world.accepted_creations().values()) == 1


async def test_creation_that_waits_for_its_turn_elsewhere_is_working(
    start: Start, creation: dict[str, Any], faults: Faults
) -> None:
    faults.delay(20, route="create")
    async with start(max_creates=1) as client, start(owner=neighbour()) as other:
        await handle_of(client, CREATE, {**creation, "element_name": "Ben"})
        handle = await handle_of(client, CREATE, creation)
        assert (await get(other, handle))["status"] == "working"
        assert structured(result_of(await until(other, handle)))["element_ids"]


async def test_cancelling_through_another_server_ends_the_task_here(
    start: Start, creation: dict[str, Any], faults: Faults
) -> None:
    faults.slow_task(600)
    async with start() as client, start(owner=neighbour()) as other:
        handle = await handle_of(client, CREATE, creation)
        await ask(other, "tasks/cancel", handle)
        assert (await get(client, handle))["status"] == "cancelled"
        assert (await get(other, handle))["status"] == "cancelled"
