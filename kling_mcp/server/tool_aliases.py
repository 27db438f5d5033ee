"""Older names of tools: they still work but are not listed. A rename leaves its alias here."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mcp.server.context import CallNext, HandlerResult, ServerRequestContext

ALIASES: Mapping[str, str] = MappingProxyType({"wait_for_elements": "wait_for_tasks"})


def current_name(name: str) -> str:
    """The listed name of a tool."""
    return ALIASES.get(name, name)


async def answer_older_names(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Middleware: a call by an older name calls the tool."""
    if ctx.method == "tools/call" and ctx.params and (name := ALIASES.get(str(ctx.params.get("name")))):
        ctx = replace(ctx, params={**ctx.params, "name": name})
    return await call_next(ctx)
