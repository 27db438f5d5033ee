"""Streamable HTTP: the same tools as over stdio, each caller's own account, and nobody from elsewhere."""

from __future__ import annotations

import base64
import re
import signal
import socket
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import httpx
import httpx2
import pytest
import uvicorn
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from PIL import Image
from processes import COMMAND, environ_with
from stage import ACCESS_KEY, API_KEY, last_line, structured

from kling_mcp._version import __version__
from kling_mcp.errors import ConfigurationError
from kling_mcp.runtime import Runtime
from kling_mcp.server.build import build_server
from kling_mcp.server.hosting.app import build_http_app
LARGEST_REQUEST_BYTES=44_000_000
from kling_mcp.settings import Settings
from kling_mcp.simulator import World, served_in_background

pytestmark = pytest.mark.anyio
OWN_KEY = "the-operators-own-key"
EACH_ERA = pytest.mark.parametrize("era", ["legacy", "auto"])


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # real time: there are sockets


@pytest.fixture(scope="module")
def world() -> World:
    """A Kling that lets every API key in, each with an account of its own, and is done at once."""
    return World(any_api_key=True, durations=lambda _kind, _rng: 0.0)


Host = Callable[..., str]


@pytest.fixture(scope="module")
def host(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """`host(shared_account=True)`: the address of a server with these settings; the same one for the same."""
    hosted: dict[str, str] = {}
    with ExitStack() as stack:
        kling = stack.enter_context(served_in_background(world))

        def serve(**changes: Any) -> str:
            name = repr(changes)
            if name not in hosted:
                state_dir = tmp_path_factory.mktemp("state")
                settings = Settings(api_key=OWN_KEY, base_url=kling, state_dir=state_dir, **changes)
                hosted[name] = stack.enter_context(_listening(settings))
            return hosted[name]

        yield serve


@contextmanager
def _listening(settings: Settings) -> Iterator[str]:
    app = build_http_app(Runtime(settings, transport="http"))
    config = uvicorn.Config(app, port=0, ws="none", log_config=None, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    listener = config.bind_socket()
    listener.listen()  # from here on callers wait in line, however long the start takes
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@asynccontextmanager
async def _client(url: str, era: str = "auto", **headers: str) -> AsyncIterator[Client]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with (
        httpx2.AsyncClient(headers=named, timeout=30) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http), mode=era) as client,
    ):
        yield client


def _noise(seed: int) -> str:
    """A picture that no compression makes smaller, as a data: URI of more than 4 MiB."""
    side = 1100
    picture = Image.frombytes("RGB", (side, side), Random(seed).randbytes(side * side * 3))  # noqa: S311 - a picture
    out = BytesIO()
    picture.save(out, "PNG", compress_level=0)
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"


def _creation(name: str, *pictures: str) -> dict[str, Any]:
    return {
        "element_name": name,
        "element_description": "made over http",
        "reference_type": "image_refer",
        "frontal_image": pictures[0],
        "refer_images": list(pictures[1:]),
    }


LINKS = ("https://example.com/front.jpg", "https://example.com/side.jpg")


# --- the same server


@EACH_ERA
async def test_tools_are_the_same_as_in_memory(host: Host, era: str) -> None:
    async with Client(build_server(Settings()), mode=era) as near, _client(host(), era) as far:
        assert (await far.list_tools()).tools == (await near.list_tools()).tools


@EACH_ERA
async def test_element_is_created_with_progress(host: Host, era: str) -> None:
    """The second call is the same wish; it finds the task done, so that the test need not wait for it."""
    heard: list[str | None] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(message)

    wish = _creation(f"Mia {era}", *LINKS)
    async with _client(host(), era, X_Kling_Api_Key=API_KEY) as client:
        first = structured(await client.call_tool("create_element", wish))
        second = structured(
            await client.call_tool("create_element_and_wait", {**wish, "wait_seconds": 20}, progress_callback=hear)
        )
    assert second["task_id"] == first["task_id"]
    assert len(second["element_ids"]) == 1
    assert heard[0] == f'Creating "Mia {era}" at Kling (0 s)'


async def test_pictures_beyond_the_sdks_own_limit_come_as_data_uris(host: Host, world: World) -> None:
    """Over http the server sees no files of the caller, so this is the only way for a local picture."""
    pictures = _noise(1), _noise(2)
    assert sum(map(len, pictures)) > 8 * 2**20
    async with _client(host(), X_Kling_Api_Key=API_KEY) as client:
        structured(await client.call_tool("create_element", _creation("Big", *pictures)))
    assert any(len(request.picture_sha256) == 2 for request in world.requests)


def test_larger_requests_than_kling_takes_are_refused_unread(host: Host) -> None:
    url = httpx.URL(host())
    head = f"POST /mcp HTTP/1.1\r\nHost: {url.netloc.decode()}\r\nContent-Length: {LARGEST_REQUEST_BYTES + 1}\r\n\r\n"
    with socket.create_connection((url.host, url.port or 0)) as line:
        line.sendall(head.encode())
        assert line.recv(64).startswith(b"HTTP/1.1 413 ")


def test_health_is_told_without_credentials(host: Host) -> None:
    reply = httpx.get(f"{host()}/healthz")
    assert (reply.status_code, reply.json()) == (200, {"status": "ok", "version": __version__})


# --- whose account


async def test_caller_without_credentials_is_told_so_and_kling_hears_nothing(host: Host, world: World) -> None:
    before = len(world.requests)
    async with _client(host()) as client:
        failed = last_line(await client.call_tool("list_elements"))
        checked = structured(await client.call_tool("check_setup"))
    assert failed["kind"] == "missing_credentials"
    assert failed["created"] == "no"
    assert checked["credential"] == "none"
    assert "X-Kling-Api-Key" in checked["problems"][0]
    assert len(world.requests) == before


async def test_each_caller_sees_its_own_account(host: Host) -> None:
    async with _client(host(), X_Kling_Api_Key="somebody") as client:
        structured(await client.call_tool("create_element", _creation("Private", *LINKS)))
        mine = structured(await client.call_tool("list_elements"))["elements"]
    async with _client(host(), X_Kling_Api_Key="somebody-else") as client:
        theirs = structured(await client.call_tool("list_elements"))["elements"]
    assert [row["element_name"] for row in mine] == ["Private"]
    assert theirs == []


async def test_own_account_is_used_only_where_the_operator_shares_it(host: Host, world: World) -> None:
    async with _client(host(shared_account=True)) as client:
        structured(await client.call_tool("list_elements"))
    assert world.requests[-1].account == world.keyring.account_name(OWN_KEY)


async def test_half_a_key_pair_is_refused_by_the_headers_name(host: Host, world: World) -> None:
    before = len(world.requests)
    async with _client(host(shared_account=True), X_Kling_Access_Key=ACCESS_KEY) as client:
        result = await client.call_tool("list_elements")
    assert last_line(result)["kind"] == "bad_input"
    assert "X-Kling-Secret-Key" in str(result.content)
    assert ACCESS_KEY not in str(result.content)
    assert len(world.requests) == before, "half a pair is no reason to use the operator's account"


# --- only from here


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "attacker.example.com"}, 421),
        ({"Host": "127.0.0.1.attacker.example.com:8000"}, 421),
        ({"Origin": "https://attacker.example.com"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_foreign_pages_in_a_browser_are_refused(host: Host, headers: dict[str, str], status: int) -> None:
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    accept = {"Accept": "application/json, text/event-stream"}
    assert httpx.post(f"{host()}/mcp", json=message, headers={**accept, **headers}).status_code == status


@pytest.mark.parametrize("foreign", ["::", "10.0.0.1", "kling.example.com"])
def test_app_for_other_computers_is_not_even_built(foreign: str) -> None:
    with pytest.raises(ConfigurationError, match="loopback"):
        build_http_app(Runtime(Settings(), transport="http"), foreign)


# --- as a process


def test_served_process_says_its_address_and_ends_quietly_with_ctrl_c(tmp_path: Path) -> None:
    process = subprocess.Popen(  # noqa: S603 - our own interpreter
        [*COMMAND, "serve", "--transport", "http", "--port", "0"],
        env=environ_with(KLING_MCP_STATE_DIR=str(tmp_path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stderr.readline())
        assert found is not None
        assert httpx.get(f"{found.group()}/healthz", timeout=10).status_code == 200
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    finally:
        process.kill()
    assert (process.returncode, out, err) == (130, "", "")
