"""`list_elements`: one page of the account's own elements."""

from __future__ import annotations

from kling_mcp.server.tool import READS, Answer, tool
from kling_mcp.server.tool_context import ToolContext
from kling_mcp.server.tools._paging import PageArguments
from kling_mcp.server.views.elements import ElementPage, page_text, page_view, room_for_notes
from kling_mcp.server.views.search_notes import refusal_notes

_WHAT = "of your elements and tasks"


@tool(
    "list_elements",
    title="List your elements",
    annotations=READS,
    arguments=PageArguments,
    view=ElementPage,
    search_hint="my characters",
    is_long=True,
)
async def list_elements(arguments: PageArguments, call: ToolContext) -> Answer:
    """One page of your own elements, with running, failed and deleted ones. To search: find_elements."""
    account = call.account
    tasks = await account.client.list_elements(arguments.page_num, arguments.page_size)
    is_full = len(tasks) >= arguments.page_size
    records = await account.library.records_of(tasks)
    view = page_view(records, arguments.page_num, arguments.page_size, is_full=is_full)
    text = page_text(view, _WHAT)
    room = room_for_notes(text, len(view.elements))
    if notes := await refusal_notes(account, records[: arguments.page_size], room):
        view = view.model_copy(update={"notes": notes})
        text = page_text(view, _WHAT)
    return Answer(view, text)
