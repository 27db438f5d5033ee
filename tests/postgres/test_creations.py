"""Creations while the database fails: nothing is sent that was not written down, and nothing sent is forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from helpers import API_KEY, requests_to
from never_twice.wishes import draft_of, elements_at
from virtual_time import VirtualClock

from kling_mcp.errors import StorageError
from kling_mcp.runtime import Runtime
from kling_mcp.settings import Settings
from kling_mcp.simulator import Faults, SimulatorTransport, World
from kling_mcp.tasks.entry import LEASE_SECONDS
from kling_mcp.tasks.send import NOT_RECORDED
from postgres.conftest import Database
from postgres.server import Server
from postgres.wire import Wire

pytestmark = pytest.mark.anyio

MIA = draft_of("Mia")


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    made = Wire(server.socket)
    yield made
    made.close()


class TellingTransport(httpx.AsyncBaseTransport):
    """The simulated Kling; `on_create` is called when it has done a creation and before its answer arrives."""

    def __init__(self, world: World, on_create: Callable[[], None]) -> None:
        self._kling = SimulatorTransport(world, Faults())
        self._on_create = on_create

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._kling.handle_async_request(request)
        if request.method == "POST":
            self._on_create()
        return response


def replica(
    url: str, folder: Path, clock: VirtualClock, world: World, on_create: Callable[[], None] = lambda: None
) -> Runtime:
    settings = Settings(
        api_key=API_KEY, base_url="https://kling.invalid", state_url=url, state_dir=folder, thumbnails=False
    )
    return Runtime(settings, clock=clock, make_transport=lambda: TellingTransport(world, on_create), owner=f"{url}:1")


async def test_creation_without_the_database_sends_nothing(
    server: Server, tmp_path: Path, clock: VirtualClock, world: World
) -> None:
    runtime = replica(server.url("no_such_database"), tmp_path, clock, world)
    with pytest.raises(StorageError) as caught:
        await runtime.own_account().creator.create(MIA, allow_duplicate_name=True, timeout=30)
    assert caught.value.created == "no"
    assert requests_to(world, "create") == []
    await runtime.aclose()


async def test_a_creation_whose_end_could_not_be_written_is_known_to_the_other_replica(
    database: Database, wire: Wire, tmp_path: Path, clock: VirtualClock, world: World
) -> None:
    address = database.server.url(database.name, host=wire.address) + "?sslmode=disable"
    cut_off = replica(address, tmp_path / "a", clock, world, wire.close)
    other = replica(database.url, tmp_path / "b", clock, world)
    made = await cut_off.own_account().creator.create(MIA, allow_duplicate_name=False, timeout=30)
    assert NOT_RECORDED in made.warnings
    await clock.sleep(LEASE_SECONDS)
    again = await other.own_account().creator.create(MIA, allow_duplicate_name=False, timeout=120)
    assert again.task.task_id == made.task.task_id
    assert len(elements_at(world)) == 1
    await cut_off.aclose()
    await other.aclose()
