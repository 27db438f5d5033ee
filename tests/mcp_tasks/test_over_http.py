"""Tasks over Streamable HTTP: routing headers, and callers that are told apart."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any

import anyio
import httpx
import pytest
from helpers import ACCESS_KEY, API_KEY, SECRET_KEY, requests_to
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

    async def call(self, tool: str, arguments: dict[str, Any], credential: dict[str, str]) -> dict[str, Any]:
        answer = await self.post("tools/call", {"name": tool, "arguments": arguments}, name=tool, credential=credential)
        # A long call is answered by a stream of events, whose last one is the result.
        text = answer.text.rpartition("data: ")[2] if "event-stream" in answer.headers["Content-Type"] else answer.text
        return dict(json.loads(text)["result"])

    async def create(self, creation: dict[str, Any], credential: dict[str, str] | None = None) -> str:
        return str((await self.call(CREATE, creation, credential or OWN))["taskId"])

    async def ask(self, method: str, task_id: str, **options: Any) -> httpx.Response:
        params = {"taskId": task_id, **({"inputResponses": {}} if method == "tasks/update" else {})}
        return await self.post(method, params, **{"name": task_id, **options})

    async def get(self, task_id: str, **options: Any) -> httpx.Response:
        return await self.ask("tasks/get", task_id, **options)


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


HALF_A_PAIR = {"X-Kling-Access-Key": ACCESS_KEY, "X-Kling-Secret-Key": "guessed-secret-key-of-more-than-thirty-two"}
INVENTED = {"X-Kling-Api-Key": "invented-api-key"}


def handles_in(settings: Settings) -> int:
    """How many handles are on the disk, of all accounts."""
    assert settings.state_dir is not None
    with closing(sqlite3.connect(settings.state_dir / "state.sqlite3")) as connection:
        return int(connection.execute("SELECT count(*) FROM handles").fetchone()[0])


class TestUnprovedCredentials:
    @pytest.fixture
    async def task_of_another(self, poster: Poster, creation: dict[str, Any]) -> str:
        return await poster.create(creation)

    @pytest.fixture
    def slow_kling(self, request: pytest.FixtureRequest, faults: Faults, task_of_another: str) -> None:
        """From then on, Kling takes so many seconds to refuse a key."""
        faults.delay(request.param, route="list", times=None)
        faults.delay(request.param, route="query", times=None)

    @pytest.mark.parametrize("credential", [INVENTED, HALF_A_PAIR], ids=["api key", "half a pair"])
    @pytest.mark.parametrize("slow_kling", [0.0, 1.0, 10.0], indirect=True)
    @pytest.mark.usefixtures("slow_kling")
    async def test_refused_key_leaves_no_handle_however_late_it_is_refused(
        self,
        poster: Poster,
        creation: dict[str, Any],
        settings: Settings,
        credential: dict[str, str],
        task_of_another: str,
    ) -> None:
        for tool, arguments in ((CREATE, creation), ("wait_for_tasks", {"ids": ["some-task"]})):
            answer = await poster.call(tool, arguments, credential)
            assert answer["isError"]
            assert "kind=auth" in answer["content"][0]["text"]
            assert handles_in(settings) == 1
        assert (await poster.get(task_of_another)).json()["result"]["status"] == "working"

    @pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
    async def test_half_a_key_pair_reaches_no_handle_of_its_owner(
        self, poster: Poster, creation: dict[str, Any], method: str
    ) -> None:
        task_id = await poster.create(creation, FOREIGN)
        answer = await poster.ask(method, task_id, credential=HALF_A_PAIR)
        assert answer.json()["error"]["code"] == INVALID_PARAMS
        assert (await poster.get(task_id, credential=FOREIGN)).json()["result"]["status"] == "working"

    async def test_half_a_key_pair_reaches_no_handle_where_the_state_cannot_be_read(
        self, poster: Poster, creation: dict[str, Any], settings: Settings
    ) -> None:
        """Then a call that this process runs is found in memory."""
        task_id = await poster.create(creation, FOREIGN)
        assert settings.state_dir is not None
        with closing(sqlite3.connect(settings.state_dir / "state.sqlite3", isolation_level=None)) as holder:
            holder.execute("BEGIN EXCLUSIVE")
            answer = await poster.ask("tasks/cancel", task_id, credential=HALF_A_PAIR)
            assert answer.json()["error"]["code"] == INVALID_PARAMS
            assert (await poster.get(task_id, credential=FOREIGN)).json()["result"]["status"] == "working"

    async def test_proof_costs_one_request_and_only_the_first_time(
        self, poster: Poster, creation: dict[str, Any], world: World
    ) -> None:
        for name in ("Mia", "Leo"):
            await poster.get(await poster.create({**creation, "element_name": name}))
        queries = [request.query for request in requests_to(world, "list")]
        assert queries.count("pageNum=1&pageSize=1") == 1

    async def test_kling_that_says_nothing_delays_a_call_by_the_time_of_a_handle_alone(
        self, poster: Poster, creation: dict[str, Any], faults: Faults, clock: VirtualClock, settings: Settings
    ) -> None:
        faults.delay(3600, route="list", times=None)
        began = clock.monotonic()
        answer = await poster.call("wait_for_tasks", {"ids": ["880000000000000101"], "wait_seconds": 0}, OWN)
        assert answer["isError"], "Kling knows no such task"
        assert clock.monotonic() - began < 5
