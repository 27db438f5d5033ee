"""A client that declares the Tasks extension, as an application would write one on the SDK."""

from __future__ import annotations

from typing import Any, Literal

import anyio
from mcp import Client
from mcp.client.extension import ClientExtension, ResultClaim
from mcp_types import CallToolResult, Request, RequestParams, Result
from pydantic import BaseModel, ConfigDict, Field

TASKS = "io.modelcontextprotocol/tasks"
TERMINAL = ("completed", "failed", "cancelled")


class TaskCreated(Result):
    """The answer that stands for a call that goes on."""

    result_type: Literal["task"] = Field(alias="resultType")
    task_id: str = Field(alias="taskId")
    status: str
    status_message: str = Field("", alias="statusMessage")
    created_at: str = Field(alias="createdAt")
    last_updated_at: str = Field(alias="lastUpdatedAt")
    ttl_ms: int = Field(alias="ttlMs")
    poll_interval_ms: int = Field(alias="pollIntervalMs")


class DeclaresTasks(ClientExtension):
    """Claims handles; who uses `session.call_tool(allow_claimed=True)` polls by hand."""

    identifier = TASKS

    def claims(self) -> list[ResultClaim[Any]]:
        return [ResultClaim(result_type="task", model=TaskCreated, resolve=self._unused)]

    async def _unused(self, _: TaskCreated, __: object) -> CallToolResult:
        raise NotImplementedError


class _Answer(BaseModel):
    model_config = ConfigDict(extra="allow")


class _Params(RequestParams):
    model_config = ConfigDict(extra="allow")


class _TaskRequest(Request[_Params, str]):
    params: _Params


async def ask(client: Client, method: str, task_id: str, **more: Any) -> dict[str, Any]:
    """One request of the extension."""
    request = _TaskRequest(method=method, params=_Params.model_validate({"taskId": task_id, **more}))
    answer = (await client.session.send_request(request, _Answer)).model_dump()
    answer.pop("_meta", None)  # the SDK's stamp of the server's name
    return answer


async def get(client: Client, task_id: str) -> dict[str, Any]:
    """The task as it is now."""
    return await ask(client, "tasks/get", task_id)


async def call(client: Client, tool: str, arguments: dict[str, Any], **options: Any) -> Any:
    """A tool call; the handle, or the ordinary result."""
    return await client.session.call_tool(tool, arguments, allow_claimed=True, **options)


async def handle_of(client: Client, tool: str, arguments: dict[str, Any]) -> str:
    """The handle of a call that must become a task."""
    answer = await call(client, tool, arguments)
    assert isinstance(answer, TaskCreated), answer
    return answer.task_id


async def until(client: Client, task_id: str, *statuses: str, seconds: float = 1800) -> dict[str, Any]:
    """Poll as the server advises until the task has one of the states, or any terminal one."""
    with anyio.fail_after(seconds):
        while True:
            task = await get(client, task_id)
            if task["status"] in {*TERMINAL, *statuses}:
                return task
            await anyio.sleep(task["pollIntervalMs"] / 1000)
