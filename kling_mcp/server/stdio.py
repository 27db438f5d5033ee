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
    from collections.abc import Iterator, Sequence

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

    Of unknown tools in KLING_MCP_TOOLS nothing is offered, and `check_setup` if nothing else is left; of unknown
    toolsets in KLING_MCP_TOOLSETS likewise.
    """
    from kling_mcp.server.build import build_server  # noqa: PLC0415 - loading in `_starting` is faster
    from kling_mcp.server.tool_selection import unknown_tools, unknown_toolsets  # noqa: PLC0415 - as above

    while True:
        try:
            return build_server(settings)
        except ConfigurationError as error:
            unknown = unknown_tools(settings) or unknown_toolsets(settings)
            if not (unknown or settings.state_url):
                raise
            found = fault("nothing" if unknown else "state", f"{error.message} {error.advice}".rstrip())
            logger.warning("%s", found.sentence)
            faults = (*settings.faults, found)
        if unknown:
            settings = replace(_without(settings, unknown), faults=faults)
        else:  # the database of KLING_MCP_STATE_URL
            settings = replace(settings, state_url="", faults=faults)


def _without(settings: Settings, unknown: Sequence[str]) -> Settings:
    """The settings without these tools and toolsets; a list that becomes empty does not mean all of them."""
    left = {
        "tools": tuple(name for name in settings.tools if name not in unknown),
        "toolsets": tuple(name for name in settings.toolsets if name not in unknown),
    }
    is_emptied = any(getattr(settings, name) and not names for name, names in left.items())
    return replace(settings, tools=("check_setup",) if is_emptied else left["tools"], toolsets=left["toolsets"])


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
