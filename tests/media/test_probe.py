"""A picture is what its bytes say; only whole JPEG and PNG files of the right size pass."""

from __future__ import annotations

import struct
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_mcp.api.limits import MAX_IMAGE_BYTES, MAX_IMAGE_PIXELS
from kling_mcp.errors import InputError, Problem
from kling_mcp.media.probe import PictureFacts, inspect
from kling_mcp.media.structure import read_orientation
from media import pictures


def refusals(data: bytes, given_as: str = "mia.png") -> tuple[Problem, ...]:
    with pytest.raises(InputError) as caught:
        inspect(data, given_as, "frontal_image")
    return caught.value.problems


def look(data: bytes) -> PictureFacts:
    return inspect(data, "mia.png", "frontal_image")


def test_format_and_size_are_read_from_the_bytes() -> None:
    assert look(pictures.jpeg(640, 480)) == PictureFacts("jpeg", 640, 480)
    assert look(pictures.png(640, 480)) == PictureFacts("png", 640, 480)


def test_an_iphone_file_with_two_pictures_is_a_jpeg() -> None:
    assert look(pictures.mpo()) == PictureFacts("jpeg", 640, 480)


def test_an_animated_png_is_a_png() -> None:
    assert look(pictures.png(400, 400, frames=3)) == PictureFacts("png", 400, 400)


def test_bytes_after_the_end_of_a_picture_do_no_harm() -> None:
    assert look(pictures.jpeg() + b"a motion photo's film").format == "jpeg"
    assert look(pictures.png() + b"something an editor left").format == "png"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_turns_the_size(orientation: int) -> None:
    facts = look(pictures.jpeg(700, 400, orientation=orientation))
    assert (facts.width, facts.height) == ((400, 700) if orientation >= 5 else (700, 400))


@pytest.mark.parametrize("order", ["<", ">"])
def test_orientation_is_found_among_other_entries_in_either_byte_order(order: str) -> None:
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, 2)
    maker = struct.pack(order + "HHII", 0x010F, 2, 4, 0)
    turned = struct.pack(order + "HHIHH", 0x0112, 3, 1, 6, 0)
    assert read_orientation(b"Exif\0\0" + start + maker + turned) == 6
    assert read_orientation(start + maker + turned) == 6
    assert read_orientation(start + maker + turned[:6]) == 1
    assert read_orientation(start + maker + maker) == 1


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0",
        b"Exif\0\0garbage",
        b"Exif\0\0II*\0",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff",
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x63\0\0",
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x1a\x01\x05\0\x01\0\0\0\xff\xff\xff\xff",
    ],
)
def test_damaged_exif_neither_crashes_nor_warns(exif: bytes) -> None:
    facts = look(pictures.jpeg(700, 400, exif=exif))
    assert (facts.width, facts.height) == (700, 400)


@given(noise=st.binary(max_size=80))
def test_any_exif_block_has_an_orientation(noise: bytes) -> None:
    assert 1 <= read_orientation(b"II*\0" + noise) <= 8


def test_looking_from_many_threads_leaves_the_warning_filters_alone() -> None:
    before = list(warnings.filters)
    damaged = pictures.jpeg(exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff")
    with ThreadPoolExecutor(8) as pool:
        assert {facts.format for facts in pool.map(look, [damaged] * 64)} == {"jpeg"}
    assert list(warnings.filters) == before


@pytest.mark.parametrize(
    ("width", "height", "rules"),
    [
        (300, 300, []),
        (299, 300, ["300 px"]),
        (300, 299, ["300 px"]),
        (750, 300, []),
        (300, 750, []),
        (751, 300, ["2.5"]),
        (300, 751, ["2.5"]),
        (1000, 400, []),
        (1001, 400, ["2.5"]),
        (1000, 200, ["300 px", "2.5"]),
    ],
)
def test_sides_and_ratio_have_exact_limits(width: int, height: int, rules: list[str]) -> None:
    """facts: image-pixels, image-ratio"""
    data = pictures.png(width, height)
    if not rules:
        assert look(data) == PictureFacts("png", width, height)
        return
    problems = refusals(data)
    assert [word for word, problem in zip(rules, problems, strict=True) if word in problem.rule] == rules
    assert all(problem.actual == f'"mia.png" with {width} x {height} px' for problem in problems)


def test_too_long_picture_is_refused_with_the_size_to_crop_to() -> None:
    (problem,) = refusals(pictures.png(1201, 480))
    assert problem.fix == "crop the longer side to at most 1200 px."


def test_the_byte_limit_is_exact() -> None:
    """fact: image-bytes"""
    assert look(pictures.png_of_exactly(MAX_IMAGE_BYTES)).format == "png"
    (problem,) = refusals(pictures.png_of_exactly(MAX_IMAGE_BYTES + 1))
    assert problem.actual == f'"mia.png" with {MAX_IMAGE_BYTES + 1} bytes'


@pytest.mark.parametrize(
    ("width", "height"),
    [(12_000, 12_501), (30_000, 30_000), (2**31 - 1, 2**31 - 1), (15_000, 10_001)],
)
def test_a_header_that_claims_a_gigantic_picture_is_refused_unread(width: int, height: int) -> None:
    (problem,) = refusals(pictures.png_claiming(width, height))
    assert "150 million pixels" in problem.rule


def test_a_header_may_claim_as_much_as_the_limit() -> None:
    facts = look(pictures.png_claiming(15_000, 10_000))
    assert facts.width * facts.height == MAX_IMAGE_PIXELS


@pytest.mark.parametrize("picture", [pictures.jpeg(orientation=6), pictures.png(), pictures.png(400, 400, frames=2)])
def test_a_picture_cut_short_anywhere_is_refused(picture: bytes) -> None:
    for length in {*range(9, len(picture), 7), len(picture) - 1, len(picture) - 5}:
        (problem,) = refusals(picture[:length])
        assert "cut short or damaged" in problem.actual, length


def test_the_end_of_a_thumbnail_is_not_the_end_of_its_picture() -> None:
    thumbnail = pictures.jpeg(60, 40)
    picture = pictures.jpeg(exif=b"Exif\0\0II*\0\x08\0\0\0\0\0" + thumbnail)
    assert look(picture).format == "jpeg"
    (problem,) = refusals(picture[:-2])
    assert "cut short" in problem.actual


def test_a_long_run_of_marker_bytes_is_passed_over_at_once() -> None:
    """Anything slower than linear would not come back."""
    (problem,) = refusals(pictures.jpeg()[:-2] + b"\xff" * 5_000_000)
    assert "cut short" in problem.actual


def test_a_png_with_a_flipped_bit_is_refused() -> None:
    picture = bytearray(pictures.png())
    picture[len(picture) // 2] ^= 1
    (problem,) = refusals(bytes(picture))
    assert problem.actual == '"mia.png", a PNG file that is cut short or damaged'


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_damaged_picture_is_accepted_or_refused_but_never_crashes(data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from([pictures.jpeg(orientation=8), pictures.mpo(), pictures.png(frames=2)]))
    picture = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 6))):
        # Damage in the first bytes reaches the most code.
        place = data.draw(st.integers(3, min(700, len(picture) - 1)))
        picture[place] = data.draw(st.integers(0, 255))
    with suppress(InputError):
        assert look(bytes(picture)).format in {"jpeg", "png"}


def test_a_malformed_second_picture_is_no_reason_to_crash() -> None:
    picture = pictures.mpo()
    place = picture.index(b"MPF\0")
    (facts,) = {look(picture[: place + 4] + bytes([noise]) * 40 + picture[place + 44 :]) for noise in (0, 1, 255)}
    assert facts.format == "jpeg"


def ftyp(brand: bytes) -> bytes:
    return b"\0\0\0\x18ftyp" + brand + bytes(40)


@pytest.mark.parametrize(
    ("data", "what", "fix"),
    [
        (pictures.other("WEBP"), "a WebP picture", "convert it to JPEG or PNG"),
        (pictures.other("GIF"), "a GIF picture", "convert it to JPEG or PNG"),
        (pictures.other("BMP"), "a BMP picture", "convert it to JPEG or PNG"),
        (pictures.other("TIFF"), "a TIFF picture", "convert it to JPEG or PNG"),
        (pictures.other("ICO"), "an icon file", "convert it to JPEG or PNG"),
        (pictures.other("PDF"), "a PDF document", "export the page"),
        (ftyp(b"heic"), "a HEIC picture", "convert it to JPEG or PNG"),
        (ftyp(b"mif1"), "a HEIC picture", "convert it to JPEG or PNG"),
        (ftyp(b"tmap"), "a HEIC picture", "convert it to JPEG or PNG"),
        (ftyp(b"hevx"), "a HEIC picture", "convert it to JPEG or PNG"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1heictmap", "a HEIC picture", "convert it to JPEG or PNG"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1miafavif", "an AVIF picture", "convert it to JPEG or PNG"),
        (b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom", "a camera's raw file", "convert it to JPEG or PNG"),
        (b"FUJIFILMCCD-RAW 0201", "a camera's raw file", "convert it to JPEG or PNG"),
        (b"IIU\0\x18\0\0\0" + bytes(40), "a camera's raw file", "convert it to JPEG or PNG"),
        (b"IIRO\x08\0\0\0" + bytes(40), "a camera's raw file", "convert it to JPEG or PNG"),
        (ftyp(b"avif"), "an AVIF picture", "convert it to JPEG or PNG"),
        (ftyp(b"isom"), "an MP4 video", "video_url"),
        (ftyp(b"qt  "), "a QuickTime video", "video_url"),
        (b"RIFF\0\0\0\0AVI LIST", "an AVI video", "video_url"),
        (b"\x1aE\xdf\xa3" + bytes(40), "a WebM or Matroska video", "video_url"),
        (b"\xff\x0a\0\0", "a JPEG XL picture", "convert"),
        (b"8BPS\0\x01", "a Photoshop file", "convert"),
        (b"PK\x03\x04" + bytes(40), "a ZIP archive", "unpack"),
        (b"<?xml version='1.0'?>\n<svg xmlns='x'></svg>", "an SVG drawing", "convert"),
        (b"\xef\xbb\xbf<!DOCTYPE html><title>Sign in</title>", "an HTML page", "download the picture itself"),
        (b"\n <html lang=en>", "an HTML page", "download the picture itself"),
        (b"<Error><Code>AccessDenied</Code></Error>", "a text file", "JPEG or PNG"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer", "git lfs pull"),
        (b"", "an empty file", "download the picture again"),
        (b"just words", "a text file", "JPEG or PNG"),
        ("米娅".encode() * 400, "a text file", "JPEG or PNG"),
        ("ab米娅".encode() * 400, "a text file", "JPEG or PNG"),
        (b"caf\xe9 au lait", "an unknown format", "JPEG or PNG"),
        (bytes(64), "an unknown format", "JPEG or PNG"),
    ],
)
def test_unsupported_format_is_named_in_the_refusal(data: bytes, what: str, fix: str) -> None:
    """fact: image-formats"""
    (problem,) = refusals(data, "photo.jpg")
    assert problem.actual.startswith(f'"photo.jpg", which is {what}')
    assert fix in problem.fix


def test_an_answer_never_shows_what_the_file_holds() -> None:
    (problem,) = refusals(b"root:x:0:0:canary:/root:/bin/sh")
    assert "canary" not in str(problem)
