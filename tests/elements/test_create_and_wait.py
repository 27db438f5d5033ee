"""`create_and_wait`, the composite of the library: one call from a draft to an element, without MCP."""

from __future__ import annotations

from dataclasses import replace

import pytest
from helpers import requests_to
from never_twice.crashable import Process
from never_twice.wishes import draft_of, elements_at
from virtual_time import VirtualClock

from kling_mcp.errors import TaskFailedError
from kling_mcp.simulator import Faults, World

pytestmark = pytest.mark.anyio

MIA = draft_of("Mia")


async def test_call_ends_with_the_element(server: Process, clock: VirtualClock) -> None:
    creation = await server.own_account().creator.create_and_wait(MIA)
    assert creation.task.is_final
    assert creation.outcome == "submitted"
    assert len(creation.task.element_ids) == 1
    assert creation.waited_seconds == pytest.approx(clock.monotonic(), abs=0.1)


async def test_wait_that_runs_out_hands_over_the_task(server: Process, faults: Faults, world: World) -> None:
    faults.slow_task(300)
    creator = server.own_account().creator
    creation = await creator.create_and_wait(MIA, wait_seconds=10)
    assert not creation.task.is_final
    assert creation.waited_seconds == pytest.approx(10, abs=1)
    later = await creator.create_and_wait(MIA, wait_seconds=600)
    assert later.outcome == "already_submitted"
    assert later.task.task_id == creation.task.task_id
    assert later.task.element_ids
    assert len(elements_at(world)) == 1


async def test_zero_seconds_submit_and_return(server: Process, world: World) -> None:
    creation = await server.own_account().creator.create_and_wait(MIA, wait_seconds=0)
    assert creation.task.task_status == "submitted"
    assert not requests_to(world, "query")


async def test_task_that_kling_refuses_is_an_error_with_its_reason(server: Process, faults: Faults) -> None:
    """fact: failed-has-no-code"""
    faults.fail_task("Failure to pass the risk control system")
    with pytest.raises(TaskFailedError, match="risk control"):
        await server.own_account().creator.create_and_wait(MIA)
    entry = (await server.own_account().journal.known_tasks("element"))[0]
    assert entry.state == "failed"


async def test_voice_that_was_not_bound_is_a_warning(server: Process, world: World) -> None:
    """facts: voice-on-images, video-voice-unreliable"""
    world.quirks = replace(world.quirks, bind_voices=False)
    account = server.own_account()
    voice = "831000000000000001"  # an official one of the simulator
    creation = await account.creator.create_and_wait(replace(MIA, element_voice_id=voice))
    assert f"did not bind the voice {voice}" in " ".join(creation.warnings)
    asked = (await account.record_results([creation.task]))[creation.task.task_id]
    assert asked.voice_id == voice, "the journal knows what was asked for"


async def test_poll_that_fails_is_a_warning_and_the_task_is_kept(server: Process, faults: Faults) -> None:
    faults.slow_task(300)
    creator = server.own_account().creator
    await creator.create(MIA)
    faults.reply_code(5000, route="query", times=None)
    faults.reply_code(5000, route="list", times=None)
    creation = await creator.create_and_wait(MIA, wait_seconds=20)
    assert creation.task.task_id
    assert any("failed" in warning for warning in creation.warnings)
