"""Puts the demo together: on the simulator, or live after a yes."""

from __future__ import annotations

import sys
import tempfile
from typing import TYPE_CHECKING

import anyio
from mcp.client.stdio import stdio_client

from kling_mcp.demo import texts
from kling_mcp.demo.script import run
from kling_mcp.demo.servers import live_server, sandbox_server
from kling_mcp.errors import ConfigurationError
from kling_mcp.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from mcp import StdioServerParameters

    from kling_mcp.demo.request import DemoRequest


def run_sandbox_demo(request: DemoRequest, environ: Mapping[str, str]) -> None:
    """The story on the simulator.

    Raises:
        KlingError: what went wrong.
    """
    print(texts.SANDBOX_INTRODUCTION)
    with tempfile.TemporaryDirectory(prefix="kling-mcp-demo-", ignore_cleanup_errors=True) as state_dir:
        row = _play(request, sandbox_server(request, state_dir, environ))
    print(texts.usage(row))
    print(texts.connection(live=False))


def run_live_demo(request: DemoRequest, environ: Mapping[str, str], *, assume_yes: bool) -> bool:
    """The story at Kling; False where the person at the terminal said no.

    Raises:
        ConfigurationError: no credentials, the sandbox is on, or there is nobody to ask.
        KlingError: what went wrong.
    """
    settings = Settings.from_env(environ)
    if settings.sandbox:
        raise ConfigurationError("--live goes to Kling itself, but KLING_MCP_SANDBOX is set; remove one of them.")
    if settings.credential_kind == "none":
        raise ConfigurationError(
            "--live needs Kling credentials, and none are set: set KLING_API_KEY (or KLING_ACCESS_KEY and "
            "KLING_SECRET_KEY) and call again. Without --live the demo needs none."
        )
    print(texts.live_introduction(settings, request))
    if not assume_yes and not _agreed():
        print("Nothing was sent.")
        return False
    row = _play(request, live_server(request, environ))
    print(texts.usage(row))
    print(texts.removal(row))
    print(texts.connection(live=True))
    return True


def _agreed() -> bool:
    """The answer of the person at the terminal.

    Raises:
        ConfigurationError: there is none.
    """
    if not sys.stdin.isatty():
        raise ConfigurationError("There is no terminal to ask at; add --yes to agree to this beforehand.")
    try:
        return input("Go on? [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:
        return False


def _play(request: DemoRequest, server: StdioServerParameters) -> dict[str, Any]:
    async def act() -> dict[str, Any]:
        return await run(request, stdio_client(server, errlog=sys.__stderr__ or sys.stderr), sys.stdout)

    return anyio.run(act)
