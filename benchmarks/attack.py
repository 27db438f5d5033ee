"""How long a tenant's calls take while another caller attacks the same server, beside the same server at rest.

    python benchmarks/attack.py [--seconds 5] [--quick]

The server is `serve --transport http`, in front of a simulated Kling, each in a process of its own, and so is the
attacker. For each attack, the tenant's calls are first timed at rest and then under attack, one after the other over a
kept connection. An attacker sends one hostile request after another with a short pause; a ratio compares medians.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import json
import os
import re
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from measuring.report import load, table
from PIL import Image

from kling_mcp.simulator import World, served_in_background

TENANT, ATTACKER = "key-of-the-tenant", "key-of-the-attacker"
VERSION = "2026-07-28"
PAUSE_SECONDS = 0.1
HELD_CONNECTIONS = 30
MEGABYTE = 1_000_000
CREATION = {
    "element_name": "Mia",
    "element_description": "Barista",
    "reference_type": "image_refer",
}


# --- requests


def head(**fields: str) -> bytes:
    """The first lines of a POST."""
    lines = {
        "Host": "127.0.0.1",
        "Accept": "application/json, text/event-stream",
        "Content-Type": "application/json",
        **{name.replace("_", "-"): value for name, value in fields.items()},
    }
    return ("POST /mcp HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())).encode()


def call(key: str, tool: str, arguments: dict[str, Any]) -> bytes:
    """A call of the newest protocol, as it goes over the wire."""
    meta = {"io.modelcontextprotocol/protocolVersion": VERSION, "io.modelcontextprotocol/clientCapabilities": {}}
    params = {"name": tool, "arguments": arguments, "_meta": meta}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
    named = {"MCP_Protocol_Version": VERSION, "Mcp_Method": "tools/call", "Mcp_Name": tool}
    return head(X_Kling_Api_Key=key, Content_Length=str(len(body)), **named) + b"\r\n" + body


def jpeg_of_segments() -> str:
    """A sound picture of 4 MB with as many Exif segments as fit, as a data: URI."""
    out = io.BytesIO()
    Image.new("RGB", (640, 480), (90, 120, 60)).save(out, "JPEG")
    tiny = struct.pack(">BBH", 0xFF, 0xE1, 8) + b"Exif\0\0"
    whole = out.getvalue()
    return "data:image/jpeg;base64," + base64.b64encode(whole[:2] + tiny * 400_000 + whole[2:]).decode()


def in_tiny_chunks() -> bytes:
    """A body without a key that comes a byte at a time."""
    return head(Transfer_Encoding="chunked") + b"\r\n" + b"1\r\na\r\n" * 200_000 + b"0\r\n\r\n"


# What each attack sends. What ends with a body that is never complete is held open, many at a time.
ATTACKS: dict[str, Callable[[], bytes]] = {
    "token in a header": lambda: head(Origin="ey-" * 20_000, Content_Length="2") + b"\r\n{}",
    "tiny chunks": in_tiny_chunks,
    "list in a text": lambda: call(ATTACKER, "create_element", {**CREATION, "refer_images": "a.jpg," * 330_000}),
    "unknown names": lambda: call(ATTACKER, "get_element", {f"name{number}": 1 for number in range(150_000)}),
    "endless id": lambda: call(ATTACKER, "get_element", {"id": "a\u0323\u0301" * 150_000}),
    "tiny segments": lambda: call(ATTACKER, "create_element", {**CREATION, "frontal_image": jpeg_of_segments()}),
    "half bodies": lambda: (
        head(X_Kling_Api_Key=ATTACKER, Content_Length=str(10 * MEGABYTE)) + b"\r\n" + b" " * MEGABYTE
    ),
}
HELD = {"half bodies"}


# --- the attacker


async def send(port: int, request: bytes, *, hold: bool) -> None:
    """One hostile request, to the first bytes of its answer, or held until the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        with suppress(ConnectionError):
            writer.write(request)
            await writer.drain()
            await reader.read(-1 if hold else 1000)
    finally:
        writer.close()


async def attack(name: str, port: int) -> None:
    """Without an end; the process is ended."""
    request = ATTACKS[name]()
    print("ready", flush=True)
    if name in HELD:
        await asyncio.gather(*(send(port, request, hold=True) for _ in range(HELD_CONNECTIONS)))
    while True:
        await send(port, request, hold=False)
        await asyncio.sleep(PAUSE_SECONDS)


@contextmanager
def attacked(name: str, port: int) -> Iterator[None]:
    """An attacker in a process of its own."""
    command = [sys.executable, __file__, "--attack", name, "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(0.5)
            yield
        finally:
            process.terminate()


# --- the tenant


def timed_calls(port: int, seconds: float) -> list[float]:
    """Seconds that each call took; a call that is refused fails the run."""
    request = call(TENANT, "list_elements", {"page_size": 5})
    taken: list[float] = []
    with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reader = connection.makefile("rb")
        until = time.perf_counter() + seconds
        while not taken or time.perf_counter() < until:
            began = time.perf_counter()
            connection.sendall(request)
            fields = b"".join(iter(reader.readline, b"\r\n"))
            length = re.search(rb"content-length: (\d+)", fields, re.IGNORECASE)
            assert length is not None, fields
            body = reader.read(int(length[1]))
            assert b'"isError":false' in body, body[:500]
            taken.append(time.perf_counter() - began)
            time.sleep(0.01)
    return taken


# --- the server


@contextmanager
def serving(kling: str, state: Path) -> Iterator[int]:
    """The port of a server that answers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    environ = {**os.environ, "KLING_BASE_URL": kling, "KLING_MCP_STATE_DIR": str(state)}
    command = [sys.executable, "-m", "kling_mcp", "serve", "--transport", "http", "--port", str(port)]
    with subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(port)
            yield port
        finally:
            process.terminate()


def _wait_for(port: int) -> None:
    for _ in range(300):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise SystemExit("The server does not answer.")


def measure(names: list[str], seconds: float) -> list[tuple[str, ...]]:
    """A row for each attack."""
    rows = []
    with (
        tempfile.TemporaryDirectory() as state,
        served_in_background(World(any_api_key=True)) as kling,
        serving(kling, Path(state)) as port,
    ):
        timed_calls(port, 1)
        for name in names:
            rest = timed_calls(port, seconds)
            with attacked(name, port):
                under = timed_calls(port, seconds)
            one, other = statistics.median(rest) * 1000, statistics.median(under) * 1000
            rows.append((name, f"{one:.1f}", f"{other:.1f}", f"{other / one:.1f}", f"{max(under) * 1000:.0f}"))
    return rows


def main() -> None:
    """All attacks, or one attacker for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--attack", default="", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true", help="two attacks, for a moment each")
    options = parser.parse_args()
    if options.attack:
        with suppress(OSError):  # the server has ended
            asyncio.run(attack(options.attack, options.port))
        return
    names = list(ATTACKS)[:2] if options.quick else list(ATTACKS)
    rows = measure(names, 0.3 if options.quick else options.seconds)
    print(table(("attack", "at rest, ms", "attacked, ms", "ratio", "worst, ms"), rows))
    print(load())


if __name__ == "__main__":
    main()
