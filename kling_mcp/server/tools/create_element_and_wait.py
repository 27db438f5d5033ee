"""`create_element_and_wait`: submit a creation and wait, within bounds, for the element id."""

from __future__ import annotations

from pydantic import Field

from kling_mcp.sanitize import quote
from kling_mcp.server.tool import CREATES, Answer, tool
from kling_mcp.server.tool_context import ToolContext
from kling_mcp.server.tools._creating import CreationArguments, media_problems
from kling_mcp.server.views.tasks import TaskView, creation_view, task_text
from kling_mcp.settings import MAX_WAIT_SECONDS


class CreateAndWaitArguments(CreationArguments):
    """The creation arguments and how long to wait."""

    wait_seconds: int = Field(45, ge=0, le=MAX_WAIT_SECONDS)


@tool(
    "create_element_and_wait",
    title="Create an element and wait",
    annotations=CREATES,
    arguments=CreateAndWaitArguments,
    view=TaskView,
    extra_problems=media_problems,
)
async def create_element_and_wait(arguments: CreateAndWaitArguments, call: ToolContext) -> Answer:
    """Create a reusable element from 2 to 4 pictures or one clip, and wait for its element_ids (5 s to 2 min). If
    wait_seconds runs out, the answer names the task and the next call. Several: create_element. Free; delete_element
    undoes it."""
    seconds = call.wait_seconds(arguments)
    name = quote(arguments.element_name, 40)
    async with call.report_progress(lambda: f"Creating {name} at Kling", seconds):
        creation = await call.account.creator.create_and_wait(
            arguments.draft(),
            allow_duplicate_name=arguments.allow_duplicate_name,
            wait_seconds=seconds,
            on_claim=call.bind_tasks,
        )
    view = creation_view(creation, "; do not create it again.")
    return Answer(view, task_text(view))
