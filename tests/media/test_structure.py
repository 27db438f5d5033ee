"""A picture file is read once and within limits, and a decoder gets nothing but its pixels."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from work import counted_work

from kling_mcp.errors import InputError
from kling_mcp.media.jpeg import MAX_SEGMENTS, MAX_TABLES_BYTES, read_jpeg
from kling_mcp.media.png import MAX_CHUNKS, read_png
from kling_mcp.media.probe import inspect, read_structure
from kling_mcp.media.structure import DamagedError, TooManyPartsError
from kling_mcp.thumbnails.fetch import NoPictureError
from kling_mcp.thumbnails.render import make_thumbnail
from media import pictures

SAMPLES = Path(__file__).parents[1] / "samples"
NAMES = ["profile-before-pixels", "workflow-before-pixels", "xmp-before-pixels"]
PACKED = zlib.compress(bytes(2_000_000))
CHUNKS = {
    b"iCCP": b"name\0\0" + PACKED,
    b"zTXt": b"workflow\0\0" + PACKED,
    b"iTXt": b"XML:com.adobe.xmp\0\1\0\0\0" + PACKED,
    b"tEXt": b"prompt\0" + bytes(2_000_000),
}
AFTER_HEADER = len(pictures.PNG_START) + 25
# Of functions, for a file of any size: no segment or chunk costs more than a few.
MOST_CALLS = 300_000


def saved(picture: Image.Image, format_name: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, format_name, **options)
    return out.getvalue()


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def jpeg_with(*segments: bytes) -> bytes:
    picture = pictures.jpeg()
    return picture[:2] + b"".join(segments) + picture[2:]


def png_with(*chunks: bytes, at_end: bool = False) -> bytes:
    picture = pictures.png()
    place = len(picture) - 12 if at_end else AFTER_HEADER
    return picture[:place] + b"".join(chunks) + picture[place:]


def drawing(mode: str) -> Image.Image:
    """A picture in which no two parts look the same."""
    return Image.merge("RGB", [Image.linear_gradient("L").rotate(90 * turn) for turn in range(3)]).convert(mode)


def fill(megabytes: int, part: bytes) -> bytes:
    return part * (megabytes * 1_000_000 // len(part))


CAMERA = [
    segment(0xE1, b"Exif\0\0" + b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0" + bytes(60_000)),
    segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + b"<x:xmpmeta/>" * 5000),
    *(segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + bytes(65_000)) for _ in range(60)),
    *(segment(0xE2, b"ICC_PROFILE\0" + bytes((place, 40)) + bytes(65_000)) for place in range(1, 41)),
    segment(0xE2, b"MPF\0MM\0*\0\0\0\x08" + bytes(80)),
    segment(0xED, b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0\0\0\0\0" * 300),
    segment(0xFE, b"made by a camera"),
]


class TestPixels:
    @pytest.mark.parametrize(
        "data",
        [
            saved(drawing("RGB"), "JPEG"),
            saved(drawing("RGB"), "JPEG", progressive=True, optimize=True),
            saved(drawing("RGB"), "JPEG", restart_marker_blocks=3, comment=b"text"),
            saved(drawing("RGB"), "JPEG", keep_rgb=True),
            saved(drawing("L"), "JPEG"),
            saved(drawing("CMYK"), "JPEG"),
            *(saved(drawing(mode), "PNG") for mode in ("RGB", "RGBA", "L", "LA", "P", "1")),
            saved(drawing("P"), "PNG", transparency=3),
            saved(drawing("RGB"), "PNG", icc_profile=bytes(30_000)),
            jpeg_with(*(part for part in CAMERA if b"MPF" not in part)),
            pictures.mpo(),
            pictures.png(frames=3),
        ],
    )
    def test_decoder_sees_the_same_picture_without_anything_else(self, data: bytes) -> None:
        found = "png" if data.startswith(pictures.PNG_START) else "jpeg"
        bare = read_structure(data, found).bare_file()
        with Image.open(io.BytesIO(data)) as whole, Image.open(io.BytesIO(bare)) as same:
            assert same.size == whole.size
            assert same.convert("RGBA").tobytes() == whole.convert("RGBA").tobytes()
            assert not set(same.info) & {"exif", "icc_profile", "comment", "photoshop", "mp", "xmp", "prompt"}

    def test_camera_file_with_metadata_of_megabytes_is_accepted_and_upright(self) -> None:
        data = jpeg_with(*CAMERA)
        assert len(data) > 6_000_000
        facts = inspect(data, "mia.jpg", "frontal_image")
        assert (facts.width, facts.height) == (480, 640)
        with Image.open(io.BytesIO(make_thumbnail(data))) as small:
            assert small.size == (192, 256)

    @pytest.mark.parametrize("at_end", [False, True])
    @pytest.mark.parametrize("name", CHUNKS)
    def test_large_chunk_before_or_after_the_pixels_is_accepted(self, name: bytes, at_end: bool) -> None:
        data = png_with(pictures.chunk(name, CHUNKS[name]), at_end=at_end)
        assert inspect(data, "mia.png", "frontal_image").width == 640
        assert read_png(data).bare_file() == pictures.png()
        assert make_thumbnail(data) == make_thumbnail(pictures.png())

    @pytest.mark.parametrize("name", NAMES)
    def test_sample_with_large_metadata_is_accepted_and_has_a_thumbnail(self, name: str) -> None:
        data = (SAMPLES / f"{name}.png").read_bytes()
        assert inspect(data, "mia.png", "frontal_image").format == "png"
        with Image.open(io.BytesIO(make_thumbnail(data))) as small:
            assert max(small.size) == 256

    @pytest.mark.parametrize("at_end", [False, True])
    def test_orientation_of_a_png_is_found_before_and_after_its_pixels(self, at_end: bool) -> None:
        turned = pictures.chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0")
        assert inspect(png_with(turned, at_end=at_end), "mia.png", "frontal_image").height == 640


class TestDamage:
    @pytest.mark.parametrize("name", CHUNKS)
    def test_chunk_with_a_wrong_checksum_is_damage(self, name: bytes) -> None:
        chunk = pictures.chunk(name, CHUNKS[name])
        with pytest.raises(DamagedError):
            read_png(png_with(chunk[:-1] + bytes([chunk[-1] ^ 1])))

    @pytest.mark.parametrize(
        "data",
        [
            pictures.png().replace(b"IDAT", b"IDAA"),
            pictures.png()[:8] + pictures.png()[AFTER_HEADER:],
            png_with(pictures.png()[8:AFTER_HEADER]),
            png_with(pictures.chunk(b"a b!", b"")),
            *(
                pictures.PNG_START + pictures.chunk(b"IHDR", header) + pictures.png()[AFTER_HEADER:]
                for header in (
                    b"",
                    struct.pack(">IIBBBBB", 0, 400, 8, 2, 0, 0, 0),
                    struct.pack(">IIBBBBB", 400, 400, 9, 2, 0, 0, 0),
                    struct.pack(">IIBBBBB", 400, 400, 8, 5, 0, 0, 0),
                    struct.pack(">IIBBBBB", 400, 400, 8, 2, 1, 0, 0),
                    struct.pack(">IIBBBBB", 400, 400, 8, 2, 0, 0, 2),
                )
            ),
        ],
    )
    def test_png_that_is_not_built_like_one_is_damaged(self, data: bytes) -> None:
        with pytest.raises(DamagedError):
            read_png(data)

    @pytest.mark.parametrize(
        "frames",
        [
            b"",
            segment(0xC0, b"\x08\x01\x90\x01\x90\x03" + bytes(9)) * 2,
            segment(0xC0, b"\x0c\x01\x90\x01\x90\x03" + bytes(9)),
            segment(0xC0, b"\x08\0\0\x01\x90\x03" + bytes(9)),
            segment(0xC0, b"\x08\x01\x90\x01\x90\x02" + bytes(9)),
            segment(0xC0, b"\x08\x01\x90\x01"),
        ],
    )
    def test_jpeg_without_one_sound_frame_is_damaged(self, frames: bytes) -> None:
        with pytest.raises(DamagedError):
            read_jpeg(b"\xff\xd8" + frames + segment(0xDA, bytes(10)) + b"\x12\x34\xff\xd9")

    def test_jpeg_without_a_scan_is_damaged(self) -> None:
        frame = segment(0xC0, b"\x08\x01\x90\x01\x90\x03" + bytes(9))
        assert read_jpeg(b"\xff\xd8" + frame + segment(0xDA, bytes(10)) + b"\x12\xff\xd9").width == 400
        with pytest.raises(DamagedError):
            read_jpeg(b"\xff\xd8" + frame + b"\xff\xd9")


FLOODS: dict[str, Callable[[], bytes]] = {
    "tiny Exif segments": lambda: jpeg_with(fill(4, segment(0xE1, b"Exif\0\0"))),
    "tiny profiles": lambda: jpeg_with(fill(4, segment(0xE2, b"ICC_PROFILE\0\1\1"))),
    "tiny Photoshop blocks": lambda: jpeg_with(fill(4, segment(0xED, b"Photoshop 3.0\0"))),
    "empty comments": lambda: jpeg_with(fill(9, segment(0xFE, b""))),
    "markers without length": lambda: jpeg_with(fill(9, b"\xff\x01")),
    "tables": lambda: jpeg_with(fill(9, segment(0xDB, (b"\0" + bytes(64)) * 1000))),
    "tiny chunks": lambda: png_with(fill(9, pictures.chunk(b"tEXt", b""))),
    "tiny packed texts": lambda: png_with(fill(9, pictures.chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(500_000))))),
    "tiny pieces of pixels": lambda: png_with(fill(9, pictures.chunk(b"IDAT", b"")), at_end=True),
}


class TestFloods:
    @pytest.mark.parametrize("name", FLOODS)
    def test_flood_of_parts_is_refused_after_a_bounded_number(self, name: str) -> None:
        data = FLOODS[name]()
        with counted_work() as work:
            with pytest.raises(InputError) as caught:
                inspect(data, "mia.jpg", "frontal_image")
            with pytest.raises(NoPictureError):
                make_thumbnail(data)
        assert work.calls < MOST_CALLS
        assert "must be an ordinary " in caught.value.problems[0].rule

    @pytest.mark.parametrize("junk", [b"\0\x01", b"\xff"])
    def test_junk_between_segments_is_passed_over_and_decoded_by_none(self, junk: bytes) -> None:
        picture = pictures.jpeg()
        place = picture.index(b"\xff\xdb")
        data = picture[:place] + fill(9, junk) + picture[place:]
        with counted_work() as work:
            assert inspect(data, "mia.jpg", "frontal_image").width == 640
        assert work.calls < 1000
        assert len(read_jpeg(data).bare_file()) <= len(picture)

    def test_as_many_parts_as_allowed_are_read(self) -> None:
        around = len(list(read_jpeg(pictures.jpeg()).pixels))
        assert read_jpeg(jpeg_with(segment(0xFE, b"") * (MAX_SEGMENTS - 2 * around))).width == 640
        assert read_png(png_with(pictures.chunk(b"tEXt", b"") * (MAX_CHUNKS - 10))).width == 640
        assert read_jpeg(jpeg_with(segment(0xDB, bytes(MAX_TABLES_BYTES - 2000)))).width == 640
        with pytest.raises(TooManyPartsError):
            read_jpeg(jpeg_with(segment(0xDB, bytes(MAX_TABLES_BYTES - 10))))

    def test_progressive_picture_of_countless_passes_is_not_decoded(self) -> None:
        """Each pass goes over all pixels, though it has hardly a byte: seconds of work in a small file."""
        whole = saved(Image.new("RGB", (7000, 7000)), "JPEG", progressive=True)
        place = whole.rindex(b"\xff\xda")
        data = whole[:place] + whole[place:-2] * 200 + b"\xff\xd9"
        assert inspect(data, "mia.jpg", "frontal_image").width == 7000
        with pytest.raises(NoPictureError, match="takes too long"):
            make_thumbnail(data)
        with Image.open(io.BytesIO(make_thumbnail(whole))) as small:
            assert small.size == (256, 256)

    def test_exif_block_of_megabytes_is_looked_at_in_its_first_part_alone(self) -> None:
        entries = b"\x0f\x01\x02\0\x04\0\0\0\0\0\0\0" * 65_535
        data = png_with(pictures.chunk(b"eXIf", b"II*\0\x08\0\0\0\xff\xff" + entries))
        with counted_work() as work:
            assert inspect(data, "mia.png", "frontal_image").width == 640
        assert work.calls < 10_000
