"""The app on a port, until it is told to end; and the end, in which nobody's wait is lost."""

from __future__ import annotations

import contextlib
import socket
import sys
from typing import TYPE_CHECKING

from kling_mcp.errors import ConfigurationError
from kling_mcp.runtime import Runtime
from kling_mcp.server.http.app import build_http_app
from kling_mcp.server.tool_list import load_all_tools

if TYPE_CHECKING:
    from collections.abc import Callable

    import uvicorn
    from starlette.applications import Starlette

    from kling_mcp.settings import Settings

ANSWER_SECONDS = 3.0  # for what is being sent to Kling; waits end at once
_GRACE_SECONDS = 1  # for connections that the other side does not close
_MAX_CONNECTIONS = 1000
_FILES_WANTED = 8192
_BACKLOG = 1024


def serve_http(settings: Settings, host: str, port: int, on_listening: Callable[[str], None]) -> None:
    """Serve over Streamable HTTP until interrupted. `port` 0 takes a free one; `on_listening` is told the address.

    SIGTERM and Ctrl-C end it in order: nobody new is let in; waits end as if their time had run out, so that each
    caller gets an answer with the ids to go on with; tasks are left to the next server; then streams are closed.

    Raises:
        ConfigurationError: as `build_http_app`, or the port cannot be used.
        KeyboardInterrupt: Ctrl-C, after the orderly end.
    """
    runtime = Runtime(settings, transport="http")
    app = build_http_app(runtime, host)
    load_all_tools()
    _allow_many_files()
    with contextlib.closing(_listen(host, port)) as listener:
        shown = f"[{host}]" if ":" in host else host
        on_listening(f"http://{shown}:{listener.getsockname()[1]}/mcp")
        make_server(app, runtime).run(sockets=[listener])


def make_server(app: Starlette, runtime: Runtime) -> uvicorn.Server:
    """What serves the app of `build_http_app`, and ends as `serve_http` says."""
    import uvicorn  # noqa: PLC0415 - only this transport needs it
    from sse_starlette.sse import AppStatus  # noqa: PLC0415 - the same

    # It would cut every event stream at the first sign of the end, those with an answer on its way included.
    AppStatus.disable_automatic_graceful_drain()  # type: ignore[no-untyped-call] # that library has no types

    class Server(uvicorn.Server):
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            runtime.shutdown.start()
            # First of all, so that a proxy sends newcomers to another replica instead of into the end of this one.
            for listener in self.servers:
                listener.close()
            await app.state.requests.finish(ANSWER_SECONDS)
            await super().shutdown(sockets)

    config = uvicorn.Config(
        app,
        http="h11",  # the same parser, whatever else is installed
        ws="none",
        log_config=None,  # ours stands, and hides secrets
        access_log=False,
        server_header=False,
        limit_concurrency=_MAX_CONNECTIONS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    return Server(config)


def _allow_many_files() -> None:
    """A connection, and an account's index, is an open file each; many systems start with a limit of 1024."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 - there is none on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES_WANTED if hard == resource.RLIM_INFINITY else min(_FILES_WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket, made before anything runs, so that a taken port is one sentence."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        # asyncio does this for sockets that it makes itself; without it each answer waits 40 ms for an acknowledgement.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except OSError as error:
        raise ConfigurationError(
            f"Port {port} of {host} cannot be used ({error.strerror or error}); choose another with --port."
        ) from None
