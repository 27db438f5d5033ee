"""Runs the app on a port, and shuts it down without losing any wait."""

from __future__ import annotations

import contextlib
import gc
import logging
import socket
import sys
from typing import TYPE_CHECKING

from kling_mcp.api.network import load_http_library
from kling_mcp.errors import ConfigurationError
from kling_mcp.runtime import Runtime
from kling_mcp.server.http.app import build_http_app
from kling_mcp.server.http.before import doubts, require_means
from kling_mcp.server.tool_list import load_all_tools

if TYPE_CHECKING:
    from collections.abc import Callable

    import uvicorn
    from starlette.applications import Starlette

    from kling_mcp.settings import Settings

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 3.0  # for requests on their way to Kling; waits end at once
_GRACE_SECONDS = 1  # for connections that the other side does not close
_FILES_WANTED = 8192
_OTHER_FILES = 256  # of the state, the accounts, and the way to Kling
_BACKLOG = 1024
COLLECT_AFTER = 2_000  # objects more than before; Python's own 700 is made for programs with less to do


def serve_http(settings: Settings, host: str, port: int, on_listening: Callable[[str], None]) -> None:
    """Serve over Streamable HTTP until interrupted. `port` 0 picks a free port; `on_listening` gets the address.

    SIGTERM and Ctrl-C shut it down gracefully: no new connections; waits end as if their time had run out, so that
    each caller gets the ids and the next call; tasks are left to the next server; then streams are closed.

    Raises:
        ConfigurationError: as `build_http_app`, or a folder, a file or the port cannot be used.
        KeyboardInterrupt: Ctrl-C, after the graceful shutdown.
    """
    runtime = Runtime(settings, transport="http")
    app = build_http_app(runtime, host)
    require_means(runtime)
    for doubt in doubts(settings):
        logger.warning("%s", doubt)
    load_what_stays()
    _allow_many_files()
    with contextlib.closing(_listen(host, port)) as listener:
        shown = f"[{host}]" if ":" in host else host
        on_listening(f"http://{shown}:{listener.getsockname()[1]}/mcp")
        make_server(app, runtime).run(sockets=[listener])


def load_what_stays() -> None:
    """Load everything that calls need, and let garbage collection pass over it from then on.

    A full collection would otherwise walk through every module, which takes a tenth of a second and stops all calls.
    Small ones are made less often: most of what a call makes is no garbage that needs them.
    """
    load_http_library()
    load_all_tools()
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])


def make_server(app: Starlette, runtime: Runtime) -> uvicorn.Server:
    """The uvicorn server for the app of `build_http_app`, with the shutdown that `serve_http` describes."""
    import uvicorn  # noqa: PLC0415 - only this transport needs it
    from sse_starlette.sse import AppStatus  # noqa: PLC0415 - the same

    from kling_mcp.server.http.connections import GuardedProtocol  # noqa: PLC0415 - the same

    # It would cut every event stream as soon as shutdown begins, even those with a response on its way.
    AppStatus.disable_automatic_graceful_drain()  # type: ignore[no-untyped-call] # that library has no types

    class Server(uvicorn.Server):
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            runtime.shutdown.start()
            # First, so that a proxy sends new callers to another replica.
            for listener in self.servers:
                listener.close()
            await app.state.requests.finish(ANSWER_SECONDS)
            await super().shutdown(sockets)

    class Protocol(GuardedProtocol):
        most_connections = _connections_allowed(GuardedProtocol.most_connections)

    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        log_config=None,  # ours is in place, and hides secrets
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    return Server(config)


def _allow_many_files() -> None:
    """Each connection and each account's index is an open file; many systems start with a limit of 1024."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415, TID251 - there is none on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES_WANTED if hard == resource.RLIM_INFINITY else min(_FILES_WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _connections_allowed(wanted: int) -> int:
    """How many connections may be open, so that files are left for everything else."""
    if sys.platform == "win32":
        return wanted
    import resource  # noqa: PLC0415, TID251 - there is none on Windows

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if soft == resource.RLIM_INFINITY else max(1, min(wanted, soft - _OTHER_FILES))


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket, opened before anything runs, so that a port in use is one clear error."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ConfigurationError(
            f"Port {port} on {host} cannot be used ({error.strerror or error}); choose another with --port."
        ) from None
    # asyncio does this for its own sockets; without it each response waits 40 ms for an acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
