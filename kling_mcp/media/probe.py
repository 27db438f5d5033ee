"""Looks at the bytes of a picture: format, size in pixels as shown, whether the file is whole.

Only headers are read and checksums compared: no pixel is ever decoded, so a small file that unfolds into
gigabytes costs nothing. Files are never changed, and an error never shows their content.
"""

from __future__ import annotations

import io
import re
import struct
import threading
import warnings
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kling_mcp.api import limits
from kling_mcp.errors import InputError, Problem
from kling_mcp.media.files import refuse_size
from kling_mcp.media.formats import describe_other, name_format
from kling_mcp.media.png_metadata import without_packed_metadata
from kling_mcp.sanitize import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

# What Pillow is known to raise on damaged input.
DECODE_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    EOFError,
    struct.error,
    zlib.error,
)
# Pillow warns about damaged metadata. Warning filters are global to the process, so only one thread at a time may
# replace them.
_quiet = threading.Lock()

# One 0xFF, though a marker may have several: a repeat here would take quadratic time on a run of them.
_JPEG_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
_JPEG_END = 0xD9
_JPEG_WITHOUT_LENGTH = frozenset({0x01, 0xD8})

_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"

_EXIF_ORIENTATION = 0x0112
_EXIF_SHORT = 3
_SIDES_SWAPPED = frozenset({5, 6, 7, 8})


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """`format` is jpeg or png; `width` and `height` are pixels after EXIF rotation."""

    format: str
    width: int
    height: int


class _TooManyPixelsError(Exception):
    """Pillow refused the size before it could be read."""


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Use Pillow without its warnings on damaged metadata, one thread at a time."""
    with _quiet, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def inspect(data: bytes, given: str, argument: str) -> PictureFacts:
    """The facts of a picture that Kling accepts; `given` is its name in errors.

    Raises InputError with every problem found: image-formats, image-bytes, image-pixels, image-ratio, and
    files that are cut short or damaged.
    """
    if len(data) > limits.MAX_IMAGE_BYTES:
        refuse_size(len(data), given, argument)
    found = name_format(data)
    if not found:
        what, fix = describe_other(data)
        rule = "must be a JPEG or PNG file by its content, whatever its name"
        raise InputError([Problem(argument, rule, f"{quote(given)}, which is {what}", fix)])
    try:
        width, height = _size_as_shown(data, found)
    except _TooManyPixelsError:
        raise InputError([_too_many_pixels(argument, quote(given))]) from None
    except DECODE_ERRORS:
        rule = "must be whole and readable"
        fix = "save or download it again, or export it again from an image editor."
        actual = f"{quote(given)}, a {found.upper()} file that is cut short or damaged"
        raise InputError([Problem(argument, rule, actual, fix)]) from None
    problems = _size_problems(width, height, given, argument)
    if problems:
        raise InputError(problems)
    return PictureFacts(found, width, height)


def _size_as_shown(data: bytes, found: str) -> tuple[int, int]:
    """Width and height in pixels, swapped if EXIF rotates the picture."""
    from PIL import Image  # noqa: PLC0415 - slow to load, and a server that only starts probes nothing

    # Pillow forgives a missing end of either format.
    if not (is_whole_jpeg(data) if found == "jpeg" else _PNG_END in data):
        raise EOFError
    readable = data if found == "jpeg" else without_packed_metadata(data)
    with quiet_pillow():
        try:
            with Image.open(io.BytesIO(readable), formats=("JPEG", "PNG")) as picture:
                width, height = picture.size
                exif = picture.info.get("exif", b"")
                # For a PNG this compares all checksums up to the end mark; for a JPEG it does nothing.
                picture.verify()
        except Image.DecompressionBombError:
            raise _TooManyPixelsError from None
    return (height, width) if read_orientation(exif) in _SIDES_SWAPPED else (width, height)


def is_whole_jpeg(data: bytes) -> bool:
    """Whether the picture's own end marker is present.

    Walks from segment to segment, so the end mark of a thumbnail inside the metadata does not count; what
    follows the end mark (more pictures in an iPhone's file, a motion photo's film) is not looked at.
    """
    position = 2
    while found := _JPEG_MARKER.search(data, position):
        marker, position = found[1][0], found.end()
        if marker == _JPEG_END:
            return True
        if marker not in _JPEG_WITHOUT_LENGTH:
            position += max(2, int.from_bytes(data[position : position + 2], "big"))
    return False


def read_orientation(exif: bytes) -> int:
    """The EXIF orientation, 1 to 8; 1 if it is missing or damaged."""
    block = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(order + "I", block, 4)
        (count,) = struct.unpack_from(order + "H", block, start)
        for entry in range(start + 2, start + 2 + count * 12, 12):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", block, entry)
            if tag == _EXIF_ORIENTATION and kind == _EXIF_SHORT:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1


def _size_problems(width: int, height: int, given: str, argument: str) -> list[Problem]:
    """Every pixel rule that the size breaks. facts: image-pixels, image-ratio"""
    actual = f"{quote(given)} with {width} x {height} px"
    if width * height > limits.MAX_IMAGE_PIXELS:
        return [_too_many_pixels(argument, actual)]
    shorter, longer = sorted((width, height))
    problems = []
    if shorter < limits.MIN_IMAGE_SIDE_PX:
        rule = f"must have at least {limits.MIN_IMAGE_SIDE_PX} px on each side"
        fix = "give a larger version; enlarging this one works but adds no detail."
        problems.append(Problem(argument, rule, actual, fix))
    if longer * limits.IMAGE_RATIO_SHORT > shorter * limits.IMAGE_RATIO_LONG:
        most = shorter * limits.IMAGE_RATIO_LONG // limits.IMAGE_RATIO_SHORT
        rule = "must have an aspect ratio between 1:2.5 and 2.5:1"
        problems.append(Problem(argument, rule, actual, f"crop the longer side to at most {most} px."))
    return problems


def _too_many_pixels(argument: str, actual: str) -> Problem:
    rule = f"must have at most {limits.MAX_IMAGE_PIXELS // 1_000_000} million pixels"
    return Problem(argument, rule, actual, f"scale it down; {limits.MIN_IMAGE_SIDE_PX} px a side are enough for Kling.")
