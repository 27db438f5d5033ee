"""What hosting costs: calls a second and 99th percentile beside a bare SDK server, memory of idle sessions, callbacks.

    python benchmarks/hosting.py [--seconds 2] [--rounds 5] [--quick]

Both servers answer the same tool in the same words, from the same page of Kling's, through the same client of Kling's:
what differs is everything that kling-mcp adds. Each is a process of its own on a port of this computer, and the two
take turns, so that both meet the same noise. Callers speak the newest protocol over kept connections.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import httpx
import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp_types import CallToolResult, TextContent, ToolAnnotations
from pydantic import Field
from starlette.applications import Starlette

from kling_mcp.api.auth import ApiKey
from kling_mcp.api.client import KlingClient
from kling_mcp.api.sender import Sender
from kling_mcp.concurrency.clock import SystemClock
from kling_mcp.library.from_kling import records_of
from kling_mcp.observability.logs import configure_logging
from kling_mcp.runtime import Runtime
from kling_mcp.server.http.app import build_http_app
from kling_mcp.server.http.serve import load_what_stays, make_server
from kling_mcp.server.views.elements import ElementPage, page_text, page_view
from kling_mcp.settings import HOSTS, Settings
from kling_mcp.settings.hosting import HostingSettings
from kling_mcp.simulator import SimulatorTransport, World, served_in_background

CLIENTS = (1, 10, 100)
SESSIONS = 500
CALLBACKS = 9
VERSION = "2026-07-28"
KEY = "benchmark-key"
TASK_SECONDS = 2.5
CREATION = {
    "element_name": "Host",
    "element_description": "Presenter, grey suit",
    "reference_type": "video_refer",
    "video_url": "https://videos.example.com/host.mp4",
    "wait_seconds": 60,
}


# --- the two servers


class OnePage(httpx.AsyncBaseTransport):
    """Kling, as far as it takes no time: the same page for every request."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"Content-Type": "application/json"}, content=self._body)


async def page_of_presets() -> bytes:
    """What the simulator answers for five official elements."""
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    async with httpx.AsyncClient(transport=SimulatorTransport(World(any_api_key=True)), headers=headers) as http:
        return (await http.get("https://kling.invalid/v1/general/advanced-presets-elements?pageSize=5")).content


def bare_app(page: bytes) -> Starlette:
    """One tool on the SDK, as its documentation shows it."""
    clock = SystemClock()
    client = KlingClient(
        Sender("https://kling.invalid", clock, make_transport=lambda: OnePage(page)), ApiKey(KEY), clock
    )
    server = MCPServer("bare", version="1")

    async def list_preset_elements(
        page_num: Annotated[int, Field(ge=1, le=1000)] = 1, page_size: Annotated[int, Field(ge=1, le=500)] = 30
    ) -> Annotated[CallToolResult, ElementPage]:
        """One page of Kling's official elements, which every account may use and nobody can delete."""
        tasks = await client.list_preset_elements(page_num, page_size)
        records = [record for task in tasks for record in records_of(task, "preset")]
        view = page_view(records, page_num, page_size, is_full=len(tasks) >= page_size)
        text = TextContent(type="text", text=page_text(view, "official elements"))
        return CallToolResult(content=[text], structured_content=view.model_dump(mode="json"))

    server.tool(annotations=ToolAnnotations(read_only_hint=True))(list_preset_elements)
    return server.streamable_http_app()


def serve(what: str, state: Path, kling: str) -> None:
    """One of the servers, in a process of its own; says its port on stdout."""
    configure_logging()  # of both: a line for each request would be most of the work
    page = asyncio.run(page_of_presets())
    listener = socket.create_server(("127.0.0.1", 0), backlog=1000)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as asyncio would
    print(listener.getsockname()[1], flush=True)
    if what == "bare":
        uvicorn.Server(uvicorn.Config(bare_app(page), log_config=None, access_log=False, ws="none")).run([listener])
        return
    hosting = HostingSettings(public_url="https://kling.example.com" if kling else "", creates_per_minute=0)
    base_url = kling or HOSTS["global"]
    settings = Settings(state_dir=state, hosting=hosting, base_url=base_url)
    runtime = Runtime(settings, transport="http", make_transport=None if kling else lambda: OnePage(page))
    app = build_http_app(runtime)
    load_what_stays()
    make_server(app, runtime).run([listener])


@contextmanager
def running(what: str, state: Path, kling: str = "") -> Iterator[tuple[int, int]]:
    """The port and the process id of a server that answers."""
    command = [sys.executable, __file__, "--serve", what, "--state", str(state), "--kling", kling]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            yield port, process.pid
        finally:
            process.terminate()


# --- the callers


def request_bytes(port: int, body: dict[str, Any], *, key: str = KEY, **headers: str) -> bytes:
    """A POST as it goes over the wire; `key` is the caller's."""
    content = json.dumps(body).encode()
    fields = {
        "Host": f"127.0.0.1:{port}",
        "Accept": "application/json, text/event-stream",
        "Content-Type": "application/json",
        "X-Kling-Api-Key": key,
        "Content-Length": str(len(content)),
        **headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST /mcp HTTP/1.1\r\n{head}\r\n".encode() + content


def call_bytes(port: int, tool: str, arguments: dict[str, Any], *, key: str = KEY) -> bytes:
    """A call of the newest protocol."""
    meta = {"io.modelcontextprotocol/protocolVersion": VERSION, "io.modelcontextprotocol/clientCapabilities": {}}
    params = {"name": tool, "arguments": arguments, "_meta": meta}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    named = {"MCP-Protocol-Version": VERSION, "Mcp-Method": "tools/call", "Mcp-Name": tool}
    return request_bytes(port, body, key=key, **named)


@dataclass
class Score:
    """Seconds that calls took, and how many were answered in how many seconds."""

    latencies: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Calls a second, the median of the rounds."""
        return statistics.median(self.rates)

    @property
    def p99_ms(self) -> float:
        """The 99th percentile in milliseconds."""
        return statistics.quantiles(self.latencies, n=100)[98] * 1000


async def one_caller(port: int, request: bytes, until: float, latencies: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        while (began := time.perf_counter()) < until:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            assert length is not None, head
            body = await reader.readexactly(int(length[1]))
            assert b'"isError":false' in body, body[:500]
            latencies.append(time.perf_counter() - began)
    finally:
        writer.close()


async def one_round(port: int, clients: int, seconds: float, score: Score) -> None:
    """So many callers with accounts of their own (one account may have 64 calls), each with one call at a time."""
    calls = [
        call_bytes(port, "list_preset_elements", {"page_size": 5}, key=f"{KEY}-{number}") for number in range(clients)
    ]
    latencies: list[float] = []
    began = time.perf_counter()
    await asyncio.gather(*(one_caller(port, request, began + seconds, latencies) for request in calls))
    score.rates.append(len(latencies) / (time.perf_counter() - began))
    score.latencies += latencies


def compare(seconds: float, rounds: int, state: Path) -> None:
    """The table of calls a second."""
    print("clients     bare/s     ours/s  ours/bare   bare p99, ms   ours p99, ms")
    with running("bare", state) as (bare_port, _), running("ours", state) as (our_port, _):
        for clients in CLIENTS:
            bare, ours = Score(), Score()
            asyncio.run(one_round(bare_port, clients, 0.5, Score()))
            asyncio.run(one_round(our_port, clients, 0.5, Score()))
            for _ in range(rounds):
                asyncio.run(one_round(bare_port, clients, seconds, bare))
                asyncio.run(one_round(our_port, clients, seconds, ours))
            ratio = ours.rate / bare.rate
            print(
                f"{clients:>7}{bare.rate:>11.0f}{ours.rate:>11.0f}{ratio:>11.2f}"
                f"{bare.p99_ms:>15.1f}{ours.p99_ms:>15.1f}",
                flush=True,
            )


# --- memory


def resident_kb(pid: int) -> int:
    """What a process holds, where the system says so."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text("ascii"))
    assert found is not None
    return int(found[1])


def weigh_sessions(state: Path) -> None:
    """Sessions of older clients that were opened and do nothing."""
    if not Path("/proc/self/status").exists():
        print("memory: this system does not tell")
        return
    with running("ours", state) as (port, pid), httpx.Client(base_url=f"http://127.0.0.1:{port}") as http:

        def open_sessions(count: int) -> None:
            for number in range(count):
                open_session(http, f"key-{number % 100}")  # one caller gets a share of all sessions only

        open_sessions(100)  # what the first ones load stays loaded
        before = resident_kb(pid)
        open_sessions(SESSIONS)
        grown = resident_kb(pid) - before
    print(f"memory: {before / 1024:.0f} MB, and {grown / 1024 / SESSIONS * 100:.1f} MB for 100 idle sessions")


def watch_growth(calls: int, sessions: int, state: Path) -> None:
    """What the server holds on the way through many calls, and through many sessions that come and go."""
    if not Path("/proc/self/status").exists():
        return
    with running("ours", state) as (port, pid):
        for what, many, run in (("calls", calls, call_often), ("sessions", sessions, open_and_end_sessions)):
            run(port, many // 10)  # what the first ones load stays loaded
            held = [resident_kb(pid) / 1024]
            for _ in range(9):
                run(port, many // 10)
                held.append(resident_kb(pid) / 1024)
            shown = " ".join(f"{size:.1f}" for size in held)
            print(f"memory after each tenth of {many} {what}, MB: {shown}", flush=True)


def call_often(port: int, many: int) -> None:
    """Ten callers with accounts of their own, so many calls together."""

    async def one(number: int) -> None:
        request = call_bytes(port, "list_preset_elements", {"page_size": 5}, key=f"{KEY}-{number}")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
            head, _, content = request.partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
            for _ in range(many // 10):
                assert (await http.post("/mcp", content=content, headers=headers)).status_code == 200

    async def all_of_them() -> None:
        await asyncio.gather(*map(one, range(10)))

    asyncio.run(all_of_them())


def open_and_end_sessions(port: int, many: int) -> None:
    """Sessions of older clients, one after the other; every second client forgets to end its own."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as http:
        for number in range(many):
            session = open_session(http, f"{KEY}-{number % 10}")  # of callers whose calls Kling has answered
            if number % 2:
                http.delete("/mcp", headers=session)


def open_session(http: httpx.Client, key: str) -> dict[str, str]:
    """A new session; the headers of its requests."""
    headers = {"Accept": "application/json, text/event-stream", "X-Kling-Api-Key": key}
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "idle", "version": "1"}}
    reply = http.post(
        "/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}, headers=headers
    )
    headers |= {"Mcp-Session-Id": reply.headers["Mcp-Session-Id"], "MCP-Protocol-Version": "2025-11-25"}
    opened = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    assert http.post("/mcp", json=opened, headers=headers).status_code == 202
    return headers


# --- callbacks


def time_callbacks(state: Path) -> None:
    """From a callback to the answer of the call that waits; the element is ready then, and Kling is asked."""

    world = World(any_api_key=True, durations=lambda _kind, _rng: TASK_SECONDS)
    with served_in_background(world) as kling, running("ours", state, kling) as (port, _):
        seconds = [asyncio.run(one_callback(port, world, number)) for number in range(CALLBACKS)]
    print(f"callback to answer: median {statistics.median(seconds) * 1000:.0f} ms, worst {max(seconds) * 1000:.0f} ms")


async def one_callback(port: int, world: World, number: int) -> float:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
        wish = {**CREATION, "element_name": f"Host {number}"}
        head, _, content = call_bytes(port, "create_element_and_wait", wish).partition(b"\r\n\r\n")
        lines = [line.split(": ", 1) for line in head.decode().split("\r\n")[1:]]
        asking = asyncio.create_task(http.post("/mcp", content=content, headers=dict(lines)))
        while len(tasks := list(world.account_of(KEY).elements.values())) <= number:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)
        task = tasks[number]
        await asyncio.sleep(max(0.0, task.ended - time.time()) + 0.02)
        began = time.perf_counter()
        path = task.callback_url.removeprefix("https://kling.example.com")
        assert (await http.post(path, json={"task_id": task.task_id})).status_code == 200
        answer = await asking
        assert "element_ids" in answer.text
        return time.perf_counter() - began


def main() -> None:
    """Everything, or one server for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--serve", default="", help=argparse.SUPPRESS)
    parser.add_argument("--state", type=Path, default=Path(), help=argparse.SUPPRESS)
    parser.add_argument("--kling", default="", help=argparse.SUPPRESS)
    parser.add_argument("--calls", type=int, default=100_000, help="for the memory that they leave")
    parser.add_argument("--sessions", type=int, default=10_000, help="likewise")
    parser.add_argument("--quick", action="store_true", help="one short round, little memory and no callbacks")
    options = parser.parse_args()
    if options.quick:
        options.seconds, options.rounds = 0.1, 1
        options.calls, options.sessions = 300, 60
    if options.serve:
        serve(options.serve, options.state, options.kling)
        return
    with ExitStack() as stack:
        folders = [Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(4)]
        compare(options.seconds, options.rounds, folders[0])
        watch_growth(options.calls, options.sessions, folders[3])
        if options.quick:
            return
        weigh_sessions(folders[1])
        time_callbacks(folders[2])


if __name__ == "__main__":
    main()
