"""A task of any kind that was waited for, as callers see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_mcp.api.models import ElementTask, VoiceTask
from kling_mcp.elements.voice_check import voice_warnings
from kling_mcp.library.records import Submitted
from kling_mcp.sanitize import clean, identifier, quote
from kling_mcp.server.views.files import FileRow, file_row, file_text, file_warnings
from kling_mcp.server.views.tasks import MAX_ID_CHARACTERS, TaskView, next_step_for, task_view

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.api.models import KlingTask
    from kling_mcp.results.saver import SavedFile
    from kling_mcp.tasks.collector import CollectedTask

GENERATIONS = ("video", "image")
FIND_TASKS = (
    "Call find_elements or find_generations to see what exists, or wait_for_tasks without ids for all that is "
    "unfinished."
)
_PROMPT = 200


class CollectedTaskView(TaskView):
    """A task that was waited for: `kind` is `element`, `voice`, `video` or `image`, or "" if there is no such task.

    `prompt`, `units_estimated` and `files` belong to videos and pictures, `voice_id` to a voice.
    """

    kind: str
    voice_id: str
    prompt: str
    units_estimated: str
    files: list[FileRow]

    def headline(self) -> str:
        """See `TaskView`."""
        if self.voice_id:
            return f"Ready: voice_id={identifier(self.voice_id)}"
        if self.files:
            saved = ", saved" if all(row.path for row in self.files) else ""
            return f"Ready: {'video' if self.kind == 'video' else 'pictures'}{saved}."
        return super().headline() if self.kind else "There is no such task."

    def lines_of_results(self) -> list[str]:
        """See `TaskView`."""
        return [file_text(row) for row in self.files]

    def facts_of_kind(self) -> list[str]:
        """See `TaskView`."""
        return [
            self.kind and f"kind={self.kind}",
            self.prompt and f"prompt={quote(self.prompt, _PROMPT)}",
            self.units_estimated and f"units_estimated={identifier(self.units_estimated)}",
        ]


def collected_view(
    item: CollectedTask,
    kind: str,
    waited_seconds: float,
    *,
    refusal: Sequence[str] = (),
    files: Sequence[SavedFile] = (),
    units_estimated: str = "",
) -> CollectedTaskView:
    """A task that was waited for.

    Args:
        kind: what callers call it; "" if there is no such task.
        refusal: what is known of a failed one.
    """
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
        next_step=FIND_TASKS if item.is_unknown else next_step_for(task, running="") if task.is_final else "",
        submitted=_submitted(item) if kind == "element" else None,
    )
    voice_ids = task.result_ids if isinstance(task, VoiceTask) else []
    return CollectedTaskView(
        **dict(view),
        kind=kind,
        voice_id=clean(voice_ids[0], MAX_ID_CHARACTERS) if voice_ids else "",
        prompt=clean(item.memo.get("prompt", ""), _PROMPT) if is_generation else "",
        units_estimated=units_estimated,
        files=[file_row(file) for file in files],
    )


def _submitted(item: CollectedTask) -> Submitted | None:
    """What was asked for, if it is known and may exist."""
    return Submitted.of(item.label, item.memo) if item.label and item.standing != "never_arrived" else None
