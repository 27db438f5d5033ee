"""A task as callers see it: its view and text, the next step, or the error for a failed task."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from kling_mcp.api.models import ElementTask, VoiceTask
from kling_mcp.concurrency.clock import iso_utc
from kling_mcp.elements.voice_check import voice_warnings
from kling_mcp.library.from_kling import records_of
from kling_mcp.library.records import LibraryElement, Submitted
from kling_mcp.library.voices import voices_of
from kling_mcp.sanitize import clean, identifier, quote
from kling_mcp.server.views.elements import ElementRow, element_row, row_text
from kling_mcp.server.views.files import FileRow, file_row, file_text, file_warnings
from kling_mcp.server.views.view import View
from kling_mcp.tasks.entry import ASK_FIRST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.api.models import KlingTask
    from kling_mcp.elements.create import Creation
    from kling_mcp.errors import StillSendingError
    from kling_mcp.results.saver import SavedFile
    from kling_mcp.tasks.collector import CollectedTask

_MESSAGE, _ID, _EXTERNAL_ID, _PROMPT, _NAME = 300, 80, 128, 200, 60
MAX_TRIAL_URL_CHARACTERS = 500
GENERATIONS = ("video", "image")
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


class CollectedTaskView(TaskView):
    """A task that was waited for: `kind` is `element`, `voice`, `video` or `image`.

    `prompt`, `units_estimated` and `files` belong to videos and pictures, `voice_id` to a voice.
    """

    kind: str
    voice_id: str
    prompt: str
    units_estimated: str
    files: list[FileRow]


class VoiceTaskView(TaskView):
    """A voice and its creation; `trial_url` is an https link that people can listen to, once it is ready."""

    SHOWN: ClassVar[tuple[str, ...]] = ("task_id", "task_status", "voice_id")

    voice_id: str
    voice_name: str
    trial_url: str
    units_estimated: str


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
        task_id=clean(task.task_id, _ID),
        external_task_id=clean(task.external_task_id or external_task_id, _EXTERNAL_ID),
        task_status=task.task_status,
        task_status_msg=clean(task.task_status_msg, _MESSAGE),
        outcome=outcome,
        element_ids=[clean(element_id, _ID) for element_id in task.result_ids] if made_elements else [],
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


def collected_view(
    item: CollectedTask,
    kind: str,
    waited_seconds: float,
    *,
    refusal: Sequence[str] = (),
    files: Sequence[SavedFile] = (),
    units_estimated: str = "",
) -> CollectedTaskView:
    """A task that was waited for. `kind` is what callers call it; `refusal` is what is known of a failed one."""
    task: KlingTask = item.snapshot.task or ElementTask(task_id=item.name if item.name != item.external_task_id else "")
    error = item.snapshot.error or item.snapshot.last_poll_error
    warnings = [*refusal, item.warning or (error.message if error else ""), *file_warnings(files)]
    is_generation = kind in GENERATIONS
    if isinstance(task, ElementTask):
        warnings += voice_warnings(task, item.memo.get("voice_id", ""))
    view = task_view(
        task,
        external_task_id=item.external_task_id,
        waited_seconds=waited_seconds,
        warnings=[warning for warning in warnings if warning],
        next_step=next_step_for(task, running="") if task.is_final else "",
        submitted=_submitted(item) if kind == "element" else None,
    )
    voice_ids = task.result_ids if isinstance(task, VoiceTask) else []
    return CollectedTaskView(
        **dict(view),
        kind=kind,
        voice_id=clean(voice_ids[0], _ID) if voice_ids else "",
        prompt=clean(item.memo.get("prompt", ""), _PROMPT) if is_generation else "",
        units_estimated=units_estimated,
        files=[file_row(file) for file in files],
    )


def voice_view(
    task: VoiceTask,
    *,
    voice_name: str,
    units_estimated: str,
    external_task_id: str = "",
    outcome: str = "",
    waited_seconds: float = 0.0,
    warnings: Sequence[str] = (),
    next_step: str = "",
) -> VoiceTaskView:
    """A voice that was asked for under this name."""
    view = task_view(
        task,
        external_task_id=external_task_id,
        outcome=outcome,
        waited_seconds=waited_seconds,
        warnings=warnings,
        next_step=next_step,
    )
    made = voices_of(task, "custom")[0] if task.voices else None
    return VoiceTaskView(
        **dict(view),
        voice_id=clean(made.voice_id, _ID) if made else "",
        voice_name=clean(voice_name or (made.voice_name if made else ""), _NAME),
        trial_url=made.trial_url if made and len(made.trial_url) <= MAX_TRIAL_URL_CHARACTERS else "",
        units_estimated=units_estimated,
    )


def _submitted(item: CollectedTask) -> Submitted | None:
    """What was asked for, if it is known and may exist."""
    return Submitted.of(item.label, item.memo) if item.label and item.standing != "never_arrived" else None


def record_view(record: LibraryElement, *, warnings: Sequence[str] = ()) -> TaskView:
    """A record with an element, shown like the task that created it."""
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
    lines = [
        _headline(view),
        *(row_text(row, task_id=view.task_id, created_at=view.created_at) for row in view.elements),
    ]
    of_generation: list[str] = []
    if isinstance(view, VoiceTaskView):
        of_generation = [f"voice_name={quote(view.voice_name, _NAME)}", f"units_estimated={view.units_estimated}"]
        lines.append(view.trial_url and f"Listen at trial_url={view.trial_url}")
    if isinstance(view, CollectedTaskView):
        lines += [file_text(row) for row in view.files]
        of_generation = [
            f"kind={view.kind}",
            view.prompt and f"prompt={quote(view.prompt, _PROMPT)}",
            view.units_estimated and f"units_estimated={identifier(view.units_estimated)}",
        ]
    facts = [
        f"task_id={identifier(view.task_id)}",
        view.external_task_id and f"external_task_id={identifier(view.external_task_id, _EXTERNAL_ID)}",
        *of_generation,
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


def _headline(view: TaskView) -> str:
    if isinstance(view, CollectedTaskView | VoiceTaskView) and view.voice_id:
        return f"Ready: voice_id={identifier(view.voice_id)}"
    if isinstance(view, CollectedTaskView) and view.files:
        saved = ", saved" if all(row.path for row in view.files) else ""
        return f"Ready: {'video' if view.kind == 'video' else 'pictures'}{saved}."
    if view.element_ids:
        is_deleted = all(row.status == "deleted" for row in view.elements)
        return f"{'Deleted' if is_deleted else 'Ready'}: element_ids={', '.join(map(identifier, view.element_ids))}"
    if view.task_status == "failed":
        return "Failed: Kling refused the inputs."
    if not view.task_id:
        return "Kling has no task for it yet."
    if view.task_status == "unknown" and not view.created_at:
        return "Kling has not shown this task yet, so its state is not known."
    if view.task_status == "unknown":
        return "Kling reports a status that this version does not know."
    return "Not ready yet: the task is still running at Kling."


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
