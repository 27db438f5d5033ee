"""What the extension does with any tool; the tools here are made for the test."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from helpers import text_of
from mcp import MCPError
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    CallToolResult,
    ElicitRequest,
    ElicitRequestFormParams,
    InputRequiredResult,
)

from kling_mcp.server.mcp_tasks.current import current_background_call
from kling_mcp.server.mcp_tasks.extension import TasksExtension
from kling_mcp.settings import Settings
from kling_mcp.store.sqlite import FILE_NAME
from mcp_tasks.client import TaskCreated, ask, call, get, handle_of, until
from mcp_tasks.conftest import Start

pytestmark = pytest.mark.anyio

YES = {"action": "accept", "content": {"name": "yes"}}
UNTIL_THE_END_OF_TIME = 1e9


def question(message: str) -> ElicitRequest:
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


async def ask_from_tool(message: str) -> str:
    run = current_background_call()
    assert run is not None
    answer = await run.ask(question(message))
    return str((answer.content or {}).get("name", answer.action))


async def quick() -> str:
    """Answers at once."""
    return "done"


async def slow() -> str:
    """Takes a minute."""
    await anyio.sleep(60)
    return "done"


async def endless() -> str:
    """Never ends."""
    await anyio.sleep(UNTIL_THE_END_OF_TIME)
    return "never"


async def asking() -> str:
    """Asks, then asks again."""
    return f"{await ask_from_tool('first?')}, {await ask_from_tool('second?')}"


async def asking_both() -> str:
    """Asks two things at once."""
    answers: list[str] = []

    async def one(message: str) -> None:
        answers.append(await ask_from_tool(message))

    async with anyio.create_task_group() as group:
        group.start_soon(one, "this?")
        group.start_soon(one, "that?")
    return ", ".join(answers)


async def breaking() -> str:
    """Ends with a protocol error."""
    await anyio.sleep(60)
    raise MCPError(INTERNAL_ERROR, "It broke", {"why": "test"})


async def failing() -> str:
    """Ends with a tool error."""
    await anyio.sleep(60)
    raise ToolError("It failed")


async def interim(ctx: Context[Any, Any]) -> str | InputRequiredResult:
    """Asks by an interim result, then takes a minute."""
    if ctx.input_responses:
        await anyio.sleep(60)
        return "done"
    return InputRequiredResult(input_requests={"name": question("name?")})


async def interim_too_late() -> InputRequiredResult:
    """Asks by an interim result when nobody can repeat the call."""
    await anyio.sleep(60)
    return InputRequiredResult(input_requests={"name": question("name?")})


def tool_server(start: Start, *tools: Callable[..., Awaitable[Any]], mode: Any = "optional", **options: Any) -> Any:
    extension = TasksExtension({tool.__name__: mode for tool in tools}, **options)
    return start(tools=tools, tasks=extension)


async def test_result_is_what_the_call_would_have_returned(start: Start) -> None:
    async with tool_server(start, slow) as client:
        task = await until(client, await handle_of(client, "slow", {}))
    assert text_of(CallToolResult.model_validate(task["result"])) == "done"
    assert task["statusMessage"] == "done"


async def test_tool_that_is_not_meant_to_be_a_task_never_is(start: Start) -> None:
    async with start(tools=[slow]) as client:
        assert isinstance(await call(client, "slow", {}), CallToolResult)


async def test_a_question_turns_the_call_into_a_task_at_once(start: Start) -> None:
    async with tool_server(start, asking) as client:
        began = anyio.current_time()
        handle = await handle_of(client, "asking", {})
        assert anyio.current_time() - began < 1
        task = await get(client, handle)
        assert task["status"] == "input_required"
        [key] = task["inputRequests"]
        assert task["inputRequests"][key]["method"] == "elicitation/create"
        await ask(client, "tasks/update", handle, inputResponses={key: YES})
        [second] = (await until(client, handle, "input_required"))["inputRequests"]
        assert second != key, "a key is never used twice"
        await ask(client, "tasks/update", handle, inputResponses={second: {"action": "decline"}})
        task = await until(client, handle)
    assert text_of(CallToolResult.model_validate(task["result"])) == "yes, decline"


async def test_handle_that_cannot_be_written_down_does_not_stop_the_call(start: Start, settings: Settings) -> None:
    async def naming() -> str:
        """Says late what it is about."""
        await anyio.sleep(5)
        run = current_background_call()
        assert run is not None
        await run.bind_tasks(["some-task"])
        return "done"

    async with tool_server(start, naming) as client:
        handle = await handle_of(client, "naming", {})
        assert settings.state_dir is not None
        with sqlite3.connect(settings.state_dir / FILE_NAME, isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            await anyio.sleep(60)
            other.execute("ROLLBACK")
        assert (await until(client, handle))["status"] == "completed"


async def test_some_answers_leave_the_other_questions_open(start: Start) -> None:
    async with tool_server(start, asking_both) as client:
        handle = await handle_of(client, "asking_both", {})
        first, second = (await until(client, handle, "input_required"))["inputRequests"]
        await ask(client, "tasks/update", handle, inputResponses={first: YES, "never-asked": YES})
        task = await get(client, handle)
        assert (task["status"], list(task["inputRequests"])) == ("input_required", [second])
        await ask(client, "tasks/update", handle, inputResponses={first: YES})
        assert (await get(client, handle))["status"] == "input_required", "an answer counts once"
        await ask(client, "tasks/update", handle, inputResponses={second: YES})
        assert (await until(client, handle))["status"] == "completed"


async def test_answers_with_an_invalid_part_are_refused_as_a_whole(start: Start) -> None:
    async with tool_server(start, asking_both) as client:
        handle = await handle_of(client, "asking_both", {})
        first, second = (await until(client, handle, "input_required"))["inputRequests"]
        with pytest.raises(MCPError) as refused:
            await ask(client, "tasks/update", handle, inputResponses={first: YES, second: 7})
        assert refused.value.code == INVALID_PARAMS
        assert list((await get(client, handle))["inputRequests"]) == [first, second]


async def test_cancelling_a_task_that_waits_for_an_answer(start: Start) -> None:
    async with tool_server(start, asking) as client:
        handle = await handle_of(client, "asking", {})
        await ask(client, "tasks/cancel", handle)
        task = await get(client, handle)
    assert task["status"] == "cancelled"
    assert "inputRequests" not in task


@pytest.mark.parametrize("breaks", [False, True])
async def test_late_result_of_a_cancelled_call_is_discarded(start: Start, *, breaks: bool) -> None:
    async def stubborn() -> str:
        """Ends its work first."""
        with anyio.CancelScope(shield=True):
            await anyio.sleep(30)
            if breaks:
                raise MCPError(INTERNAL_ERROR, "It broke")
        return "done"

    async with tool_server(start, stubborn) as client:
        handle = await handle_of(client, "stubborn", {})
        await ask(client, "tasks/cancel", handle)
        await anyio.sleep(60)
        assert (await get(client, handle))["status"] == "cancelled"


async def test_protocol_error_makes_the_task_fail(start: Start) -> None:
    async with tool_server(start, breaking) as client:
        task = await until(client, await handle_of(client, "breaking", {}))
    assert task["status"] == "failed"
    assert task["error"] == {"code": INTERNAL_ERROR, "message": "It broke", "data": {"why": "test"}}
    assert task["statusMessage"] == "It broke"
    assert "result" not in task


async def test_protocol_error_within_the_grace_is_an_ordinary_error(start: Start) -> None:
    async with tool_server(start, breaking, grace=90.0) as client:
        with pytest.raises(MCPError, match="It broke"):
            await call(client, "breaking", {})


async def test_tool_error_completes_the_task(start: Start) -> None:
    async with tool_server(start, failing) as client:
        task = await until(client, await handle_of(client, "failing", {}))
    assert task["status"] == "completed"
    assert CallToolResult.model_validate(task["result"]).is_error


async def test_interim_result_comes_before_the_task(start: Start) -> None:
    async with tool_server(start, interim, mode="required") as client:
        first = await client.session.call_tool("interim", {}, allow_claimed=True, allow_input_required=True)
        assert isinstance(first, InputRequiredResult)
        handle = await client.session.call_tool(
            "interim",
            {},
            allow_claimed=True,
            input_responses={"name": {"action": "accept", "content": {"name": "Mia"}}},
            request_state=first.request_state,
        )
        assert isinstance(handle, TaskCreated)
        assert (await until(client, handle.task_id))["status"] == "completed"


async def test_interim_result_that_comes_too_late_fails_the_task(start: Start) -> None:
    async with tool_server(start, interim_too_late) as client:
        task = await until(client, await handle_of(client, "interim_too_late", {}))
    assert (task["status"], task["error"]["code"]) == ("failed", INTERNAL_ERROR)


@pytest.mark.parametrize("mode", ["always", "required"])
async def test_tool_that_is_always_a_task_answers_with_a_task_even_when_quick(start: Start, mode: str) -> None:
    async with tool_server(start, quick, mode=mode) as client:
        handle = await call(client, "quick", {})
        assert isinstance(handle, TaskCreated)
        assert handle.status == "completed"
        assert (await get(client, handle.task_id))["result"]["content"][0]["text"] == "done"


async def test_calls_beyond_the_limit_of_running_tasks_are_ordinary_calls(start: Start) -> None:
    async with tool_server(start, endless, slow, max_calls=2) as client:
        for _ in range(2):
            await handle_of(client, "endless", {})
        assert isinstance(await call(client, "slow", {}), CallToolResult)


async def test_old_results_give_way_to_new_tasks(start: Start) -> None:
    async with tool_server(start, slow, max_calls=2) as client:
        handles = [await handle_of(client, "slow", {}) for _ in range(2)]
        await anyio.sleep(100)
        await handle_of(client, "slow", {})
        assert (await get(client, handles[1]))["status"] == "completed"
        forgotten = await get(client, handles[0])
    # What the tools of the product made can be asked for at Kling; a tool of a test has nobody to ask.
    assert (forgotten["status"], forgotten["error"]["code"]) == ("failed", INTERNAL_ERROR)


async def test_tool_that_must_be_a_task_refuses_other_clients(start: Start) -> None:
    extension = TasksExtension({"quick": "required", "slow": "always"})
    async with start(tools=[quick, slow], tasks=extension, declares_tasks=False) as client:
        with pytest.raises(MCPError) as refused:
            await call(client, "quick", {})
        assert refused.value.code == MISSING_REQUIRED_CLIENT_CAPABILITY
        assert isinstance(await call(client, "slow", {}), CallToolResult)
