"""One element as the library knows it: plain data, neither cleaned nor formatted.

`from_kling` makes records, `server.views` shows them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Source = Literal["custom", "preset"]
ElementStatus = Literal["ready", "pending", "failed", "deleted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryElement:
    """One element, or a task that has none yet (fact: list-is-tasks). Texts are as Kling gave them, capped.

    `element_id` is "" if the task has no element, and `element_name` too if the requested name is unknown.
    `tags` are names, or ids if Kling gives no name. `reference_type` is "" if unknown.
    `image_urls` are https links, the frontal picture first; may be empty. `voice_trial_url` is an https link or "".
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
    asked_voice_id: str = ""
