"""`create_element_and_wait`: submit a creation and wait, within bounds, for the element id."""

from __future__ import annotations

from pydantic import Field

from kling_mcp.sanitize import quote
from kling_mcp.server.tool import CREATES, Answer, tool
from kling_mcp.server.tool_context import ToolContext
from kling_mcp.server.tools._creating import CreationArguments, media_problems
from kling_mcp.server.views.tasks import (
    TaskView,
    next_step_for,
    raise_if_failed,
    shown_id,
    task_text,
    task_view,
    voice_warnings,
)
from kling_mcp.settings import MAX_WAIT_SECONDS
from kling_mcp.tasks.poller import TaskSnapshot


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
    """Make a reusable element from 2 to 4 pictures, or one clip, and wait for its element_ids (5 s to 2 min). If
    wait_seconds runs out, the answer names the task and the next call. Free; delete_element undoes it."""
    seconds = call.wait_seconds(arguments)
    account, started = call.account, call.clock.monotonic()
    name = quote(arguments.element_name, 40)
    async with call.report_progress(lambda: f"Creating {name} at Kling", seconds):
        creation = await account.creator.create(
            arguments.draft(),
            allow_duplicate_name=arguments.allow_duplicate_name,
            patience=seconds,
            on_claim=call.bind_tasks,
        )
        task = creation.task
        left = seconds - (call.clock.monotonic() - started)
        sighting = TaskSnapshot(task)
        if not task.is_final and left > 0:
            sightings = await account.poller.wait([task.task_id], left, known={task.task_id: task})
            sighting = sightings[task.task_id]
    task = sighting.task or task
    await account.record_results([task])
    raise_if_failed(task, creation.external_task_id)
    trouble = (
        [f"The last look at the task failed: {sighting.last_poll_error.message}"] if sighting.last_poll_error else []
    )
    view = task_view(
        task,
        external_task_id=creation.external_task_id,
        outcome=creation.outcome,
        waited_seconds=call.clock.monotonic() - started,
        warnings=[*creation.warnings, *trouble, *voice_warnings(task, arguments.element_voice_id)],
        next_step=next_step_for(
            task, running=f"Call wait_for_elements with ids=[{shown_id(task)}]; creating again is not needed."
        ),
    )
    return Answer(view, task_text(view))
