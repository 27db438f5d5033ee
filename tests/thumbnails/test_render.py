"""Small JPEGs of hostile pictures, and the numbered sheet."""

from __future__ import annotations

import io
import os
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media import pictures
from PIL import Image, ImageChops, ImageDraw, ImageStat, PngImagePlugin

from kling_mcp.thumbnails.fetch import NoPictureError
from kling_mcp.thumbnails.render import (
    MAX_ON_SHEET,
    MAX_SHEET_BYTES,
    MAX_THUMBNAIL_BYTES,
    SHEET_CELL_PX,
    make_sheet,
    make_thumbnail,
    read_webp_size,
)


def opened(jpeg: bytes) -> Image.Image:
    with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as picture:
        picture.load()
        return picture


def saved(picture: Image.Image, format_name: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, format_name, **options)
    return out.getvalue()


def noise(width: int, height: int) -> Image.Image:
    """What compresses worst."""
    return Image.frombytes("RGB", (width, height), os.urandom(width * height * 3))


def is_near(colour: object, wanted: tuple[int, int, int]) -> bool:
    assert isinstance(colour, tuple)
    return all(abs(got - want) < 30 for got, want in zip(colour, wanted, strict=True))


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (pictures.jpeg(640, 480), (256, 192)),
        (pictures.png(480, 640), (192, 256)),
        (pictures.other("WEBP"), (256, 256)),
        (pictures.jpeg(100, 50), (100, 50)),
        (pictures.mpo(), (256, 192)),
        (pictures.png(640, 480, frames=3), (256, 192)),
        (pictures.jpeg(4000, 1000), (256, 64)),
    ],
)
def test_every_picture_becomes_a_small_jpeg(data: bytes, size: tuple[int, int]) -> None:
    thumbnail = opened(make_thumbnail(data))
    assert thumbnail.size == size
    assert thumbnail.mode == "RGB"


def mean_of(jpeg: bytes) -> float:
    return float(ImageStat.Stat(opened(jpeg).convert("L")).mean[0])


def test_thumbnail_of_16_bit_grey_has_the_levels_of_the_picture() -> None:
    ramp = (Path(__file__).parents[1] / "samples" / "grey16.png").read_bytes()
    assert abs(mean_of(make_thumbnail(ramp)) - 127.5) < 1


@pytest.mark.parametrize("transparent", [None, 0, 40000])
def test_thumbnail_is_the_same_for_8_and_16_bits_of_grey(transparent: int | None) -> None:
    eight = Image.linear_gradient("L").rotate(90)
    deep = eight.convert("I").point(lambda value: value * 257).convert("I;16")
    options = {} if transparent is None else {"transparency": transparent}
    small = opened(make_thumbnail(saved(deep, "PNG", **options))).convert("L")
    difference = ImageChops.difference(small, opened(make_thumbnail(saved(eight, "PNG"))).convert("L"))
    assert max(level for level, count in enumerate(difference.histogram()) if count) <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_thumbnail_of_a_rotated_picture_is_upright(orientation: int) -> None:
    # The corner that ends up at the top left when a viewer obeys the orientation.
    corners = {1: "tl", 2: "tr", 3: "br", 4: "bl", 5: "tl", 6: "bl", 7: "br", 8: "tr"}
    picture = Image.new("RGB", (400, 400), "black")
    left = 0 if corners[orientation][1] == "l" else 200
    top = 0 if corners[orientation][0] == "t" else 200
    ImageDraw.Draw(picture).rectangle((left, top, left + 199, top + 199), fill=(250, 10, 10))
    exif = Image.Exif()
    exif[0x0112] = orientation
    thumbnail = opened(make_thumbnail(saved(picture, "JPEG", exif=exif)))
    assert is_near(thumbnail.getpixel((20, 20)), (250, 10, 10))
    assert is_near(thumbnail.getpixel((230, 230)), (0, 0, 0))


def test_holes_are_filled_with_paper_and_not_with_black() -> None:
    clear = saved(Image.new("RGBA", (300, 300), (255, 0, 0, 0)), "PNG")
    indexed = saved(Image.new("P", (300, 300), 0), "PNG", transparency=0)
    grey = saved(Image.new("LA", (300, 300), (0, 0)), "PNG")
    for data in (clear, indexed, grey):
        assert is_near(opened(make_thumbnail(data)).getpixel((5, 5)), (236, 236, 236))


def test_thumbnail_keeps_only_the_pixels_of_the_original() -> None:
    exif = Image.Exif()
    exif[0x010E] = "CANARY in the description"
    picture = noise(300, 300)
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "CANARY in the text")
    for data in (
        saved(picture, "JPEG", exif=exif, comment=b"CANARY", icc_profile=b"CANARY profile"),
        saved(picture, "PNG", pnginfo=info, exif=exif),
    ):
        assert b"CANARY" in data
        thumbnail = make_thumbnail(data)
        assert b"CANARY" not in thumbnail
        assert not opened(thumbnail).getexif()


def test_the_worst_picture_stays_under_the_cap() -> None:
    assert len(make_thumbnail(saved(noise(256, 256), "PNG"))) <= MAX_THUMBNAIL_BYTES


def test_a_smaller_cap_and_side_are_obeyed() -> None:
    small = make_thumbnail(saved(noise(500, 500), "PNG"), side=96, most_bytes=5_000)
    assert len(small) <= 5_000
    assert opened(small).size == (96, 96)


def test_a_cap_that_cannot_be_met_gives_the_smallest_there_is() -> None:
    picture = saved(noise(256, 256), "PNG")
    assert len(make_thumbnail(picture, most_bytes=10)) < len(make_thumbnail(picture)) / 2


def claiming(width: int, height: int) -> bytes:
    return pictures.png_claiming(width, height)


def webp(kind: bytes, body: bytes) -> bytes:
    chunk = kind + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk


def webp_claiming(width: int, height: int) -> bytes:
    """An animated WebP of one empty frame on a canvas of this size."""
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return webp(b"VP8X", b"\x02\0\0\0" + size)


@pytest.mark.parametrize(
    "data",
    [claiming(5_001, 5_000), claiming(20_000, 20_000), claiming(2**31 - 1, 2**31 - 1), webp_claiming(16_000, 16_000)],
)
def test_a_small_file_that_unfolds_to_gigabytes_is_refused_before_it_does(data: bytes) -> None:
    with pytest.raises(NoPictureError, match="too many pixels"):
        make_thumbnail(data)


def test_a_text_that_unfolds_inside_a_picture_is_never_unpacked() -> None:
    whole = pictures.png(300, 300)
    bomb = pictures.chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(30_000_000)))
    assert make_thumbnail(whole[:33] + bomb + whole[33:]) == make_thumbnail(whole)


@pytest.mark.parametrize("kind", ["lossy", "lossless", "alpha"])
def test_the_size_that_a_webp_claims_is_read_without_decoding(kind: str) -> None:
    picture = Image.new(
        "RGBA" if kind == "alpha" else "RGB", (411, 322), (10, 200, 30, 90)[: 4 if kind == "alpha" else 3]
    )
    data = saved(picture, "WEBP", lossless=kind != "lossy")
    assert read_webp_size(data) == (411, 322)


@pytest.mark.parametrize("data", [webp(b"VP8 ", b""), webp(b"XXXX", bytes(20)), webp(b"VP8 ", bytes(20))])
def test_a_webp_without_a_size_is_damaged(data: bytes) -> None:
    with pytest.raises(NoPictureError, match="damaged"):
        make_thumbnail(data)


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"<svg/>", pictures.other("BMP"), pictures.other("TIFF")])
def test_unsupported_formats_never_reach_a_decoder(data: bytes) -> None:
    with pytest.raises(NoPictureError, match="not a JPEG, PNG or WebP"):
        make_thumbnail(data)


def test_a_format_is_not_believed_beyond_its_first_bytes() -> None:
    with pytest.raises(NoPictureError, match="damaged"):
        make_thumbnail(b"\x89PNG\r\n\x1a\n" + pictures.other("GIF"))


@settings(deadline=None, max_examples=60)
@given(st.sampled_from([pictures.jpeg(64, 64), pictures.png(64, 64), pictures.other("WEBP")]), st.data())
def test_a_damaged_picture_is_a_thumbnail_or_a_reason(data: bytes, draw: st.DataObject) -> None:
    broken = bytearray(data)
    for _ in range(draw.draw(st.integers(1, 8))):
        broken[draw.draw(st.integers(0, len(broken) - 1))] = draw.draw(st.integers(0, 255))
    cut = draw.draw(st.integers(0, len(broken)))
    for attempt in (bytes(broken), bytes(broken[:cut])):
        with suppress(NoPictureError):
            assert max(opened(make_thumbnail(attempt)).size) <= 256


def test_thumbnails_are_rendered_by_many_threads_at_once() -> None:
    originals = [pictures.jpeg(300, 300, shade=shade) for shade in range(0, 250, 25)]
    with ThreadPoolExecutor(8) as pool:
        assert all(map(opened, pool.map(make_thumbnail, originals)))


@pytest.mark.parametrize(("count", "columns", "rows"), [(1, 2, 1), (7, 4, 2), (12, 5, 3), (24, 6, 4)])
def test_the_sheet_has_a_numbered_place_for_each(count: int, columns: int, rows: int) -> None:
    sheet = opened(make_sheet([make_thumbnail(pictures.jpeg(300, 200))] * count))
    step = SHEET_CELL_PX + 6
    assert sheet.size == (columns * step + 6, rows * step + 6)
    for place in range(count):
        corner = (6 + place % columns * step + 2, 6 + place // columns * step + 2)
        assert is_near(sheet.getpixel(corner), (24, 24, 27))


def test_numbers_differ_from_place_to_place() -> None:
    sheet = opened(make_sheet([b""] * MAX_ON_SHEET))
    step = SHEET_CELL_PX + 6
    badges = {
        sheet.crop((left, top, left + 40, top + 28)).tobytes()
        for left in range(6, 6 * step, step)
        for top in range(6, 4 * step, step)
    }
    assert len(badges) == MAX_ON_SHEET


def test_a_missing_picture_leaves_its_place_empty() -> None:
    red = make_thumbnail(saved(Image.new("RGB", (300, 300), (240, 10, 10)), "PNG"))
    sheet = opened(make_sheet([b"", red]))
    assert is_near(sheet.getpixel((100, 100)), (236, 236, 236))
    assert is_near(sheet.getpixel((300, 100)), (240, 10, 10))


def test_the_worst_sheet_stays_under_the_cap() -> None:
    worst = make_thumbnail(saved(noise(256, 256), "PNG"))
    assert len(make_sheet([worst] * MAX_ON_SHEET)) <= MAX_SHEET_BYTES
