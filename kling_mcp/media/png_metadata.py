"""Takes packed metadata out of a PNG, so that Pillow does not unpack it.

Pillow refuses a whole picture for the sake of a profile or a text above one mebibyte, but colour profiles and the work
flows that image generators write are larger, and nothing here needs them. Nothing is unpacked, and the walk is linear.
"""

from __future__ import annotations

import zlib
from typing import Final

_START_BYTES: Final = 8
_AROUND_BYTES: Final = 12  # length, name and checksum
_PACKED: Final = frozenset({b"iCCP", b"zTXt", b"iTXt"})
# Deflate packs at most 1032 bytes into one, so less than this stays below Pillow's limit.
_HARMLESS_BYTES: Final = 1000


def without_packed_metadata(data: bytes) -> bytes:
    """The same picture without packed profiles and texts; `data` itself if there are only small ones, or none.

    A chunk with a wrong checksum stays, so that a decoder finds the picture damaged.
    """
    view = memoryview(data)
    kept: list[memoryview] = []
    begin = position = _START_BYTES
    removed = 0
    while position + _AROUND_BYTES <= len(data):
        body_end = position + 8 + int.from_bytes(view[position : position + 4], "big")
        end = body_end + 4
        if end > len(data):
            break
        name = bytes(view[position + 4 : position + 8])
        if name in _PACKED and zlib.crc32(view[position + 4 : body_end]) == int.from_bytes(view[body_end:end], "big"):
            kept.append(view[begin:position])
            begin = end
            removed += body_end - position - 8
        position = end
    if removed < _HARMLESS_BYTES:
        return data
    return b"".join([view[:_START_BYTES], *kept, view[begin:]])
