"""A request that is refused before any tool is called: a status, and a sentence as a JSON-RPC error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcp_types import INVALID_REQUEST
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response


def refusal(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> Response:
    """The response."""
    body = {"jsonrpc": "2.0", "id": None, "error": {"code": INVALID_REQUEST, "message": sentence}}
    return JSONResponse(body, status, headers)
