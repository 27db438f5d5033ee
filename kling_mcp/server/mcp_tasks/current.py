"""The background call that code runs in, for those who ask whether there is one."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kling_mcp.server.mcp_tasks.background_call import BackgroundCall

current: ContextVar[BackgroundCall | None] = ContextVar("kling_mcp_background_call", default=None)


def current_background_call() -> BackgroundCall | None:
    """The background call that this code runs in, or None in an ordinary call."""
    return current.get()
