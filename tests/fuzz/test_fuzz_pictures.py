"""Whatever stands in a file, behind a link or where a path leads: a picture is made of it, or it is refused."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_types import ImageContent
from profiles import fuzzing
from thumbnails.internet import Internet, picture

from fuzz.files import HOSTILE, WHOLE, damaged, hostile, whole
from fuzz.guards import ends, memory_below, run
from fuzz.replies import Change, Spoilt, changing
from fuzz.served import FRONT, SIDE, served
from kling_mcp.errors import InputError
from kling_mcp.media.probe import inspect
from kling_mcp.thumbnails.fetch import NoPictureError
from kling_mcp.thumbnails.render import MAX_THUMBNAIL_BYTES, make_thumbnail

MAX_INSPECT_BYTES = 40_000_000
# What may be decoded in full is limited by its pixels; a few copies of them exist at once.
MAX_RESIZE_BYTES = 40_000_000

CREATION = {
    "element_name": "Leo",
    "element_description": "Chef",
    "reference_type": "image_refer",
    "frontal_image": FRONT,
    "refer_images": [SIDE],
}


# By name: as bytes they would be too long to print.
files = st.one_of(damaged(), st.sampled_from(sorted(HOSTILE)))


def bytes_of(file: str | bytes) -> bytes:
    """What `files` means."""
    return hostile()[file] if isinstance(file, str) else file


def take_in(data: bytes) -> None:
    """Both ways in which the bytes of a picture are read."""
    with suppress(InputError):
        assert inspect(data, "mia.png", "frontal_image").format in {"jpeg", "png"}
    with suppress(NoPictureError):
        small = make_thumbnail(data)
        assert small.startswith(b"\xff\xd8\xff")
        assert len(small) <= MAX_THUMBNAIL_BYTES
        assert b"<script" not in small


@fuzzing(80)
@given(data=damaged())
def test_a_damaged_file_is_read_or_refused(data: bytes) -> None:
    with ends():
        take_in(data)


@pytest.mark.parametrize("name", sorted({**HOSTILE, **WHOLE}))
def test_hostile_picture_files_stay_within_memory_and_time(name: str) -> None:
    data = {**hostile(), **whole()}[name]
    with ends(), memory_below(MAX_INSPECT_BYTES + MAX_RESIZE_BYTES):
        take_in(data)


def beside(known: str, data: bytes) -> str:
    """The path of a new file in the allowed folder."""
    path = Path(known).with_name("odd.jpg")
    path.write_bytes(data)
    return str(path)


@fuzzing(5)
@given(file=files, inline=st.booleans())
def test_a_creation_from_any_file_gets_an_answer_of_the_contract(file: str | bytes, inline: bool) -> None:
    data = bytes_of(file)

    async def story() -> None:
        async with served() as server:
            given_as = f"data:image/png;base64,{base64.b64encode(data).decode()}"
            if not inline:
                given_as = beside(server.known[FRONT], data)
            await server.call("create_element", {**CREATION, "frontal_image": given_as})
            await server.call("create_element", {**CREATION, "refer_images": [given_as]})

    run(story)


@fuzzing(5)
@given(file=files)
def test_a_library_whose_links_lead_anywhere_still_shows_its_rows(file: str | bytes) -> None:
    internet = Internet()
    internet.host("pictures.example.com", picture(bytes_of(file)))
    shows = changing([Change("frontal_image", 0, "set", "https://pictures.example.com/mia.jpg")])

    async def story() -> None:
        async with served(lambda world: Spoilt(world, [shows], for_ever=True), fetcher=internet.fetcher()) as server:
            result = await server.call("find_elements", {"pictures": True})
            assert internet.connections
            for block in result.content:
                if isinstance(block, ImageContent):
                    assert base64.b64decode(block.data).startswith(b"\xff\xd8\xff")

    run(story)


SPECIAL: dict[str, Callable[[Path], object]] = {
    "a pipe": getattr(os, "mkfifo", Path.touch),  # these tests are left out where there is none
    "a folder": Path.mkdir,
    "an endless device": lambda path: path.symlink_to("/dev/zero"),
    "a terminal": lambda path: path.symlink_to("/dev/tty"),
    "what this process is": lambda path: path.symlink_to("/proc/self/environ"),
    "a link to itself": lambda path: path.symlink_to(path),
    "a link that leads out": lambda path: path.symlink_to(path.parent.parent / "outside.png"),
    "a link that leads out and back": lambda path: path.symlink_to(
        path.parent.parent / "allowed" / ".." / "outside.png"
    ),
    "a link that leads nowhere": lambda path: path.symlink_to(path.parent / "nothing.png"),
    "a file that nobody may read": lambda path: path.touch(mode=0),
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="these files exist on POSIX systems alone")
@pytest.mark.parametrize("what", SPECIAL)
def test_special_files_are_not_read_or_waited_for(what: str) -> None:
    async def story() -> None:
        async with served() as server:
            odd = Path(server.known[FRONT]).with_name("odd.png")
            SPECIAL[what](odd)
            result = await server.call("create_element", {**CREATION, "frontal_image": str(odd)})
            assert result.is_error
            below = await server.call("create_element", {**CREATION, "frontal_image": f"{odd}/front.jpg"})
            assert below.is_error

    run(story)
