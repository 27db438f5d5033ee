"""Which picture an element gets, and what is said where it gets none."""

from __future__ import annotations

import io
import threading
from dataclasses import replace
from pathlib import Path

import anyio
import httpx
import pytest
from media.pictures import jpeg, png
from PIL import Image

from kling_mcp.library.records import LibraryElement
from kling_mcp.thumbnails.cache import FileThumbnailCache, MemoryThumbnailCache
from kling_mcp.thumbnails.fetch import PictureFetcher
from kling_mcp.thumbnails.thumbnails import SANDBOX_HAS_NO_LINKS, Thumbnails
from thumbnails.internet import PUBLIC, Internet, picture, redirect

pytestmark = pytest.mark.anyio

MIA = LibraryElement(source="custom", element_id="310", task_id="880", image_urls=("https://cdn.example.com/mia.jpg",))


def shade(thumbnail: bytes) -> int:
    """How red it is; by this the tests tell pictures apart."""
    with Image.open(io.BytesIO(thumbnail)) as opened:
        red = opened.convert("RGB").getpixel((3, 3))
    assert isinstance(red, tuple)
    return round(red[0] / 10) * 10


class CrowdedCache(MemoryThumbnailCache):
    """Each put waits inside for another one, so that as many are there at once as can be."""

    def __init__(self) -> None:
        super().__init__()
        self._pair = threading.Barrier(2)
        self._count = threading.Lock()
        self._inside = self.most_inside = 0

    def put(self, key: str, jpeg: bytes) -> None:
        with self._count:
            self._inside += 1
            self.most_inside = max(self.most_inside, self._inside)
        self._pair.wait(60)
        super().put(key, jpeg)
        with self._count:
            self._inside -= 1


@pytest.fixture
def internet() -> Internet:
    made = Internet()
    made.host("cdn.example.com", picture(jpeg(shade=200)))
    return made


async def test_uploaded_picture_is_shown_without_any_request(internet: Internet) -> None:
    album = Thumbnails(MemoryThumbnailCache(), internet.fetcher())
    await album.save("880", png(shade=50))
    (face,) = await album.load([MIA])
    assert (shade(face.jpeg), face.note) == (50, "")
    assert internet.asked == []


async def test_account_decodes_two_pictures_at_once_and_no_more() -> None:
    album_cache = CrowdedCache()
    album = Thumbnails(album_cache, None)
    async with anyio.create_task_group() as group:
        for number in range(8):
            group.start_soon(album.save, str(number), png())
    assert album_cache.most_inside == 2


async def test_a_link_is_opened_once_and_its_picture_kept(internet: Internet, tmp_path: Path) -> None:
    album = Thumbnails(FileThumbnailCache(tmp_path, "account"), internet.fetcher())
    for _ in range(2):
        (face,) = await album.load([MIA])
        assert shade(face.jpeg) == 200
    assert internet.connections == [PUBLIC]
    assert [shade(kept) for kept in await album.cached([MIA])] == [200]


async def test_malformed_redirect_costs_one_picture_and_not_the_page(internet: Internet) -> None:
    internet.host("odd.example.com", redirect("https://["))
    odd = replace(MIA, element_id="311", task_id="881", image_urls=("https://odd.example.com/noa.jpg",))
    mia, noa, again = await Thumbnails(MemoryThumbnailCache(), internet.fetcher()).load([MIA, odd, MIA])
    assert (bool(mia.jpeg), bool(noa.jpeg), bool(again.jpeg)) == (True, False, True)
    assert noa.note == "its link is not a public https address"


async def test_thumbnails_switched_off_keep_nothing(internet: Internet) -> None:
    album = Thumbnails(None, internet.fetcher())
    await album.save("880", png())
    assert await album.cached([MIA]) == [b""]
    for _ in range(2):
        (face,) = await album.load([MIA])
        assert face.jpeg
    assert internet.connections == [PUBLIC, PUBLIC]


async def test_the_sandbox_opens_no_link() -> None:
    (face,) = await Thumbnails(MemoryThumbnailCache(), None).load([MIA])
    assert (face.jpeg, face.note) == (b"", SANDBOX_HAS_NO_LINKS)


@pytest.mark.parametrize(
    ("element", "note"),
    [
        (LibraryElement(source="custom", task_id="9", status="pending"), "there is no element yet"),
        (LibraryElement(source="custom", task_id="9", status="failed"), "there is no element"),
        (
            LibraryElement(source="custom", element_id="1", reference_type="video_refer"),
            "it was made from a video, and Kling shows no picture of it",
        ),
        (LibraryElement(source="preset", element_id="1"), "Kling gives no link to a picture"),
        (
            LibraryElement(source="custom", element_id="1", image_urls=("https://127.0.0.1/x.jpg",)),
            "its link is not a public https address",
        ),
        (
            LibraryElement(source="custom", element_id="1", image_urls=("https://gone.example.com/x.jpg",)),
            "the host in its link does not exist",
        ),
        (
            LibraryElement(source="custom", element_id="1", image_urls=("https://broken.example.com/x.jpg",)),
            "it is damaged",
        ),
    ],
)
async def test_a_missing_picture_is_a_note(internet: Internet, element: LibraryElement, note: str) -> None:
    internet.host("broken.example.com", picture(jpeg()[:60]))
    (face,) = await Thumbnails(MemoryThumbnailCache(), internet.fetcher()).load([element])
    assert (face.jpeg, face.note) == (b"", note)


async def test_a_picture_that_cannot_be_made_small_does_not_trouble_the_creation(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cache = MemoryThumbnailCache()
    album = Thumbnails(cache, None)
    with caplog.at_level("INFO"):
        await album.save("880", b"\xff\xd8\xff no more than that")
    assert "No thumbnail is kept for task 880: it is damaged" in caplog.text
    await album.save("", png())
    await album.save("881", b"")
    assert await album.cached([MIA]) == [b""]


async def test_slow_links_are_opened_side_by_side_and_given_up_together() -> None:
    busy, most = 0, 0

    async def slow(_: str) -> list[str]:
        nonlocal busy, most
        busy, most = busy + 1, max(most, busy + 1)
        try:
            await anyio.sleep(9)
            raise OSError
        finally:
            busy -= 1

    elements = [
        LibraryElement(source="custom", element_id=str(number), image_urls=("https://slow.example.com/x.jpg",))
        for number in range(24)
    ]
    started = anyio.current_time()
    faces = await Thumbnails(MemoryThumbnailCache(), PictureFetcher(resolve=slow)).load(elements)
    assert anyio.current_time() - started == pytest.approx(20)
    assert most == 6
    notes = [face.note for face in faces]
    assert notes == ["the host in its link does not exist"] * 12 + ["its link did not answer in time"] * 12


async def test_faces_keep_the_order_of_their_elements(internet: Internet) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return picture(jpeg(shade=int(request.url.path.strip("/")) * 10))(request)

    internet.host("cdn.example.com", answer)
    elements = [
        LibraryElement(source="custom", element_id=str(number), image_urls=(f"https://cdn.example.com/{number}",))
        for number in range(1, 9)
    ]
    faces = await Thumbnails(MemoryThumbnailCache(), internet.fetcher()).load(elements)
    assert [shade(face.jpeg) for face in faces] == [10, 20, 30, 40, 50, 60, 70, 80]
