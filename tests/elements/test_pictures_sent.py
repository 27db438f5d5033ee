"""From a picture file to Kling: what was checked is what is sent, and afterwards nothing of it is held."""

from __future__ import annotations

import gc
import hashlib
import tracemalloc
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from anyio import to_thread
from helpers import requests_to
from media.pictures import jpeg, png_of_exactly

from kling_mcp.elements.draft import ElementDraft
from kling_mcp.errors import ContentError
from kling_mcp.media import files

if TYPE_CHECKING:
    from pathlib import Path

    from helpers import Pictures

    from kling_mcp.account import Account
    from kling_mcp.simulator import Faults, World

pytestmark = pytest.mark.anyio


@pytest.fixture
def mia(pictures: Pictures) -> ElementDraft:
    """A creation from two files."""
    return ElementDraft(
        "Mia", "Barista", "image_refer", frontal_image=str(pictures.front), refer_images=(str(pictures.side),)
    )


def sums(*paths: Path) -> tuple[str, ...]:
    return tuple(hashlib.sha256(path.read_bytes()).hexdigest() for path in paths)


async def create(account: Account, draft: ElementDraft) -> None:
    await account.creator.create(draft, allow_duplicate_name=False, timeout=30)


class TestChangedFile:
    @pytest.mark.parametrize("becomes", [None, b"no picture at all", jpeg(800, 800)], ids=["gone", "spoilt", "other"])
    async def test_kling_gets_what_was_checked(
        self, account: Account, world: World, pictures: Pictures, mia: ElementDraft, becomes: bytes | None
    ) -> None:
        checked = sums(pictures.front, pictures.side)

        async def change(_: str) -> None:
            if becomes is None:
                pictures.front.unlink()
            else:
                pictures.front.write_bytes(becomes)

        await account.creator.create(mia, allow_duplicate_name=False, timeout=30, on_claim=change)

        (request,) = requests_to(world, "create")
        assert request.picture_sha256 == checked

    async def test_picture_changed_while_kling_is_busy_is_sent_as_first_read(
        self, account: Account, world: World, faults: Faults, pictures: Pictures, mia: ElementDraft
    ) -> None:
        """A second body goes out a second later, and is the first one."""
        faults.rate_limit(times=1, route="create")

        async def change(_: str) -> None:
            pictures.side.write_bytes(b"")

        await account.creator.create(mia, allow_duplicate_name=False, timeout=30, on_claim=change)

        refused, accepted = requests_to(world, "create")
        assert refused.body_sha256 == accepted.body_sha256


class TestMemory:
    """Pictures are by far the largest thing that a server ever holds."""

    @pytest.fixture
    def large(self, pictures: Pictures, mia: ElementDraft) -> ElementDraft:
        """The same, with three megabytes in each file."""
        pictures.front.write_bytes(png_of_exactly(3_000_000))
        pictures.side.write_bytes(png_of_exactly(3_000_001))
        return mia

    @pytest.mark.parametrize("refused", [False, True])
    async def test_picture_memory_is_released_after_a_creation(
        self, account: Account, faults: Faults, large: ElementDraft, refused: bool
    ) -> None:
        if refused:
            faults.reply_code(1301, route="create")
        gc.disable()  # so that no circle of references is forgiven
        tracemalloc.start()
        try:
            with suppress(ContentError):
                await create(account, large)
            await to_thread.run_sync(int)  # the thread lets go of its last work when it takes up more
            alive = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, files.__file__)])
            assert sum(trace.size for trace in alive.traces) < 100_000
        finally:
            tracemalloc.stop()
            gc.enable()
