"""6.5 MB of pictures over a slow line, through MCP: a client that gives up too early gets its element all the same."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from helpers import Pictures, requests_to, structured, text_of
from mcp import Client
from media.pictures import png_of_exactly
from never_twice.wishes import elements_at
from slow_line import MEGABIT, SlowLine

from kling_mcp.runtime import Runtime
from kling_mcp.server.build import build_server
from kling_mcp.simulator import Faults, SimulatorTransport, World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from virtual_time import VirtualClock

    from kling_mcp.settings import Settings

pytestmark = pytest.mark.anyio

CREATE = "create_element_and_wait"
PATIENCE = 45  # seconds until the client gives up
SENDING = 'Creating "Mia" at Kling: sending'

ConnectSlowly = "Callable[[float], AbstractAsyncContextManager[Client]]"


@pytest.fixture
def connect_slowly(
    settings: Settings, clock: VirtualClock, world: World, faults: Faults
) -> Callable[[float], AbstractAsyncContextManager[Client]]:
    """A client of a server behind a line that takes so many bytes per second."""

    @asynccontextmanager
    async def connected(rate: float = MEGABIT) -> AsyncIterator[Client]:
        line = SlowLine(SimulatorTransport(world, faults), rate)
        server = build_server(settings, Runtime(settings, clock=clock, make_transport=lambda: line))
        async with Client(server) as client:
            yield client

    return connected


@pytest.fixture
def creation(creation: dict[str, Any], pictures: Pictures) -> dict[str, Any]:
    """With pictures of 6.5 MB on the wire, and more time than the client has."""
    pictures.front.write_bytes(png_of_exactly(2_437_500))
    pictures.side.write_bytes(png_of_exactly(2_437_500))
    return {**creation, "wait_seconds": 600}


async def call_impatiently(client: Client, creation: dict[str, Any]) -> dict[str, Any] | None:
    """What a client gets that gives up after a while, as many do; None if it gave up."""
    with anyio.move_on_after(PATIENCE):
        return structured(await client.call_tool(CREATE, creation))
    return None


@pytest.mark.parametrize(("rate", "gives_up"), [(MEGABIT, 1), (45_000, 3), (25_000, 5)])
async def test_client_that_gives_up_again_and_again_gets_one_element(
    connect_slowly: Callable[[float], AbstractAsyncContextManager[Client]],
    world: World,
    creation: dict[str, Any],
    rate: float,
    gives_up: int,
) -> None:
    async with connect_slowly(rate) as client:
        for _ in range(gives_up):
            assert await call_impatiently(client, creation) is None
        task = await call_impatiently(client, creation)
    (made,) = elements_at(world)
    assert task is not None
    assert (task["outcome"], task["task_id"], task["element_ids"]) == (
        "already_submitted",
        made.task_id,
        [made.element_id],
    )
    assert len(requests_to(world, "create")) == 1


@pytest.mark.parametrize("tool", [CREATE, "create_element"])
async def test_progress_says_how_much_has_been_sent(
    connect_slowly: Callable[[float], AbstractAsyncContextManager[Client]], creation: dict[str, Any], tool: str
) -> None:
    """Also to a call that joins."""
    told: list[str] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        told.append(message or "")

    arguments = creation if tool == CREATE else {name: creation[name] for name in creation if name != "wait_seconds"}
    async with connect_slowly(MEGABIT) as client:
        with anyio.move_on_after(27):
            await client.call_tool(tool, arguments, progress_callback=hear)
        assert f"{SENDING} 1.8 of 6.5 MB (16 s)" in told
        told.clear()
        structured(await client.call_tool(tool, arguments, progress_callback=hear))
    assert told[1] == f"{SENDING} 3.8 of 6.5 MB (4 s)"


@pytest.mark.parametrize("tool", [CREATE, "create_element"])
async def test_call_whose_time_ends_while_sending_names_the_next_call(
    connect_slowly: Callable[[float], AbstractAsyncContextManager[Client]],
    world: World,
    creation: dict[str, Any],
    clock: VirtualClock,
    tool: str,
) -> None:
    if tool == CREATE:
        creation["wait_seconds"] = PATIENCE
    else:
        del creation["wait_seconds"]  # as long as KLING_MCP_WAIT_SECONDS says
    async with connect_slowly(MEGABIT) as client:
        result = await client.call_tool(tool, creation)
        task = structured(result)
        assert clock.monotonic() == pytest.approx(PATIENCE, abs=0.1)
        name = task["external_task_id"]
        assert (task["task_id"], task["task_status"], task["outcome"]) == ("", "unknown", "")
        assert task["warnings"] == ['The element "Mia" is still being sent to Kling: 5.6 of 6.5 MB so far.']
        assert task["next_step"].startswith(f'Call wait_for_tasks with ids=["{name}"], or repeat the same call')
        assert text_of(result).startswith("Kling has no task for it yet.\n")
        assert "5.6 of 6.5 MB" in text_of(result)

        waited = structured(await client.call_tool("wait_for_tasks", {"ids": [name], "wait_seconds": 60}))
    assert waited["pending"] == 0
    assert waited["tasks"][0]["element_ids"]
    assert len(requests_to(world, "create")) == 1


async def test_wait_for_what_is_being_sent_says_so(
    connect_slowly: Callable[[float], AbstractAsyncContextManager[Client]], creation: dict[str, Any]
) -> None:
    told: list[str] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        told.append(message or "")

    async with connect_slowly(25_000) as client:
        assert await call_impatiently(client, creation) is None
        result = await client.call_tool("wait_for_tasks", {"wait_seconds": 20}, progress_callback=hear)
    view = structured(result)
    (task,) = view["tasks"]
    assert (view["pending"], task["task_id"], task["task_status"]) == (1, "", "unknown")
    assert task["warnings"] == ["It is still being sent to Kling: 1.6 of 6.5 MB so far."]
    assert view["next_step"] == f'Call wait_for_tasks with ids=["{task["external_task_id"]}"] again.'
    assert "Waiting for 1 task at Kling: sending 1.0 of 6.5 MB" in told[1]
