"""`wait_for_tasks`: wait, within bounds, for tasks of any kind that were submitted earlier."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from kling_mcp.server.arguments import ToolArguments, require_exact_ids
from kling_mcp.server.tool import READS, Answer, tool
from kling_mcp.server.tool_context import ToolContext
from kling_mcp.server.views.tasks import CollectedTaskView, collected_view, next_wait, task_text
from kling_mcp.server.views.view import View
from kling_mcp.settings import MAX_WAIT_SECONDS

if TYPE_CHECKING:
    from kling_mcp.elements.refusals import Refusals
    from kling_mcp.tasks.collector import CollectedTask


class WaitArguments(ToolArguments):
    """Which tasks, and how long to wait."""

    ids: list[str] = Field(default_factory=list, description="Task ids or external task ids; empty: all unfinished")
    wait_seconds: int = Field(45, ge=0, le=MAX_WAIT_SECONDS)


class WaitView(View):
    """The state of each task."""

    SHOWN = ("tasks", "pending", "next_step")

    tasks: list[CollectedTaskView]
    pending: int
    next_step: str


@tool("wait_for_tasks", title="Wait for tasks", annotations=READS, arguments=WaitArguments, view=WaitView)
async def wait_for_tasks(arguments: WaitArguments, call: ToolContext) -> Answer:
    """Wait for tasks submitted earlier, also in another chat or before a restart; reports which are ready, failed or
    pending. Without ids: all unfinished ones. Many cost no more than one."""
    require_exact_ids("ids", arguments.ids)
    seconds = call.wait_seconds(arguments)
    account, started = call.account, call.clock.monotonic()
    collected: list[CollectedTask] = []
    async with call.report_progress(lambda: _progress(collected), seconds):
        collected = await account.collector.resolve(arguments.ids)
        await call.bind_tasks(*(item.external_task_id or item.name for item in collected))
        await account.collector.wait(collected, max(0.0, seconds - (call.clock.monotonic() - started)))
    errors = [item.snapshot.error for item in collected]
    if collected and all(errors) and errors[0] is not None:
        raise errors[0]
    await account.record_results(item.snapshot.task for item in collected if item.snapshot.task)
    waited = call.clock.monotonic() - started
    tasks = [await _view(item, waited, account.refusals) for item in collected]
    pending = [(item, view) for item, view in zip(collected, tasks, strict=True) if not item.snapshot.is_final]
    names = [view.task_id or (item.name if item.standing == "sending" else "") for item, view in pending]
    view = WaitView(tasks=tasks, pending=len(pending), next_step=_next_step(tasks, names))
    return Answer(view, _text(view))


async def _view(item: CollectedTask, waited: float, refusals: Refusals) -> CollectedTaskView:
    refusal = await refusals.facts_on(item.snapshot.task) if item.snapshot.task else []
    return collected_view(item, waited, refusal)


def _progress(collected: list[CollectedTask]) -> str:
    count = len(collected)
    sent = next((item.sent for item in collected if item.sent), "")
    waiting = f"Waiting for {count or 'the'} task{'' if count == 1 else 's'} at Kling"
    return f"{waiting}: sending {sent}" if sent else waiting


def _next_step(tasks: list[CollectedTaskView], names: list[str]) -> str:
    if not tasks:
        return "Nothing is unfinished; list_elements shows what exists."
    return next_wait([name for name in names if name])


def _text(view: WaitView) -> str:
    ready = sum(bool(task.element_ids or task.voice_id) for task in view.tasks)
    failed = sum(task.task_status == "failed" for task in view.tasks)
    head = f"{ready} ready, {failed} failed, pending={view.pending}."
    return "\n\n".join(part for part in [head, *map(task_text, view.tasks), view.next_step] if part)
