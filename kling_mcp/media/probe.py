"""Looks at the bytes of a picture: format, size in pixels as shown, whether the file is whole.

Only its structure is read and checksums compared: no pixel is ever decoded, so a small file that unfolds into
gigabytes costs nothing. Files are never changed, and an error never shows their content.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kling_mcp.api import limits
from kling_mcp.errors import InputError, Problem
from kling_mcp.media.files import refuse_size
from kling_mcp.media.formats import describe_other, name_format
from kling_mcp.media.jpeg import MAX_SEGMENTS, read_jpeg
from kling_mcp.media.png import MAX_CHUNKS, read_png
from kling_mcp.media.structure import DamagedError, TooManyPartsError
from kling_mcp.sanitize import quote

if TYPE_CHECKING:
    from kling_mcp.media.structure import Structure

_MOST_PARTS = {"jpeg": f"{MAX_SEGMENTS} segments", "png": f"{MAX_CHUNKS} chunks"}
_FIX_FILE = "save or download it again, or export it again from an image editor."


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """`format` is jpeg or png; `width` and `height` are pixels after EXIF rotation."""

    format: str
    width: int
    height: int


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
        width, height = read_structure(data, found).size_as_shown()
    except DamagedError:
        rule = "must be whole and readable"
        actual = f"{quote(given)}, a {found.upper()} file that is cut short or damaged"
        raise InputError([Problem(argument, rule, actual, _FIX_FILE)]) from None
    except TooManyPartsError:
        rule = f"must be an ordinary {found.upper()} file of at most {_MOST_PARTS[found]}"
        raise InputError([Problem(argument, rule, f"{quote(given)}, with more of them", _FIX_FILE)]) from None
    problems = _size_problems(width, height, given, argument)
    if problems:
        raise InputError(problems)
    return PictureFacts(found, width, height)


def read_structure(data: bytes, found: str) -> Structure:
    """The structure of a `jpeg` or `png` file.

    Raises:
        DamagedError, TooManyPartsError: it is not whole, or not as it should be.
    """
    return read_jpeg(data) if found == "jpeg" else read_png(data)


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
