"""What the structure of a picture file says: its size, how it is turned, and which of its bytes are pixels.

`jpeg` and `png` read it, once and within limits, before any decoder sees the file. Nothing here decodes or unpacks.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

# Nearly every Exif block is smaller, and its orientation stands near its start.
_MAX_EXIF_BYTES = 65_536
_EXIF_ORIENTATION = 0x0112
_EXIF_SHORT = 3
_SIDES_SWAPPED = frozenset({5, 6, 7, 8})


class DamagedError(Exception):
    """The file is cut short, or is not built as its format demands."""


class TooManyPartsError(Exception):
    """The file consists of far more parts than any camera or editor makes of a picture."""


@dataclass(frozen=True, slots=True)
class Structure:
    """A whole picture file, as far as it can be known without decoding.

    `width` and `height` are pixels as they are stored, `orientation` is EXIF's, 1 to 8, and `passes` is how often a
    decoder goes over the pixels. `pixels` are the pieces of a file that shows the same and holds nothing else.
    """

    width: int
    height: int
    orientation: int = 1
    passes: int = 1
    pixels: tuple[bytes | memoryview, ...] = field(default=(), repr=False)

    def size_as_shown(self) -> tuple[int, int]:
        """Width and height in pixels, swapped if EXIF rotates the picture."""
        return (self.height, self.width) if self.orientation in _SIDES_SWAPPED else (self.width, self.height)

    def bare_file(self) -> bytes:
        """The same picture without metadata, profiles, texts and further pictures."""
        return b"".join(self.pixels)


def read_orientation(exif: bytes | memoryview) -> int:
    """The EXIF orientation, 1 to 8; 1 if it is missing or damaged."""
    block = bytes(exif[:_MAX_EXIF_BYTES]).removeprefix(b"Exif\0\0")
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
