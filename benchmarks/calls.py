"""What a call costs over the bare HTTP request that it makes: time, requests, connections, and memory for pictures.

    python benchmarks/calls.py [--rounds 30] [--calls 20] [--pictures 3] [--quick]

Kling is the simulator, in a process of its own, over real connections on this computer; it counts requests and
connections. Three ways of asking it take turns within each round, in another order each time:

- request: the bare request on one kept httpx client, and nothing else;
- SDK: a server on the MCP SDK with one tool that makes the same request and hands Kling's answer on;
- ours: this project's server.

Each in two shapes. Over stdio each is a process of its own, and the same plain client writes and reads its lines:
the bare one takes a path and gives the answer, the two servers speak the newest MCP. In process the caller awaits
the request, or asks the server through the SDK's client and its in-memory transport; that client checks our answers
against our schemas, a time that counts as ours. So ours less SDK is what is ours, and SDK less request is what the
protocol costs. A reading is the median call of a round; ratios are taken round by round.

Four pictures near 10 MB, two JPEG and two PNG, go out in one creation. Peak is the highest memory (resident) of the
server's process during the call less the memory before, by the size of the pictures' Base64; the SDK's tool encodes
them and posts JSON as httpx does it. The first creation of a process also loads what is needed for pictures.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import json
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from mcp import Client
from mcp.server.mcpserver import MCPServer
from mcp_types import CallToolResult, TextContent
from measuring.report import Spread, ratio, table
from PIL import Image
from starlette.types import ASGIApp, Receive, Scope, Send

from kling_mcp.observability.logs import configure_logging
from kling_mcp.runtime import Runtime
from kling_mcp.server.build import build_server
from kling_mcp.settings import Settings
from kling_mcp.simulator import Quirks, World
from kling_mcp.simulator.app import build_app

KEY = "benchmark-key"
HEADERS = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
ELEMENTS = "/v1/general/advanced-custom-elements"
VERSION = "2026-07-28"
META = {"io.modelcontextprotocol/protocolVersion": VERSION, "io.modelcontextprotocol/clientCapabilities": {}}
ROWS = 30
BURST = 20
MAX_BODY_BYTES = 100_000_000
MAX_LINE_BYTES = 2**26
WAYS = ("request", "SDK", "ours")
SHAPES = ("stdio", "in process")


# --- Kling


class Counted:
    """Counts what arrives, and answers `/counts` itself."""

    def __init__(self, app: ASGIApp, tasks: list[str]) -> None:
        self._app = app
        self._tasks = tasks
        self._requests = 0
        self._connections: set[tuple[str, int]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != "/counts":
            self._requests += 1
            self._connections.add(tuple(scope["client"]))
            await self._app(scope, receive, send)
            return
        counts = {"requests": self._requests, "connections": len(self._connections), "tasks": self._tasks}
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(counts).encode()})


def serve_kling() -> None:
    """The simulator with as many elements as a page shows; says its address on stdout."""
    world = World(
        any_api_key=True,
        max_body_bytes=MAX_BODY_BYTES,
        durations=lambda _kind, _rng: 0.0,
        quirks=Quirks(pictures="links"),  # else a list would show a hundred megabytes of Base64
    )
    account, looks = world.account_of(KEY), "Barista, short red hair, green apron"
    yesterday = time.time() - 86_400  # of a young one the state is asked each time: another process may be recording it
    tasks = [
        world.add_element(account, f"Mia {place}", description=looks, tags=("o_102",), created_at=yesterday).task_id
        for place in range(ROWS)
    ]
    listener = socket.create_server(("127.0.0.1", 0), backlog=200)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as asyncio would
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    app = Counted(build_app(world), tasks)
    config = uvicorn.Config(app, http="h11", ws="none", lifespan="off", log_config=None, access_log=False)
    uvicorn.Server(config).run([listener])


@dataclass(frozen=True, slots=True)
class Kling:
    """The simulator's process as others see it."""

    url: str
    tasks: list[str]

    def counts(self) -> tuple[int, int]:
        """Requests and connections so far."""
        counts = httpx.get(f"{self.url}/counts").json()
        return counts["requests"], counts["connections"]


@contextmanager
def kling_running() -> Iterator[Kling]:
    """The simulator, until the block ends."""
    with subprocess.Popen([sys.executable, __file__, "--serve", "kling"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            yield Kling(url, httpx.get(f"{url}/counts").json()["tasks"])
        finally:
            process.terminate()


# --- the bare request, and the bare server around it


def path_of(what: str, task_id: str) -> str:
    """The path that `get_element` or `list_elements` asks."""
    return f"{ELEMENTS}/{task_id}" if what == "get_element" else f"{ELEMENTS}?pageNum=1&pageSize={ROWS}"


def bare_client(url: str) -> httpx.AsyncClient:
    """One client with as many kept connections as ours."""
    limits = httpx.Limits(max_connections=BURST, max_keepalive_connections=BURST)
    return httpx.AsyncClient(base_url=url, headers=HEADERS, limits=limits, timeout=120)


async def bare_request(http: httpx.AsyncClient, path: str) -> Any:
    """The request, and its answer read."""
    answer = (await http.get(path)).json()
    assert answer["code"] == 0, answer
    return answer["data"]


async def bare_creation(http: httpx.AsyncClient, name: str, paths: list[str]) -> str:
    """A creation as it is written without a thought for memory."""
    pictures = [base64.b64encode(Path(path).read_bytes()).decode() for path in paths]  # noqa: ASYNC240 - as many do
    images = {"frontal_image": pictures[0], "refer_images": [{"image_url": picture} for picture in pictures[1:]]}
    wish = {"element_name": name, "element_description": "Barista", "reference_type": "image_refer"}
    answer = (await http.post(ELEMENTS, json={**wish, "element_image_list": images})).json()
    assert answer["code"] == 0, answer
    return str(answer["data"]["task_id"])


def bare_server(url: str) -> MCPServer[Any]:
    """Tools that do nothing but the request."""
    http = bare_client(url)
    server = MCPServer("bare", version="1")

    @server.tool()
    async def get(path: str) -> CallToolResult:
        """Ask Kling."""
        data = await bare_request(http, path)
        return CallToolResult(
            content=[TextContent(type="text", text=json.dumps(data))], structured_content={"data": data}
        )

    @server.tool()
    async def create(name: str, paths: list[str]) -> str:
        """Create an element from pictures."""
        return await bare_creation(http, name, paths)

    return server


async def serve_lines(url: str) -> None:
    """The bare request in the shape of a stdio server: ids and paths on lines in, ids and answers on lines out."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with bare_client(url) as http, asyncio.TaskGroup() as group:

        async def answer(asked: dict[str, Any]) -> None:
            print(json.dumps({"id": asked["id"], "result": await bare_request(http, asked["path"])}), flush=True)

        while line := await reader.readline():
            group.create_task(answer(json.loads(line)))


# --- asking


class Lines:
    """A process that is asked and answers in lines of JSON."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.pid = process.pid
        self._into, self._out = process.stdin, process.stdout
        self._asked = 0
        self._waiting: dict[int, asyncio.Future[Any]] = {}

    async def ask(self, **message: Any) -> Any:
        """The result for one message."""
        self._asked += 1
        future = self._waiting[self._asked] = asyncio.get_running_loop().create_future()
        self._into.write(json.dumps({"jsonrpc": "2.0", "id": self._asked, **message}).encode() + b"\n")
        return await future

    async def call(self, tool: str, arguments: dict[str, Any]) -> None:
        """One call of a tool, which succeeds."""
        params = {"name": tool, "arguments": arguments, "_meta": META}
        result = await self.ask(method="tools/call", params=params)
        assert not result["isError"], result

    async def read(self) -> None:
        """Hand out what the process says."""
        while line := await self._out.readline():
            answer = json.loads(line)
            self._waiting.pop(answer["id"]).set_result(answer.get("result", answer))


@asynccontextmanager
async def lines_of(command: Sequence[str], environ: dict[str, str]) -> AsyncIterator[Lines]:
    """The process, until the block ends."""
    pipe = subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, env=environ, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, limit=MAX_LINE_BYTES
    )
    lines = Lines(process)
    reading = asyncio.create_task(lines.read())
    try:
        yield lines
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
        await reading


def environ_of(url: str, folder: Path) -> dict[str, str]:
    """The environment of our server."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("KLING_")}
    ours = {"KLING_BASE_URL": url, "KLING_API_KEY": KEY, "KLING_MCP_MEDIA_DIRS": str(folder)}
    return {**others, **ours, "KLING_MCP_STATE_DIR": str(folder / "state")}


def command_of(way: str, url: str) -> list[str]:
    """What is started for a way of asking over stdio."""
    return ["-m", "kling_mcp"] if way == "ours" else [__file__, "--serve", way, "--kling", url]


def arguments_of(way: str, what: str, task_id: str) -> tuple[str, dict[str, Any]]:
    """The tool and its arguments."""
    if way == "SDK":
        return "get", {"path": path_of(what, task_id)}
    return what, {"id": task_id} if what == "get_element" else {"page_num": 1, "page_size": ROWS}


@dataclass(frozen=True, slots=True)
class Asker:
    """A way, ready to be asked `get_element` or `list_elements` with a task id; its own process, or 0."""

    ask: Callable[[str, str], Awaitable[object]]
    pid: int = 0


@asynccontextmanager
async def asking(way: str, shape: str, kling: Kling, folder: Path) -> AsyncIterator[Asker]:
    """One of the ways in one of the shapes."""
    if shape == "stdio":
        async with lines_of(command_of(way, kling.url), environ_of(kling.url, folder)) as lines:
            if way == "request":
                yield Asker(lambda what, task_id: lines.ask(path=path_of(what, task_id)), lines.pid)
            else:
                yield Asker(lambda what, task_id: lines.call(*arguments_of(way, what, task_id)), lines.pid)
    elif way == "request":
        async with bare_client(kling.url) as http:
            yield Asker(lambda what, task_id: bare_request(http, path_of(what, task_id)))
    else:
        settings = Settings.from_env(environ_of(kling.url, folder))
        server = bare_server(kling.url) if way == "SDK" else build_server(settings, Runtime(settings))
        async with Client(server) as client:
            yield Asker(lambda what, task_id: client.call_tool(*arguments_of(way, what, task_id)))


# --- times


@dataclass(frozen=True, slots=True)
class Load:
    """So many calls at once, so often in a round, in so many rounds."""

    what: str
    many: int
    calls: int
    rounds: int


@dataclass
class Score:
    """For each round the milliseconds of the median call and those of processor; Kling's counts for all rounds."""

    rounds: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    requests: int = 0
    connections: int = 0


def processor_ms(pid: int) -> float:
    """What all threads of a process have had of the processor, to the nanosecond."""
    return sum(int(file.read_text("ascii").split()[0]) for file in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e6


async def one_round(asker: Asker, kling: Kling, load: Load, score: Score) -> None:
    """Everything once."""
    before, busy = kling.counts(), processor_ms(asker.pid)
    times = []
    for place in range(load.calls):
        began = time.perf_counter()
        await asyncio.gather(*(asker.ask(load.what, kling.tasks[(place + nth) % ROWS]) for nth in range(load.many)))
        times.append((time.perf_counter() - began) * 1000)
    after = kling.counts()
    score.rounds.append(statistics.median(times))
    score.busy.append((processor_ms(asker.pid) - busy) / load.calls)
    score.requests += after[0] - before[0]
    score.connections += after[1] - before[1]


async def time_calls(askers: dict[str, Asker], kling: Kling, load: Load) -> dict[str, Score]:
    """Everybody in turn, after one round that does not count."""
    scores = {way: Score() for way in askers}
    order, dice = list(askers), random.Random(7)
    for number in range(load.rounds + 1):
        dice.shuffle(order)
        for way in order:
            await one_round(askers[way], kling, load, scores[way] if number else Score())
    return scores


def compared(readings: dict[str, list[float]]) -> list[str]:
    """The figures of all three, and ours by the others."""
    ratios = (ratio(readings["ours"], readings[way]).cell(2) for way in WAYS[:2])
    return [*(Spread.of(readings[way]).cell(2) for way in WAYS), *ratios]


def counted(scores: dict[str, Score], load: Load) -> list[str]:
    """Requests and new connections for each time, of the bare request and of ours."""
    asked = load.rounds * load.calls
    both = scores["request"], scores["ours"]
    return [*(f"{score.requests / asked:g}" for score in both), *(f"{score.connections / asked:g}" for score in both)]


async def compare(kling: Kling, folder: Path, rounds: int, calls: int) -> None:
    """The tables of single calls and of bursts."""
    times: list[list[str]] = []
    work: list[list[str]] = []
    for shape in SHAPES:
        async with AsyncExitStack() as stack:
            askers = {way: await stack.enter_async_context(asking(way, shape, kling, folder)) for way in WAYS}
            for name, load in (
                ("get_element", Load("get_element", 1, calls, rounds)),
                ("list_elements", Load("list_elements", 1, calls, rounds)),
                (f"{BURST} get_element at once", Load("get_element", BURST, max(1, calls // 10), rounds)),
            ):
                scores = await time_calls(askers, kling, load)
                spans = compared({way: score.rounds for way, score in scores.items()})
                times.append([f"{name}, {shape}", *spans, *counted(scores, load)])
                if all(sum(score.busy) for score in scores.values()):
                    work.append([name, *compared({way: score.busy for way, score in scores.items()})])
    titles = [*WAYS, "ours/request", "ours/SDK"]
    print("Milliseconds, median (distance of the quartiles); requests and new connections of request and of ours")
    print(table(["", *titles, "req.", "req. ours", "conn.", "conn. ours"], times), flush=True)
    print("\nMilliseconds of processor in the process over stdio, which other work on the computer disturbs less")
    print(table(["", *titles], work), flush=True)


# --- pictures


def draw_pictures(folder: Path, seed: int, *, small: bool) -> list[str]:
    """Two JPEG and two PNG files just below the limit, of noise, so that they cannot be packed."""
    dice = random.Random(seed)
    paths = []
    for place, (ending, side) in enumerate((("jpg", 1850), ("jpg", 1850), ("png", 1810), ("png", 1810))):
        pixels = 400 if small else side
        picture = Image.frombytes("RGB", (pixels, pixels), dice.randbytes(pixels * pixels * 3))
        out = io.BytesIO()
        picture.save(out, "JPEG" if ending == "jpg" else "PNG", quality=97, compress_level=0, subsampling=0)
        path = folder / f"{seed}-{place}.{ending}"
        path.write_bytes(out.getvalue())
        paths.append(str(path))
    return paths


def forget_peak(pid: int) -> None:
    """The highest memory is the present one from now on."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", "ascii")


def memory_mb(pid: int, what: str) -> float:
    """`VmRSS` or `VmHWM` of a process."""
    found = re.search(rf"{what}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text("ascii"))
    assert found is not None
    return int(found[1]) * 1024 / 1e6


def base64_mb(paths: list[str]) -> float:
    """How large the files are in a request."""
    return sum((Path(path).stat().st_size + 2) // 3 * 4 for path in paths) / 1e6


async def weigh_creations(kling: Kling, folder: Path, times: int, *, small: bool) -> None:
    """The table of creations, the first one of each process first."""
    if sys.platform != "linux":
        print("The memory for pictures is measured on Linux only.")
        return
    rows: list[list[str]] = []
    for way in WAYS[1:]:
        async with lines_of(command_of(way, kling.url), environ_of(kling.url, folder)) as lines:
            await lines.call(*arguments_of(way, "list_elements", ""))
            for number in range(times):
                seed = len(rows)
                paths = draw_pictures(folder, seed, small=small)
                rows.append([f"{way}, creation {number + 1}", *await weigh(lines, way, f"Noise {seed}", paths)])
    print("Four pictures in one creation")
    print(table(["", "Base64 MB", "seconds", "before MB", "peak MB more", "peak/Base64", "kept MB"], rows), flush=True)


async def weigh(lines: Lines, way: str, name: str, paths: list[str]) -> list[str]:
    arguments: dict[str, Any] = {"name": name, "paths": paths}
    if way == "ours":
        wish = {"element_name": name, "element_description": "Barista", "reference_type": "image_refer"}
        arguments = {**wish, "frontal_image": paths[0], "refer_images": paths[1:]}
    forget_peak(lines.pid)
    before, began = memory_mb(lines.pid, "VmRSS"), time.perf_counter()
    await lines.call("create_element" if way == "ours" else "create", arguments)
    seconds = time.perf_counter() - began
    peak, kept = (memory_mb(lines.pid, what) - before for what in ("VmHWM", "VmRSS"))
    size = base64_mb(paths)
    return [*(f"{value:.1f}" for value in (size, seconds, before, peak)), f"{peak / size:.2f}", f"{kept:.1f}"]


async def measure(options: argparse.Namespace) -> None:
    """Both tables."""
    with kling_running() as kling, tempfile.TemporaryDirectory() as place:
        await compare(kling, Path(place), options.rounds, options.calls)
        print()
        await weigh_creations(kling, Path(place), options.pictures, small=options.quick)


def main() -> None:
    """Everything, or one of the processes for it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--pictures", type=int, default=3, help="creations for each server")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument("--serve", default="", help=argparse.SUPPRESS)
    parser.add_argument("--kling", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    configure_logging()  # of all: a line for each request would be most of the work
    if options.serve == "kling":
        serve_kling()
    elif options.serve == "request":
        asyncio.run(serve_lines(options.kling))
    elif options.serve == "SDK":
        bare_server(options.kling).run()
    else:
        if options.quick:
            options.rounds, options.calls, options.pictures = 2, 3, 1
        asyncio.run(measure(options))


if __name__ == "__main__":
    main()
