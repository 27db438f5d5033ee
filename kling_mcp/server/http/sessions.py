"""Sessions of older clients: whose they are, and how many one caller may keep.

The SDK opens and closes sessions; this keeps its own list from the responses. Many clients never end a session, so the
one that its caller has not used for longest makes room for the next.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mcp.server.streamable_http_manager import DEFAULT_SESSION_IDLE_TIMEOUT
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.datastructures import Headers, MutableHeaders

from kling_mcp.server.http.callers import Caller, caller_of
from kling_mcp.server.http.refusals import refusal
from kling_mcp.server.http.shares import FullError, Place, Room

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from kling_mcp.concurrency.clock import Clock

IDLE_SECONDS = float(DEFAULT_SESSION_IDLE_TIMEOUT)
_SESSION, _VERSION = "mcp-session-id", "mcp-protocol-version"
_NOT_FOUND = "Session not found"  # as the SDK says; it does not tell which ids exist
_FULL = "All your sessions have calls running, and there is room for no more; end one, or call again later."


@dataclass(eq=False)
class _Session(Place):
    """It may give way while none of its calls runs; an open stream is no call."""

    name: str = ""
    owner: bytes = b""
    user: Any = None
    used_at: float = 0.0
    requests: int = 0
    calls: int = 0


class Sessions:
    """Lets a session be used by its own caller alone, and keeps room for everyone's next one."""

    def __init__(self, app: ASGIApp, clock: Clock, most: int) -> None:
        """`most` is how many sessions there may be; the SDK's own limit must not be lower."""
        self._app = app
        self._clock = clock
        self._room: Room[_Session] = Room(most, of_one=max(1, most // 4), of_strangers=max(1, most // 16))
        self._sessions: OrderedDict[str, _Session] = OrderedDict()  # least lately used first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        version = headers.get(_VERSION)  # the first request of an older client has none
        if version is not None and version not in HANDSHAKE_PROTOCOL_VERSIONS:
            await self._app(scope, receive, send)  # a revision without sessions
            return
        self._forget_expired()
        caller, name = caller_of(scope), headers.get(_SESSION)
        if name is None:
            await self._open(caller, scope, receive, send)
            return
        session = self._sessions.get(name)
        if session is None or session.owner != caller.name:
            await refusal(404, _NOT_FOUND)(scope, receive, send)
            return
        await self._use(session, caller, scope, receive, send)

    async def _use(self, session: _Session, caller: Caller, scope: Scope, receive: Receive, send: Send) -> None:
        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                has_ended = scope["method"] == "DELETE" and message["status"] < 300
                if has_ended or message["status"] == 404:
                    self._forget(session)
            await send(message)

        self._room.use(session, caller.share)
        is_call = scope["method"] == "POST"
        session.requests += 1
        session.calls += is_call
        session.gives_way = not session.calls
        try:
            await self._app(scope, receive, watched)
        finally:
            session.requests -= 1
            session.calls -= is_call
            session.gives_way = not session.calls
            self._was_used(session)

    async def _open(self, caller: Caller, scope: Scope, receive: Receive, send: Send) -> None:
        """A place is taken when the SDK has opened the session, so that slow and refused requests take none."""
        session = _Session(caller.share, owner=caller.name, user=scope.get("user"), requests=1)
        is_refused = False

        async def watched(message: Message) -> None:
            nonlocal is_refused
            name = MutableHeaders(scope=message).get(_SESSION) if message["type"] == "http.response.start" else None
            if name and message["status"] < 400:
                session.name, session.used_at = name, self._clock.monotonic()
                try:
                    lost = self._room.take(session)
                except FullError:
                    is_refused = True
                else:
                    self._sessions[name] = session
                    for other in lost:
                        await self._end(other, scope)
            if not is_refused:
                await send(message)

        try:
            await self._app(scope, receive, watched)
        except BaseException:  # the SDK keeps no session whose opening was cut off
            self._forget(session)
            raise
        session.requests -= 1
        session.gives_way = True
        if is_refused:
            await self._end(session, scope)
            await refusal(503, _FULL, {"Retry-After": "60"})(scope, receive, send)

    async def _end(self, session: _Session, scope: Scope) -> None:
        """Close it at the SDK, as its client would."""
        self._forget(session)
        headers = [(b"mcp-session-id", session.name.encode())]

        async def nothing() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def ignore(_: Message) -> None:
            pass

        await self._app({**scope, "method": "DELETE", "headers": headers, "user": session.user}, nothing, ignore)

    def _forget_expired(self) -> None:
        """The SDK has closed those that were idle for too long."""
        now = self._clock.monotonic()
        while self._sessions:
            session = next(iter(self._sessions.values()))
            if session.used_at >= now - IDLE_SECONDS:
                break
            if session.requests:
                self._was_used(session)
            else:
                self._forget(session)

    def _was_used(self, session: _Session) -> None:
        session.used_at = self._clock.monotonic()
        if session.name in self._sessions:
            self._sessions.move_to_end(session.name)

    def _forget(self, session: _Session) -> None:
        self._room.leave(session)
        self._sessions.pop(session.name, None)
