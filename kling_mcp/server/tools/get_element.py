"""`get_element`: one task, and what came of it, by its id."""

from __future__ import annotations

from pydantic import Field

from kling_mcp.errors import InputError, Problem
from kling_mcp.server.arguments import ToolArguments
from kling_mcp.server.call import Call
from kling_mcp.server.tools._base import READS, Answer, tool
from kling_mcp.server.tools._telling import next_step_for, raise_if_failed, shown_id
from kling_mcp.server.views import FoundTaskView, task_text, task_view


class GetElementArguments(ToolArguments):
    """Which one."""

    id: str = Field(description="Task id or external task id")


@tool(
    "get_element",
    title="Get one element",
    annotations=READS,
    arguments=GetElementArguments,
    view=FoundTaskView,
)
async def get_element(arguments: GetElementArguments, call: Call) -> Answer:
    """Look up one creation and its element by task id or external task id. Returns at once; it does not
    wait."""
    wanted = arguments.id.strip()
    if not wanted:
        raise InputError([Problem("id", "names a task", "nothing", "give a task id or an external task id")])
    task = await call.account.client.get_task(wanted)
    raise_if_failed(task)
    view = task_view(
        task, next_step=next_step_for(task, running=f"Call get_element with id={shown_id(task)} again later.")
    )
    found = FoundTaskView(
        **view.model_dump(exclude={"elements"}),
        elements=view.elements,
        matched_by="task_id" if task.task_id == wanted else "external_task_id",
    )
    return Answer(found, task_text(found))
