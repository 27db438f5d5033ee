"""The tools that the suite's tasks-* scenarios call by name; they do nothing but behave as the scenarios describe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
from mcp import MCPError
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import INTERNAL_ERROR, ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult

from kling_mcp.server.mcp_tasks.current import current_background_call

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

    from kling_mcp.server.mcp_tasks.extension import Mode

MODES: dict[str, Mode] = {
    "slow_compute": "always",
    "confirm_delete": "always",
    "multi_input": "always",
    "failing_job": "required",
    "protocol_error_job": "always",
    "test_tool_with_task": "required",
}


def form(message: str, **properties: dict[str, str]) -> ElicitRequest:
    """A form that asks for every one of these."""
    schema: dict[str, Any] = {"type": "object", "properties": properties, "required": list(properties)}
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def answered(responses: Any, key: str, field: str) -> str:
    """What the client filled in, or "" before it did."""
    answer = (responses or {}).get(key)
    return str((answer.content or {}).get(field, "")) if isinstance(answer, ElicitResult) else ""


def greet(name: str) -> str:
    """Conformance fixture: answers at once."""
    return f"Hello, {name}!"


async def slow_compute(seconds: float, label: str = "") -> str:
    """Conformance fixture: takes as long as it is told."""
    await anyio.sleep(seconds)
    return f"Computed {label} in {seconds:g} s"


async def failing_job() -> str:
    """Conformance fixture: ends with a tool error."""
    await anyio.sleep(1)
    raise ToolError("This job always fails")


async def protocol_error_job() -> str:
    """Conformance fixture: ends with a protocol error."""
    await anyio.sleep(0.5)
    raise MCPError(INTERNAL_ERROR, "This job breaks off")


async def confirm_delete(filename: str) -> str:
    """Conformance fixture: asks before it goes on."""
    answer = await _ask(form(f"Delete {filename}?", confirm={"type": "boolean"}))
    return f"{filename}: {answer}"


async def multi_input() -> str:
    """Conformance fixture: asks two things at once."""
    answers: list[str] = []

    async def ask(what: str) -> None:
        answers.append(await _ask(form(f"What is your {what}?", name={"type": "string"})))

    async with anyio.create_task_group() as group:
        group.start_soon(ask, "name")
        group.start_soon(ask, "other name")
    return ", ".join(answers)


async def ask_first_then_run(ctx: Context[Any, Any]) -> str | InputRequiredResult:
    """Conformance fixture: asks by an interim result, then goes on as a task."""
    name = answered(ctx.input_responses, "user_name", "name")
    if not name:
        return InputRequiredResult(input_requests={"user_name": form("Your name?", name={"type": "string"})})
    await anyio.sleep(1)
    return f"Hello, {name}!"


def add_task_fixtures(server: MCPServer[Any]) -> None:
    """Put them beside the real tools."""
    for tool in (greet, slow_compute, failing_job, protocol_error_job, confirm_delete, multi_input):
        server.add_tool(tool)
    server.add_tool(ask_first_then_run, name="test_tool_with_task")


async def _ask(request: ElicitRequest) -> str:
    run = current_background_call()
    return "nobody to ask" if run is None else (await run.ask(request)).action
