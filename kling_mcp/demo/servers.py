"""How the demo starts the server: as a separate process, on the simulator or the real API."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from mcp import StdioServerParameters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kling_mcp.demo.request import DemoRequest

ARGUMENTS = ["-m", "kling_mcp"]
# The user's settings that a live run keeps; the others would change what the demo shows.
_KEPT = {"KLING_MCP_STATE_DIR", "KLING_MCP_STATE_URL", "KLING_MCP_LOG_LEVEL"}


def sandbox_server(request: DemoRequest, state_dir: str, environ: Mapping[str, str]) -> StdioServerParameters:
    """The server on the simulator. It ignores the user's settings and leaves nothing behind."""
    env = {
        "KLING_MCP_SANDBOX": "1",
        "KLING_MCP_STATE_DIR": state_dir,
        **_allowed(request),
    }
    if request.film_dir:
        env["KLING_MCP_OUTPUT_DIR"] = request.film_dir
    if "PYTHONPATH" in environ:  # it may be how this package was found
        env["PYTHONPATH"] = environ["PYTHONPATH"]
    return StdioServerParameters(command=sys.executable, args=ARGUMENTS, env=env)


def live_server(request: DemoRequest, environ: Mapping[str, str]) -> StdioServerParameters:
    """The server with the user's credentials, proxies and state."""
    env = {name: value for name, value in environ.items() if not name.startswith("KLING_MCP_") or name in _KEPT}
    return StdioServerParameters(command=sys.executable, args=ARGUMENTS, env={**env, **_allowed(request)})


def _allowed(request: DemoRequest) -> dict[str, str]:
    folders = request.folders()
    return {"KLING_MCP_MEDIA_DIRS": os.pathsep.join(folders)} if folders else {}
