"""Pictures as a model sees them: up to six with captions, or one numbered sheet.

Every picture is a small JPEG made here; captions combine our words with cleaned text.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anyio import to_thread
from mcp_types import ImageContent, TextContent

from kling_mcp.sanitize import clean, identifier, quote
from kling_mcp.thumbnails.render import MAX_ON_SHEET, make_sheet, make_thumbnail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_types import ContentBlock

    from kling_mcp.library.records import LibraryElement
    from kling_mcp.thumbnails.thumbnails import Thumbnail, Thumbnails

MAX_SINGLE_PICTURES = 6
_NAME = 60


@dataclass(frozen=True, slots=True)
class RenderedPictures:
    """Blocks to append to the text, and sentences about what is not shown."""

    blocks: tuple[ContentBlock, ...] = ()
    notes: tuple[str, ...] = ()


async def render_pictures(thumbnails: Thumbnails, elements: Sequence[LibraryElement]) -> RenderedPictures:
    """The pictures of these elements, in their order.

    The blocks together stay under 450 kB of Base64: six pictures of at most 36 kB, or a sheet of at most 300 kB.
    """
    shown = list(elements[:MAX_ON_SHEET])
    pictures = await thumbnails.load(shown)
    notes = _missing(pictures)
    if len(elements) > MAX_ON_SHEET:
        notes.append(f"Pictures of the first {MAX_ON_SHEET} of {len(elements)} rows are shown; ask for fewer rows.")
    if not any(picture.jpeg for picture in pictures):
        return RenderedPictures(notes=tuple(notes))
    captions = [_caption(element) for element in shown]
    if len(shown) <= MAX_SINGLE_PICTURES:  # a sheet has numbers already
        captions = [f"row {number}, {caption}" for number, caption in enumerate(captions, start=1)]
    blocks = await captioned(captions, [picture.jpeg for picture in pictures])
    return RenderedPictures(tuple(blocks), tuple(notes))


async def captioned(captions: Sequence[str], jpegs: Sequence[bytes]) -> list[ContentBlock]:
    """Each picture below its caption, or one numbered sheet of them; b"" is no picture.

    Args:
        jpegs: thumbnails of ours, at most `MAX_ON_SHEET`.
    """
    if len(jpegs) > MAX_SINGLE_PICTURES:
        return await _sheet(captions, jpegs)
    blocks: list[ContentBlock] = []
    for caption, jpeg in zip(captions, jpegs, strict=True):
        if jpeg:
            blocks += [TextContent(type="text", text=f"Picture of {caption}:"), _image(jpeg)]
    return blocks


async def resize(jpeg: bytes, *, side: int, most_bytes: int) -> bytes:
    """A smaller JPEG of a thumbnail of ours."""
    return await to_thread.run_sync(lambda: make_thumbnail(jpeg, side=side, most_bytes=most_bytes))


def data_uri(jpeg: bytes) -> str:
    """The picture as a data: URI for a page."""
    return f"data:image/jpeg;base64,{_base64(jpeg)}"


async def _sheet(captions: Sequence[str], jpegs: Sequence[bytes]) -> list[ContentBlock]:
    sheet = await to_thread.run_sync(make_sheet, jpegs)
    lines = [f"{number}. {caption}" for number, caption in enumerate(captions, start=1)]
    head = "One contact sheet, numbered like the rows, left to right and top to bottom:"
    return [TextContent(type="text", text="\n".join([head, *lines])), _image(sheet)]


def _caption(element: LibraryElement) -> str:
    name = quote(element.element_name, _NAME) if clean(element.element_name, _NAME) else "no name"
    if element.element_id:
        return f"{name}, element_id={identifier(element.element_id)}"
    return f"{name}, task_id={identifier(element.task_id)}"


def _missing(pictures: Sequence[Thumbnail]) -> list[str]:
    """One sentence per reason, so that a library full of dead links stays readable."""
    rows: dict[str, list[int]] = {}
    for number, picture in enumerate(pictures, start=1):
        if not picture.jpeg:
            rows.setdefault(picture.note, []).append(number)
    return [
        f"No picture for row{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}: {reason}."
        for reason, numbers in rows.items()
    ]


def _image(jpeg: bytes) -> ImageContent:
    return ImageContent(type="image", data=_base64(jpeg), mime_type="image/jpeg")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
