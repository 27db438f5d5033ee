"""A task as callers see it: its view and text, the next step, or the error for a failed task."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from kling_mcp.api.models import ElementTask
from kling_mcp.concurrency.clock import iso_utc
from kling_mcp.library.from_kling import records_of
from kling_mcp.library.records import LibraryElement, Submitted
from kling_mcp.sanitize import clean, identifier, quote
from kling_mcp.server.views.elements import ElementRow, element_row, row_text
from kling_mcp.server.views.view import View
from kling_mcp.tasks.entry import ASK_FIRST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.api.models import KlingTask
    from kling_mcp.elements.create import Creation
    from kling_mcp.errors import StillSendingError

MAX_ID_CHARACTERS = 80
_MESSAGE, _EXTERNAL_ID = 300, 128
_OUTCOMES = {
    "submitted": "",
    "already_submitted": "An identical request was sent before; this is its task, and no second one was made.",
    "recovered": "A reply to this request was lost, so its task was looked up at Kling and found; it exists once.",
}


class TaskView(View):
    """A creation and its outcome."""

    SHOWN: ClassVar[tuple[str, ...]] = ("task_id", "task_status", "element_ids")

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

    def headline(self) -> str:
        """How it stands, in a sentence."""
        if self.element_ids:
            is_deleted = all(row.status == "deleted" for row in self.elements)
            return f"{'Deleted' if is_deleted else 'Ready'}: element_ids={', '.join(map(identifier, self.element_ids))}"
        if self.task_status == "failed":
            return "Failed: Kling refused the inputs."
        if not self.task_id:
            return "Kling has no task for it yet."
        if self.task_status == "unknown" and not self.created_at:
            return "Kling has not shown this task yet, so its state is not known."
        if self.task_status == "unknown":
            return "Kling reports a status that this version does not know."
        return "Not ready yet: the task is still running at Kling."

    def lines_of_results(self) -> list[str]:
        """What it made besides elements."""
        return []

    def facts_of_kind(self) -> list[str]:
        """What only a task of its kind has."""
        return []


class FoundTaskView(TaskView):
    """A task that was looked up, and by which kind of id."""

    SHOWN: ClassVar[tuple[str, ...]] = ("task_id", "elements")

    matched_by: str


def task_view(
    task: KlingTask,
    *,
    external_task_id: str = "",
    outcome: str = "",
    waited_seconds: float = 0.0,
    warnings: Sequence[str] = (),
    next_step: str = "",
    submitted: Submitted | None = None,
) -> TaskView:
    """A task as callers see it. `external_task_id` and `submitted` fill in what Kling left out.

    fact: empty-while-running
    """
    made_elements = isinstance(task, ElementTask) and bool(task.elements)
    return TaskView(
        task_id=clean(task.task_id, MAX_ID_CHARACTERS),
        external_task_id=clean(task.external_task_id or external_task_id, _EXTERNAL_ID),
        task_status=task.task_status,
        task_status_msg=clean(task.task_status_msg, _MESSAGE),
        outcome=outcome,
        element_ids=[clean(element_id, MAX_ID_CHARACTERS) for element_id in task.result_ids] if made_elements else [],
        elements=_rows(task, submitted) if isinstance(task, ElementTask) else [],
        waited_seconds=round(waited_seconds, 1),
        units_deducted=clean(task.units_deducted, 20),
        created_at=iso_utc(task.created_at),
        updated_at=iso_utc(task.updated_at),
        warnings=list(warnings),
        next_step=next_step,
    )


def _rows(task: ElementTask, submitted: Submitted | None) -> list[ElementRow]:
    """A row for each element; for a task that has none yet, one with the name that was submitted, if it is known."""
    records = records_of(task, "custom")
    if submitted is not None:
        nothing_yet = [LibraryElement(source="custom", status="pending")]
        records = [submitted.fill_in(record) for record in records or nothing_yet]
    return [element_row(record) for record in records if record.element_id or record.element_name]


def record_view(record: LibraryElement, *, warnings: Sequence[str] = ()) -> TaskView:
    """A record with an element, shown like the task that created it."""
    return TaskView(
        task_id=clean(record.task_id, MAX_ID_CHARACTERS),
        external_task_id=clean(record.external_task_id, _EXTERNAL_ID),
        task_status="succeed",
        task_status_msg="",
        outcome="",
        element_ids=[clean(record.element_id, MAX_ID_CHARACTERS)],
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
    lines = [
        view.headline(),
        *(row_text(row, task_id=view.task_id, created_at=view.created_at) for row in view.elements),
        *view.lines_of_results(),
    ]
    facts = [
        f"task_id={identifier(view.task_id)}",
        view.external_task_id and f"external_task_id={identifier(view.external_task_id, _EXTERNAL_ID)}",
        *view.facts_of_kind(),
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
    lines.append(_OUTCOMES.get(view.outcome, ""))
    label = "Known" if view.task_status == "failed" else "Warning"
    lines.extend(f"{label}: {warning}" for warning in view.warnings)
    lines.append(view.next_step)
    return "\n".join(line for line in lines if line)


def next_wait(task_ids: Sequence[str], purpose: str = "") -> str:
    """The call that continues to wait for these tasks; "" without any.

    Ids are in double quotes, so that clients copy them as text: they have too many digits for a number.
    """
    ids = ", ".join(quote(task_id, _EXTERNAL_ID) for task_id in task_ids)
    return f"Call wait_for_tasks with ids=[{ids}]{purpose or ' again.'}" if ids else ""


def next_step_for(task: KlingTask, *, running: str) -> str:
    """One sentence: what to call next, or "" if nothing is left to do."""
    if task.is_final:
        return ASK_FIRST if task.task_status == "failed" else ""
    if task.task_status == "succeed":
        return "Kling reports success but no result yet; " + running[0].lower() + running[1:]
    return running


def sending_view(error: StillSendingError, waited_seconds: float) -> TaskView:
    """The result of a creating call whose time ran out while its request was on its way: as yet without a task."""
    return task_view(
        ElementTask(),
        external_task_id=error.external_task_id,
        waited_seconds=waited_seconds,
        warnings=[error.message],
        next_step=error.advice,
    )


def creation_view(creation: Creation, purpose: str) -> TaskView:
    """The result of a creating call; `purpose` ends the sentence that says how to continue waiting."""
    task = creation.task
    return task_view(
        task,
        external_task_id=creation.external_task_id,
        outcome=creation.outcome,
        waited_seconds=creation.waited_seconds,
        warnings=creation.warnings,
        next_step=next_step_for(task, running=next_wait([task.task_id], purpose)),
    )
