"""`create_element`: submit a creation and return its task at once."""

from __future__ import annotations

from kling_mcp.server.tool import CREATES, Answer, tool
from kling_mcp.server.tool_context import ToolContext
from kling_mcp.server.tools._creating import CreationArguments, media_problems
from kling_mcp.server.views.tasks import TaskView, next_step_for, raise_if_failed, shown_id, task_text, task_view


@tool(
    "create_element",
    title="Create an element",
    annotations=CREATES,
    arguments=CreationArguments,
    view=TaskView,
    extra_problems=media_problems,
)
async def create_element(arguments: CreationArguments, call: ToolContext) -> Answer:
    """Like create_element_and_wait, but returns the task at once, without an element_id: for making several, then one
    wait_for_elements. Free; delete_element undoes it."""
    creation = await call.account.creator.create(
        arguments.draft(),
        allow_duplicate_name=arguments.allow_duplicate_name,
        patience=call.settings.wait_seconds,
    )
    raise_if_failed(creation.task, creation.external_task_id)
    view = task_view(
        creation.task,
        external_task_id=creation.external_task_id,
        outcome=creation.outcome,
        warnings=creation.warnings,
        next_step=next_step_for(
            creation.task,
            running=f"Call wait_for_elements with ids=[{shown_id(creation.task)}] to get the element_id.",
        ),
    )
    return Answer(view, task_text(view))
