"""A voice that was asked for, as callers see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from kling_mcp.library.voices import voices_of
from kling_mcp.sanitize import clean, identifier, quote
from kling_mcp.server.views.tasks import MAX_ID_CHARACTERS, TaskView, task_view

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.api.models import VoiceTask

MAX_TRIAL_URL_CHARACTERS = 500
_NAME = 60


class VoiceTaskView(TaskView):
    """A voice and its creation; `trial_url` is an https link that people can listen to, once it is ready."""

    SHOWN: ClassVar[tuple[str, ...]] = ("task_id", "task_status", "voice_id")

    voice_id: str
    voice_name: str
    trial_url: str
    units_estimated: str

    def headline(self) -> str:
        """See `TaskView`."""
        return f"Ready: voice_id={identifier(self.voice_id)}" if self.voice_id else super().headline()

    def lines_of_results(self) -> list[str]:
        """See `TaskView`."""
        return [self.trial_url and f"Listen at trial_url={self.trial_url}"]

    def facts_of_kind(self) -> list[str]:
        """See `TaskView`."""
        return [f"voice_name={quote(self.voice_name, _NAME)}", f"units_estimated={self.units_estimated}"]


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
        voice_id=clean(made.voice_id, MAX_ID_CHARACTERS) if made else "",
        voice_name=clean(voice_name or (made.voice_name if made else ""), _NAME),
        trial_url=made.trial_url if made and len(made.trial_url) <= MAX_TRIAL_URL_CHARACTERS else "",
        units_estimated=units_estimated,
    )
