"""Calls whose arguments come as JSON text, or as an empty text or list: several clients send these.

The SDK would refuse them as invalid parameters, without a reason.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mcp_types import CallToolResult, TextContent

from kling_mcp.errors import InputError, Problem
from kling_mcp.sanitize import quote
from kling_mcp.server.tool_aliases import current_name
from kling_mcp.server.tools import may_create

if TYPE_CHECKING:
    from mcp.server.context import CallNext, HandlerResult, ServerRequestContext

_MOST_LAYERS = 3  # text within text
_SHOWN = 80


async def read_text_arguments(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Middleware: a call whose arguments are no object gets the object that they hold, or a sentence."""
    given = (ctx.params or {}).get("arguments")
    if ctx.method != "tools/call" or given is None or isinstance(given, dict):
        return await call_next(ctx)
    held = _object_in(given)
    if held is None:
        fix = 'send an object, such as {"query": "Mia"}'
        problem = Problem("arguments", "must be a JSON object", quote(str(given)[:_SHOWN], _SHOWN), fix)
        name = current_name(str((ctx.params or {}).get("name", "")))
        text = InputError([problem]).for_caller(may_create=may_create(name))
        return CallToolResult(content=[TextContent(type="text", text=text)], is_error=True)
    return await call_next(replace(ctx, params={**(ctx.params or {}), "arguments": held}))


def _object_in(given: Any) -> dict[str, Any] | None:
    """The object; None if there is none."""
    for _ in range(_MOST_LAYERS):
        if isinstance(given, str) and given.strip():
            with suppress(ValueError, RecursionError):
                given = json.loads(given)
    if isinstance(given, dict):
        return given
    is_empty = given == [] or (isinstance(given, str) and not given.strip())
    return {} if is_empty else None
