"""Who a request comes from, and whose share of the server it uses.

What a caller says without proof gives no share: an invented key must not be worth anything. Proof is a key that Kling
has accepted, or a token of an issuer that tells people apart. Credentials are kept only as keyed hashes.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser, authorization_context
from starlette.datastructures import Headers

from kling_mcp.caller_credentials import CALLER_HEADERS
from kling_mcp.server.http.shares import STRANGERS

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from kling_mcp.runtime import Runtime

_KEY = "kling_mcp.caller"
MOST_KNOWN = 1000


@dataclass(frozen=True, slots=True)
class Caller:
    """The same `name` means the same sign-in with the same Kling credential."""

    name: bytes
    share: bytes


def caller_of(scope: Scope) -> Caller:
    """The caller of a request that has passed `RecognizeCaller`."""
    caller: Caller = scope[_KEY]
    return caller


class RecognizeCaller:
    """Notes in each request who sent it."""

    def __init__(self, app: ASGIApp, runtime: Runtime) -> None:
        self._app = app
        self._runtime = runtime
        self._salt = secrets.token_bytes(16)
        # Of callers with proof, under their names: each of their requests would have its headers read and hashed anew.
        self._known: OrderedDict[bytes, tuple[str, Caller]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(raw=[pair for pair in scope["headers"] if pair[0].startswith(b"x-kling-")])
        await self._app({**scope, _KEY: self._recognize(headers, scope.get("user"))}, receive, send)

    def _recognize(self, headers: Headers, user: object) -> Caller:
        who = authorization_context(user) if isinstance(user, AuthenticatedUser) else None
        name = self._hashed(who, *(headers.get(header, "") for header in CALLER_HEADERS))
        credential, caller = self._known.get(name, ("", None))
        if caller is not None and credential in self._runtime.proved:
            self._known.move_to_end(name)
            return caller
        credential = self._runtime.proved_credential(headers)
        # A token of KLING_MCP_HTTP_TOKEN is the same for everyone.
        tells_people_apart = who is not None and self._runtime.settings.hosting.oauth is not None
        if not credential:
            return Caller(name, self._hashed(who, "") if tells_people_apart else STRANGERS)
        caller = Caller(name, self._hashed(who, credential))
        self._remember(credential, caller)
        return caller

    def _remember(self, credential: str, caller: Caller) -> None:
        self._known[caller.name] = credential, caller
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)

    def _hashed(self, *parts: object) -> bytes:
        return hmac.digest(self._salt, repr(parts).encode(), "sha256")
