"""The server on a real port: what silent, costly and ambiguous peers cost it. Work is counted, not timed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio.lowlevel
import h11
import httpx
import pytest
import uvicorn
from sse_starlette.sse import AppStatus

from hosting.http_server import TOKEN, bearer, headers_for, message
from kling_mcp.runtime import Runtime
from kling_mcp.server.http.app import build_http_app
from kling_mcp.server.http.connections import (
    FREE_CHUNKS,
    LEAST_CHUNK_BYTES,
    LINGER_BYTES,
    AnswerTransport,
    GuardedProtocol,
)
from kling_mcp.server.http.serve import make_server
from kling_mcp.settings import Settings
from kling_mcp.settings.hosting import HostingSettings
from kling_mcp.simulator import SimulatorTransport, World

MOST = 20
LIST = message("tools/list")
BODY = json.dumps(LIST).encode()

Address = tuple[str, int]


class Work:
    """How often the parser was asked for more."""

    events = 0


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Address]:
    """A server that wants a token, for at most `MOST` connections, and a parser that counts."""
    monkeypatch.setattr(GuardedProtocol, "most_connections", MOST)
    parse = h11.Connection.next_event
    Work.events = 0

    def counted(parser: h11.Connection) -> Any:
        Work.events += 1
        return parse(parser)

    monkeypatch.setattr(h11.Connection, "next_event", counted)
    settings = Settings(state_dir=tmp_path, hosting=HostingSettings(token=TOKEN))
    world = World(any_api_key=True)
    runtime = Runtime(settings, transport="http", make_transport=lambda: SimulatorTransport(world))
    server = make_server(build_http_app(runtime), runtime)
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        yield listener.getsockname()
        server.should_exit = True
        thread.join(20)
    AppStatus.enable_automatic_graceful_drain_mode()  # type: ignore[no-untyped-call] # that library has no types


def head(*lines: str, token: str = TOKEN) -> bytes:
    """The head of a POST of `tools/list`, without its length."""
    sent = {"Host": "127.0.0.1", **headers_for(LIST), "Authorization": f"Bearer {token}"}
    return "\r\n".join(["POST /mcp HTTP/1.1", *(f"{n}: {v}" for n, v in sent.items()), *lines, "", ""]).encode()


def connect(address: Address) -> socket.socket:
    return socket.create_connection(address, timeout=20)


def until_closed(line: socket.socket) -> bytes:
    """Everything that is answered until the server ends the connection, which fails where it does not."""
    said = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := line.recv(65536):
            said += piece
    return said


def is_well(address: Address) -> bool:
    """Whether a caller who does it right is served."""
    reply = httpx.post(
        f"http://127.0.0.1:{address[1]}/mcp", json=LIST, headers=headers_for(LIST, **bearer()), timeout=20
    )
    return reply.status_code == 200


class TestSilence:
    @pytest.mark.parametrize("said", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "], ids=repr)
    def test_connection_that_has_waited_longest_for_a_request_makes_room(self, address: Address, said: bytes) -> None:
        with contextlib.ExitStack() as stack:
            silent = []
            for _ in range(3 * MOST):
                silent.append(stack.enter_context(connect(address)))
                silent[-1].sendall(said)
            assert until_closed(silent[0]) == b""
            assert httpx.get(f"http://127.0.0.1:{address[1]}/healthz", timeout=20).status_code == 200
            assert is_well(address)

    def test_connection_with_a_running_request_does_not_make_room(self, address: Address) -> None:
        with connect(address) as busy, contextlib.ExitStack() as stack:
            busy.sendall(head(f"Content-Length: {len(BODY)}"))
            assert is_well(address), "the head above has arrived by now"
            for _ in range(3 * MOST):
                stack.enter_context(connect(address))
            busy.sendall(BODY)
            assert busy.recv(12) == b"HTTP/1.1 200"


class TestRefused:
    @pytest.mark.parametrize(
        ("request_head", "status"),
        [
            (head("Transfer-Encoding: chunked", token="wrong"), 401),
            (head("Content-Length: 12000000", token="wrong"), 401),
            (head("Transfer-Encoding: chunked", "Origin: https://attacker.example.com"), 403),
            (head("Transfer-Encoding: chunked").replace(b"Host: 127.0.0.1", b"Host: attacker.example.com"), 421),
            (head("Content-Length: 99000000"), 413),
            (head("Transfer-Encoding: chunked").replace(b"POST /mcp", b"POST /healthz"), 405),
        ],
        ids=["token, chunks", "token", "page", "host", "size", "health"],
    )
    def test_rest_of_a_refused_request_is_not_parsed(self, address: Address, request_head: bytes, status: int) -> None:
        with connect(address) as line:
            line.sendall(request_head)
            said = line.recv(12)
            assert said == b"HTTP/1.1 %d" % status
            events, sent = Work.events, 0
            with contextlib.suppress(OSError):
                while sent < 20 * LINGER_BYTES:
                    sent += line.send(b"1\r\nx\r\n" * 10_000)
            assert sent < 20 * LINGER_BYTES, "the connection was ended"
            assert Work.events - events < 10
        assert is_well(address)

    def test_refused_caller_reads_the_answer_although_it_sends_more(self, address: Address) -> None:
        """A reset would take it away, so the connection is ended in two steps."""
        with connect(address) as line:
            line.sendall(head("Content-Length: 500000", token="wrong"))
            line.sendall(b"x" * 400_000)
            said = b""
            while piece := line.recv(65536):  # raises where the connection was reset
                said += piece
        assert said.startswith(b"HTTP/1.1 401")
        assert b"invalid_token" in said

    def test_answer_before_the_body_announces_the_end_of_the_connection(self, address: Address) -> None:
        """Else a client keeps it, and its next request is lost with it."""
        with connect(address) as line:
            line.sendall(head("Content-Length: 50", token="wrong"))
            said = until_closed(line)
        assert said.startswith(b"HTTP/1.1 401")
        assert b"\r\nconnection: close\r\n" in said.lower()

    def test_answer_after_the_body_leaves_the_connection_open(self, address: Address) -> None:
        with connect(address) as line:
            for _ in range(2):
                line.sendall(head(f"Content-Length: {len(BODY)}", token="wrong") + BODY)
                said = line.recv(65536)
                assert said.startswith(b"HTTP/1.1 401")
                assert b"connection: close" not in said.lower()


class TestForm:
    def test_two_lengths_are_refused_and_the_connection_is_ended(self, address: Address) -> None:
        """A proxy in front may believe the other one, and what follows would be another's request."""
        smuggled = b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        with connect(address) as line:
            line.sendall(head("Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n" + smuggled)
            said = until_closed(line)
        assert said.startswith(b"HTTP/1.1 400")
        assert said.count(b"HTTP/1.1") == 1

    def test_head_that_is_too_large_is_refused(self, address: Address) -> None:
        with connect(address) as line:
            line.sendall(head(f"Origin: {'ey-' * 20_000}", "Content-Length: 0"))
            assert until_closed(line).startswith(b"HTTP/1.1 400")

    def test_chunks_of_a_byte_are_given_up_early(self, address: Address) -> None:
        with connect(address) as line:
            line.sendall(head("Transfer-Encoding: chunked"))
            with contextlib.suppress(OSError):
                for _ in range(100):
                    line.sendall(b"1\r\nx\r\n" * 10_000)
            assert Work.events < 2 * FREE_CHUNKS + 1_000
        assert is_well(address)

    @pytest.mark.parametrize("size", [LEAST_CHUNK_BYTES, 7])
    def test_chunks_of_a_usual_kind_are_read(self, address: Address, size: int) -> None:
        """Small ones too, as long as they are few."""
        pieces = [BODY[start : start + size] for start in range(0, len(BODY), size)]
        padding = [b" " * 2 * LEAST_CHUNK_BYTES] * (2 * FREE_CHUNKS)
        with connect(address) as line:
            line.sendall(head("Transfer-Encoding: chunked"))
            line.sendall(b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in [*pieces, *padding, b""]))
            assert line.recv(12) == b"HTTP/1.1 200"


class Wire(asyncio.Transport):
    """Keeps what is written, piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []

    def write(self, data: Any) -> None:
        self.pieces.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        self.pieces.append(b"closed")


class TestHeads:
    HEAD = b"HTTP/1.1 200 OK\r\n\r\n"

    @pytest.fixture
    async def wire(self) -> Wire:
        return Wire()

    @pytest.fixture
    async def transport(self, wire: Wire) -> AnswerTransport:
        app = build_http_app(Runtime(Settings(), transport="http"))
        config = uvicorn.Config(app, log_config=None)
        return AnswerTransport(wire, GuardedProtocol(config, uvicorn.server.ServerState(), {}))

    @pytest.mark.anyio
    async def test_head_and_body_leave_together(self, wire: Wire, transport: AnswerTransport) -> None:
        transport.write(self.HEAD)
        transport.write(b"body")
        transport.write(b"more")
        assert wire.pieces == [self.HEAD + b"body", b"more"]
        await anyio.lowlevel.checkpoint()
        assert len(wire.pieces) == 2

    @pytest.mark.anyio
    async def test_head_of_a_stream_leaves_before_its_first_event(self, wire: Wire, transport: AnswerTransport) -> None:
        transport.write(self.HEAD)
        await anyio.lowlevel.checkpoint()
        assert wire.pieces == [self.HEAD]
        transport.write(b"event")
        assert wire.pieces == [self.HEAD, b"event"]

    @pytest.mark.anyio
    async def test_head_without_a_body_leaves_before_the_end(self, wire: Wire, transport: AnswerTransport) -> None:
        transport.write(self.HEAD)
        transport.close()
        assert wire.pieces == [self.HEAD, b"closed"]
