"""Makes thumbnails from untrusted pictures, and a numbered contact sheet from thumbnails.

A decoder sees only what `media` found to be pixels, of limited size and in a limited number of passes, and only pixels
survive: no metadata, colour profile or second frame.
Call it from a worker thread: decoding takes up to a second.

Pillow is imported at the first picture.
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from typing import TYPE_CHECKING, Final

from kling_mcp.media.probe import read_structure
from kling_mcp.media.structure import DamagedError, Structure, TooManyPartsError, read_orientation
from kling_mcp.thumbnails.fetch import NoPictureError, name_picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image, ImageDraw, ImageFont

    Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

SIDE_PX: Final = 256
MAX_THUMBNAIL_BYTES: Final = 36_000
SHEET_CELL_PX: Final = 192
MAX_ON_SHEET: Final = 24
MAX_SHEET_BYTES: Final = 300_000
_SHEET_COLUMNS: Final = 6
_SHEET_GAP_PX: Final = 6
_NUMBER_PX: Final = 28

# Limits on decoded pixels. A JPEG is decoded at about an eighth of its size; other formats in full.
MAX_JPEG_PIXELS: Final = 50_000_000
MAX_OTHER_PIXELS: Final = 25_000_000
# A progressive JPEG has about ten passes; each goes over all pixels, however few bytes it has.
MAX_PIXELS_IN_PASSES: Final = 1_000_000_000

# What Pillow is known to raise on damaged input.
_DECODE_ERRORS: Final = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    EOFError,
    struct.error,
    zlib.error,
)

_QUALITIES: Final = (82, 70, 55, 40, 25)
_PAPER: Final = (236, 236, 236)
_INK: Final = (255, 255, 255)
_BADGE: Final = (24, 24, 27)
# EXIF orientation -> Pillow's name of what turns the picture upright.
_UPRIGHT: Final = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}


def make_thumbnail(data: bytes, *, side: int = SIDE_PX, most_bytes: int = MAX_THUMBNAIL_BYTES) -> bytes:
    """A JPEG of at most `side` pixels a side and `most_bytes` bytes.

    Args:
        data: a JPEG, PNG or WebP file; may be hostile.

    Raises:
        NoPictureError: it is none of these, damaged, or has too many pixels.
    """
    from PIL import Image  # noqa: PLC0415 - slow to load, rarely needed

    found = name_picture(data)
    if not found:
        raise NoPictureError("it is not a JPEG, PNG or WebP picture")
    structure = _read_structure(data, found)
    _require_size(structure, found)
    try:
        with Image.open(io.BytesIO(structure.bare_file()), formats=(found.upper(),)) as picture:
            orientation = structure.orientation
            if found == "webp":
                orientation = read_orientation(picture.info.get("exif", b""))
            return _as_jpeg(_upright(_shrunk(picture, side), orientation), most_bytes)
    except (Image.DecompressionBombError, MemoryError):
        raise NoPictureError("it has too many pixels") from None
    except _DECODE_ERRORS:
        raise NoPictureError("it is damaged") from None


def make_sheet(pictures: Sequence[bytes], *, most_bytes: int = MAX_SHEET_BYTES) -> bytes:
    """One JPEG with the pictures side by side in rows, numbered from 1; b"" leaves an empty place.

    Args:
        pictures: thumbnails of ours, at most `MAX_ON_SHEET`.
    """
    from PIL import Image, ImageDraw, ImageFont  # noqa: PLC0415 - slow to load, rarely needed

    columns = min(_SHEET_COLUMNS, math.ceil(math.sqrt(len(pictures) * 1.5)))
    rows = math.ceil(len(pictures) / columns)
    step = SHEET_CELL_PX + _SHEET_GAP_PX
    sheet = Image.new("RGB", (columns * step + _SHEET_GAP_PX, rows * step + _SHEET_GAP_PX), _INK)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_NUMBER_PX - 8)
    for place, jpeg in enumerate(pictures):
        left = _SHEET_GAP_PX + place % columns * step
        top = _SHEET_GAP_PX + place // columns * step
        sheet.paste(_cell(jpeg), (left, top))
        _write_number(draw, font, place + 1, left, top)
    return _as_jpeg(sheet, most_bytes)


def read_webp_size(data: bytes) -> tuple[int, int]:
    """Width and height that a WebP file claims; (0, 0) where its first chunk is unknown or cut short."""
    kind, body = data[12:16], data[20:30]
    if len(body) < 10:
        return 0, 0
    if kind == b"VP8X":
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    return 0, 0


def _read_structure(data: bytes, found: str) -> Structure:
    if found == "webp":
        # Pillow's WebP reader allocates every pixel before it reports how many there are.
        width, height = read_webp_size(data)
        return Structure(width, height, pixels=(data,))
    try:
        return read_structure(data, found)
    except (DamagedError, TooManyPartsError):
        raise NoPictureError("it is damaged") from None


def _require_size(structure: Structure, found: str) -> None:
    if structure.width < 1 or structure.height < 1:
        raise NoPictureError("it is damaged")
    count = structure.width * structure.height
    if count > (MAX_JPEG_PIXELS if found == "jpeg" else MAX_OTHER_PIXELS):
        raise NoPictureError("it has too many pixels")
    if count * structure.passes > MAX_PIXELS_IN_PASSES:
        raise NoPictureError("it takes too long to decode")


def _shrunk(picture: Image.Image, side: int) -> Image.Image:
    """A small copy without transparency."""
    from PIL import Image  # noqa: PLC0415 - slow to load, rarely needed

    picture.draft("RGB", (2 * side, 2 * side))  # lets the JPEG decoder skip detail
    if picture.mode.startswith("I"):
        picture = _in_eight_bits(picture, side)
    has_holes = picture.mode in {"RGBA", "LA", "PA"} or "transparency" in picture.info
    small = picture.convert("RGBA" if has_holes else "RGB")
    small.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    if not has_holes:
        return small
    paper = Image.new("RGB", small.size, _PAPER)
    paper.paste(small, mask=small.getchannel("A"))
    return paper


def _in_eight_bits(picture: Image.Image, side: int) -> Image.Image:
    """A small copy of 16-bit grey in 8 bits: Pillow's own conversion makes all but the darkest levels white."""
    from PIL import Image  # noqa: PLC0415 - slow to load, rarely needed

    small = picture.convert("I")
    small.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    grey = small.point(lambda value: value * (1 / 256)).convert("L")
    grey.info.pop("transparency", None)  # a level out of 65536, which has no equal among 256
    return grey


def _upright(picture: Image.Image, orientation: int) -> Image.Image:
    from PIL import Image  # noqa: PLC0415 - slow to load, rarely needed

    turn = _UPRIGHT.get(orientation)
    return picture.transpose(Image.Transpose[turn]) if turn else picture


def _as_jpeg(picture: Image.Image, most_bytes: int) -> bytes:
    """Saved again, so that nothing of the original file is left, at a quality that fits the limit."""
    picture.info.clear()  # Pillow would copy comments
    jpeg = b""
    for quality in _QUALITIES:
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=quality, optimize=True)
        jpeg = out.getvalue()
        if len(jpeg) <= most_bytes:
            break
    return jpeg


def _cell(jpeg: bytes) -> Image.Image:
    """One square place of the sheet."""
    from PIL import Image  # noqa: PLC0415 - slow to load, rarely needed

    cell = Image.new("RGB", (SHEET_CELL_PX, SHEET_CELL_PX), _PAPER)
    if jpeg:
        with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as picture:
            small = picture.convert("RGB")
        small.thumbnail((SHEET_CELL_PX, SHEET_CELL_PX), Image.Resampling.LANCZOS)
        cell.paste(small, ((SHEET_CELL_PX - small.width) // 2, (SHEET_CELL_PX - small.height) // 2))
    return cell


def _write_number(draw: ImageDraw.ImageDraw, font: Font, number: int, left: int, top: int) -> None:
    width = _NUMBER_PX + 12 * (number > 9)
    draw.rectangle((left, top, left + width, top + _NUMBER_PX), fill=_BADGE)
    draw.text((left + width / 2, top + _NUMBER_PX / 2), str(number), fill=_INK, font=font, anchor="mm")
