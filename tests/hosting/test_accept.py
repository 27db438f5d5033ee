"""Clients that take JSON alone, or event streams alone, are served in that form; case by case as they really ask."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from mcp.server.mcpserver import Context, MCPServer
from pydantic import BaseModel
from virtual_time import VirtualClock

from hosting.conftest import Serve
from hosting.http_server import House, calling, creation, headers_for, initializing, kling, message
from kling_mcp.server.http.accept import AcceptedForm
from kling_mcp.simulator import Faults

pytestmark = pytest.mark.anyio

JSON, EVENTS = "application/json", "text/event-stream"
LIST = message("tools/list")
OLDER = {"MCP-Protocol-Version": "2025-11-25"}

JSON_ALONE = ["application/json", "application/json, application/mcp+json", "application/*", "Application/JSON;q=0.9"]
JSON_BY_EXCLUSION = ["text/event-stream;q=0, */*", "*/*, text/*;q=0.000"]
EVENTS_ALONE = ["text/event-stream", "text/event-stream; charset=utf-8", "text/*", "text/event-stream, */*;q=0"]
EITHER = ["application/json, text/event-stream", "*/*", None, ""]


def asking(accept: str | None, body: dict[str, Any], **more: str) -> dict[str, str]:
    headers = {name: value for name, value in headers_for(body, **more).items() if name != "Accept"}
    return headers if accept is None else {**headers, "Accept": accept}


def told(reply: httpx.Response) -> dict[str, Any]:
    """The message in the answer, whatever its form; the form is what its header says."""
    kind = reply.headers["content-type"].partition(";")[0]
    if kind == JSON:
        whole: dict[str, Any] = reply.json()
        return whole
    assert kind == EVENTS
    events = [line[5:] for line in reply.text.splitlines() if line.startswith("data:") and line[5:].strip()]
    found: dict[str, Any] = json.loads(events[-1])
    return found


@asynccontextmanager
async def plain(house: House) -> AsyncIterator[httpx.AsyncClient]:
    """A client library that adds no `Accept` of its own."""
    async with house.http() as http:
        del http.headers["accept"]
        yield http


async def conversation(house: House, accept: str | None) -> list[httpx.Response]:
    """An older client's beginning and a call, then a newer one's."""
    older = {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}}
    initialized = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    async with plain(house) as http:
        opened = await http.post("/mcp", json=initializing(), headers=asking(accept, initializing()))
        session = {**OLDER, "Mcp-Session-Id": opened.headers["Mcp-Session-Id"], "Content-Type": JSON}
        accepts = {} if accept is None else {"Accept": accept}
        ready = await http.post("/mcp", json=initialized, headers={**session, **accepts})
        assert (ready.status_code, ready.text) == (202, "")
        listed = await http.post("/mcp", json=older, headers={**session, **accepts})
        newer = await http.post("/mcp", json=LIST, headers=asking(accept, LIST))
    return [opened, listed, newer]


@pytest.mark.parametrize("accept", [*JSON_ALONE, *JSON_BY_EXCLUSION])
async def test_client_that_takes_json_alone_gets_json(serve: Serve, accept: str) -> None:
    async with serve() as house:
        opened, *lists = await conversation(house, accept)
    assert told(opened)["result"]["serverInfo"]["name"] == "kling-mcp"
    for reply in lists:
        assert (reply.status_code, reply.headers["content-type"]) == (200, JSON)
        assert reply.headers["content-length"] == str(len(reply.content))
        assert len(reply.json()["result"]["tools"]) > 5


@pytest.mark.parametrize("accept", EVENTS_ALONE)
async def test_client_that_takes_events_alone_gets_events(serve: Serve, accept: str) -> None:
    async with serve() as house:
        for reply in await conversation(house, accept):
            assert (reply.status_code, reply.headers["content-type"].partition(";")[0]) == (200, EVENTS)
            assert told(reply)["result"]


@pytest.mark.parametrize("accept", EITHER)
async def test_client_that_takes_either_form_or_says_nothing_is_served(serve: Serve, accept: str | None) -> None:
    async with serve() as house:
        for reply in await conversation(house, accept):
            assert reply.status_code == 200
            assert told(reply)["result"]


@pytest.mark.parametrize("accept", ["text/html", "image/*", "application/json;q=0", "application/mcp+json"])
async def test_client_that_takes_neither_form_gets_406(serve: Serve, accept: str) -> None:
    async with serve() as house, plain(house) as http:
        for body in (LIST, initializing()):
            reply = await http.post("/mcp", json=body, headers=asking(accept, body))
            assert reply.status_code == 406


@pytest.mark.parametrize("era", ["older", "newer"])
async def test_long_call_with_progress_ends_in_one_json_answer(
    serve: Serve, faults: Faults, clock: VirtualClock, era: str
) -> None:
    """The wait is longer than the quarter of a minute after which the SDK turns to an event stream."""
    faults.slow_task(60)
    body = calling("create_element_and_wait", **creation("Mia"), wait_seconds=300)
    body["params"]["_meta"]["progressToken"] = 7
    who = kling("anna")
    async with serve() as house, plain(house) as http:
        headers = asking(JSON, body, **who)
        if era == "older":
            opened = await http.post("/mcp", json=initializing(), headers=asking(JSON, initializing(), **who))
            headers = {**who, **OLDER, "Accept": JSON, "Mcp-Session-Id": opened.headers["Mcp-Session-Id"]}
        reply = await http.post("/mcp", json=body, headers=headers)
    assert clock.monotonic() > 30
    assert reply.headers["content-type"] == JSON
    assert reply.json()["result"]["structuredContent"]["element_ids"]


async def test_refusals_keep_their_status_for_a_client_of_events(serve: Serve) -> None:
    unknown = message("no/such/method")
    async with serve() as house, plain(house) as http:
        reply = await http.post("/mcp", json=unknown, headers=asking(EVENTS, unknown))
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, -32601)


async def test_subscription_is_no_json_answer(serve: Serve) -> None:
    listen = message("subscriptions/listen", {"notifications": {}})
    async with serve() as house, plain(house) as http:
        reply = await http.post("/mcp", json=listen, headers=asking(JSON, listen))
    assert reply.status_code == 406


async def test_stream_of_an_older_client_needs_events(serve: Serve) -> None:
    async with serve() as house, plain(house) as http:
        opened = await http.post("/mcp", json=initializing(), headers=asking(JSON, initializing()))
        session = {**OLDER, "Mcp-Session-Id": opened.headers["Mcp-Session-Id"]}
        reply = await http.get("/mcp", headers={**session, "Accept": JSON})
    assert reply.status_code == 406


class Sure(BaseModel):
    sure: bool


async def test_question_to_a_client_of_json_is_declined_for_it() -> None:
    """Without a stream it never sees the question, so the call would wait for ever."""
    server = MCPServer("asks")

    @server.tool()
    async def ask(context: Context[Any, Any]) -> str:
        try:
            answer = await context.elicit("Sure?", Sure)
        except Exception as error:  # noqa: BLE001 - what the SDK raises for an error in the answer
            return f"not asked: {error}"
        return answer.action

    app = server.streamable_http_app()
    body = initializing()
    body["params"]["capabilities"] = {"elicitation": {}}
    call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "ask", "arguments": {}}}
    transport = httpx.ASGITransport(AcceptedForm(app))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as http,
    ):
        opened = await http.post("/mcp", json=body, headers={"Accept": JSON})
        session = {**OLDER, "Mcp-Session-Id": opened.headers["Mcp-Session-Id"], "Accept": JSON}
        reply = await http.post("/mcp", json=call, headers=session)
    assert "not asked" in reply.json()["result"]["content"][0]["text"]
