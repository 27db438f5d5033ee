"""Pictures are really decoded (facts: image-formats, image-bytes, image-pixels, image-ratio, base64-bare)."""

from hashlib import sha256
from pathlib import Path

import pytest
from media.pictures import mpo

from kling_mcp.simulator import Quirks
from kling_mcp.simulator.pictures import MAX_PICTURE_BYTES
from simulator.box import Box, as_base64, data, element, images, picture_bytes, refusal

pytestmark = pytest.mark.anyio
NO_FORMAT = "image format is invalid, jpg and png are supported"
PNG = picture_bytes()
SAMPLES = Path(__file__).parent.parent / "samples"
LARGE_METADATA = ["profile-before-pixels", "workflow-before-pixels", "xmp-before-pixels", "grey16"]


@pytest.mark.parametrize(
    "content",
    [
        PNG,
        picture_bytes(image_format="JPEG"),
        picture_bytes(300, 750),
        picture_bytes(750, 300),
        PNG + bytes(MAX_PICTURE_BYTES - len(PNG)),
        *((SAMPLES / f"{name}.png").read_bytes() for name in LARGE_METADATA),
    ],
    ids=["png", "jpeg", "1:2.5", "2.5:1", "10 MiB", *LARGE_METADATA],
)
async def test_pictures_within_the_limits_are_accepted(box: Box, content: bytes) -> None:
    assert await box.created(element_image_list=images(as_base64(content)))
    assert box.world.requests[0].picture_sha256 == (sha256(content).hexdigest(),)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        ("data:image/png;base64," + as_base64(PNG), "base64 must not have a data: prefix"),
        (as_base64(PNG)[:40] + "\n" + as_base64(PNG)[40:], "is neither a url nor base64"),
        ("C:/pictures/mia.png", "is neither a url nor base64"),
        (as_base64(b"GIF89a, but no picture"), NO_FORMAT),
        (as_base64(picture_bytes(image_format="GIF")), NO_FORMAT),
        (as_base64(picture_bytes(image_format="WEBP")), NO_FORMAT),
        (as_base64(PNG[:200]), NO_FORMAT),
        (as_base64(PNG + bytes(MAX_PICTURE_BYTES - len(PNG) + 1)), "file size exceeds 10MB"),
        (as_base64(picture_bytes(299, 400)), "each side must be at least 300px"),
        (as_base64(picture_bytes(300, 751)), "image ratio must be between 1:2.5 and 2.5:1"),
        ("https://example.invalid/a.png", "can not be downloaded"),
        ("https:///a.png", "is not a valid url"),
    ],
)
async def test_pictures_beyond_the_limits_are_refused(box: Box, picture: str, message: str) -> None:
    status, code, said = refusal(await box.create(element_image_list=images("https://example.com/a.png", picture)))
    assert (status, code) == (400, 1201)
    assert said.startswith("refer_images[0].image_url")
    assert message in said


async def test_a_vast_picture_is_judged_by_its_header_without_warnings(box: Box) -> None:
    # Above the size at which Pillow warns of decompression bombs, which this test run would turn into an error.
    vast = as_base64(picture_bytes(10_000, 9_000, mode="1"))
    assert await box.created(element_image_list=images(vast))


async def test_a_picture_with_damaged_metadata_is_judged_by_its_pixels_without_warnings(box: Box) -> None:
    whole = mpo()
    damaged = whole.replace(b"MPF\0", b"MPF\0" + bytes([255]) * 8, 1)
    assert await box.created(element_image_list=images(as_base64(damaged)))


async def test_a_picture_that_no_decoder_would_touch_is_refused(box: Box) -> None:
    bomb = as_base64(picture_bytes(20_000, 9_000, mode="1"))
    assert NO_FORMAT in refusal(await box.create(element_image_list=images(bomb)))[2]


async def test_the_pictures_come_back_as_sent_as_links_or_not_at_all() -> None:
    inline = as_base64(PNG)
    async with Box() as box:
        task = await box.created(element_image_list=images(inline, "https://example.com/b.png"))
        box.clock.now += 5
        made = element(data(await box.query(task)))
        assert made["element_image_list"] == images(inline, "https://example.com/b.png")

        box.world.quirks = Quirks(pictures="links")
        made = element(data(await box.query(task)))
        front = f"https://pictures.example.com/{made['element_id']}-frontal.png"
        assert made["element_image_list"] == images(front, "https://example.com/b.png")

        box.world.quirks = Quirks(pictures="empty")
        assert element(data(await box.query(task)))["element_image_list"] == {}
