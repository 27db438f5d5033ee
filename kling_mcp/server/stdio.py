"""One client over stdin and stdout.

Clients start the server for every chat, so start-up must be fast; see `_starting`.
"""

from __future__ import annotations

import logging
import os
import signal
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from kling_mcp.errors import ConfigurationError, KlingError
from kling_mcp.server.loading import collector_rests, own_the_process
from kling_mcp.server.stdin import checked_stdin
from kling_mcp.settings.faults import fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcp.server.mcpserver import MCPServer

    from kling_mcp.observability.logs import StdoutGuard
    from kling_mcp.server.lazy_runtime import LazyRuntime
    from kling_mcp.settings import Settings

logger = logging.getLogger(__name__)

INTERRUPTED = 130  # 128 + SIGINT, as shells count


def serve_stdio(settings: Settings, stdout: StdoutGuard) -> None:
    """Serve one client over stdin and stdout until it closes stdin.

    Ctrl-C ends the process at once: the SDK waits for the next line of stdin in a thread that nothing can
    interrupt, so a graceful shutdown would wait for the client's next message.

    """
    with _starting():
        import anyio  # noqa: PLC0415 - loading here is faster

        from kling_mcp.server.stdio_messages import serve_messages  # noqa: PLC0415 - as above

        server = build_anyway(settings)

    async def run() -> None:
        stdout.open_for_protocol()
        with checked_stdin():
            await serve_messages(server)

    previous = signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    try:
        anyio.run(run)
    except* BrokenPipeError:
        logger.info("The client left before its last response.")
    except* OSError as failed:
        raise _broken_stream(failed) from None
    finally:
        signal.signal(signal.SIGINT, previous)


def _broken_stream(failed: BaseExceptionGroup[OSError]) -> KlingError:
    """Nothing else of the server's raises OSError here: a descriptor that cannot be read or written, or a full disk."""
    first: BaseException = failed
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    reason = getattr(first, "strerror", None) or first
    return KlingError(
        f"stdin or stdout cannot be used ({reason}), so the server ends.",
        advice="What was sent to Kling continues there.",
        topic="the-client-does-not-start-the-server",
    )


def build_anyway(settings: Settings) -> MCPServer[LazyRuntime]:
    """The server, whatever the settings are: what cannot be used is a fault that its calls tell.

    If no name in KLING_MCP_TOOLSETS is right, only the tools that are always there are offered; if none in
    KLING_MCP_TOOLS is, only `check_setup`.
    """
    from kling_mcp.server.build import build_server  # noqa: PLC0415 - loading in `_starting` is faster
    from kling_mcp.server.tool_selection import tolerating_wrong_names  # noqa: PLC0415 - as above

    tolerated = tolerating_wrong_names(settings)
    for found in tolerated.faults[len(settings.faults) :]:
        logger.warning("%s", found.sentence)
    try:
        return build_server(tolerated, is_tolerant=True)
    except ConfigurationError as error:
        if not settings.state_url:
            raise
        found = fault("state", f"{error.message} {error.advice}".rstrip())
        logger.warning("%s", found.sentence)
        # The database of KLING_MCP_STATE_URL cannot be used.
        return build_server(replace(tolerated, state_url="", faults=(*tolerated.faults, found)), is_tolerant=True)


@contextmanager
def _starting() -> Iterator[None]:
    """Load modules in the block, without two costs that are a tenth of the start and bring nothing.

    - Garbage collection.
    - Pydantic's search for plugins in every installed package. PYDANTIC_DISABLE_PLUGINS= (set, but empty) allows it.
    """
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    own_the_process()
    with collector_rests():
        yield
