"""Picture files that are not what they seem: damaged, cut, glued together, and small ones that unfold to gigabytes."""

from __future__ import annotations

import functools
import io
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from media.pictures import PNG_START, chunk, jpeg, mpo, other, png, png_claiming
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable

MP4 = b"\0\0\0\x18ftypisom" + bytes(12) + b"\0\0\0\x08moov" + b"\xff" * 200
MOV = b"\0\0\0\x14ftypqt  " + bytes(8) + b"\0\0\0\x08mdat" + bytes(200)


def _archive(front: bytes) -> bytes:
    out = io.BytesIO(front)
    out.seek(0, io.SEEK_END)
    with zipfile.ZipFile(out, "a") as packed:
        packed.writestr("evil.html", "<script>alert(1)</script>")
    return out.getvalue()


def _png_with(*chunks: bytes, width: int = 400, height: int = 400) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return PNG_START + chunk(b"IHDR", header) + b"".join(chunks) + chunk(b"IEND", b"")


@functools.cache
def _packed_zeros(megabytes: int) -> bytes:
    """As if packed in one go; but the same million is packed once, since packing them all takes a second."""
    zeros, packer, check = bytes(1_000_000), zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS), 1
    packed = packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH)
    for _ in range(megabytes):
        check = zlib.adler32(zeros, check)
    return b"\x78\xda" + packed * megabytes + packer.flush() + check.to_bytes(4, "big")


def _webp(width: int, height: int) -> bytes:
    body = b"VP8X" + struct.pack("<I", 10) + bytes(4) + (width - 1).to_bytes(3, "little")
    body += (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _jpeg_claiming(width: int, height: int) -> bytes:
    whole = bytearray(jpeg())
    place = whole.index(b"\xff\xc0")
    whole[place + 5 : place + 9] = struct.pack(">HH", height, width)
    return bytes(whole)


def _rows() -> bytes:
    return chunk(b"IDAT", _packed_zeros(60))


# True files of every kind that somebody may give. Made when they are needed, which takes a second.
WHOLE: dict[str, Callable[[], bytes]] = {
    "jpeg": lambda: jpeg(orientation=6),
    "two jpegs": mpo,
    "png": png,
    "animated png": lambda: png(frames=2),
    "webp": lambda: other("WEBP"),
    "gif": lambda: other("GIF"),
    "tiff": lambda: other("TIFF"),
    "bmp": lambda: other("BMP"),
    "heic": lambda: b"\0\0\0\x18ftypheic" + bytes(300),
    "mp4": lambda: MP4,
    "mov": lambda: MOV,
}
# Files that somebody made on purpose; none is larger than a few hundred kilobytes.
HOSTILE: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "png of 100 000 x 100 000": lambda: png_claiming(100_000, 100_000),
    "png of 2^31": lambda: png_claiming(2**31 - 1, 2**31 - 1),
    "png of no width": lambda: png_claiming(0, 400),
    "png of just too many": lambda: png_claiming(7_000, 7_000),
    "png with more rows than it says": lambda: _png_with(_rows()),
    "png with a huge profile": lambda: _png_with(chunk(b"iCCP", b"x\0\0" + _packed_zeros(150)), _rows()),
    "png with huge text": lambda: _png_with(chunk(b"zTXt", b"x\0\0" + _packed_zeros(150)), _rows()),
    "png with many texts": lambda: _png_with(*[chunk(b"zTXt", b"x\0\0" + _packed_zeros(1))] * 300, _rows()),
    "png with international text": lambda: _png_with(chunk(b"iTXt", b"x\0\1\0\0\0" + _packed_zeros(150)), _rows()),
    "png of ten thousand chunks": lambda: _png_with(*[chunk(b"prVt", b"")] * 10_000, _rows()),
    "png whose chunk is endless": lambda: PNG_START + b"\xff\xff\xff\xffIHDR" + bytes(100),
    "jpeg of 65 535 x 65 535": lambda: _jpeg_claiming(65_535, 65_535),
    "jpeg of no height": lambda: _jpeg_claiming(400, 0),
    "jpeg of marks alone": lambda: b"\xff\xd8\xff" + b"\xff\xd0" * 30_000,
    "jpeg of fill alone": lambda: b"\xff\xd8" + b"\xff" * 100_000,
    "jpeg of empty segments": lambda: b"\xff\xd8" + b"\xff\xe0\0\2" * 5_000 + jpeg()[2:],
    "jpeg with a turning exif": lambda: jpeg(exif=b"Exif\0\0MM\0*\0\0\0\x08" + b"\xff" * 60_000),
    "webp of 16 384 x 16 384": lambda: _webp(16_384, 16_384),
    "webp of 2^24": lambda: _webp(2**24, 2**24),
    "jpeg and archive": lambda: _archive(jpeg()),
    "png and archive": lambda: _archive(png()),
    "jpeg and page": lambda: jpeg() + b"<html><script>alert(1)</script>",
    "page that begins as jpeg": lambda: b"\xff\xd8\xff<html><script>alert(1)</script>",
    "drawing": lambda: b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
    "drawing with entities": lambda: (
        b'<!DOCTYPE x [<!ENTITY a "' + b"a" * 1000 + b'">]><svg>' + b"&a;" * 1000 + b"</svg>"
    ),
}


@functools.cache
def whole() -> dict[str, bytes]:
    """Each of `WHOLE`."""
    return {name: make() for name, make in WHOLE.items()}


@functools.cache
def hostile() -> dict[str, bytes]:
    """Each of `HOSTILE`."""
    return {name: make() for name, make in HOSTILE.items()}


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A true file after an accident."""
    data = bytearray(whole()[draw(st.sampled_from(sorted(WHOLE)))])
    for _ in range(draw(st.integers(1, 6))):
        if not data:
            break
        # Damage in the first bytes reaches the most code.
        place = draw(st.integers(0, min(600, len(data) - 1)))
        match draw(st.sampled_from(["set", "set", "set", "cut", "drop", "repeat", "insert"])):
            case "set":
                data[place] = draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF, *range(0, 256, 17)]))
            case "cut":
                del data[draw(st.integers(0, len(data))) :]
            case "drop":
                del data[place : place + draw(st.integers(1, 40))]
            case "repeat":
                data[place:place] = data[place : place + 30] * draw(st.sampled_from([1, 50]))
            case _:
                data[place:place] = draw(st.binary(max_size=20))
    return bytes(data)


def flat_webp(side: int) -> bytes:
    """A true WebP picture of one colour: some kilobytes, whatever its size."""
    out = io.BytesIO()
    Image.new("RGB", (side, side)).save(out, "WEBP")
    return out.getvalue()
