"""`create_element`: submit a creation and return its task at once."""

from __future__ import annotations

from kling_mcp.server.tool import CREATES, Answer, tool
from kling_mcp.server.tool_context import ToolContext
from kling_mcp.server.tools._creating import CreationArguments, media_problems
from kling_mcp.server.views.tasks import TaskView, creation_view, task_text
from kling_mcp.tasks.submit import raise_if_failed


@tool(
    "create_element",
    title="Create an element",
    annotations=CREATES,
    arguments=CreationArguments,
    view=TaskView,
    extra_problems=media_problems,
)
async def create_element(arguments: CreationArguments, call: ToolContext) -> Answer:
    """Like create_element_and_wait, but returns the task at once, without an element_id: to create several, then call
    wait_for_tasks once. Free; delete_element undoes it."""
    account = call.account
    creation = await account.creator.create(
        arguments.draft(),
        allow_duplicate_name=arguments.allow_duplicate_name,
        timeout=call.settings.wait_seconds,
    )
    raise_if_failed(creation.task, creation.external_task_id, await account.refusals.facts_on(creation.task))
    view = creation_view(creation, " to get the element_id.")
    return Answer(view, task_text(view))
