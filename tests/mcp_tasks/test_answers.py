"""What a client with the Tasks extension sees of the real tools."""

from __future__ import annotations

import asyncio
import math
import sqlite3
from pathlib import Path
from typing import Any

import anyio
import pytest
from helpers import ACCESS_KEY, API_KEY, CANARIES, SECRET_KEY, Connect, last_line, structured, text_of
from mcp import MCPError
from mcp_types import INVALID_PARAMS, MISSING_REQUIRED_CLIENT_CAPABILITY, CallToolResult

from kling_mcp.server.mcp_tasks.handles import KEEP_SECONDS
from kling_mcp.settings import Settings
from kling_mcp.simulator import Faults, World
from kling_mcp.store.sqlite import FILE_NAME
from mcp_tasks.client import TaskCreated, ask, call, get, handle_of, until
from mcp_tasks.conftest import Start

pytestmark = pytest.mark.anyio

CREATE = "create_element_and_wait"


def handles_on_disk(settings: Settings) -> list[dict[str, Any]]:
    assert settings.state_dir is not None
    with sqlite3.connect(settings.state_dir / FILE_NAME) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute("SELECT * FROM handles")]


async def test_client_without_the_extension_notices_nothing(
    connect: Connect, era: str, creation: dict[str, Any], faults: Faults, settings: Settings
) -> None:
    faults.slow_task(30)
    async with connect(era) as client:
        view = structured(await client.call_tool(CREATE, creation))
    assert view["element_ids"]
    assert view["waited_seconds"] >= 30
    assert not handles_on_disk(settings)


async def test_quick_call_is_answered_in_the_ordinary_way(
    start: Start, creation: dict[str, Any], settings: Settings
) -> None:
    async with start() as client:
        task_id = structured(await call(client, "create_element", creation))["task_id"]
        await anyio.sleep(10)
        result = await call(client, "wait_for_tasks", {"ids": [task_id]})
    assert structured(result)["tasks"][0]["element_ids"]
    assert not handles_on_disk(settings)


async def test_refused_input_is_no_task(start: Start, creation: dict[str, Any]) -> None:
    async with start() as client:
        result = await call(client, CREATE, {**creation, "element_name": "x" * 30})
    assert last_line(result)["kind"] == "bad_input"


async def test_slow_creation_leaves_a_handle_and_ends_with_the_element(
    start: Start, creation: dict[str, Any], faults: Faults
) -> None:
    faults.slow_task(300)
    async with start() as client:
        began = anyio.current_time()
        handle = await call(client, CREATE, {**creation, "wait_seconds": 5})
        assert isinstance(handle, TaskCreated)
        assert anyio.current_time() - began == pytest.approx(2, abs=0.5)
        assert (handle.status, handle.ttl_ms) == ("working", 86_400_000)
        await anyio.sleep(10)
        task = await get(client, handle.task_id)
        assert task["statusMessage"] == 'Creating "Mia" at Kling (12 s)'
        assert task["status"] == "working"
        assert "result" not in task
        ended = await until(client, handle.task_id)
    assert ended["status"] == "completed"
    result = CallToolResult.model_validate(ended["result"])
    assert structured(result)["element_ids"], "a task is not bound by wait_seconds: it ends with the ids"
    assert ended["statusMessage"] == text_of(result).splitlines()[0]
    assert ended["lastUpdatedAt"] > ended["createdAt"]


async def test_task_ends_pending_when_kling_takes_too_long(
    start: Start, creation: dict[str, Any], faults: Faults
) -> None:
    faults.slow_task(math.inf)
    async with start() as client:
        handle = await handle_of(client, CREATE, creation)
        ended = await until(client, handle)
    view = structured(CallToolResult.model_validate(ended["result"]))
    assert view["task_status"] in {"submitted", "processing"}
    assert view["waited_seconds"] == pytest.approx(900, abs=10)  # fact: poll
    assert "wait_for_tasks" in view["next_step"]


async def test_wait_seconds_zero_still_means_not_to_wait(
    start: Start, creation: dict[str, Any], faults: Faults
) -> None:
    faults.slow_task(300)
    async with start() as client:
        result = await call(client, CREATE, {**creation, "wait_seconds": 0})
    assert structured(result)["task_status"] == "submitted"


async def test_failed_task_of_kling_is_completed_with_an_error_result(
    start: Start, creation: dict[str, Any], faults: Faults
) -> None:
    faults.slow_task(20)
    faults.fail_task()
    async with start() as client:
        ended = await until(client, await handle_of(client, CREATE, creation))
    assert ended["status"] == "completed"
    assert last_line(CallToolResult.model_validate(ended["result"]))["kind"] == "task_failed"


async def test_wait_for_tasks_becomes_a_task_too(start: Start, creation: dict[str, Any], faults: Faults) -> None:
    faults.slow_task(60, times=2)
    async with start() as client:
        for name in ("Mia", "Ben"):
            await call(client, "create_element", {**creation, "element_name": name})
        handle = await handle_of(client, "wait_for_tasks", {})
        assert (await get(client, handle))["statusMessage"].startswith("Waiting for 2 tasks at Kling")
        ended = await until(client, handle)
    view = structured(CallToolResult.model_validate(ended["result"]))
    assert [bool(task["element_ids"]) for task in view["tasks"]] == [True, True]


async def test_progress_is_not_sent_to_an_answered_request(
    start: Start, creation: dict[str, Any], faults: Faults
) -> None:
    faults.slow_task(60)
    beats: list[float] = []

    async def progress(done: float, _: float | None, __: str | None) -> None:
        beats.append(done)

    async with start() as client:
        handle = await call(client, CREATE, creation, progress_callback=progress)
        await until(client, handle.task_id)
    assert beats == [0.0]


async def test_cancelling_ends_the_wait_and_not_the_creation(
    start: Start, creation: dict[str, Any], faults: Faults, world: World, settings: Settings
) -> None:
    faults.slow_task(60)
    async with start() as client:
        handle = await handle_of(client, CREATE, creation)
        assert await ask(client, "tasks/cancel", handle) == {"resultType": "complete"}
        task = await get(client, handle)
        assert task["status"] == "cancelled"
        assert "continues there" in task["statusMessage"]
        assert await ask(client, "tasks/cancel", handle) == {"resultType": "complete"}
        again = structured(await call(client, CREATE, {**creation, "wait_seconds": 0}))
        assert again["outcome"] == "already_submitted"
        assert (await get(client, handle))["status"] == "cancelled"
    assert sum(world.accepted_creations().values()) == 1
    assert [row["status"] for row in handles_on_disk(settings)] == ["cancelled"]


async def test_cancelling_what_has_ended_changes_nothing(
    start: Start, creation: dict[str, Any], faults: Faults, settings: Settings
) -> None:
    faults.slow_task(10)
    async with start() as client:
        handle = await handle_of(client, CREATE, creation)
        await until(client, handle)
        await ask(client, "tasks/cancel", handle)
        assert (await get(client, handle))["status"] == "completed"
    assert [row["status"] for row in handles_on_disk(settings)] == ["settled"]


async def test_client_that_leaves_before_it_has_a_handle_stops_the_call(
    start: Start, creation: dict[str, Any], faults: Faults, settings: Settings, world: World
) -> None:
    faults.slow_task(60)
    async with start() as client:
        with anyio.move_on_after(1):
            await call(client, CREATE, creation)
        assert not handles_on_disk(settings)
        seen = len(world.requests)
        await anyio.sleep(120)
        assert len(world.requests) == seen, "nobody waits, so nobody asks Kling"


async def test_end_of_the_server_ends_what_runs_in_the_background(
    start: Start, creation: dict[str, Any], faults: Faults, world: World
) -> None:
    faults.slow_task(60)
    before = asyncio.all_tasks()
    async with start() as client:
        await handle_of(client, CREATE, creation)
    assert asyncio.all_tasks() == before
    seen = len(world.requests)
    await anyio.sleep(120)
    assert len(world.requests) == seen


@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
async def test_unknown_handle_is_refused(start: Start, method: str) -> None:
    async with start() as client:
        with pytest.raises(MCPError) as refused:
            await ask(client, method, "no-such-task", inputResponses={})
    assert refused.value.code == INVALID_PARAMS


async def test_handle_of_another_account_is_unknown(start: Start, creation: dict[str, Any], faults: Faults) -> None:
    faults.slow_task(60)
    async with start() as client:
        handle = await handle_of(client, CREATE, creation)
        async with start(api_key="", access_key=ACCESS_KEY, secret_key=SECRET_KEY) as stranger:
            for method in ("tasks/get", "tasks/update", "tasks/cancel"):
                with pytest.raises(MCPError) as refused:
                    await ask(stranger, method, handle, inputResponses={})
                assert refused.value.code == INVALID_PARAMS
        async with start(api_key="") as nobody:
            with pytest.raises(MCPError) as refused:
                await get(nobody, handle)
            assert refused.value.code == INVALID_PARAMS
        assert (await until(client, handle))["status"] == "completed"


async def test_call_without_credentials_is_answered_at_once(start: Start, creation: dict[str, Any]) -> None:
    async with start(api_key="") as client:
        result = await call(client, CREATE, creation)
    assert last_line(result)["kind"] == "missing_credentials"


async def test_client_that_does_not_declare_tasks_cannot_ask_for_one(connect: Connect) -> None:
    async with connect("auto") as client:
        with pytest.raises(MCPError) as refused:
            await get(client, "any")
    assert refused.value.code == MISSING_REQUIRED_CLIENT_CAPABILITY
    assert "io.modelcontextprotocol/tasks" in refused.value.data["requiredCapabilities"]["extensions"]


async def test_handle_expires_after_a_day(
    start: Start, creation: dict[str, Any], faults: Faults, settings: Settings
) -> None:
    faults.slow_task(10, times=2)
    async with start() as client:
        handle = await handle_of(client, CREATE, creation)
        await until(client, handle)
        await anyio.sleep(KEEP_SECONDS - 60)
        assert (await get(client, handle))["status"] == "completed"
        await anyio.sleep(60)
        with pytest.raises(MCPError) as refused:
            await get(client, handle)
        assert refused.value.code == INVALID_PARAMS
        other = await handle_of(client, CREATE, {**creation, "element_name": "Ben"})
        assert [row["handle_id"] for row in handles_on_disk(settings)] == [other], "the expired one was swept out"


async def test_handle_on_the_disk_says_nothing_that_is_not_needed(
    start: Start, creation: dict[str, Any], faults: Faults, settings: Settings
) -> None:
    faults.slow_task(60)
    async with start() as client:
        handle = await handle_of(client, CREATE, creation)
        [row] = handles_on_disk(settings)
    assert len(handle) >= 22, "at least 128 random bits"
    shown = str(row)
    assert not any(secret in shown for secret in (*CANARIES, API_KEY, "front.jpg", "http"))
    assert "kmcp-" in row["names"]


async def test_call_without_a_usable_state_folder_is_an_ordinary_call(
    start: Start, tmp_path: Path, creation: dict[str, Any], faults: Faults
) -> None:
    faults.slow_task(20)
    async with start() as client:
        task_id = structured(await call(client, "create_element", creation))["task_id"]
    (tmp_path / "occupied").write_text("a file where a folder should be")
    async with start(state_dir=tmp_path / "occupied") as client:
        result = await call(client, "wait_for_tasks", {"ids": [task_id], "wait_seconds": 60})
    assert structured(result)["tasks"][0]["element_ids"]
