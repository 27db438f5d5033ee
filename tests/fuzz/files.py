"""Picture files that are not what they seem: damaged, cut, glued together, and small ones that unfold to gigabytes."""

from __future__ import annotations

import functools
import io
import struct
import zipfile
import zlib

from hypothesis import strategies as st
from media.pictures import PNG_START, chunk, jpeg, mpo, other, png, png_claiming
from PIL import Image

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


@functools.cache
def whole() -> dict[str, bytes]:
    """True files of every kind that somebody may give."""
    return {
        "jpeg": jpeg(orientation=6),
        "two jpegs": mpo(),
        "png": png(),
        "animated png": png(frames=2),
        "webp": other("WEBP"),
        "gif": other("GIF"),
        "tiff": other("TIFF"),
        "bmp": other("BMP"),
        "heic": b"\0\0\0\x18ftypheic" + bytes(300),
        "mp4": MP4,
        "mov": MOV,
    }


@functools.cache
def hostile() -> dict[str, bytes]:
    """Files that somebody made on purpose; none is larger than a few hundred kilobytes."""
    image = chunk(b"IDAT", _packed_zeros(60))
    return {
        "nothing": b"",
        "png of 100 000 x 100 000": png_claiming(100_000, 100_000),
        "png of 2^31": png_claiming(2**31 - 1, 2**31 - 1),
        "png of no width": png_claiming(0, 400),
        "png of just too many": png_claiming(7_000, 7_000),
        "png with more rows than it says": _png_with(image),
        "png with a huge profile": _png_with(chunk(b"iCCP", b"x\0\0" + _packed_zeros(150)), image),
        "png with huge text": _png_with(chunk(b"zTXt", b"x\0\0" + _packed_zeros(150)), image),
        "png with many texts": _png_with(*[chunk(b"zTXt", b"x\0\0" + _packed_zeros(1))] * 300, image),
        "png with international text": _png_with(chunk(b"iTXt", b"x\0\1\0\0\0" + _packed_zeros(150)), image),
        "png of ten thousand chunks": _png_with(*[chunk(b"prVt", b"")] * 10_000, image),
        "png whose chunk is endless": PNG_START + b"\xff\xff\xff\xffIHDR" + bytes(100),
        "jpeg of 65 535 x 65 535": _jpeg_claiming(65_535, 65_535),
        "jpeg of no height": _jpeg_claiming(400, 0),
        "jpeg of marks alone": b"\xff\xd8\xff" + b"\xff\xd0" * 30_000,
        "jpeg of fill alone": b"\xff\xd8" + b"\xff" * 100_000,
        "jpeg of empty segments": b"\xff\xd8" + b"\xff\xe0\0\2" * 5_000 + jpeg()[2:],
        "jpeg with a turning exif": jpeg(exif=b"Exif\0\0MM\0*\0\0\0\x08" + b"\xff" * 60_000),
        "webp of 16 384 x 16 384": _webp(16_384, 16_384),
        "webp of 2^24": _webp(2**24, 2**24),
        "jpeg and archive": _archive(jpeg()),
        "png and archive": _archive(png()),
        "jpeg and page": jpeg() + b"<html><script>alert(1)</script>",
        "page that begins as jpeg": b"\xff\xd8\xff<html><script>alert(1)</script>",
        "drawing": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
        "drawing with entities": b'<!DOCTYPE x [<!ENTITY a "' + b"a" * 1000 + b'">]><svg>' + b"&a;" * 1000 + b"</svg>",
    }


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A true file after an accident."""
    data = bytearray(draw(st.sampled_from(sorted(whole().items())))[1])
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
