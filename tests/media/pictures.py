"""Makes real picture files for the tests, and a few that lie. The same one is encoded once."""

from __future__ import annotations

import base64
import functools
import io
import struct
import zlib

from PIL import Image

PNG_START = b"\x89PNG\r\n\x1a\n"


@functools.cache
def jpeg(width: int = 640, height: int = 480, *, orientation: int = 0, exif: bytes = b"", shade: int = 90) -> bytes:
    """A one-coloured JPEG; `orientation` writes an EXIF block, `exif` any bytes in its place."""
    out = io.BytesIO()
    if orientation:
        block = Image.Exif()
        block[0x0112] = orientation
        exif = block.tobytes()
    Image.new("RGB", (width, height), (shade, 120, 60)).save(out, "JPEG", exif=exif)
    return out.getvalue()


@functools.cache
def png(width: int = 640, height: int = 480, *, shade: int = 90, frames: int = 1) -> bytes:
    """A one-coloured PNG; more than one frame makes it an animated one."""
    out = io.BytesIO()
    pages = [Image.new("RGB", (width, height), (shade + page, 20, 200)) for page in range(frames)]
    pages[0].save(out, "PNG", save_all=frames > 1, append_images=pages[1:])
    return out.getvalue()


@functools.cache
def other(format_name: str) -> bytes:
    """A true picture in a format that Kling does not take."""
    out = io.BytesIO()
    Image.new("RGB", (400, 400), (1, 2, 3)).save(out, format_name)
    return out.getvalue()


@functools.cache
def mpo() -> bytes:
    """Two JPEGs in one file, as iPhones and stereo cameras write them."""
    out = io.BytesIO()
    first, second = (Image.new("RGB", (640, 480), (shade, 0, 0)) for shade in (10, 20))
    first.save(out, "MPO", save_all=True, append_images=[second])
    return out.getvalue()


def chunk(name: bytes, body: bytes) -> bytes:
    """A PNG chunk with a right checksum."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_of_exactly(size_bytes: int, *, shade: int = 90) -> bytes:
    """A valid PNG of this many bytes, filled up with a private chunk."""
    picture = png(shade=shade)
    filler = size_bytes - len(picture) - 12
    header_end = len(PNG_START) + 25
    return picture[:header_end] + chunk(b"prVt", bytes(filler)) + picture[header_end:]


def png_claiming(width: int, height: int) -> bytes:
    """A tiny PNG, right in every checksum, whose header claims this size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")
    return PNG_START + body


def data_uri(data: bytes, media_type: str = "image/png") -> str:
    """The bytes as a Base64 data: URI."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"
