"""Tasks, rows and pages as callers see them, each with a short text with the same facts.

Text that comes from Kling is cleaned and capped here, once, for both forms.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from kling_mcp.api.limits import TAGS
from kling_mcp.concurrency.clock import iso_utc
from kling_mcp.sanitize import clean, identifier, quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.api.models import Element, ElementTask, Tag

RowStatus = Literal["ready", "pending", "failed", "deleted"]

_NAME, _DESCRIPTION, _MESSAGE = 60, 120, 300
_ID, _EXTERNAL_ID, _OWNER = 80, 128, 40
LAST_PAGE_NUM = 1000  # section 4.4 of the API reference


class View(BaseModel):
    """A result. Every field is always present; empty text and lists stand for "none".

    Attributes:
        SHOWN: the fields that `tools/list` names, because a program steers by them; a result explains the rest itself.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    SHOWN: ClassVar[tuple[str, ...]] = ()


class ElementRow(View):
    """One element, or a task that has none yet."""

    SHOWN: ClassVar[tuple[str, ...]] = ("element_id", "element_name", "status")

    element_id: str
    element_name: str
    element_description: str
    reference_type: str
    tags: list[str]
    voice_id: str
    voice_name: str
    owned_by: str
    status: RowStatus
    task_id: str
    created_at: str


class TaskView(View):
    """A creation and its outcome."""

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


class ElementPage(View):
    """One page of a list."""

    SHOWN: ClassVar[tuple[str, ...]] = ("elements", "has_more")

    elements: list[ElementRow]
    page_num: int
    page_size: int
    has_more: bool


def tag_name(tag: Tag) -> str:
    """Kling's name of a tag; its id where it has none."""
    return clean(tag.name or TAGS.get(tag.tag_id, tag.tag_id), 40)


def element_row(element: Element, task: ElementTask) -> ElementRow:
    """One element of a task."""
    voice = element.element_voice_info
    ready = task.task_status == "succeed" or element.status.lower() in {"succeed", "succeeded"}
    status: RowStatus = "deleted" if element.is_deleted else "ready" if ready else pending_or_failed(task)
    return ElementRow(
        element_id=clean(element.element_id, _ID),
        element_name=clean(element.element_name, _NAME),
        element_description=clean(element.element_description, _DESCRIPTION),
        reference_type=element.kind,
        tags=[name for name in map(tag_name, element.tag_list) if name],
        voice_id=clean(voice.voice_id, _ID),
        voice_name=clean(voice.voice_name, _NAME),
        owned_by=clean(element.owned_by, _OWNER),
        status=status,
        task_id=clean(task.task_id, _ID),
        created_at=iso_utc(task.created_at),
    )


def pending_or_failed(task: ElementTask) -> RowStatus:
    """The state of a task that has no element."""
    return "failed" if task.task_status == "failed" else "pending"


def task_rows(task: ElementTask) -> list[ElementRow]:
    """A row for each element; one row without an id for a task that has none yet. fact: list-is-tasks

    A record with neither id has no row.
    """
    if task.elements or not task.task_id:
        return [element_row(element, task) for element in task.elements]
    return [
        ElementRow(
            element_id="",
            element_name="",
            element_description="",
            reference_type="",
            tags=[],
            voice_id="",
            voice_name="",
            owned_by="",
            status=pending_or_failed(task),
            task_id=clean(task.task_id, _ID),
            created_at=iso_utc(task.created_at),
        )
    ]


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
        elements=[element_row(element, task) for element in task.elements],
        waited_seconds=round(waited_seconds, 1),
        units_deducted=clean(task.final_unit_deduction, 20),
        created_at=iso_utc(task.created_at),
        updated_at=iso_utc(task.updated_at),
        warnings=list(warnings),
        next_step=next_step,
    )


def row_text(row: ElementRow) -> str:
    """One line with every fact of the row that is not empty."""
    facts = [
        row.element_id and f"element_id={identifier(row.element_id)}",
        row.element_name and f"name={quote(row.element_name, _NAME)}",
        f"status={row.status}",
        row.reference_type,
        row.tags and f"tags={', '.join(map(identifier, row.tags))}",
        row.voice_id and f"voice={identifier(row.voice_id)}",
        row.voice_name and f"voice_name={quote(row.voice_name, _NAME)}",
        row.owned_by and f"owned_by={identifier(row.owned_by)}",
        row.task_id and f"task={identifier(row.task_id)}",
        row.created_at and f"created={row.created_at}",
        row.element_description and f"description={quote(row.element_description, _DESCRIPTION)}",
    ]
    return "- " + "; ".join(fact for fact in facts if fact)


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


def page_view(tasks: Sequence[ElementTask], page_num: int, page_size: int) -> ElementPage:
    """One page, never more than was asked for. There is no total; a full one may have a next. fact: list-no-total"""
    rows = (row for task in tasks for row in task_rows(task))
    return ElementPage(
        elements=list(itertools.islice(rows, page_size)),
        page_num=page_num,
        page_size=page_size,
        has_more=len(tasks) >= page_size and page_num < LAST_PAGE_NUM,
    )


def page_text(view: ElementPage, what: str) -> str:
    """The rows of a page, and how to get the next."""
    head = f"{len(view.elements)} {what} on page_num={view.page_num} (page_size={view.page_size})."
    more = (
        f"has_more=true: call again with page_num={view.page_num + 1}."
        if view.has_more
        else "has_more=false: this is the last page."
    )
    return "\n".join([head, *map(row_text, view.elements), more])
