"""A task as a caller sees it: its view and text, the next step, or the error that a failed task is."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from kling_mcp.concurrency.clock import iso_utc
from kling_mcp.errors import TaskFailedError
from kling_mcp.sanitize import clean, identifier, quote
from kling_mcp.server.views.elements import ElementRow, element_row, row_text, task_rows
from kling_mcp.server.views.view import View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.api.models import ElementTask
    from kling_mcp.library.records import LibraryElement

_MESSAGE, _ID, _EXTERNAL_ID = 300, 80, 128


class TaskView(View):
    """A creation and what came of it."""

    SHOWN: ClassVar[tuple[str, ...]] = ("task_id", "task_status", "element_ids", "next_step")

    task_id: str
    external_task_id: str
    task_status: Literal["submitted", "processing", "succeed", "failed", "unknown"]
    task_status_msg: str
    outcome: str
    element_ids: list[str]
    elements: list[ElementRow]
    waited_seconds: float
    units_deducted: str
    created_at: str
    updated_at: str
    warnings: list[str]
    next_step: str


class FoundTaskView(TaskView):
    """A task that was looked up, and by which kind of id."""

    SHOWN: ClassVar[tuple[str, ...]] = ("task_id", "elements", "matched_by")

    matched_by: str


def task_view(
    task: ElementTask,
    *,
    external_task_id: str = "",
    outcome: str = "",
    waited_seconds: float = 0.0,
    warnings: Sequence[str] = (),
    next_step: str = "",
) -> TaskView:
    """A task as a caller sees it. `external_task_id` fills in what Kling left out (empty-while-running)."""
    return TaskView(
        task_id=clean(task.task_id, _ID),
        external_task_id=clean(task.external_task_id or external_task_id, _EXTERNAL_ID),
        task_status=task.task_status,
        task_status_msg=clean(task.task_status_msg, _MESSAGE),
        outcome=outcome,
        element_ids=[clean(element_id, _ID) for element_id in task.element_ids],
        elements=task_rows(task) if task.elements else [],
        waited_seconds=round(waited_seconds, 1),
        units_deducted=clean(task.final_unit_deduction, 20),
        created_at=iso_utc(task.created_at),
        updated_at=iso_utc(task.updated_at),
        warnings=list(warnings),
        next_step=next_step,
    )


def record_view(record: LibraryElement, *, warnings: Sequence[str] = ()) -> TaskView:
    """A record with an element, told like the task that made it."""
    return TaskView(
        task_id=clean(record.task_id, _ID),
        external_task_id=clean(record.external_task_id, _EXTERNAL_ID),
        task_status="succeed",
        task_status_msg="",
        outcome="",
        element_ids=[clean(record.element_id, _ID)],
        elements=[element_row(record)],
        waited_seconds=0.0,
        units_deducted="",
        created_at=iso_utc(record.created_at_ms),
        updated_at="",
        warnings=list(warnings),
        next_step="",
    )


def task_text(view: TaskView) -> str:
    """The facts of a task, the most important first."""
    lines = [_headline(view), *(row_text(row) for row in view.elements)]
    facts = [
        f"task_id={identifier(view.task_id)}",
        view.external_task_id and f"external_task_id={identifier(view.external_task_id, _EXTERNAL_ID)}",
        f"task_status={view.task_status}",
        view.task_status_msg and f"task_status_msg={quote(view.task_status_msg, _MESSAGE)}",
        view.outcome and f"outcome={view.outcome}",
        f"waited_seconds={view.waited_seconds}",
        view.units_deducted and f"units_deducted={identifier(view.units_deducted)}",
        view.created_at and f"created_at={view.created_at}",
        view.updated_at and f"updated_at={view.updated_at}",
        isinstance(view, FoundTaskView) and f"matched_by={view.matched_by}",
    ]
    lines.append(" ".join(fact for fact in facts if fact))
    lines.extend(f"Warning: {warning}" for warning in view.warnings)
    lines.append(view.next_step)
    return "\n".join(line for line in lines if line)


def _headline(view: TaskView) -> str:
    if view.element_ids:
        is_deleted = all(row.status == "deleted" for row in view.elements)
        return f"{'Deleted' if is_deleted else 'Ready'}: element_ids={', '.join(map(identifier, view.element_ids))}"
    if view.task_status == "failed":
        return "Failed: Kling refused the inputs."
    if view.task_status == "unknown":
        return "Kling reports a state that this version does not know."
    return "Not ready yet: the task is still running at Kling."


def raise_if_failed(task: ElementTask, external_task_id: str = "") -> None:
    """A failed task is an error with Kling's reason. fact: failed-has-no-code

    Raises:
        TaskFailedError: says that the inputs were refused, not the network.
    """
    if task.task_status != "failed":
        return
    reason = clean(task.task_status_msg, _MESSAGE)
    name = clean(task.external_task_id or external_task_id, _EXTERNAL_ID)
    raise TaskFailedError(
        f"Kling accepted task {clean(task.task_id, _ID)} (external_task_id {name or '-'}) and then refused its "
        f"inputs{f', saying {quote(reason, _MESSAGE)}' if reason else ' without a reason'}. The network was fine.",
        task_id=task.task_id,
        external_task_id=name,
        advice="Change the pictures, the name or the description, then create again.",
    )


def voice_warnings(task: ElementTask, asked_voice_id: str) -> list[str]:
    """Whether the voice that was asked for is really bound. facts: voice-on-images, video-voice-unreliable"""
    asked = asked_voice_id.strip()
    warnings: list[str] = []
    for element in task.elements:
        bound = element.element_voice_info.voice_id
        if not asked or bound == asked or element.is_deleted:
            continue
        instead = f"shows the voice {identifier(bound)} instead" if bound else "shows no voice"
        warnings.append(
            f"Kling did not bind the voice {identifier(asked)}: element {identifier(element.element_id)} {instead}. "
            "Check the id with find_voices; a voice fits humanoid elements only."
        )
    return warnings


def shown_id(task: ElementTask) -> str:
    """The task's id between double quotes, so that whoever copies it sends text: its digits exceed a number's."""
    return quote(task.task_id, _ID)


def next_step_for(task: ElementTask, *, running: str) -> str:
    """One sentence: what to call next, or "" where nothing is left to do."""
    if task.is_final:
        return ""
    if task.task_status == "succeed":
        return "Kling says it is done but names no element yet; " + running[0].lower() + running[1:]
    return running
