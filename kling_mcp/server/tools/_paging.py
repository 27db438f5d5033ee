"""The arguments of both listing tools."""

from __future__ import annotations

from pydantic import Field

from kling_mcp.server.arguments import ToolArguments
from kling_mcp.server.views.elements import LAST_PAGE_NUM


class PageArguments(ToolArguments):
    """A page of a list. fact: list-range"""

    page_num: int = Field(1, ge=1, le=LAST_PAGE_NUM)
    page_size: int = Field(30, ge=1, le=500)
