"""How the built server is reached: over stdin and stdout, or over Streamable HTTP.

Both serve what `build_server` builds; neither may add, hide or change a tool.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
from typing import TYPE_CHECKING

import anyio
from starlette.responses import JSONResponse

from kling_mcp._version import __version__
from kling_mcp.errors import ConfigurationError
from kling_mcp.runtime import Runtime
from kling_mcp.server.build import build_server

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from kling_mcp.logs import StdoutGuard
    from kling_mcp.settings import Settings

logger = logging.getLogger(__name__)

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")

# The SDK's cap is 4 MiB. Over http the server sees no files of the caller, so a picture that has no link can only
# come as a data: URI: as much is let in as Kling itself takes in one request (fact: body-40mb), and a little for
# the rest of the message. Each request is held in memory once; only this computer can send one.
LARGEST_REQUEST_BYTES = 44_000_000

INTERRUPTED = 130  # 128 + SIGINT, as shells count
_GRACE_SECONDS = 2  # an assistant's open event stream must not hold up the end


def serve_stdio(settings: Settings, stdout: StdoutGuard) -> None:
    """Serve one client over stdin and stdout until it closes stdin.

    Ctrl-C ends the process at once: the SDK waits for the next line of stdin in a thread that nothing can
    interrupt, so an orderly end would come with the client's next message or never.

    Raises:
        ConfigurationError: as `build_server`.
    """
    server = build_server(settings)

    async def run() -> None:
        stdout.open_for_protocol()
        await server.run_stdio_async()

    previous = signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    try:
        anyio.run(run)
    except* BrokenPipeError:
        logger.info("The client has gone before its last answer.")
    finally:
        signal.signal(signal.SIGINT, previous)


def build_http_app(runtime: Runtime, host: str = "127.0.0.1") -> Starlette:
    """The server as an ASGI app: Streamable HTTP at `/mcp`, and `GET /healthz`.

    Sessions and event streams are on, as the SDK has them by default: without them older clients get neither
    progress nor questions. Requests with a foreign `Host` or `Origin` are refused (DNS rebinding). The body cap
    is `LARGEST_REQUEST_BYTES`.

    Args:
        runtime: one made for `transport="http"`, so that callers bring their own credentials.
        host: the loopback host that is served; it arms the check of `Host` and `Origin`.

    Raises:
        ConfigurationError: the host is not a loopback one, or as `build_server`.
    """
    refuse_foreign_host(host)
    server = build_server(runtime.settings, runtime)
    server.custom_route("/healthz", methods=["GET"])(_healthz)
    return server.streamable_http_app(host=host, max_request_body_size=LARGEST_REQUEST_BYTES)


def serve_http(settings: Settings, host: str, port: int, on_listening: Callable[[str], None]) -> None:
    """Serve over Streamable HTTP until interrupted. `port` 0 takes a free one; `on_listening` is told the address.

    Raises:
        ConfigurationError: the host is not a loopback one, the port cannot be used, or as `build_server`.
        KeyboardInterrupt: Ctrl-C, after open requests were given a moment.
    """
    import uvicorn  # noqa: PLC0415 - only this transport needs it

    app = build_http_app(Runtime(settings, transport="http"), host)
    config = uvicorn.Config(
        app,
        ws="none",
        log_config=None,  # ours stands, and hides secrets
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    with contextlib.closing(_listen(host, port)) as listener:
        shown = f"[{host}]" if ":" in host else host
        on_listening(f"http://{shown}:{listener.getsockname()[1]}/mcp")
        uvicorn.Server(config).run(sockets=[listener])


def refuse_foreign_host(host: str) -> None:
    """Raises ConfigurationError for every host but this computer's own: callers are not told apart yet."""
    if host not in LOOPBACK_HOSTS:
        raise ConfigurationError(
            f"--host must be a loopback address ({', '.join(LOOPBACK_HOSTS)}); this version has no sign-in for "
            "callers, so it is not served to other computers."
        )


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket, made before anything runs, so that a taken port is one sentence."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise ConfigurationError(
            f"Port {port} of {host} cannot be used ({error.strerror or error}); choose another with --port."
        ) from None


async def _healthz(_: Request) -> Response:
    """Whether the process serves; says nothing of Kling, so that it is cheap and needs no credential."""
    return JSONResponse({"status": "ok", "version": __version__})
