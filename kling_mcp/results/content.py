"""What a downloaded file is, by its content: a video, a picture, or something else that an address answered with.

It decodes nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final, Literal

from kling_mcp.media.formats import describe_other

if TYPE_CHECKING:
    from collections.abc import Iterator

MediaKind = Literal["video", "image"]

START_BYTES: Final = 1024  # enough to recognise a file, and to say what else it is
_TAIL_BYTES: Final = 64 * 1024
_MAX_BOXES: Final = 10_000
_PNG_END: Final = b"IEND\xaeB`\x82"
_BOXES: Final = {b"ftyp", b"moov", b"mdat", b"moof", b"free", b"skip", b"wide", b"uuid", b"sidx", b"mfra", b"meta"}


@dataclass(frozen=True, slots=True)
class MediaType:
    """A kind of file; `extension` has its dot."""

    kind: MediaKind
    extension: str
    mime_type: str


MP4: Final = MediaType("video", ".mp4", "video/mp4")
MOV: Final = MediaType("video", ".mov", "video/quicktime")
WEBM: Final = MediaType("video", ".webm", "video/webm")
JPEG: Final = MediaType("image", ".jpg", "image/jpeg")
PNG: Final = MediaType("image", ".png", "image/png")
WEBP: Final = MediaType("image", ".webp", "image/webp")

_STARTS: Final = (
    (re.compile(rb"....ftypqt  ", re.DOTALL), MOV),
    # Brands of pictures in the same container are no videos.
    (re.compile(rb"....ftyp(?!avi[fs]|he[iv]|mif|msf|miaf|MiH|crx)", re.DOTALL), MP4),
    (re.compile(rb"\x1aE\xdf\xa3"), WEBM),
    (re.compile(rb"\xff\xd8\xff"), JPEG),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), PNG),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), WEBP),
)
_EXTENSIONS: Final = {found.extension: found for _, found in _STARTS} | {".jpeg": JPEG}


def recognise(start: bytes) -> MediaType | None:
    """The type of a file that begins with these bytes; None for anything that is no result."""
    return next((found for pattern, found in _STARTS if pattern.match(start)), None)


def describe(start: bytes) -> str:
    """What a file is, for a sentence, such as "an HTML page"."""
    return "a picture" if (found := recognise(start)) and found.kind == "image" else describe_other(start)[0]


def by_extension(extension: str) -> MediaType | None:
    """The type that a file name claims by an extension with its dot."""
    return _EXTENSIONS.get(extension.lower())


def is_cut(file: BinaryIO, size: int, media: MediaType) -> bool:
    """Whether a file certainly lacks its end, by what it says itself.

    For a body whose length nobody told, or told wrong. What cannot be said for sure counts as whole.
    """
    if media.extension in {".mp4", ".mov"}:
        return any(end > size for end in list(_box_ends(file, size))[1:])  # the first alone says nothing
    if media is PNG:
        file.seek(max(0, size - _TAIL_BYTES))
        return _is_png(file, size) and _PNG_END not in file.read(_TAIL_BYTES)
    if media is WEBP:
        file.seek(4)
        return 8 + int.from_bytes(file.read(4), "little") > size
    return False


def _is_png(file: BinaryIO, size: int) -> bool:
    """Whether a first chunk follows as in any PNG."""
    here = file.tell()
    file.seek(12)
    begins = file.read(4) == b"IHDR" and size > 33
    file.seek(here)
    return begins


def _box_ends(file: BinaryIO, size: int) -> Iterator[int]:
    """Where each box of an MP4 ends, up to the first that is unknown."""
    at = 0
    for _ in range(_MAX_BOXES):
        file.seek(at)
        head = file.read(16)
        if len(head) < 8 or head[4:8] not in _BOXES:
            return
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8:  # 0 is "to the end of the file"
            return
        at += length
        yield at
        if at >= size:
            return
