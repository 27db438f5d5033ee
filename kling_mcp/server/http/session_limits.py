"""Sessions of older clients: how many one caller may have open, so that others find room.

The SDK opens and closes sessions and limits their total; this keeps its own list from the responses.
A caller is a signed-in identity with a Kling account; credentials are remembered only as keyed hashes.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser, authorization_context
from mcp.server.streamable_http_manager import DEFAULT_SESSION_IDLE_TIMEOUT
from mcp_types import INTERNAL_ERROR
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from kling_mcp.concurrency.clock import Clock

IDLE_SECONDS = float(DEFAULT_SESSION_IDLE_TIMEOUT)
RETRY_SECONDS = "60"
_SESSION, _VERSION = "mcp-session-id", "mcp-protocol-version"
_CREDENTIALS = ("x-kling-api-key", "x-kling-access-key")


class _FullError(Exception):
    """The caller has reached the quota."""


@dataclass(slots=True)
class _Session:
    caller: bytes
    used_at: float
    requests: int = 0


def quota_of(most_sessions: int) -> int:
    """How many of all sessions one caller may have: a quarter."""
    return max(1, most_sessions // 4)


class SessionQuota:
    """Refuses a session to a caller over quota: 503, as the SDK answers when all sessions are taken."""

    def __init__(self, app: ASGIApp, clock: Clock, most: int) -> None:
        """`most` is how many sessions a caller may have."""
        self._app = app
        self._clock = clock
        self._most = most
        self._salt = secrets.token_bytes(16)
        self._sessions: OrderedDict[str, _Session] = OrderedDict()  # least lately used first
        self._open_of: Counter[bytes] = Counter()
        self._opening: Counter[bytes] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        version = headers.get(_VERSION)  # the first request of an older client has none
        if version is not None and version not in HANDSHAKE_PROTOCOL_VERSIONS:
            await self._app(scope, receive, send)  # a revision without sessions
        elif (name := headers.get(_SESSION)) is not None:
            await self._use(name, scope, receive, send)
        else:
            await self._open(self._caller(scope, headers), scope, receive, send)

    async def _use(self, name: str, scope: Scope, receive: Receive, send: Send) -> None:
        session = self._sessions.get(name)
        if session is None:
            await self._app(scope, receive, send)
            return

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                has_ended = scope["method"] == "DELETE" and message["status"] < 300
                if has_ended or message["status"] == 404:
                    self._forget(name)
            await send(message)

        session.requests += 1
        try:
            await self._app(scope, receive, watched)
        finally:
            session.requests -= 1
            self._was_used(name, session)

    async def _open(self, caller: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        """Counted once the request is complete, so that a slow request takes no place."""
        is_counted = False

        async def complete() -> Message:
            nonlocal is_counted
            message = await receive()
            if not is_counted and not message.get("more_body", False):
                if self._count(caller) >= self._most:
                    raise _FullError
                self._opening[caller] += 1
                is_counted = True
            return message

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400:
                name = MutableHeaders(scope=message).get(_SESSION)
                if name:
                    self._sessions[name] = _Session(caller, self._clock.monotonic())
                    self._open_of[caller] += 1
            await send(message)

        try:
            await self._app(scope, complete, watched)
        except _FullError:
            await self._refuse(scope, receive, send)
        finally:
            if is_counted:
                self._opening -= Counter([caller])

    def _count(self, caller: bytes) -> int:
        """How many this caller has, after dropping those that the SDK closed as idle."""
        now = self._clock.monotonic()
        while self._sessions:
            name, session = next(iter(self._sessions.items()))
            if session.used_at >= now - IDLE_SECONDS:
                break
            if session.requests:
                self._was_used(name, session)
            else:
                self._forget(name)
        return self._opening[caller] + self._open_of[caller]

    def _was_used(self, name: str, session: _Session) -> None:
        """Sessions are kept in order of last use, so that old ones are found without a search."""
        session.used_at = self._clock.monotonic()
        if name in self._sessions:
            self._sessions.move_to_end(name)

    def _forget(self, name: str) -> None:
        if session := self._sessions.pop(name, None):
            self._open_of -= Counter([session.caller])

    def _caller(self, scope: Scope, headers: Headers) -> bytes:
        user = scope.get("user")
        who = authorization_context(user) if isinstance(user, AuthenticatedUser) else None
        told = json.dumps([who, *(headers.get(name, "") for name in _CREDENTIALS)])
        return hmac.digest(self._salt, told.encode(), "sha256")

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        said = f"You already have {self._most} sessions open, which is the limit; close one or wait until they expire."
        body = {"jsonrpc": "2.0", "id": None, "error": {"code": INTERNAL_ERROR, "message": said}}
        await JSONResponse(body, 503, {"Retry-After": RETRY_SECONDS})(scope, receive, send)
