"""Refuses names and addresses of megabytes before the SDK looks them up: it would repeat them in answer and log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp import MCPError
from mcp_types import INVALID_PARAMS

if TYPE_CHECKING:
    from mcp.server.context import CallNext, HandlerResult, ServerRequestContext

MAX_NAME_CHARACTERS = 4096  # of a resource's address, which may hold a name in percent-encoding


async def refuse_long_names(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Middleware: the name of a tool or prompt and the address of a resource have a length."""
    for field in ("name", "uri"):
        value = (ctx.params or {}).get(field)
        if isinstance(value, str) and len(value) > MAX_NAME_CHARACTERS:
            raise MCPError(INVALID_PARAMS, f"{field} must have at most {MAX_NAME_CHARACTERS} characters")
    return await call_next(ctx)
