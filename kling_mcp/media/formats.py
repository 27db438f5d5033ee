"""Recognises a file by its first bytes, never by its name.

It decodes nothing; `probe` inspects JPEG and PNG files further.
"""

from __future__ import annotations

import re
from typing import Final

_CONVERT: Final = "convert it to JPEG or PNG and give that file."
_VIDEO: Final = "give a JPEG or PNG picture; a video goes into video_url, as an https link."
_PAGE: Final = "this is a saved web page: download the picture itself."
_OTHER: Final = "give a JPEG or PNG picture."

_PICTURE_BRAND: Final = rb"....ftyp(?:mif[12]|msf1|miaf|MiH[ABE]|tmap|unif|1pic)"

# (pattern at the start, what it is, how to get a picture out of it)
_SIGNATURES: Final[tuple[tuple[bytes, str, str], ...]] = (
    (rb"RIFF....WEBP", "a WebP picture", _CONVERT),
    (rb"RIFF....AVI ", "an AVI video", _VIDEO),
    (rb"GIF8[79]a", "a GIF picture", _CONVERT),
    (rb"....ftypcrx |FUJIFILMCCD-RAW |IIU\0|IIR[OS]|MMOR", "a camera's raw file", _CONVERT),
    (rb"....ftyp(?:avif|avis)", "an AVIF picture", _CONVERT),
    (rb"....ftyp(?:hei[cxms]|hev[cxms])", "a HEIC picture", _CONVERT),
    # Brands that only say that it is a picture; the ones it is compatible with follow.
    (_PICTURE_BRAND + rb"....(?:....){,30}?(?:avif|avis)", "an AVIF picture", _CONVERT),
    (_PICTURE_BRAND, "a HEIC picture", _CONVERT),
    (rb"....ftypqt  ", "a QuickTime video", _VIDEO),
    (rb"....ftyp", "an MP4 video", _VIDEO),
    (rb"\x1aE\xdf\xa3", "a WebM or Matroska video", _VIDEO),
    (rb"II\*\0|MM\0\*", "a TIFF picture or a camera's raw file", _CONVERT),
    (rb"BM....\0\0\0\0", "a BMP picture", _CONVERT),
    (rb"\xff\x0a|\0\0\0\x0cJXL ", "a JPEG XL picture", _CONVERT),
    (rb"\0\0\0\x0cjP  |\xffO\xffQ", "a JPEG 2000 picture", _CONVERT),
    (rb"8BPS", "a Photoshop file", _CONVERT),
    (rb"\0\0\x01\0", "an icon file", _CONVERT),
    (rb"%PDF-", "a PDF document", "export the page as JPEG or PNG and give that file."),
    (rb"PK\x03\x04", "a ZIP archive or an office document", "unpack it and give a JPEG or PNG from it."),
    (
        rb"version https://git-lfs",
        "a Git LFS pointer without its picture",
        "fetch the real file (git lfs pull).",
    ),
)
_STARTS: Final = tuple((re.compile(start, re.DOTALL), what, fix) for start, what, fix in _SIGNATURES)
_SVG: Final = re.compile(rb"<svg[\s>]", re.IGNORECASE)
_HTML: Final = re.compile(rb"<!doctype html|<html[\s>]|<head[\s>]|<body[\s>]", re.IGNORECASE)
_LOOKED_AT_BYTES: Final = 1024


def name_format(data: bytes) -> str:
    """`jpeg`, `png`, or "" for anything else. fact: image-formats"""
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    return "png" if data.startswith(b"\x89PNG\r\n\x1a\n") else ""


def describe_other(data: bytes) -> tuple[str, str]:
    """What bytes other than JPEG and PNG really are, and how to get a picture; both fit into a sentence."""
    if not data:
        return "an empty file", "save or download the picture again."
    start = data[:_LOOKED_AT_BYTES]
    for pattern, what, fix in _STARTS:
        if pattern.match(start):
            return what, fix
    if start.lstrip().removeprefix(b"\xef\xbb\xbf").startswith(b"<"):
        if _SVG.search(start):
            return "an SVG drawing", _CONVERT
        if _HTML.search(start):
            return "an HTML page", _PAGE
    return ("a text file", _OTHER) if _is_text(start) else ("an unknown format", _OTHER)


def _is_text(start: bytes) -> bool:
    if re.search(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]", start):
        return False
    try:
        # The cut may fall inside a character.
        start.decode("utf-8", errors="strict")
    except UnicodeDecodeError as error:
        return error.start >= len(start) - 3 and error.reason == "unexpected end of data"
    return True
