"""Over http each caller's names are completed from that caller's own account."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import uvicorn
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import ResourceTemplateReference

from kling_mcp.runtime import Runtime
from kling_mcp.server.http.app import build_http_app
from kling_mcp.settings import Settings
from kling_mcp.simulator import SimulatorTransport, World

pytestmark = pytest.mark.anyio

ELEMENT = ResourceTemplateReference(type="ref/resource", uri="kling://elements/{id}")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # real time: there are sockets


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A server that has a key of its own, in front of a Kling where three accounts have an element each."""
    world = World(any_api_key=True)
    for key, name in (("operators-own-key", "Mia"), ("first-callers-key", "Mia One"), ("other-callers-key", "Mia Two")):
        world.add_element(world.account_of(key), name)
    settings = Settings(api_key="operators-own-key", state_dir=tmp_path)
    runtime = Runtime(settings, transport="http", make_transport=lambda: SimulatorTransport(world))
    server = uvicorn.Server(uvicorn.Config(build_http_app(runtime), port=0, ws="none", log_config=None))
    listener = server.config.bind_socket()
    listener.listen()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
    server.should_exit = True
    thread.join()
    listener.close()


@pytest.mark.parametrize("era", ["legacy", "auto"])
async def test_every_caller_completes_from_the_own_account(address: str, era: str) -> None:
    suggested = {}
    for key in ("first-callers-key", "other-callers-key", ""):
        async with (
            httpx2.AsyncClient(headers={"X-Kling-Api-Key": key} if key else {}, timeout=30) as http,
            Client(streamable_http_client(address, http_client=http), mode=era) as client,
        ):
            completion = (await client.complete(ELEMENT, {"name": "id", "value": "mia"})).completion
            suggested[key] = completion.values
    assert suggested == {
        "first-callers-key": ["Mia One"],
        "other-callers-key": ["Mia Two"],
        "": [],
    }
