"""Calls that are answered in one piece: the SDK need not be ready to turn their answer into an event stream.

Of every call the SDK would otherwise run two tasks and a timer, in case there is progress to report, and that is a
sixth of a short call. Without them a call is not given up when its caller leaves, and nothing is sent until its answer
is: both only suit calls that read, report nothing and are soon done. Which calls these are, the SDK's headers say; it
compares them with the body itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from starlette.datastructures import Headers

from kling_mcp.server.tools import SHORT

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

PATH = "/mcp"


class OnePiece:
    """Sends short calls of the newest protocol to `plain`, and everything else to `app`."""

    def __init__(self, app: ASGIApp, plain: ASGIApp) -> None:
        """`plain` is the same server without event streams."""
        self._app = app
        self._plain = plain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        is_short = (
            headers.get("mcp-name") in SHORT
            and headers.get("mcp-method") == "tools/call"
            and headers.get("mcp-protocol-version") in MODERN_PROTOCOL_VERSIONS
            and scope["path"] == PATH
        )
        await (self._plain if is_short else self._app)(scope, receive, send)
