"""One element as the library knows it: plain data, neither cleaned nor formatted.

`from_kling` makes records, `server.views` shows them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

ELEMENT, VOICE = "element", "voice"  # kinds of tasks
Source = Literal["custom", "preset"]
ElementStatus = Literal["ready", "pending", "failed", "deleted"]


@dataclass(frozen=True, slots=True)
class Submitted:
    """What a creation from this server asked for; Kling shows it only when the task is done (empty-while-running)."""

    element_name: str
    element_description: str = ""
    reference_type: str = ""
    voice_id: str = ""

    @classmethod
    def of(cls, name: str, memo: Mapping[str, str]) -> Submitted:
        """From the journal's memo of a creation."""
        wanted = (memo.get(part, "") for part in ("element_description", "reference_type", "voice_id"))
        return cls(name, *wanted)

    def fill_in(self, record: LibraryElement) -> LibraryElement:
        """The record, completed with what Kling left out."""
        return replace(
            record,
            element_name=record.element_name or self.element_name,
            element_description=record.element_description or self.element_description,
            reference_type=record.reference_type or self.reference_type,
            asked_voice_id=self.voice_id,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryElement:
    """One element, or a task that has none yet (fact: list-is-tasks). Texts are as Kling gave them, capped.

    `element_id` is "" if the task has no element, and `element_name` too if the requested name is unknown.
    `tags` are names, or ids if Kling gives no name. `reference_type` is "" if unknown.
    `image_urls` are https links, the frontal picture first; may be empty. `voice_trial_url` is an https link or "".
    `failure_reason` is Kling's, for a failed task; may be empty.
    `asked_voice_id` is the voice that a creation from this server requested; Kling may not have bound it.
    """

    source: Source
    element_id: str = ""
    element_name: str = ""
    element_description: str = ""
    reference_type: str = ""
    tags: tuple[str, ...] = ()
    voice_id: str = ""
    voice_name: str = ""
    voice_trial_url: str = ""
    owned_by: str = ""
    status: ElementStatus = "ready"
    task_id: str = ""
    external_task_id: str = ""
    created_at_ms: int = 0
    image_urls: tuple[str, ...] = ()
    failure_reason: str = ""
    asked_voice_id: str = ""
