"""Answers in the form that `Accept` asks for: JSON alone, an event stream alone, or either.

The SDK serves only clients that take both, and several take one. It is told that both are welcome, and its answer is
put into the other form where it must be.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from mcp_types import INVALID_REQUEST
from starlette.datastructures import Headers, MutableHeaders

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

JSON, EVENTS = "application/json", "text/event-stream"
LISTEN = "subscriptions/listen"  # its answer is a stream that does not end
_LENGTH_HEADERS = (b"content-length", b"transfer-encoding")


class AcceptedForm:
    """Serves POST in the form that the caller takes; 406, from the SDK, if that is neither form."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        takes_json, takes_events = _forms_taken(", ".join(headers.getlist("accept")))
        is_post = scope["method"] == "POST"
        if not (takes_json or takes_events) or (is_post and headers.get("mcp-method") == LISTEN and not takes_events):
            await self._app(scope, receive, send)
            return
        open_scope = _with_headers(scope, {"accept": f"{JSON}, {EVENTS}"})
        if is_post and not takes_events:
            send = _JsonAlone(self._app, open_scope, send).send
        elif is_post and not takes_json:
            send = _EventsAlone(send).send
        await self._app(open_scope if is_post or takes_events else scope, receive, send)


class _JsonAlone:
    """Turns an event stream into the one JSON message that it leads to; progress on the way is dropped."""

    def __init__(self, app: ASGIApp, scope: Scope, send: Send) -> None:
        self._app = app
        self._scope = scope
        self._send = send
        self._start: Message | None = None  # of an event stream, until its answer has come
        self._received = b""
        self._has_answered = False

    async def send(self, message: Message) -> None:
        """As ASGI's `send`."""
        if message["type"] == "http.response.start":
            if not MutableHeaders(scope=message).get("content-type", "").startswith(EVENTS):
                await self._send(message)
                return
            self._start = message
        elif self._start is None:
            await self._send(message)
        else:
            *events, self._received = (self._received + message.get("body", b"")).split(b"\r\n\r\n")
            for event in events:
                await self._take(event)
            if not message.get("more_body", False):
                await self._answer(b"")  # the session has ended

    async def _take(self, event: bytes) -> None:
        data = b"".join(line[5:].strip() for line in event.split(b"\r\n") if line.startswith(b"data:"))
        said = json.loads(data) if data else {"method": "ping"}
        if "method" not in said:
            await self._answer(data)
        elif "id" in said:
            await self._decline(said["id"])

    async def _answer(self, body: bytes) -> None:
        if self._start is None or self._has_answered:
            return
        self._has_answered = True
        headers = MutableHeaders(raw=[pair for pair in self._start["headers"] if pair[0] not in _LENGTH_HEADERS])
        headers["content-type"], headers["content-length"] = JSON, str(len(body))
        await self._send({**self._start, "headers": headers.raw})
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def _decline(self, request_id: Any) -> None:
        """Answer a question for a client that cannot be asked, so that the call does not wait for it."""
        error = {"code": INVALID_REQUEST, "message": "This client takes JSON alone, so it cannot be asked."}
        body = json.dumps({"jsonrpc": "2.0", "id": request_id, "error": error}).encode()

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def ignore(_: Message) -> None:
            pass

        await self._app(_with_headers(self._scope, {"content-length": str(len(body))}), receive, ignore)


class _EventsAlone:
    """Turns a JSON answer into an event stream with that one message; refusals stay JSON with their status."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._is_turned = False
        self._body = b""

    async def send(self, message: Message) -> None:
        """As ASGI's `send`."""
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            self._is_turned = message["status"] == 200 and headers.get("content-type", "").startswith(JSON)
            if self._is_turned:
                del headers["content-length"]
                headers["content-type"], headers["cache-control"] = EVENTS, "no-cache, no-transform"
            await self._send(message)
        elif self._is_turned:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                event = b"event: message\r\ndata: " + self._body + b"\r\n\r\n"
                await self._send({**message, "body": event})
        else:
            await self._send(message)


def _with_headers(scope: Scope, changes: dict[str, str]) -> Scope:
    names = {name.encode() for name in changes}
    kept = [pair for pair in scope["headers"] if pair[0] not in names]
    return {**scope, "headers": [*kept, *((name.encode(), value.encode()) for name, value in changes.items())]}


@lru_cache(maxsize=32)  # clients have few ways to say it
def _forms_taken(accept: str) -> tuple[bool, bool]:
    """Whether JSON is taken, and whether an event stream is."""
    ranges = _media_ranges(accept)
    return _takes(JSON, ranges), _takes(EVENTS, ranges)


def _media_ranges(accept: str) -> dict[str, bool]:
    """Each media range of the header, and whether it is wanted (a quality above 0); no header wants everything."""
    found: dict[str, bool] = {}
    for part in (accept or "*/*").split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        found[name] = not any(piece.replace(" ", "").rstrip("0") in {"q=", "q=0."} for piece in parameters)
    return found


def _takes(media_type: str, ranges: dict[str, bool]) -> bool:
    """Whether it is wanted; the most specific range decides."""
    family = f"{media_type.partition('/')[0]}/*"
    return next((ranges[name] for name in (media_type, family, "*/*") if name in ranges), False)
