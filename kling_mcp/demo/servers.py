"""How the demo starts the server: as a process of its own, on the simulator or for real."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from mcp import StdioServerParameters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kling_mcp.demo.request import DemoRequest

ARGUMENTS = ["-m", "kling_mcp"]
# Settings of the user's that a live run follows; the others would change what the demo shows.
_KEPT = {"KLING_MCP_STATE_DIR", "KLING_MCP_STATE_URL", "KLING_MCP_LOG_LEVEL"}


def sandbox_server(request: DemoRequest, state_dir: str, environ: Mapping[str, str]) -> StdioServerParameters:
    """The server on the simulator. Nothing of the user's settings gets in, and nothing is left behind."""
    env = {
        "KLING_MCP_SANDBOX": "1",
        "KLING_MCP_STATE_DIR": state_dir,
        **_allowed(request),
    }
    if "PYTHONPATH" in environ:  # this package may have been found by it
        env["PYTHONPATH"] = environ["PYTHONPATH"]
    return StdioServerParameters(command=sys.executable, args=ARGUMENTS, env=env)


def live_server(request: DemoRequest, environ: Mapping[str, str]) -> StdioServerParameters:
    """The server with the user's credentials, proxies and state."""
    env = {name: value for name, value in environ.items() if not name.startswith("KLING_MCP_") or name in _KEPT}
    return StdioServerParameters(command=sys.executable, args=ARGUMENTS, env={**env, **_allowed(request)})


def _allowed(request: DemoRequest) -> dict[str, str]:
    folders = request.folders()
    return {"KLING_MCP_MEDIA_DIRS": os.pathsep.join(folders)} if folders else {}
