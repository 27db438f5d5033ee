"""How callers see a task: warnings, the next step, or the error for a failed task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_mcp.errors import TaskFailedError
from kling_mcp.sanitize import clean, identifier, quote

if TYPE_CHECKING:
    from kling_mcp.api.models import ElementTask


def raise_if_failed(task: ElementTask, external_task_id: str = "") -> None:
    """A failed task is an error with Kling's reason. fact: failed-has-no-code

    Raises:
        TaskFailedError: says that the inputs were refused, not the network.
    """
    if task.task_status != "failed":
        return
    reason = clean(task.task_status_msg, 300)
    name = clean(task.external_task_id or external_task_id, 128)
    raise TaskFailedError(
        f"Kling accepted task {clean(task.task_id, 80)} (external_task_id {name or '-'}) and then refused its "
        f"inputs{f', saying {quote(reason, 300)}' if reason else ' without a reason'}. The network was fine.",
        task_id=task.task_id,
        external_task_id=name,
        advice="Change the pictures, the name or the description, then create again.",
    )


def voice_warnings(task: ElementTask, asked_voice_id: str) -> list[str]:
    """Whether the requested voice is really bound. facts: voice-on-images, video-voice-unreliable"""
    asked = asked_voice_id.strip()
    warnings: list[str] = []
    for element in task.elements:
        bound = element.element_voice_info.voice_id
        if not asked or bound == asked or element.is_deleted:
            continue
        instead = f"shows the voice {identifier(bound)} instead" if bound else "shows no voice"
        warnings.append(
            f"Kling did not bind the voice {identifier(asked)}: element {identifier(element.element_id)} {instead}. "
            "Check the id with find_voices; voices work only for humanoid elements."
        )
    return warnings


def shown_id(task: ElementTask) -> str:
    """The task's id in double quotes, so that a copy of it is sent as text: it has too many digits for a number."""
    return quote(task.task_id, 80)


def next_step_for(task: ElementTask, *, running: str) -> str:
    """One sentence: what to call next, or "" if nothing is left to do."""
    if task.is_final:
        return ""
    if task.task_status == "succeed":
        return "Kling reports success but no element yet; " + running[0].lower() + running[1:]
    return running
