"""The thumbnails of one account's elements: cached ones first, then Kling's links, a few at a time.

Nothing here raises if a picture is unavailable: each element gets a picture or a note that says why not.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from kling_mcp.sanitize import identifier
from kling_mcp.thumbnails.fetch import NoPictureError
from kling_mcp.thumbnails.render import make_thumbnail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.library.records import LibraryElement
    from kling_mcp.thumbnails.cache import ThumbnailCache
    from kling_mcp.thumbnails.fetch import PictureFetcher

logger = logging.getLogger(__name__)

ALL_FETCHES_SECONDS = 20.0
DECODERS_AT_ONCE = 2  # of an account: its slowest pictures delay only its own
NOT_IN_TIME = "its link did not answer in time"
SANDBOX_HAS_NO_LINKS = "the sandbox opens no links"


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """One element's picture: a JPEG of at most 256 px a side, or b"" and half a sentence that says why."""

    jpeg: bytes = b""
    note: str = ""


class Thumbnails:
    """Pictures of the elements of one account.

    Without a cache nothing is kept (the opt-out); without a fetcher no link is opened (the sandbox).
    """

    def __init__(self, cache: ThumbnailCache | None, fetcher: PictureFetcher | None) -> None:
        self._cache = cache
        self._fetcher = fetcher
        self._decoders = anyio.Semaphore(DECODERS_AT_ONCE)

    async def save(self, task_id: str, picture: bytes) -> None:
        """Keep a thumbnail of a picture that was just sent."""
        cache = self._cache
        if cache is None or not task_id or not picture:
            return
        try:
            async with self._decoders:
                await to_thread.run_sync(lambda: cache.put(_task_key(task_id), make_thumbnail(picture)))
        except NoPictureError as error:
            logger.info("No thumbnail is kept for task %s: %s", identifier(task_id), error.reason)

    async def cached(self, elements: Sequence[LibraryElement]) -> list[bytes]:
        """The cached thumbnails, b"" for the others; nothing is fetched."""
        return await to_thread.run_sync(lambda: [self._look_up(element) for element in elements])

    async def load(self, elements: Sequence[LibraryElement]) -> list[Thumbnail]:
        """A thumbnail for each element, in order; all links together get `ALL_FETCHES_SECONDS`."""
        thumbnails = [Thumbnail(jpeg=jpeg, note="" if jpeg else NOT_IN_TIME) for jpeg in await self.cached(elements)]

        async def fill(place: int) -> None:
            thumbnails[place] = await self._fetched(elements[place])

        with anyio.move_on_after(ALL_FETCHES_SECONDS):
            async with anyio.create_task_group() as group:
                for place, thumbnail in enumerate(thumbnails):
                    if not thumbnail.jpeg:
                        group.start_soon(fill, place)
        return thumbnails

    def _look_up(self, element: LibraryElement) -> bytes:
        if self._cache is None:
            return b""
        return (element.task_id and self._cache.get(_task_key(element.task_id))) or (
            (element.element_id and self._cache.get(_element_key(element.element_id))) or b""
        )

    async def _fetched(self, element: LibraryElement) -> Thumbnail:
        if not element.image_urls:
            return Thumbnail(note=_why_no_link(element))
        if self._fetcher is None:
            return Thumbnail(note=SANDBOX_HAS_NO_LINKS)
        try:
            async with self._fetcher.gate:
                data = await self._fetcher.fetch(element.image_urls[0])
                async with self._decoders:
                    jpeg = await to_thread.run_sync(make_thumbnail, data)
        except NoPictureError as error:
            return Thumbnail(note=error.reason)
        if self._cache is not None and element.element_id:
            await to_thread.run_sync(self._cache.put, _element_key(element.element_id), jpeg)
        return Thumbnail(jpeg=jpeg)


def _task_key(task_id: str) -> str:
    """By task id, not external id: every row of Kling's lists has a task id."""
    return f"task {task_id}"


def _element_key(element_id: str) -> str:
    return f"element {element_id}"


def _why_no_link(element: LibraryElement) -> str:
    if not element.element_id:
        return "there is no element yet" if element.status == "pending" else "there is no element"
    if element.reference_type == "video_refer":
        return "it was made from a video, and Kling shows no picture of it"
    return "Kling gives no link to a picture"
