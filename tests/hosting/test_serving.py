"""The app on a real port, and the issuer's keys over a real connection: what only sockets can show."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import anyio
import httpx2
import pytest
from anyio import to_thread
from helpers import structured
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult
from processes import until
from sse_starlette.sse import AppStatus

from hosting.http_server import House, bearer, calling, creation, headers_for, kling, message
from hosting.issuer import ISSUER, RESOURCE, STRANGERS_KEY, Issuer, token
from kling_mcp.errors import ConfigurationError
from kling_mcp.runtime import Runtime
from kling_mcp.server.http import serve as serving
from kling_mcp.server.http.app import build_http_app
from kling_mcp.server.http.jwks import MAX_BYTES, fetch_bytes
from kling_mcp.settings import Settings
from kling_mcp.settings.hosting import HostingSettings, OAuthSettings
from kling_mcp.simulator import Faults, SimulatorTransport, World


class Pages(BaseHTTPRequestHandler):
    """A site with a few pages."""

    pages: ClassVar[dict[str, tuple[int, dict[str, str], bytes]]] = {
        "/keys": (200, {}, b'{"keys": []}'),
        "/elsewhere": (302, {"Location": "/keys"}, b""),
        "/broken": (500, {}, b"oh"),
        "/large": (200, {}, b"x" * (MAX_BYTES + 1)),
    }

    def do_GET(self) -> None:
        if self.path not in self.pages:
            self.close_connection = True
            return
        status, headers, body = self.pages[self.path]
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


class TestFetchingKeys:
    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @pytest.mark.anyio
    async def test_key_document_is_fetched(self, site: str) -> None:
        assert await fetch_bytes(f"{site}/keys") == b'{"keys": []}'

    @pytest.mark.anyio
    @pytest.mark.parametrize(
        ("path", "why"),
        [("/elsewhere", "302"), ("/broken", "500"), ("/large", "too large"), ("/gone", "ProtocolError")],
    )
    async def test_key_document_with_an_unusable_reply_is_a_failure(self, site: str, path: str, why: str) -> None:
        with pytest.raises(OSError, match=why):
            await fetch_bytes(f"{site}{path}")

    @pytest.mark.anyio
    async def test_server_whose_settings_name_an_issuer_checks_tokens_with_its_keys(
        self, site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keys = json.dumps({"keys": Issuer().keys}).encode()
        monkeypatch.setitem(Pages.pages, "/issuer", (200, {}, keys))
        hosting = HostingSettings(
            oauth=OAuthSettings(issuer=ISSUER, jwks_url=f"{site}/issuer", audience=RESOURCE, resource=RESOURCE)
        )
        runtime = Runtime(Settings(state_dir=tmp_path, hosting=hosting), transport="http")
        app = build_http_app(runtime)
        async with app.router.lifespan_context(app):
            house = House(app, runtime)
            good = await house.post(message("tools/list"), bearer(token()))
            foreign = await house.post(message("tools/list"), bearer(token(STRANGERS_KEY)))
        assert (good.status_code, foreign.status_code) == (200, 401)
        assert "scope=" not in foreign.headers["WWW-Authenticate"], "none is asked for"

    @pytest.mark.anyio
    async def test_key_document_of_an_unreachable_host_is_a_failure(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        with pytest.raises(OSError, match="the connection was refused"):
            await fetch_bytes(f"http://127.0.0.1:{port}/keys")


class TestOnAPort:
    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @pytest.fixture(autouse=True)
    def streams_as_before(self) -> Iterator[None]:
        """What `make_server` sets holds for the whole process."""
        yield
        AppStatus.enable_automatic_graceful_drain_mode()  # type: ignore[no-untyped-call] # that library has no types

    @pytest.mark.anyio
    @pytest.mark.parametrize("era", ["legacy", "auto"])
    async def test_terminated_server_answers_waiting_callers_and_exits(self, tmp_path: Path, era: str) -> None:
        """An older client holds an event stream open besides, which nobody but the server ends."""
        world = World(any_api_key=True, durations=lambda _kind, _rng: 3600.0)
        runtime = Runtime(
            Settings(state_dir=tmp_path), transport="http", make_transport=lambda: SimulatorTransport(world)
        )
        server = serving.make_server(build_http_app(runtime), runtime)
        answers: list[CallToolResult] = []
        waiting = anyio.Event()

        async def heard(progress: float, total: float | None, message: str | None) -> None:
            waiting.set()

        async def wait(url: str) -> None:
            async with (
                httpx2.AsyncClient(headers=kling("anna"), timeout=30) as http,
                Client(streamable_http_client(f"{url}/mcp", http_client=http), mode=era) as client,
            ):
                await client.list_tools()  # the SDK checks answers against these, and would ask for them afterwards
                wish = {**creation("Mia"), "wait_seconds": 600}
                answers.append(await client.call_tool("create_element_and_wait", wish, progress_callback=heard))

        with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
            thread.start()
            async with anyio.create_task_group() as group:
                group.start_soon(wait, f"http://127.0.0.1:{listener.getsockname()[1]}")
                await waiting.wait()
                await until(lambda: any(account.tasks for account in world.accounts.values()))
                began = time.monotonic()
                server.should_exit = True
                await to_thread.run_sync(thread.join, 20)
            assert time.monotonic() - began < 3
        view = structured(answers[0])
        assert view["task_status"] == "submitted"
        assert view["task_id"] in view["next_step"]

    @pytest.mark.anyio
    async def test_terminated_server_refuses_new_callers_and_answers_earlier_ones(self, tmp_path: Path) -> None:
        """So a balancer takes another replica at once, while this one still has something to say."""
        faults = Faults()
        faults.delay(2, route="list")
        settings, world = Settings(state_dir=tmp_path), World(any_api_key=True)
        runtime = Runtime(settings, transport="http", make_transport=lambda: SimulatorTransport(world, faults))
        server = serving.make_server(build_http_app(runtime), runtime)
        answers: list[int] = []

        async def call(url: str) -> None:
            body = calling("list_elements")
            async with httpx2.AsyncClient(timeout=30) as http:
                reply = await http.post(url, json=body, headers=headers_for(body, **kling("anna")))
            answers.append(reply.status_code)

        with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
            address = listener.getsockname()
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
            thread.start()
            async with anyio.create_task_group() as group:
                group.start_soon(call, f"http://127.0.0.1:{address[1]}/mcp")
                await until(lambda: bool(world.requests))
                server.should_exit = True
                await until(lambda: not is_open(address))
                assert answers == []
            await to_thread.run_sync(thread.join, 20)
        assert answers == [200]


def is_open(address: tuple[str, int]) -> bool:
    """Whether somebody listens."""
    with socket.socket() as line:
        return line.connect_ex(address) == 0


def test_port_that_is_taken_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"Port {port} on 127.0.0.1 cannot be used"):
            serving.serve_http(Settings(state_dir=tmp_path), "127.0.0.1", port, lambda _: None)


def test_small_answers_leave_at_once() -> None:
    """Without this an answer over a kept connection waits 40 ms for an acknowledgement."""
    with serving._listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit")
def test_many_files_may_be_open() -> None:
    """Each connection is one; the usual limit of 1024 would be reached before our own."""
    import resource  # noqa: PLC0415 - there is none on Windows

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        serving._allow_many_files()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert soft > 256
        assert hard == before[1]
        serving._allow_many_files()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (soft, hard), "enough is enough"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
