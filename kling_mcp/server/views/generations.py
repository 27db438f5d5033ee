"""A generation as callers see it: its files, its price, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from kling_mcp.concurrency.clock import iso_utc
from kling_mcp.generation.memo import GenerationMemo
from kling_mcp.sanitize import clean, identifier, quote
from kling_mcp.server.views.files import FileRow, file_row, file_text, file_warnings
from kling_mcp.server.views.view import View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.api.generation_models import GenerationTask
    from kling_mcp.generation.generator import GenerationRequest
    from kling_mcp.results.saver import SavedFile
    from kling_mcp.tasks.entry import JournalEntry

_MESSAGE, _ID = 300, 128


class GenerationView(View):
    """A generation. `request` is JSON text of what is sent, media shortened; `price` is told if nothing was sent."""

    SHOWN: ClassVar[tuple[str, ...]] = ("task_id", "task_status", "files")

    kind: Literal["video", "image"]
    task_id: str
    external_task_id: str
    task_status: Literal["", "submitted", "processing", "succeed", "failed", "unknown"]
    task_status_msg: str
    outcome: str
    take: int
    files: list[FileRow]
    units_estimated: str
    units_deducted: str
    price: str
    request: str
    waited_seconds: float
    created_at: str
    updated_at: str
    warnings: list[str]
    next_step: str


def next_step_after(task: GenerationTask, files: Sequence[SavedFile]) -> str:
    """What to call next, or "": what was paid for is waited for, and saved by a later call if it is not yet."""
    ids = f"ids=[{quote(task.task_id)}]"
    if not task.is_final:
        return f"Call wait_for_tasks with {ids}."
    if any(file.may_be_saved_later for file in files):
        return f"It is made and paid for. To save what is missing, repeat this call, or call wait_for_tasks with {ids}."
    return ""


def generation_view(
    request: GenerationRequest,
    task: GenerationTask | None = None,
    *,
    external_task_id: str = "",
    outcome: str = "",
    files: Sequence[SavedFile] = (),
    waited_seconds: float = 0.0,
    warnings: Sequence[str] = (),
    next_step: str = "",
) -> GenerationView:
    """A generation, or without a task what a dry run shows."""
    estimate = request.prepared.estimate
    return GenerationView(
        kind=request.product,
        task_id=clean(task.task_id, _ID) if task else "",
        external_task_id=clean((task.external_task_id if task else "") or external_task_id, _ID),
        task_status=task.task_status if task else "",
        task_status_msg=clean(task.task_status_msg, _MESSAGE) if task else "",
        outcome=outcome,
        take=request.memo.take,
        files=[file_row(file) for file in files],
        units_estimated=estimate.units,
        units_deducted=clean(task.units_deducted, 20) if task else "",
        price="" if task or external_task_id else str(estimate),
        request=request.memo.request,
        waited_seconds=round(waited_seconds, 1),
        created_at=iso_utc(task.created_at) if task else "",
        updated_at=iso_utc(task.updated_at) if task else "",
        warnings=list(dict.fromkeys([*request.prepared.notes, *warnings, *file_warnings(files)])),
        next_step=next_step,
    )


def followed_view(
    entry: JournalEntry, task: GenerationTask, files: Sequence[SavedFile], *, waited_seconds: float
) -> GenerationView:
    """A generation that another process submitted, as the journal knows it."""
    return GenerationView(
        kind="image" if entry.product == "image" else "video",
        task_id=clean(task.task_id, _ID),
        external_task_id=clean(task.external_task_id or entry.external_task_id, _ID),
        task_status=task.task_status,
        task_status_msg=clean(task.task_status_msg, _MESSAGE),
        outcome="recovered",
        take=GenerationMemo.from_journal(entry.memo).take,
        files=[file_row(file) for file in files],
        units_estimated=entry.units_estimated or "unknown",
        units_deducted=clean(task.units_deducted, 20),
        price="",
        request=entry.memo.get("request", ""),
        waited_seconds=round(waited_seconds, 1),
        created_at=iso_utc(task.created_at),
        updated_at=iso_utc(task.updated_at),
        warnings=file_warnings(files),
        next_step=next_step_after(task, files),
    )


def generation_text(view: GenerationView) -> str:
    """The facts of a generation, the most important first."""
    lines = [_headline(view), *(file_text(row) for row in view.files), view.price and f"Price: {view.price}"]
    facts = [
        view.task_id and f"task_id={identifier(view.task_id)}",
        view.external_task_id and f"external_task_id={identifier(view.external_task_id, _ID)}",
        view.task_status and f"task_status={view.task_status}",
        view.task_status_msg and f"task_status_msg={quote(view.task_status_msg, _MESSAGE)}",
        view.outcome and f"outcome={view.outcome}",
        view.take > 1 and f"take={view.take}",
        f"units_estimated={quote(view.units_estimated) if ' ' in view.units_estimated else view.units_estimated}",
        view.units_deducted and f"units_deducted={identifier(view.units_deducted)}",
        f"waited_seconds={view.waited_seconds}",
        view.created_at and f"created_at={view.created_at}",
        view.updated_at and f"updated_at={view.updated_at}",
    ]
    lines.append(" ".join(fact for fact in facts if fact))
    if view.outcome == "already_submitted":
        lines.append("An identical request was made before; this is its result, and nothing was paid again.")
    lines += [f"Note: {warning}" for warning in view.warnings]
    if not view.task_id:
        lines.append(f"Request: {view.request}")
    lines.append(view.next_step)
    return "\n".join(line for line in lines if line)


def _headline(view: GenerationView) -> str:
    kind = "video" if view.kind == "video" else "pictures"
    if not view.task_id:
        return "Dry run: nothing was sent and nothing was paid."
    if view.task_status == "succeed":
        kind = kind if len(view.files) != 1 or view.kind == "video" else "picture"
        saved = sum(bool(row.path) for row in view.files)
        return f"Ready: {kind}{', saved' if saved == len(view.files) else ''}."
    if view.task_status == "failed":
        return f"Failed: Kling refused to make the {kind}."
    return f"Not ready yet: Kling is making the {kind}."
