"""Two server processes behind nginx, round robin and without affinity: whoever gets a request can answer it.

Real processes, real time, and the configuration that docs/hosting.md tells operators to use.
"""

from __future__ import annotations

import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx2
import pytest
from anyio import to_thread
from helpers import requests_to, structured
from hosting.http_server import MODERN, calling, creation, headers_for, initializing
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from processes import SOON, until

from kling_mcp.simulator import Faults, World, served_in_background
from postgres.balancer import HOST, REPLICA, Replica, Site, balanced, nginx
from postgres.conftest import Database
from postgres.server import Server

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not nginx(), reason="nginx is not installed (tests/postgres/install.sh)"),
]

KEY = "key-of-anna"
ANNA = {"X-Kling-Api-Key": KEY}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def quick_kling() -> World:
    """It makes elements at once, unless a fault says otherwise."""
    return World(any_api_key=True, durations=lambda _kind, _rng: 0.2)


@pytest.fixture
def world() -> World:
    return quick_kling()


@pytest.fixture
def site(tmp_path: Path, database: Database, world: World, faults: Faults) -> Iterator[Site]:
    with served_in_background(world, faults) as kling, balanced(tmp_path, kling, database.url) as site:
        yield site


@asynccontextmanager
async def client_of(site: Site, era: str = "auto", key: str = KEY) -> AsyncIterator[Client]:
    async with (
        site.http(**{"X-Kling-Api-Key": key}) as http,
        Client(streamable_http_client(f"https://{HOST}/mcp", http_client=http), mode=era) as client,
    ):
        yield client


async def post(http: httpx2.AsyncClient, body: dict[str, Any], **headers: str) -> httpx2.Response:
    return await http.post("/mcp", json=body, headers=headers_for(body, **headers))


def created_by_kling(world: World) -> int:
    """How many creations Kling carried out, whatever was answered."""
    return len([request for request in requests_to(world, "create") if request.committed])


async def post_to(http: httpx2.AsyncClient, replica: Replica, body: dict[str, Any], **headers: str) -> httpx2.Response:
    """Past the balancer."""
    url = f"http://{replica.address}/mcp"
    return await http.post(url, json=body, headers={**headers_for({**body, "params": {}}), **headers})


async def call_back(http: httpx2.AsyncClient, url: str, *, not_at: str) -> httpx2.Response:
    """As Kling does, to the public address; round robin alternates, so one request before decides who gets it."""
    path = urlsplit(url).path
    for _ in range(2):
        peeked = await http.get("/readyz", headers={"MCP-Protocol-Version": MODERN})
        if peeked.headers[REPLICA] == not_at:
            break
    called = await http.post(path, json={"task_id": "whatever", "task_status": "succeed"})
    assert called.status_code == 200
    return called


@pytest.fixture(scope="module")
def lasting(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, World, Faults]]:
    """A site on which no replica ends."""
    world, faults, name = quick_kling(), Faults(), server.new_database()
    room = tmp_path_factory.mktemp("site")
    with served_in_background(world, faults) as kling, balanced(room, kling, server.url(name)) as site:
        yield site, world, faults
    server.drop(name)


class TestLiveReplicas:
    """One site for all of these, so each has an account of its own."""

    @pytest.fixture
    def site(self, lasting: tuple[Site, World, Faults]) -> Site:
        lasting[0].answered.clear()
        return lasting[0]

    @pytest.fixture
    def world(self, lasting: tuple[Site, World, Faults]) -> World:
        return lasting[1]

    @pytest.fixture
    def faults(self, lasting: tuple[Site, World, Faults]) -> Faults:
        return lasting[2]

    async def test_every_step_may_go_to_another_replica(self, site: Site) -> None:
        async with client_of(site, key="key-of-steps") as client:
            made = structured(await client.call_tool("create_element", creation("Mia")))
            [maker] = site.answerers("create_element")
            for _ in range(3):
                waited = structured(await client.call_tool("wait_for_tasks", {"ids": [made["task_id"]]}))
                [element_id] = waited["tasks"][0]["element_ids"]
                found = structured(await client.call_tool("find_elements", {"query": "Mia"}))
                assert [row["element_id"] for row in found["elements"]] == [element_id]
                got = structured(await client.call_tool("get_element", {"id": made["external_task_id"]}))
                assert got["element_ids"] == [element_id]
        assert set(site.answerers("wait_for_tasks")) - {maker}, "another one knew the task, too"
        everybody = {replica.address for replica in site.replicas}
        assert set(site.answerers("find_elements") + site.answerers("get_element")) == everybody

    async def test_progress_arrives_while_the_call_runs(self, site: Site, faults: Faults) -> None:
        """A proxy that buffers would hand it over with the answer."""
        faults.slow_task(600)
        answers: list[Any] = []
        heard = anyio.Event()

        async def hear(progress: float, total: float | None, message: str | None) -> None:
            assert not answers
            heard.set()

        async with client_of(site, key="key-of-progress") as client:
            with anyio.fail_after(SOON):
                wish = {**creation("Mia"), "wait_seconds": 1}
                answers.append(await client.call_tool("create_element_and_wait", wish, progress_callback=hear))
                await heard.wait()
        assert structured(answers[0])["task_status"] in {"submitted", "processing"}

    async def test_large_request_passes_the_proxy_and_a_larger_one_is_refused_by_the_server(self, site: Site) -> None:
        picture = "data:image/png;base64," + "A" * 5_900_000
        async with site.http(**ANNA) as http:
            large = await post(http, calling("create_element", **creation("Mia", frontal_image=picture)))
            larger = await post(
                http, calling("create_element", **creation("Mia", frontal_image=picture * 2 + "A" * 300_000))
            )
            far = await http.post("/mcp", content=b"A" * 14_000_000)
        assert large.status_code == 200
        assert "frontal_image" in large.text, "the picture was looked at"
        assert (larger.status_code, "nginx" in larger.text) == (413, False)
        assert (far.status_code, "nginx" in far.text) == (413, True)

    async def test_older_clients_keep_to_the_replica_of_their_session(self, site: Site) -> None:
        for number in range(4):
            site.answered.clear()
            async with client_of(site, "legacy", f"key-{number}") as client:
                made = structured(await client.call_tool("create_element", creation("Mia")))
                for _ in range(3):
                    assert structured(await client.call_tool("get_element", {"id": made["task_id"]}))["task_id"]
            assert len({replica for _, replica in site.answered}) == 1

    async def test_session_means_nothing_to_the_other_replica(self, site: Site) -> None:
        """So a balancer must know it; a client who is told 404 begins a new one, as the protocol wants."""
        a, b = site.replicas
        own = {**ANNA, "Host": HOST, "Authorization": site.authorization}
        async with httpx2.AsyncClient(headers=own) as http:
            begun = await post_to(http, a, initializing())
            session = {"Mcp-Session-Id": begun.headers["Mcp-Session-Id"], "MCP-Protocol-Version": "2025-11-25"}
            listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
            there = await post_to(http, a, listing, **session)
            elsewhere = await post_to(http, b, listing, **session)
        assert (there.status_code, elsewhere.status_code) == (200, 404)

    async def test_callback_to_one_replica_ends_a_wait_at_the_other_within_a_second(
        self, site: Site, world: World, faults: Faults
    ) -> None:
        faults.slow_task(3600)
        key = "key-of-callbacks"
        answers: list[tuple[float, Any]] = []
        is_waiting = anyio.Event()

        async def wait() -> None:
            wish = {**creation("Mia"), "wait_seconds": 300}

            async def hear(progress: float, total: float | None, message: str | None) -> None:
                is_waiting.set()

            answer = await client.call_tool("create_element_and_wait", wish, progress_callback=hear)
            answers.append((time.monotonic(), structured(answer)))

        async with client_of(site, key=key) as client, anyio.create_task_group() as group, site.http() as kling:
            group.start_soon(wait)
            with anyio.fail_after(SOON):
                await is_waiting.wait()
            await until(lambda: bool(world.account_of(key).tasks))
            [waiting_at] = site.answerers("create_element_and_wait")
            [task] = world.account_of(key).tasks.values()
            # A look has just been, and the next one is a second away or more: what comes before is the callback's work.
            looks = len(requests_to(world, "query"))
            await until(lambda: len(requests_to(world, "query")) > looks)
            task.ended = time.time()
            called_at = time.monotonic()
            called = await call_back(kling, task.callback_url, not_at=waiting_at)
        [(answered_at, answer)] = answers
        assert called.headers[REPLICA] != waiting_at
        assert answer["task_status"] == "succeed"
        assert answered_at - called_at < 1.0


# --- replicas that end


def replica_that_creates(site: Site, database: Database) -> Replica:
    """The one whose process holds the only creation in the journal."""
    [(owner,)] = database.say("SELECT owner FROM kling_mcp.tasks")
    pid = str(owner).partition("/")[0].rpartition(":")[2]
    return next(replica for replica in site.replicas if str(replica.pid) == pid)


async def test_replica_killed_while_it_creates_loses_nothing_and_the_caller_does_not_notice(
    site: Site, world: World, faults: Faults, database: Database
) -> None:
    """Kling has the task, but its answer never came: the balancer asks the other replica, which looks first."""
    faults.delay(60, after_commit=True, route="create")
    answers: list[dict[str, Any]] = []

    async def create() -> None:
        answers.append(structured(await client.call_tool("create_element", creation("Mia"))))

    async with client_of(site) as client:
        with anyio.fail_after(SOON):
            async with anyio.create_task_group() as group:
                group.start_soon(create)
                await until(lambda: created_by_kling(world) == 1)
                killed = replica_that_creates(site, database)
                await to_thread.run_sync(killed.stop, signal.SIGKILL)
            for _ in range(4):
                await create()
    assert len({answer["task_id"] for answer in answers}) == 1
    assert answers[0]["outcome"] in {"recovered", "already_submitted"}
    assert created_by_kling(world) == 1
    assert killed.address not in {replica for _, replica in site.answered[-4:]}


async def test_caller_with_progress_from_a_killed_replica_repeats_and_gets_the_same_task(
    site: Site, world: World, faults: Faults
) -> None:
    """An answer that has begun cannot go on elsewhere: the stream breaks, and the same call finds its task."""
    faults.slow_task(2)
    wish = {**creation("Mia"), "wait_seconds": 60}
    body = calling("create_element_and_wait", **wish)
    body["params"]["_meta"]["progressToken"] = "heard"
    async with site.http(**ANNA) as http:
        with anyio.fail_after(SOON):
            async with http.stream("POST", "/mcp", json=body, headers=headers_for(body)) as broken:
                lines = broken.aiter_lines()
                await anext(lines)
                await until(lambda: created_by_kling(world) == 1)
                [killed] = [each for each in site.replicas if each.address == broken.headers[REPLICA]]
                await to_thread.run_sync(killed.stop, signal.SIGKILL)
                with pytest.raises(httpx2.RemoteProtocolError):
                    async for _ in lines:
                        pass
            async with client_of(site) as client:
                again = structured(await client.call_tool("create_element_and_wait", wish))
    assert again["task_status"] == "succeed"
    assert created_by_kling(world) == 1


async def test_replicas_restarted_one_after_the_other_lose_no_call(site: Site, world: World) -> None:
    answers: list[dict[str, Any]] = []
    done = anyio.Event()

    async def go_on(number: int) -> None:
        async with client_of(site, key=f"key-{number}") as client:
            calls = 0
            while not done.is_set():
                calls += 1
                wish = {**creation(f"Mia {calls // 3}"), "wait_seconds": 1}  # each of them thrice
                answers.append(structured(await client.call_tool("create_element_and_wait", wish)))
                answers.append(structured(await client.call_tool("find_elements", {"query": "Mia"})))

    async def some_more() -> None:
        wanted = len(answers) + 12
        await until(lambda: len(answers) >= wanted)

    async with anyio.create_task_group() as group:
        for number in range(3):
            group.start_soon(go_on, number)
        for replica in site.replicas:
            await some_more()
            await to_thread.run_sync(replica.stop, signal.SIGTERM)
            await some_more()
            await to_thread.run_sync(replica.start)
        site.answered.clear()
        await until(lambda: {replica for _, replica in site.answered} >= {each.address for each in site.replicas})
        done.set()
    wishes = {answer["external_task_id"] for answer in answers if "external_task_id" in answer}
    assert created_by_kling(world) == len(wishes) > 3
