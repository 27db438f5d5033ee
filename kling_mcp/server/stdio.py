"""One client over stdin and stdout.

A client starts the server for every chat, so what the start costs is paid often; see `_starting`.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kling_mcp.observability.logs import StdoutGuard
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
    with _starting():
        import anyio  # noqa: PLC0415 - what is loaded here is loaded faster

        from kling_mcp.server.build import build_server  # noqa: PLC0415 - the same

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


@contextmanager
def _starting() -> Iterator[None]:
    """The block loads modules; it does so without two things that cost a tenth of the start and bring nothing.

    - Next to nothing that is made while modules load becomes garbage, so nobody need look for it; and what is there
      at the end stays, so later collections need not look at it either.
    - Pydantic reads the metadata of every installed package for plugins. PYDANTIC_DISABLE_PLUGINS= (set, but empty)
      lets it.
    """
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
