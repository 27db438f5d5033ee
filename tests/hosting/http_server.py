"""A hosted server in this process, and the ways in which callers come to it: MCP clients, plain requests, raw ones.

There are no sockets, so it runs on virtual time. Kling is played by the simulator.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from kling_mcp.runtime import Runtime
from kling_mcp.server.http.app import build_http_app
from kling_mcp.server.http.callers import Caller
from kling_mcp.settings import Settings
from kling_mcp.settings.hosting import HostingSettings
from kling_mcp.simulator import Faults, SimulatorTransport, World

if TYPE_CHECKING:
    from pathlib import Path

    from mcp.server.auth.provider import TokenVerifier
    from starlette.applications import Starlette
    from starlette.types import Message, Receive, Scope

    from kling_mcp.concurrency.clock import Clock

OWN_KEY = "operators-own-key-CANARY"
TOKEN = "http-token-CANARY-0f1e2d3c4b5a"
NEAR = "http://127.0.0.1:8000"
MODERN = "2026-07-28"
LINKS = ("https://pictures.example.com/front.jpg", "https://pictures.example.com/side.jpg")


def bearer(token: str = TOKEN) -> dict[str, str]:
    """The header of a caller who signs in."""
    return {"Authorization": f"Bearer {token}"}


def kling(key: str) -> dict[str, str]:
    """The header of a caller with an account of his own."""
    return {"X-Kling-Api-Key": key}


def creation(name: str, **changes: Any) -> dict[str, Any]:
    """The arguments of a creation from links: over http the server sees no files of the caller."""
    wish = {
        "element_name": name,
        "element_description": "made over http",
        "reference_type": "image_refer",
        "frontal_image": LINKS[0],
        "refer_images": [LINKS[1]],
    }
    return {**wish, **changes}


def message(method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A request of the newest protocol."""
    meta = {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {}}
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**(params or {}), "_meta": meta}}


def calling(tool: str, **arguments: Any) -> dict[str, Any]:
    """A call of a tool."""
    return message("tools/call", {"name": tool, "arguments": arguments})


def initializing() -> dict[str, Any]:
    """The opening request of an older client."""
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    return {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}


def headers_for(body: Mapping[str, Any], **more: str) -> dict[str, str]:
    """What a client sends with a message besides its credentials."""
    headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    if body["method"] != "initialize":
        headers |= {"MCP-Protocol-Version": MODERN, "Mcp-Method": body["method"]}
        if name := body["params"].get("name"):
            headers["Mcp-Name"] = name
    return {**headers, **more}


def request_of(share: bytes, method: str = "POST", headers: Iterable[tuple[bytes, bytes]] = ()) -> Scope:
    """A request inside the guards, of the caller with this share."""
    return {"type": "http", "method": method, "headers": [*headers], "kling_mcp.caller": Caller(share, share)}


@dataclass(frozen=True, slots=True)
class House:
    """A server that runs."""

    app: Starlette
    runtime: Runtime
    address: str = NEAR

    @property
    def sdk_sessions(self) -> Mapping[str, Any]:
        """The sessions that the SDK has open."""
        sessions: Mapping[str, Any] = self.app.state.server.session_manager._server_instances
        return sessions

    def http(self, headers: Mapping[str, str] | None = None) -> httpx.AsyncClient:
        """Plain requests."""
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=self.address, headers=headers)

    async def post(self, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> httpx.Response:
        """One message of the newest protocol, or an `initialize`."""
        async with self.http() as http:
            return await http.post("/mcp", json=body, headers=headers_for(body, **(headers or {})))

    async def raw(
        self, body: Mapping[str, Any], headers: Iterable[tuple[bytes, bytes]] = (), receive: Receive | None = None
    ) -> tuple[int, bytes]:
        """Status and body of a POST whose headers no client library would send, or whose body comes by `receive`."""
        sent = [(name.lower().encode(), value.encode()) for name, value in headers_for(body).items()]
        given = list(headers)
        if all(name != b"host" for name, _ in given):
            sent.append((b"host", b"127.0.0.1:8000"))
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/mcp",
            "raw_path": b"/mcp",
            "query_string": b"",
            "headers": [*sent, *given],
        }
        pending: list[Message] = [{"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}]
        answer: list[Message] = []

        async def whole() -> Message:
            if not pending:
                await anyio.sleep_forever()
            return pending.pop()

        async def send(message: Message) -> None:
            answer.append(message)

        await self.app(scope, receive or whole, send)
        return answer[0]["status"], b"".join(part.get("body", b"") for part in answer[1:])

    @asynccontextmanager
    async def client(
        self, era: str = "auto", headers: Mapping[str, str] | None = None, **options: Any
    ) -> AsyncIterator[Client]:
        """An MCP client that sends these headers with every request."""
        transport = httpx2.ASGITransport(self.app)
        async with (
            httpx2.AsyncClient(transport=transport, headers=dict(headers or {}), timeout=600) as http,
            Client(streamable_http_client(f"{self.address}/mcp", http_client=http), mode=era, **options) as client,
        ):
            yield client


class Ear(SimulatorTransport):
    """Kling behind a wire-tap: the line (`> GET /path`) and every header of every request, as they left."""

    def __init__(self, world: World, faults: Faults | None, heard: list[str]) -> None:
        super().__init__(world, faults)
        self._heard = heard

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._heard.append(f"> {request.method} {request.url.raw_path.decode()}")
        self._heard += [f"{name.decode()}: {value.decode()}" for name, value in request.headers.raw]
        return await super().handle_async_request(request)


@asynccontextmanager
async def served(
    world: World,
    clock: Clock,
    state_dir: Path,
    *,
    faults: Faults | None = None,
    host: str = "127.0.0.1",
    address: str = NEAR,
    runtime_class: type[Runtime] = Runtime,
    hosting: HostingSettings | None = None,
    heard: list[str] | None = None,
    verifier: TokenVerifier | None = None,
    wire: type[Ear] = Ear,
    most_sessions: int = 100,
    **changes: Any,
) -> AsyncIterator[House]:
    """A server with a key of its own in front of `world`; `changes` are settings. `heard` gets what Kling is sent."""
    said = [] if heard is None else heard
    settings = Settings(**{"api_key": OWN_KEY, "state_dir": state_dir, **changes}, hosting=hosting or HostingSettings())
    runtime = runtime_class(settings, transport="http", clock=clock, make_transport=lambda: wire(world, faults, said))
    app = build_http_app(runtime, host, verifier=verifier, most_sessions=most_sessions)
    async with app.router.lifespan_context(app):
        yield House(app, runtime, address)
