"""The orderly end: whoever waits is answered with what to call next, background work is left to the next server."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from helpers import requests_to, structured
from mcp_tasks.client import DeclaresTasks, get, handle_of
from starlette.types import Message, Receive, Scope, Send
from virtual_time import VirtualClock

from hosting.conftest import Serve
from hosting.http_server import House, calling, creation, initializing, kling, message, request_of
from kling_mcp.concurrency.shutdown import Shutdown
from kling_mcp.server.http.open_requests import OpenRequests
from kling_mcp.simulator import Faults, World
from kling_mcp.tasks.in_flight import LAST_SECONDS

pytestmark = pytest.mark.anyio

ANNA = kling("anna")
EACH_ERA = pytest.mark.parametrize("era", ["legacy", "auto"])


async def end(house: House) -> None:
    """What the server does when it is told to end, before it closes its connections."""
    house.runtime.shutdown.start()
    await house.app.state.requests.finish(3.0)


@EACH_ERA
async def test_running_waits_hand_over_their_tickets(
    serve: Serve, faults: Faults, world: World, clock: VirtualClock, era: str
) -> None:
    faults.slow_task(300, times=None)
    answers: dict[str, Any] = {}
    async with serve() as house, house.client(era, ANNA) as client:

        async def ask(name: str, tool: str, arguments: dict[str, Any]) -> None:
            answers[name] = await client.call_tool(tool, arguments)

        async with anyio.create_task_group() as group:
            group.start_soon(ask, "create", "create_element_and_wait", {**creation("Mia"), "wait_seconds": 600})
            await clock.sleep(20)
            group.start_soon(ask, "wait", "wait_for_tasks", {"wait_seconds": 600})
            await clock.sleep(20)
            assert answers == {}
            began = clock.monotonic()
            await end(house)
        assert clock.monotonic() - began < 2
    created, waited = structured(answers["create"]), structured(answers["wait"])
    assert created["task_status"] in {"submitted", "processing"}
    assert created["next_step"] == (f'Call wait_for_tasks with ids=["{created["task_id"]}"]; do not create it again.')
    assert created["waited_seconds"] >= 40
    assert waited["pending"] == 1
    assert created["task_id"] in waited["next_step"]
    async with serve() as house, house.client(era, ANNA) as client:
        done = structured(await client.call_tool("wait_for_tasks", {"ids": [created["task_id"]], "wait_seconds": 600}))
    assert done["tasks"][0]["element_ids"]
    assert len(requests_to(world, "create")) == 1


@EACH_ERA
async def test_progress_is_reported_until_the_element_is_ready(serve: Serve, faults: Faults, era: str) -> None:
    heard: list[tuple[float, str | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, message))

    faults.slow_task(30)
    async with serve() as house, house.client(era, ANNA) as client:
        wish = {**creation("Mia"), "wait_seconds": 120}
        made = structured(await client.call_tool("create_element_and_wait", wish, progress_callback=hear))
    assert len(made["element_ids"]) == 1
    assert [message for _, message in heard[:2]] == ['Checking "Mia" (0 s)', 'Creating "Mia" at Kling (4 s)']
    seconds = [progress for progress, _ in heard]
    assert seconds == sorted(set(seconds))
    assert len(heard) >= 30 / 5


async def test_new_callers_are_sent_away_and_their_waits_are_short(
    serve: Serve, faults: Faults, clock: VirtualClock
) -> None:
    faults.slow_task(300)
    async with serve() as house, house.http() as http:
        assert (await http.get("/readyz")).status_code == 200
        await end(house)
        ready = await http.get("/readyz")
        assert (ready.status_code, ready.json()) == (503, {"status": "ending"})
        assert (await http.get("/healthz")).status_code == 200, "the process is alive"
        began = clock.monotonic()
        body = calling("create_element_and_wait", **creation("Mia"), wait_seconds=600)
        reply = (await house.post(body, ANNA)).json()["result"]
        assert clock.monotonic() - began < 2
    assert reply["structuredContent"]["task_id"]
    assert reply["structuredContent"]["next_step"]


async def test_creation_on_its_way_to_kling_is_waited_for(serve: Serve, faults: Faults, world: World) -> None:
    faults.delay(2, route="create")
    answers: list[Any] = []
    async with serve() as house:

        async def create() -> None:
            answers.append(await house.post(calling("create_element", **creation("Mia")), ANNA))

        async with anyio.create_task_group() as group:
            group.start_soon(create)
            await anyio.sleep(1)
            await end(house)
    assert answers[0].json()["result"]["structuredContent"]["task_id"]
    assert len(requests_to(world, "create")) == 1


async def test_creation_that_kling_does_not_answer_is_handed_over_to_the_next_server(
    serve: Serve, faults: Faults, world: World, clock: VirtualClock
) -> None:
    faults.delay(100, after_commit=True, route="create")
    answers: list[Any] = []
    async with serve() as house:

        async def create() -> None:
            answers.append(await house.post(calling("create_element", **creation("Mia")), ANNA))

        async with anyio.create_task_group() as group:
            group.start_soon(create)
            await anyio.sleep(1)
            began = clock.monotonic()
            await end(house)
        assert clock.monotonic() - began == LAST_SECONDS
    told = answers[0].json()["result"]["structuredContent"]
    assert (told["task_id"], told["task_status"], told["element_ids"]) == ("", "unknown", [])
    assert told["external_task_id"] in told["next_step"]
    async with serve() as house:
        body = calling("create_element_and_wait", **creation("Mia"), wait_seconds=300)
        again = (await house.post(body, ANNA)).json()["result"]["structuredContent"]
    assert (again["outcome"], len(again["element_ids"])) == ("recovered", 1)
    assert sum(world.accepted_creations().values()) == 1


@pytest.mark.parametrize("busy", ["in the queue", "Kling is busy", "the same wish"])
async def test_creations_that_were_not_sent_yet_end_with_nothing_created(
    serve: Serve, faults: Faults, world: World, clock: VirtualClock, busy: str
) -> None:
    """Each says that nothing was created, or under which id it can be asked for."""
    first = {**creation("Mia"), "wait_seconds": 600}
    second = first if busy == "the same wish" else {**creation("Noa"), "wait_seconds": 600}
    if busy == "Kling is busy":
        faults.rate_limit(times=None, route="create")
    else:
        faults.delay(100, times=None, route="create")
    answers: list[Any] = []
    async with serve(max_creates=1) as house:

        async def create(arguments: dict[str, Any]) -> None:
            answers.append(await house.post(calling("create_element_and_wait", **arguments), ANNA))

        async with anyio.create_task_group() as group:
            group.start_soon(create, first)
            await clock.sleep(10)
            group.start_soon(create, second)
            await clock.sleep(10)
            assert answers == []
            await end(house)
    told = [re.findall(r"kind=\w+ created=\w+ retry=\w+", answer.text) for answer in answers]
    expected = {
        "in the queue": [["kind=busy created=no retry=later"], []],
        "Kling is busy": [["kind=busy created=no retry=later"]] * 2,
        "the same wish": [[], []],
    }
    assert told == expected[busy]
    assert all("kind=" in answer.text or "is still being sent to Kling" in answer.text for answer in answers)
    assert all("shutting down" in answer.text for answer in answers if "kind=busy" in answer.text)


async def test_background_tasks_are_left_to_the_next_server(serve: Serve, faults: Faults, clock: VirtualClock) -> None:
    """A handle must not end as "still running" only because the server did."""
    faults.slow_task(120)
    async with serve() as house, house.client("auto", ANNA, extensions=[DeclaresTasks()]) as client:
        handle = await handle_of(client, "create_element_and_wait", creation("Mia"))
        await clock.sleep(10)
        house.runtime.shutdown.start()
        await clock.sleep(1)
        assert (await get(client, handle))["status"] == "working"
    async with serve() as house, house.client("auto", ANNA, extensions=[DeclaresTasks()]) as client:
        assert (await get(client, handle))["status"] == "working"
        await clock.sleep(200)
        done = await get(client, handle)
    assert done["status"] == "completed"
    assert done["result"]["structuredContent"]["element_ids"]


async def test_open_streams_are_ended_at_shutdown(serve: Serve, clock: VirtualClock) -> None:
    """The event stream of an older client, and the subscription of a newer one."""
    async with serve() as house:
        opened = await house.post(initializing())
        session = {"Mcp-Session-Id": opened.headers["Mcp-Session-Id"], "MCP-Protocol-Version": "2025-11-25"}
        ended: dict[str, int] = {}

        async def stream() -> None:
            async with house.http({**session, "Accept": "text/event-stream"}) as http:
                ended["stream"] = (await http.get("/mcp")).status_code

        async def listen() -> None:
            ended["listen"] = (await house.post(message("subscriptions/listen", {"notifications": {}}))).status_code

        async with anyio.create_task_group() as group:
            group.start_soon(stream)
            group.start_soon(listen)
            await clock.sleep(100)
            assert ended == {}
            began = clock.monotonic()
            await end(house)
        assert ended == {"stream": 200, "listen": 200}
        assert clock.monotonic() - began < 1


class TestOpenRequests:
    """Around an app that does as it is told."""

    @staticmethod
    async def run(work: Callable[[Send], Awaitable[None]], seconds: float) -> list[Message]:
        answer: list[Message] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await work(send)

        async def send(message: Message) -> None:
            answer.append(message)

        async def receive() -> Message:
            return {"type": "http.request"}

        requests = OpenRequests(app, VirtualClock())
        async with anyio.create_task_group() as group:
            group.start_soon(requests, request_of(b"anna"), receive, send)
            await anyio.sleep(1)
            await requests.finish(seconds)
        return answer

    async def test_answer_that_is_being_sent_is_brought_to_an_end(self) -> None:
        async def half(send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
            await anyio.sleep(1000)

        answer = await self.run(half, 2.0)
        assert [part.get("more_body") for part in answer] == [None, True, False]

    async def test_answer_that_takes_its_time_is_waited_for(self) -> None:
        async def late(send: Send) -> None:
            await anyio.sleep(2)
            await send({"type": "http.response.start", "status": 200, "headers": []})

        assert len(await self.run(late, 5.0)) == 1

    async def test_defect_does_not_stay_open(self) -> None:
        async def broken(send: Send) -> None:
            raise ZeroDivisionError

        with pytest.raises(ExceptionGroup) as caught:
            await self.run(broken, 5.0)
        assert caught.group_contains(ZeroDivisionError)


class TestClosing:
    async def test_waits_that_begin_afterwards_are_over_at_once(self, clock: VirtualClock) -> None:
        shutdown = Shutdown()
        await shutdown.sleep(clock, 5)
        assert clock.monotonic() == 5
        shutdown.start()
        await shutdown.sleep(clock, 5)
        with shutdown.move_on_after(5) as scope:
            await clock.sleep(5)
        assert scope.cancelled_caught
        assert clock.monotonic() == 5

    async def test_shutdown_callbacks_run_before_any_wait_ends(self, clock: VirtualClock) -> None:
        shutdown, order = Shutdown(), []
        shutdown.on_start(lambda: order.append("told"))

        async def wait() -> None:
            await shutdown.sleep(clock, 100)
            order.append("ended")

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await clock.sleep(1)
            shutdown.start()
        assert order == ["told", "ended"]
        assert clock.monotonic() == 1


async def test_readiness_says_when_the_state_cannot_be_read(
    serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / "a-file-CANARY"
    place.write_text("in the way")
    async with serve(state_dir=place) as house, house.http() as http:
        reply = await http.get("/readyz")
        assert (await http.get("/healthz")).status_code == 200
    assert (reply.status_code, reply.json()) == (503, {"status": "the state cannot be read"})
    assert "CANARY" in caplog.text
