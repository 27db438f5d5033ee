"""Checks one picture of a creation against the documented limits, by decoding it.

Must not fetch anything, and must not keep the bytes.
"""

import base64
import binascii
import io
import warnings
from hashlib import sha256
from urllib.parse import urlsplit

from PIL import Image, UnidentifiedImageError

from kling_mcp.simulator.codes import refuse_value

MAX_PICTURE_BYTES = 10 * 1024 * 1024  # fact: image-bytes, in the larger reading of MB
MIN_SIDE_PIXELS = 300  # fact: image-pixels
_FORMATS = ("JPEG", "PNG")  # fact: image-formats
_PNG = b"\x89PNG\r\n\x1a\n"
_PIXELS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
# Decoding more would only take time; the facts name no maximum of pixels.
_DECODE_PIXELS = 40_000_000


def require_link(text: str, field: str, *, opened: bool = True) -> None:
    """Refuse anything but an http(s) link, and if it is `opened`, a dead one: a host under `.invalid`."""
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError:
        parts, host = None, ""
    if parts is None or parts.scheme not in {"http", "https"} or not host:
        raise refuse_value(f"{field} is not a valid url")
    if opened and host.endswith(".invalid"):
        raise refuse_value(f"{field} can not be downloaded")


def is_link(text: str) -> bool:
    """Whether a picture was given as a link, not as Base64 (fact: image-source)."""
    return text[:8].lower().startswith(("http://", "https://"))  # not of all: a picture has megabytes


def check_picture(text: str, field: str, most_bytes: int = MAX_PICTURE_BYTES) -> str:
    """Return the SHA-256 of a Base64 picture's bytes, or "" for a link.

    Raises RefusedError (1201) for anything that the facts `image-...` do not allow.
    """
    if is_link(text):
        require_link(text, field)
        return ""
    if text.startswith("data:"):
        raise refuse_value(f"{field}: base64 must not have a data: prefix")  # fact: base64-bare
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise refuse_value(f"{field} is neither a url nor base64") from None
    _check_content(content, field, most_bytes)
    return sha256(content).hexdigest()


def _check_content(content: bytes, field: str, most_bytes: int) -> None:
    if len(content) > most_bytes:
        raise refuse_value(f"{field}: file size exceeds {most_bytes // 1024 // 1024}MB")
    width, height = _decode(content, field)
    if min(width, height) < MIN_SIDE_PIXELS:
        raise refuse_value(f"{field}: image pixel is invalid, each side must be at least 300px")
    if 2 * max(width, height) > 5 * min(width, height):  # fact: image-ratio
        raise refuse_value(f"{field}: image ratio must be between 1:2.5 and 2.5:1")


def _decode(content: bytes, field: str) -> tuple[int, int]:
    """Width and height in pixels. EXIF rotation would swap them, but no rule depends on that."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on sizes and on damaged metadata
            with Image.open(io.BytesIO(_without_metadata(content)), formats=_FORMATS) as picture:
                if picture.width * picture.height <= _DECODE_PIXELS:
                    picture.load()
                return picture.size
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError):
        # Pillow's decoders raise all of these for broken files.
        raise refuse_value(f"{field}: image format is invalid, jpg and png are supported") from None


def _without_metadata(content: bytes) -> bytes:
    """A PNG with its pixels alone: Pillow refuses one whose texts or profile are large, and no rule forbids those."""
    if not content.startswith(_PNG):
        return content
    kept = [_PNG]
    place = len(_PNG)
    kind = b""
    while kind != b"IEND" and place < len(content):
        kind = content[place + 4 : place + 8]
        end = place + 12 + int.from_bytes(content[place : place + 4], "big")
        if kind in _PIXELS:
            kept.append(content[place:end])
        place = end
    return b"".join(kept)
