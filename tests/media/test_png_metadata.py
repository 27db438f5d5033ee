"""Large metadata in a PNG, as image generators and calibrated screens write it, is no reason to refuse a picture."""

from __future__ import annotations

import io
import time
import zlib
from pathlib import Path

import pytest
from PIL import Image

from kling_mcp.errors import InputError
from kling_mcp.media.png_metadata import without_packed_metadata
from kling_mcp.media.probe import inspect
from kling_mcp.thumbnails.render import make_thumbnail
from media import pictures

SAMPLES = Path(__file__).parents[1] / "samples"
NAMES = ["profile-before-pixels", "workflow-before-pixels", "xmp-before-pixels"]
PACKED = zlib.compress(bytes(2_000_000))
CHUNKS = {
    b"iCCP": b"name\0\0" + PACKED,
    b"zTXt": b"workflow\0\0" + PACKED,
    b"iTXt": b"XML:com.adobe.xmp\0\1\0\0\0" + PACKED,
}
AFTER_HEADER = len(pictures.PNG_START) + 25


def with_chunk(chunk: bytes, *, at_end: bool = False) -> bytes:
    picture = pictures.png()
    place = len(picture) - 12 if at_end else AFTER_HEADER
    return picture[:place] + chunk + picture[place:]


@pytest.mark.parametrize("name", NAMES)
def test_sample_with_large_metadata_is_accepted_and_has_a_thumbnail(name: str) -> None:
    data = (SAMPLES / f"{name}.png").read_bytes()
    assert inspect(data, "mia.png", "frontal_image").format == "png"
    with Image.open(io.BytesIO(make_thumbnail(data))) as small:
        assert max(small.size) == 256


@pytest.mark.parametrize("at_end", [False, True])
@pytest.mark.parametrize("name", CHUNKS)
def test_packed_chunk_before_or_after_the_pixels_is_accepted(name: bytes, at_end: bool) -> None:
    data = with_chunk(pictures.chunk(name, CHUNKS[name]), at_end=at_end)
    assert without_packed_metadata(data) == pictures.png()
    assert inspect(data, "mia.png", "frontal_image").width == 640
    assert make_thumbnail(data) == make_thumbnail(pictures.png())


@pytest.mark.parametrize("name", CHUNKS)
def test_packed_chunk_with_a_wrong_checksum_is_damage(name: bytes) -> None:
    chunk = pictures.chunk(name, CHUNKS[name])
    data = with_chunk(chunk[:-1] + bytes([chunk[-1] ^ 1]))
    assert without_packed_metadata(data) == data
    with pytest.raises(InputError, match="cut short or damaged"):
        inspect(data, "mia.png", "frontal_image")


@pytest.mark.parametrize("cut", [8, 9, 20, 33, 40, 60, 1000])
def test_file_that_is_cut_short_stays_as_it_is(cut: int) -> None:
    data = with_chunk(pictures.chunk(b"zTXt", CHUNKS[b"zTXt"]))[:cut]
    assert without_packed_metadata(data) == data


def test_small_metadata_is_left_in_place() -> None:
    data = with_chunk(pictures.chunk(b"zTXt", b"a\0\0" + zlib.compress(b"text")))
    assert without_packed_metadata(data) is data


def test_thousands_of_packed_chunks_cost_next_to_nothing() -> None:
    data = with_chunk(pictures.chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1_000_000))) * 5000)
    started = time.process_time()
    assert inspect(data, "mia.png", "frontal_image").width == 640
    assert time.process_time() - started < 1
