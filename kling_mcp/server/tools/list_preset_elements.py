"""`list_preset_elements`: one page of Kling's official elements."""

from __future__ import annotations

from kling_mcp.library.from_kling import records_of
from kling_mcp.server.tool import READS, Answer, tool
from kling_mcp.server.tool_context import ToolContext
from kling_mcp.server.tools._paging import PageArguments
from kling_mcp.server.views.elements import ElementPage, page_text, page_view


@tool(
    "list_preset_elements",
    title="List official elements",
    annotations=READS,
    arguments=PageArguments,
    view=ElementPage,
    search_hint="stock characters",
    is_long=True,
)
async def list_preset_elements(arguments: PageArguments, call: ToolContext) -> Answer:
    """One page of Kling's official elements. To search: find_elements."""
    tasks = await call.account.client.list_preset_elements(arguments.page_num, arguments.page_size)
    records = [record for task in tasks for record in records_of(task, "preset")]
    is_full = len(tasks) >= arguments.page_size
    view = page_view(records, arguments.page_num, arguments.page_size, is_full=is_full)
    return Answer(view, page_text(view, "official elements"))
