"""What an element or a video of a sheet is made from, part by part: to tell whether anything changed, and what. Pure.

A part is a text as it is, or `sha256:…` of a picture or a link.
The account is no part: another API key makes nothing new.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from kling_mcp.api.limits import TAGS
from kling_mcp.generation.video_rules import DEFAULT_RATIO, DEFAULT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kling_mcp.elements.draft import PreparedElement
    from kling_mcp.generation.draft import VideoDraft
    from kling_mcp.generation.inputs import LoadedMedia
    from kling_mcp.media.picture import Picture

Parts = dict[str, str]

_DIGEST = "sha256:"
_ELEMENT = "element "


def hash_of(made_from: Mapping[str, str]) -> str:
    """One text for all the parts, in any order."""
    text = json.dumps(sorted(made_from.items()), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def parts_of_element(prepared: PreparedElement) -> Parts:
    """What an element is made from, by the words of a cast entry."""
    pictures = dict(zip(_others(len(prepared.refer_images)), prepared.refer_images, strict=True))
    parts = {
        "description": prepared.element_description,
        "video": _digest_of_link(prepared.video_url),
        "voice": prepared.element_voice_id,
        "tags": ", ".join(sorted(TAGS.get(tag, tag) for tag in prepared.tag_ids)),
    }
    parts |= {"front": _digest(prepared.frontal_image)}
    parts |= {name: _digest(picture) for name, picture in pictures.items()}
    return _given(parts)


def parts_of_video(draft: VideoDraft, media: LoadedMedia, elements: Mapping[str, str], take: int) -> Parts:
    """What one take of a shot is made from, by the words of a shot.

    Args:
        draft: with names in its texts, as the sheet has them.
        elements: the ids of the elements that it shows, by name; "" for one that does not exist yet.
    """
    seconds = draft.duration or (None if draft.shots else DEFAULT_SECONDS)
    parts = {
        "prompt": draft.prompt,
        "shots": "\n".join(draft.shots),
        "model": draft.model,
        "duration": "" if seconds is None or draft.has_base_video else str(seconds),
        "aspect_ratio": "" if draft.first_frame else draft.aspect_ratio or DEFAULT_RATIO,
        "resolution": draft.resolution,
        "audio": draft.audio,
        "first_frame": _digest(media.first_frame),
        "last_frame": _digest(media.last_frame),
        "video_url": _digest_of_link(media.video_url),
        "video_use": draft.video_use if media.video_url else "",
        "take": str(take),
    }
    parts |= {f"images[{place}]": _digest(picture) for place, picture in enumerate(media.images)}
    return _given(parts) | {f"{_ELEMENT}{name}": element_id for name, element_id in elements.items()}


def without_elements(parts: Mapping[str, str], names: Sequence[str]) -> Parts:
    """The parts without the ids of these elements: what a shot is whichever element has the name."""
    left_out = {f"{_ELEMENT}{name}" for name in names}
    return {part: value for part, value in parts.items() if part not in left_out}


def changes_between(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """Which parts differ, in words: `front is another picture`."""
    said = []
    for part in [*new, *(part for part in old if part not in new)]:
        before, now = old.get(part), new.get(part)
        if before != now:
            said.append(f"{part} {_difference(part, before, now)}")
    return said


def _difference(part: str, before: str | None, now: str | None) -> str:
    if before is None:
        return "was added"
    if now is None:
        return "was left out"
    if now.startswith(_DIGEST) and before.startswith(_DIGEST):
        return "is another clip" if part.startswith("video") else "is another picture"
    if part.startswith(_ELEMENT):
        return "is another element" if now else "will be another element"
    return "changed"


def _others(count: int) -> list[str]:
    return [f"others[{place}]" for place in range(count)]


def _digest(picture: Picture | None) -> str:
    return f"{_DIGEST}{picture.digest()}" if picture else ""


def _digest_of_link(link: str) -> str:
    """A link may hold a signature, which does not belong into a file under version control."""
    return f"{_DIGEST}{hashlib.sha256(link.encode()).hexdigest()}" if link else ""


def _given(parts: Mapping[str, str]) -> Parts:
    return {name: value for name, value in parts.items() if value}
