"""The pictures and the video of a generation: loaded and checked, with every problem of them.

Blocking: it reads local pictures, so it runs in a worker thread. It never uses the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from kling_mcp.errors import Problem
from kling_mcp.media.inputs import Findings, check_video_link, format_warnings, inline_warnings, load_picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.generation.draft import ImageDraft, VideoDraft
    from kling_mcp.generation.texts import RequestTexts
    from kling_mcp.media.picture import Picture
    from kling_mcp.media.policy import MediaPolicy

MAX_PICTURES_READ = 12  # more are refused anyway
VIDEO_FORM = "mp4 or mov, 3 to 15 s (model o1: 10 s), at most 200 MB"  # facts: gen30-videos, old-omni-fields
# A frame this near to a ratio has it: cameras and crops round.
_SAME_SHAPE = Fraction(1, 50)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedMedia:
    """What could be loaded, and the problems of the rest."""

    images: tuple[Picture, ...] = ()
    first_frame: Picture | None = None
    last_frame: Picture | None = None
    video_url: str = ""
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()


def load_video_media(draft: VideoDraft, policy: MediaPolicy) -> LoadedMedia:
    """The media of a video. Blocking. facts: gen30-pictures, gen30-videos"""
    found = Findings()
    images = _load_images(draft.images, policy, found)
    first, last = (
        found.take(None, load_picture, text, argument, policy) if text else None
        for argument, text in (("first_frame", draft.first_frame), ("last_frame", draft.last_frame))
    )
    video_url = found.take("", check_video_link, draft.video_url, VIDEO_FORM) if draft.video_url else ""
    frames = [frame for frame in (first, last) if frame is not None]
    return _loaded(found, images, frames, first_frame=first, last_frame=last, video_url=video_url)


def load_image_media(draft: ImageDraft, policy: MediaPolicy) -> LoadedMedia:
    """The media of a picture. Blocking. fact: old-images"""
    found = Findings()
    return _loaded(found, _load_images(draft.images, policy, found), ())


def find_media_notes(
    texts: RequestTexts, media: LoadedMedia, aspect_ratio: str | None, *, names_pictures: bool = True
) -> list[str]:
    """What a person should know of the media before paying."""
    named = {mention.media for _, _, mention in texts.mentions()}
    notes = list(media.warnings)
    if names_pictures:  # fact: gen-handle-missing
        unnamed = [f"@image_{place}" for place in range(1, len(media.images) + 1) if f"image_{place}" not in named]
        unnamed += ["@video_1"] if media.video_url and "video_1" not in named else []
        if unnamed:
            notes.append(f"No text names {', '.join(unnamed)}, so it may have little effect.")
    if aspect_ratio and media.first_frame is not None and not media.first_frame.width:
        notes.append(f"The first frame decides the shape of the video; aspect_ratio={aspect_ratio} is not sent.")
    return notes


def find_shape_problems(media: LoadedMedia, aspect_ratio: str | None) -> list[Problem]:
    """A shape that was asked for and that the first frame does not have: the clip would be paid in another one."""
    frame = media.first_frame
    if not aspect_ratio or frame is None or not frame.width or _has_shape(frame, aspect_ratio):
        return []
    actual = f"{aspect_ratio} with a first frame of {frame.width} x {frame.height}"
    fix = (
        "crop the first frame to this shape, or move it to images and name it @image_1 in the prompt; "
        "to keep the frame's shape, leave aspect_ratio out."
    )
    return [Problem("aspect_ratio", "must be the shape of the first frame, which decides", actual, fix)]


def _load_images(given: Sequence[str], policy: MediaPolicy, found: Findings) -> tuple[Picture, ...]:
    loaded = [
        found.take(None, load_picture, text, f"images[{place}]", policy)
        for place, text in enumerate(given[:MAX_PICTURES_READ])
    ]
    return tuple(picture for picture in loaded if picture is not None)


def _loaded(
    found: Findings, images: tuple[Picture, ...], frames: Sequence[Picture], **others: Picture | str | None
) -> LoadedMedia:
    pictures = [*images, *frames]
    warnings = (*inline_warnings(pictures), *format_warnings(pictures))
    return LoadedMedia(images=images, problems=tuple(found.problems), warnings=warnings, **others)  # type: ignore[arg-type]  # checked by the callers


def _has_shape(frame: Picture, ratio: str) -> bool:
    width, _, height = ratio.partition(":")
    if not (width.isdecimal() and height.isdecimal() and int(height)):
        return True
    return abs(Fraction(frame.width, frame.height) / Fraction(int(width), int(height)) - 1) <= _SAME_SHAPE
