"""Tasks over Streamable HTTP: routing headers, and callers that are told apart."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx
import pytest
from helpers import ACCESS_KEY, API_KEY, SECRET_KEY
from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp_types import HEADER_MISMATCH, INVALID_PARAMS
from virtual_time import VirtualClock

from kling_mcp.runtime import Runtime
from kling_mcp.server.http.app import build_http_app
from kling_mcp.settings import Settings
from kling_mcp.simulator import Faults, SimulatorTransport, World
from mcp_tasks.client import TASKS, get, handle_of
from mcp_tasks.conftest import Start

pytestmark = pytest.mark.anyio

VERSION = "2026-07-28"
CREATE = "create_element_and_wait"
OWN = {"X-Kling-Api-Key": API_KEY}
FOREIGN = {"X-Kling-Access-Key": ACCESS_KEY, "X-Kling-Secret-Key": SECRET_KEY}


class Poster:
    """Sends one request of the newest protocol, as an intermediary sees it."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def post(
        self, method: str, params: dict[str, Any], *, name: str | None, credential: dict[str, str] | None = None
    ) -> httpx.Response:
        meta = {
            "io.modelcontextprotocol/protocolVersion": VERSION,
            "io.modelcontextprotocol/clientCapabilities": {"extensions": {TASKS: {}}},
        }
        headers = {
            "Accept": "application/json, text/event-stream",
            "Content-Type": "application/json",
            "MCP-Protocol-Version": VERSION,
            "Mcp-Method": method,
            **({"Mcp-Name": name} if name is not None else {}),
            **(OWN if credential is None else credential),
        }
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}
        return await self._http.post("/mcp", content=json.dumps(body), headers=headers)

    async def create(self, creation: dict[str, Any]) -> str:
        answer = await self.post("tools/call", {"name": CREATE, "arguments": creation}, name=CREATE)
        return str(answer.json()["result"]["taskId"])

    async def get(self, task_id: str, **options: Any) -> httpx.Response:
        return await self.post("tasks/get", {"taskId": task_id}, **{"name": task_id, **options})


@pytest.fixture
async def poster(settings: Settings, clock: VirtualClock, world: World, faults: Faults) -> AsyncIterator[Poster]:
    chosen = dataclasses.replace(settings, api_key="")
    runtime = Runtime(chosen, transport="http", clock=clock, make_transport=lambda: SimulatorTransport(world, faults))
    app = build_http_app(runtime)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as http,
    ):
        yield Poster(http)


@pytest.fixture
def creation(creation: dict[str, Any], faults: Faults) -> dict[str, Any]:
    """One that takes a minute, by links: over http the server sees no files of the caller."""
    faults.slow_task(60)
    links = {
        "frontal_image": "https://pictures.example.com/a.jpg",
        "refer_images": "https://pictures.example.com/b.jpg",
    }
    return {**creation, **links}


async def test_header_may_name_the_task_or_be_left_out(poster: Poster, creation: dict[str, Any]) -> None:
    task_id = await poster.create(creation)
    for name in (task_id, None):
        answer = await poster.get(task_id, name=name)
        assert answer.json()["result"]["status"] == "working"
    await anyio.sleep(120)
    ended = (await poster.get(task_id)).json()["result"]
    assert ended["result"]["structuredContent"]["element_ids"]


async def test_header_that_names_another_task_is_refused(poster: Poster, creation: dict[str, Any]) -> None:
    task_id = await poster.create(creation)
    for name in ("another", "=?base64?%%%?="):
        answer = await poster.get(task_id, name=name)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, HEADER_MISMATCH)


async def test_handle_is_worth_nothing_without_the_account_behind_it(poster: Poster, creation: dict[str, Any]) -> None:
    task_id = await poster.create(creation)
    for credential in (FOREIGN, {}, {"X-Kling-Api-Key": "half a key"}):
        answer = await poster.get(task_id, credential=credential)
        assert answer.json()["error"]["code"] == INVALID_PARAMS
    assert (await poster.get(task_id)).json()["result"]["status"] == "working"


async def test_handle_is_worth_nothing_to_another_person_on_the_same_account(
    start: Start, creation: dict[str, Any], settings: Settings
) -> None:
    def sign_in(name: str) -> None:
        token = AccessToken(token=f"token of {name}", client_id="app", scopes=[], subject=name)
        auth_context_var.set(AuthenticatedUser(token))

    async with start() as client:
        sign_in("anna")
        task_id = await handle_of(client, CREATE, creation)
        assert (await get(client, task_id))["status"] == "working"
        sign_in("otto")
        with pytest.raises(Exception, match="no such task"):
            await get(client, task_id)
    auth_context_var.set(None)
    assert settings.state_dir is not None
    assert b"anna" not in b"".join(path.read_bytes() for path in settings.state_dir.iterdir() if path.is_file())
