"""One element as the library knows it: plain data, cleaned of nothing and shaped for nobody.

It knows neither Kling's replies nor a caller's rows; `from_kling` makes records, `server` shows them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Source = Literal["custom", "preset"]
ElementStatus = Literal["ready", "pending", "failed", "deleted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryElement:
    """One element, or a task that has none yet (fact: list-is-tasks). Texts are as Kling gave them, capped.

    `element_id` and `element_name` are "" where a task has no element and nobody here knows what was asked for.
    `tags` are names, or ids where Kling gives no name. `reference_type` is "" where nothing tells.
    `image_urls` are https links, the frontal picture first; it may be empty. `voice_trial_url` is one too, or "".
    `asked_voice_id` is the voice that a creation from here asked for; Kling may have left it out.
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
