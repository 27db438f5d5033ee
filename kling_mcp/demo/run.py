"""Runs the demo: on the simulator, or live after confirmation."""

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
    """Run the demo on the simulator.

    Raises:
        KlingError: what went wrong.
    """
    print(texts.sandbox_introduction(request))
    with tempfile.TemporaryDirectory(prefix="kling-mcp-demo-", ignore_cleanup_errors=True) as state_dir:
        row = _play(request, sandbox_server(request, state_dir, environ))
    print(texts.usage(row))
    print(texts.connection(live=False, environ=environ))


def run_live_demo(request: DemoRequest, environ: Mapping[str, str], *, assume_yes: bool) -> bool:
    """Run the demo on the real API; False if the person at the terminal declined.

    Raises:
        ConfigurationError: no credentials, the sandbox is on, or there is no terminal to ask on.
        KlingError: what went wrong.
    """
    settings = Settings.from_env(environ)
    if settings.sandbox:
        raise ConfigurationError("--live uses the real API, but KLING_MCP_SANDBOX is set; remove one of them.")
    if settings.credential_kind == "none":
        raise ConfigurationError(
            "--live needs Kling credentials, and none are set: set KLING_API_KEY (or KLING_ACCESS_KEY and "
            "KLING_SECRET_KEY) and try again. Without --live the demo needs none."
        )
    print(texts.live_introduction(settings, request))
    if not assume_yes and not _agreed():
        print("Nothing was sent.")
        return False
    row = _play(request, live_server(request, environ))
    print(texts.usage(row))
    print(texts.removal(row))
    print(texts.connection(live=True, environ=environ))
    return True


def _agreed() -> bool:
    """The answer of the person at the terminal.

    Raises:
        ConfigurationError: there is none.
    """
    if not sys.stdin.isatty():
        raise ConfigurationError("There is no terminal to ask on; add --yes to agree in advance.")
    try:
        return input("Continue? [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:
        return False


def _play(request: DemoRequest, server: StdioServerParameters) -> dict[str, Any]:
    async def act() -> dict[str, Any]:
        return await run(request, stdio_client(server, errlog=sys.__stderr__ or sys.stderr), sys.stdout)

    return anyio.run(act)
