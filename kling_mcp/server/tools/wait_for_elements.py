"""`wait_for_elements`: wait, within bounds, for creations that were submitted before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from kling_mcp.api.models import ElementTask
from kling_mcp.sanitize import quote
from kling_mcp.server.arguments import ToolArguments
from kling_mcp.server.tool import READS, Answer, tool
from kling_mcp.server.tool_context import ToolContext
from kling_mcp.server.views.elements import TaskView, View, task_text, task_view
from kling_mcp.server.views.tasks import voice_warnings
from kling_mcp.settings import MAX_WAIT_SECONDS

if TYPE_CHECKING:
    from kling_mcp.account import Account
    from kling_mcp.tasks.collector import CollectedTask


class WaitArguments(ToolArguments):
    """Which ones, and how long."""

    ids: list[str] = Field(default_factory=list, description="Task ids or external task ids; empty: all unfinished")
    wait_seconds: int = Field(45, ge=0, le=MAX_WAIT_SECONDS)


class WaitView(View):
    """What became of each."""

    SHOWN = ("tasks", "pending", "next_step")

    tasks: list[TaskView]
    pending: int
    next_step: str


@tool(
    "wait_for_elements",
    title="Wait for elements",
    annotations=READS,
    arguments=WaitArguments,
    view=WaitView,
)
async def wait_for_elements(arguments: WaitArguments, call: ToolContext) -> Answer:
    """Wait for elements submitted before, also in another chat or before a restart; tells what is ready, failed or
    pending. Without ids: all unfinished ones. Many at once cost no more than one."""
    seconds = call.wait_seconds(arguments)
    account, started = call.account, call.clock.monotonic()
    collected: list[CollectedTask] = []
    async with call.report_progress(lambda: f"Waiting for {len(collected) or 'the'} element(s) at Kling", seconds):
        collected = await account.collector.resolve(arguments.ids)
        await call.bind_tasks(*(item.external_task_id or item.name for item in collected))
        await account.collector.wait(collected, max(0.0, seconds - (call.clock.monotonic() - started)))
    errors = [item.snapshot.error for item in collected]
    if collected and all(errors) and errors[0] is not None:
        raise errors[0]
    await account.record_results(item.snapshot.task for item in collected if item.snapshot.task)
    waited = call.clock.monotonic() - started
    tasks = [await _view(item, account, waited) for item in collected]
    pending = [view for item, view in zip(collected, tasks, strict=True) if not item.snapshot.is_final]
    view = WaitView(tasks=tasks, pending=len(pending), next_step=_next_step(tasks, pending))
    return Answer(view, _text(view))


async def _view(item: CollectedTask, account: Account, waited: float) -> TaskView:
    sighting = item.snapshot
    task = sighting.task or ElementTask(task_id=item.name if item.name != item.external_task_id else "")
    problems = [item.warning, sighting.last_poll_error.message if sighting.last_poll_error else ""]
    if task.elements:
        problems += voice_warnings(task, await account.asked_voice(task))
    return task_view(
        task,
        external_task_id=item.external_task_id,
        waited_seconds=waited,
        warnings=[problem for problem in problems if problem],
    )


def _next_step(tasks: list[TaskView], pending: list[TaskView]) -> str:
    if not tasks:
        return "Nothing is unfinished; list_elements shows what exists."
    running = [quote(view.task_id, 80) for view in pending if view.task_id]
    return f"Call wait_for_elements with ids=[{', '.join(running)}] again." if running else ""


def _text(view: WaitView) -> str:
    ready = sum(bool(task.element_ids) for task in view.tasks)
    failed = sum(task.task_status == "failed" for task in view.tasks)
    head = f"{ready} ready, {failed} failed, pending={view.pending}."
    return "\n\n".join(part for part in [head, *map(task_text, view.tasks), view.next_step] if part)
