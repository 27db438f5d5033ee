"""Whether the requested voice was really bound to an element. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_mcp.sanitize import identifier

if TYPE_CHECKING:
    from kling_mcp.api.models import ElementTask


def voice_warnings(task: ElementTask, asked_voice_id: str) -> list[str]:
    """One sentence for each element without the voice. facts: voice-on-images, video-voice-unreliable"""
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
