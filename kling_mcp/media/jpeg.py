"""Reads the structure of a JPEG file, from segment to segment, up to its own end mark.

The end mark of a thumbnail inside the metadata does not count, and what follows the picture's own (more pictures in an
iPhone's file, a motion photo's film) is not looked at.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from kling_mcp.media.structure import DamagedError, Structure, TooManyPartsError, read_orientation

if TYPE_CHECKING:
    from collections.abc import Iterator

# The largest real files have some hundred: profiles, extended XMP and thermal data come in segments of 64 kB.
MAX_SEGMENTS: Final = 4096
# All tables of a picture together, those between the scans of a progressive one included.
MAX_TABLES_BYTES: Final = 65_536

# One 0xFF, though a marker may have several: a repeat here would take quadratic time on a run of them.
_MARKER: Final = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
_START: Final = b"\xff\xd8"
_END: Final = 0xD9
_SCAN: Final = 0xDA
_WITHOUT_LENGTH: Final = frozenset({0x01, 0xD8})
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_TABLES: Final = frozenset({0xC4, 0xCC, 0xDB, 0xDD})
_SHOWN: Final = _FRAMES | _TABLES | {_SCAN}
_EXIF: Final = 0xE1
# They say how colours are to be understood.
_COLOURS: Final = {0xE0: b"JFIF\0", 0xEE: b"Adobe"}
_DEPTH: Final = 8
_CHANNELS: Final = frozenset({1, 3, 4})


def read_jpeg(data: bytes) -> Structure:
    """The structure of a file that starts like a JPEG.

    Raises:
        DamagedError, TooManyPartsError: it is not whole, or not as it should be.
    """
    view = memoryview(data)
    pixels: list[bytes | memoryview] = [_START]
    size = (0, 0)
    orientation = passes = tables = 0
    for marker, begin, end in _segments(data):
        body = view[begin + 4 : end]
        if marker in _FRAMES:
            if size != (0, 0):
                raise DamagedError
            size = _read_size(body)
        elif marker == _SCAN:
            passes += 1
        elif marker in _TABLES:
            tables += len(body)
        elif marker == _EXIF and not orientation and bytes(body[:6]) == b"Exif\0\0":
            orientation = read_orientation(body)
        if marker in _SHOWN or _says_colours(marker, body):
            pixels.append(view[begin:end])
    if tables > MAX_TABLES_BYTES:
        raise TooManyPartsError
    if size == (0, 0) or not passes:
        raise DamagedError
    pixels.append(bytes((0xFF, _END)))
    return Structure(*size, orientation=orientation or 1, passes=passes, pixels=tuple(pixels))


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, begin and end of each segment up to the end mark; a scan's includes its packed pixels.

    Raises:
        DamagedError: there is no end mark.
        TooManyPartsError: there are more than `MAX_SEGMENTS`.
    """
    position = len(_START)
    scan = -1  # where the scan began whose end is not known yet
    for _ in range(MAX_SEGMENTS):
        found = _MARKER.search(data, position)
        if found is None:
            raise DamagedError
        marker, begin, position = found[1][0], found.start(), found.end()
        if scan >= 0:
            yield _SCAN, scan, begin
            scan = -1
        if marker == _END:
            return
        if marker in _WITHOUT_LENGTH:
            continue
        position += max(2, int.from_bytes(data[position : position + 2], "big"))
        if marker == _SCAN:
            scan = begin
        else:
            yield marker, begin, position
    raise TooManyPartsError


def _read_size(body: memoryview) -> tuple[int, int]:
    """Width and height from the body of a frame."""
    width, height = int.from_bytes(body[3:5], "big"), int.from_bytes(body[1:3], "big")
    if len(body) < 6 or body[0] != _DEPTH or body[5] not in _CHANNELS or not width or not height:
        raise DamagedError
    return width, height


def _says_colours(marker: int, body: memoryview) -> bool:
    start = _COLOURS.get(marker)
    return start is not None and bytes(body[: len(start)]) == start
