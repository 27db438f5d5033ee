"""The server as an ASGI app: `/mcp` behind its guards, `/healthz` and `/readyz` open."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
from mcp.server.transport_security import TransportSecuritySettings
from starlette.responses import JSONResponse

from kling_mcp._version import __version__
from kling_mcp.errors import StorageError
from kling_mcp.server.build import build_server
from kling_mcp.server.http.accept import AcceptedForm
from kling_mcp.server.http.addresses import AddressCheck, AddressRules, is_public
from kling_mcp.server.http.auth import check_access, metadata_routes, require_token, verifier_for
from kling_mcp.server.http.bodies import Bodies
from kling_mcp.server.http.callers import RecognizeCaller
from kling_mcp.server.http.one_piece import OnePiece
from kling_mcp.server.http.open_requests import OpenRequests
from kling_mcp.server.http.request_state import RequestStateKeys
from kling_mcp.server.http.sessions import Sessions
from kling_mcp.server.http.webhooks import add_callbacks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection
    from contextlib import AbstractAsyncContextManager

    from mcp.server.auth.provider import TokenVerifier
    from mcp.server.mcpserver import MCPServer
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    from kling_mcp.runtime import Runtime
    from kling_mcp.store import Transaction

    Lifespan = Callable[[Starlette], AbstractAsyncContextManager[Any]]

logger = logging.getLogger(__name__)

HEALTH, READINESS = "/healthz", "/readyz"
MAX_SESSIONS = 1000  # older clients alone open sessions
_READY_SECONDS = 1.0  # for which an answer about the state holds
_READING_SECONDS = 2.0


def build_http_app(
    runtime: Runtime,
    host: str = "127.0.0.1",
    *,
    verifier: TokenVerifier | None = None,
    most_sessions: int = MAX_SESSIONS,
) -> Starlette:
    """The server as an ASGI app; `app.state` has its `server` and its `requests`, see `OpenRequests`.

    Sessions and event streams are on, the SDK's default: without them older clients get neither progress nor
    questions. Requests with a foreign `Host` or `Origin` are always refused (DNS rebinding). If the settings require a
    token, every path that is not explicitly open needs one, even paths that do not exist.

    Args:
        runtime: made for `transport="http"`, so that callers bring their own credentials.
        host: where it will listen; that decides which settings are required.
        verifier: replaces the token check from the settings, for tests.
        most_sessions: how many sessions of older clients may be open, see `Sessions`.

    Raises:
        ConfigurationError: the settings are not enough to serve this host safely, or as `build_server`.
    """
    settings = runtime.settings
    check_access(settings, host)
    hosting = settings.hosting
    seal = RequestStateKeys(runtime)
    server = build_server(settings, runtime, request_state=seal.security())
    largest = hosting.largest_request_bytes(is_public=is_public(settings, host))
    app, plain = _two_forms(server, largest, most_sessions)
    app.state.server = server
    app.router.lifespan_context = _within(app.router.lifespan_context, plain, seal)
    app.add_route(HEALTH, _healthz, methods=["GET"])
    app.add_route(READINESS, _Readiness(runtime).answer, methods=["GET"])
    routes = metadata_routes(hosting.oauth)
    app.router.routes.extend(routes)
    checking = verifier or verifier_for(hosting, runtime.clock)

    def guard(inner: ASGIApp) -> ASGIApp:
        """From the outside in: host and origin, CORS, token, caller, shares, size and time, sessions, form, pieces."""
        forms = AcceptedForm(OnePiece(inner, plain.router))
        sessions = Sessions(forms, runtime.clock, most_sessions)
        requests = OpenRequests(Bodies(sessions, runtime.clock, largest=largest), runtime.clock)
        app.state.requests = requests
        signed_in = require_token(RecognizeCaller(requests, runtime), hosting, checking)
        return AddressCheck(signed_in, AddressRules(settings, host))

    open_paths = {HEALTH, READINESS, *(route.path for route in routes)}
    app.add_middleware(_PathGuard, guard=guard, open_paths=open_paths, open_below=add_callbacks(app, runtime))
    return app


def _two_forms(server: MCPServer[Any], largest: int, most_sessions: int) -> tuple[Starlette, Starlette]:
    """The server with sessions and event streams, and without them for `OnePiece`."""
    security = TransportSecuritySettings(enable_dns_rebinding_protection=False)  # `AddressCheck` does it
    plain = server.streamable_http_app(
        json_response=True, stateless_http=True, max_request_body_size=largest, transport_security=security
    )
    app = server.streamable_http_app(  # last, because the server's session manager is that of the last
        max_request_body_size=largest,
        max_sessions=2 * most_sessions,  # ours must count first; an opening that is refused is there for a moment
        transport_security=security,
    )
    return app, plain


def _within(lifespan: Lifespan, plain: Starlette, seal: RequestStateKeys) -> Lifespan:
    """The app's lifespan, with that of its plain form, and the encryption key read while the state is open."""

    @asynccontextmanager
    async def sealed(app: Starlette) -> AsyncIterator[Any]:
        async with lifespan(app) as state, plain.router.lifespan_context(plain), seal.kept():
            yield state

    return sealed


class _PathGuard:
    """Lets everyone reach a few open paths; all other paths go through the guards."""

    def __init__(
        self,
        app: ASGIApp,
        guard: Callable[[ASGIApp], ASGIApp],
        open_paths: Collection[str],
        open_below: tuple[str, ...],
    ) -> None:
        self._app = app
        self._open_below = tuple(f"{path}/" for path in open_below)
        self._guarded = guard(app)
        self._open_paths = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        is_open = scope["type"] != "http" or path in self._open_paths or f"{path}/".startswith(self._open_below)
        await (self._app if is_open else self._guarded)(scope, receive, send)


async def _healthz(_: Request) -> Response:
    """Whether the process is up; does not ask Kling, so it is cheap and needs no credential."""
    return JSONResponse({"status": "ok", "version": __version__})


class _Readiness:
    """Whether new callers should be sent here: the state can be read, and shutdown has not begun.

    Anyone may ask as often as they like, so the state is read once a second at most, and once for all who ask.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._turn = anyio.Lock()
        self._read_at = float("-inf")
        self._is_readable = False

    async def answer(self, _: Request) -> Response:
        """200 or 503; the reason goes to the log."""
        if self._runtime.shutdown.is_started:
            return JSONResponse({"status": "ending"}, 503)
        async with self._turn:
            if self._runtime.clock.monotonic() - self._read_at >= _READY_SECONDS:
                self._is_readable = await self._can_read_state()
                self._read_at = self._runtime.clock.monotonic()
        if not self._is_readable:
            return JSONResponse({"status": "the state cannot be read"}, 503)
        return JSONResponse({"status": "ready"})

    async def _can_read_state(self) -> bool:
        try:
            with anyio.fail_after(_READING_SECONDS):
                await self._runtime.store.run(_touch, write=False)
        except StorageError as error:
            logger.warning("Not ready, because the state cannot be read: %s", error.message)
            return False
        except TimeoutError:
            logger.warning("Not ready, because the state did not answer within %g seconds.", _READING_SECONDS)
            return False
        return True


def _touch(tx: Transaction) -> None:
    tx.fetch("SELECT 1 AS one")
