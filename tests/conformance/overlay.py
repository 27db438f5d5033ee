"""The real server with the fixtures of the official conformance suite beside its own tools, over http on loopback.

    python tests/conformance/overlay.py

Serves on a free port, whose address it prints first.
For tests only: the fixtures are no part of the product, and the run without them is shown, too.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import uvicorn
from general_fixtures import add_general_fixtures
from task_fixtures import MODES, add_task_fixtures

from kling_mcp.runtime import Runtime
from kling_mcp.server.build import build_server
from kling_mcp.server.mcp_tasks.extension import TasksExtension
from kling_mcp.settings import Settings

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

HOST = "127.0.0.1"
# The scenarios make dozens of tasks: nothing is gained by letting each wait its full grace.
GRACE_SECONDS = 0.3


def build_overlay() -> MCPServer[Any]:
    """What `build_server` builds for the sandbox, and the fixtures."""
    settings = Settings(sandbox=True)
    runtime = Runtime(settings, transport="http")
    server = build_server(settings, runtime, tasks=TasksExtension(MODES, grace=GRACE_SECONDS))
    add_general_fixtures(server)
    add_task_fixtures(server)
    return server


def main() -> None:
    """Serve until terminated."""
    with socket.create_server((HOST, 0)) as listener:
        print(f"http://{HOST}:{listener.getsockname()[1]}/mcp", flush=True)
        config = uvicorn.Config(build_overlay().streamable_http_app(host=HOST), log_level="warning", ws="none")
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
