"""Reads the structure of a PNG file, from chunk to chunk, up to its end mark, and compares all checksums.

Packed profiles and texts are never unpacked: colour profiles and the work flows that image generators write unfold to
megabytes, and nothing here needs them.
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import TYPE_CHECKING, Final

from kling_mcp.media.structure import DamagedError, Structure, TooManyPartsError, read_orientation

if TYPE_CHECKING:
    from collections.abc import Iterator

# Most writers make a chunk of 8 kB or more, and the smallest that is known is one of each row of pixels.
MAX_CHUNKS: Final = 16_384

_START: Final = b"\x89PNG\r\n\x1a\n"
_AROUND_BYTES: Final = 12  # length, name and checksum
_NAME: Final = re.compile(rb"[A-Za-z]{4}")
_HEADER, _PIXELS, _EXIF, _END = b"IHDR", b"IDAT", b"eXIf", b"IEND"
_SHOWN: Final = frozenset({_HEADER, b"PLTE", b"tRNS", _PIXELS, _END})
# Kind of colour -> bits of a sample.
_DEPTHS: Final = {0: {1, 2, 4, 8, 16}, 2: {8, 16}, 3: {1, 2, 4, 8}, 4: {8, 16}, 6: {8, 16}}


def read_png(data: bytes) -> Structure:
    """The structure of a file that starts like a PNG.

    Raises:
        DamagedError, TooManyPartsError: it is not whole, or not as it should be.
    """
    view = memoryview(data)
    pixels: list[bytes | memoryview] = [_START]
    size = (0, 0)
    orientation = 1
    has_pixels = False
    for name, begin, end in _chunks(view):
        body = view[begin + 8 : end - 4]
        if (name == _HEADER) != (size == (0, 0)):  # once, and first
            raise DamagedError
        if name == _HEADER:
            size = _read_size(body)
        elif name == _EXIF:
            orientation = read_orientation(body)
        has_pixels |= name == _PIXELS
        if name in _SHOWN:
            pixels.append(view[begin:end])
    if not has_pixels:
        raise DamagedError
    return Structure(*size, orientation=orientation, pixels=tuple(pixels))


def _chunks(view: memoryview) -> Iterator[tuple[bytes, int, int]]:
    """Name, begin and end of each chunk, the end mark included.

    Raises:
        DamagedError: a name or a checksum is wrong, or there is no end mark.
        TooManyPartsError: there are more than `MAX_CHUNKS`.
    """
    begin = len(_START)
    for _ in range(MAX_CHUNKS):
        name = bytes(view[begin + 4 : begin + 8])
        end = begin + _AROUND_BYTES + int.from_bytes(view[begin : begin + 4], "big")
        if end > len(view) or not _NAME.fullmatch(name):
            raise DamagedError
        if zlib.crc32(view[begin + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            raise DamagedError
        yield name, begin, end
        if name == _END:
            return
        begin = end
    raise TooManyPartsError


def _read_size(body: memoryview) -> tuple[int, int]:
    """Width and height from the body of the header."""
    if len(body) != 13:
        raise DamagedError
    width, height, depth, colour, packing, filtering, interlacing = struct.unpack(">IIBBBBB", body)
    if not width or not height or depth not in _DEPTHS.get(colour, ()) or packing or filtering or interlacing > 1:
        raise DamagedError
    return width, height
