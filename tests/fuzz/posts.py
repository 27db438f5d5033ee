"""Requests over http that no client library would send, straight to the app."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
from helpers import API_KEY
from hypothesis import strategies as st

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message

Headers = list[tuple[bytes, bytes]]
HOST = (b"host", b"127.0.0.1:8000")
FITTING: Headers = [
    (b"accept", b"application/json, text/event-stream"),
    (b"content-type", b"application/json"),
    (b"mcp-protocol-version", b"2026-07-28"),
    (b"x-kling-api-key", API_KEY.encode()),
]
_NAMES = [
    *[b"accept", b"content-type", b"content-length", b"content-encoding", b"transfer-encoding", b"expect"],
    *[b"mcp-protocol-version", b"mcp-session-id", b"mcp-method", b"mcp-name", b"last-event-id", b"origin"],
    *[b"x-kling-api-key", b"x-kling-access-key", b"x-kling-secret-key", b"x-kling-region", b"authorization", b"cookie"],
    *[b"webhook-id", b"webhook-timestamp", b"webhook-signature", b"x-forwarded-for", b"host"],
]
_VALUES = [
    *[b"", b" ", b"\xff\xfe", b"\x00", b"\r\nx: y", b"null", b"-1", b"99999999999999999999", b"x" * 70_000],
    *[b"Bearer ", b"Bearer a-long-token-of-callers", b"Basic Og==", b"gzip", b"chunked", b"127.0.0.1:8000"],
    *[b"application/json; charset=utf-16", b"text/event-stream", b"*/*;q=nan", b"2025-06-18", b"tools/call", b"china"],
    *["ключ".encode(), "\u202e".encode(), b"${KEY}", b"v1,AAAA v1,====", b"https://evil.example.com"],
]
_any_headers = st.lists(
    st.tuples(st.sampled_from(_NAMES), st.one_of(st.sampled_from(_VALUES), st.binary(max_size=30))), max_size=4
)
headers_of_anybody = _any_headers
headers_that_fit = _any_headers.map(lambda more: [*FITTING, *more[:1]])


@dataclass(frozen=True, slots=True)
class Post:
    """One request."""

    body: bytes
    headers: Headers
    path: str = "/mcp"
    method: str = "POST"
    pieces: int = 1

    async def to(self, app: ASGIApp) -> tuple[int, bytes]:
        """Status and body of the answer."""
        named = {name for name, _ in self.headers}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": self.method,
            "scheme": "http",
            "path": self.path,
            "raw_path": self.path.encode(),
            "query_string": b"",
            "headers": [*([] if b"host" in named else [HOST]), *self.headers],
            "client": ("127.0.0.1", 5000),
            "server": ("127.0.0.1", 8000),
        }
        size = max(1, -(-len(self.body) // self.pieces))
        parts = [self.body[start : start + size] for start in range(0, len(self.body), size)] or [b""]
        pending: list[Message] = [
            {"type": "http.request", "body": part, "more_body": place < len(parts) - 1}
            for place, part in enumerate(parts)
        ]
        answer: list[Message] = []

        async def receive() -> Message:
            if not pending:
                await anyio.sleep_forever()
            return pending.pop(0)

        async def send(message: Message) -> None:
            answer.append(message)

        await app(scope, receive, send)
        starts = [message for message in answer if message["type"] == "http.response.start"]
        assert len(starts) == 1, answer
        return starts[0]["status"], b"".join(message.get("body", b"") for message in answer)
