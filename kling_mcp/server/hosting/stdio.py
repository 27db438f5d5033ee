"""One client over stdin and stdout."""

from __future__ import annotations

import logging
import os
import signal
from typing import TYPE_CHECKING

import anyio

from kling_mcp.server.build import build_server

if TYPE_CHECKING:
    from kling_mcp.logs import StdoutGuard
    from kling_mcp.settings import Settings

logger = logging.getLogger(__name__)

INTERRUPTED = 130  # 128 + SIGINT, as shells count


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
