"""Several problems with a video or a picture are told by one answer, whichever part of the server finds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from helpers import Connect, last_line, text_of

if TYPE_CHECKING:
    from mcp import Client

pytestmark = pytest.mark.anyio


async def problems(client: Client, tool: str, **given: Any) -> list[str]:
    """The argument of each problem, in alphabetical order."""
    result = await client.call_tool(tool, given)
    assert last_line(result).items() >= {"kind": "bad_input", "created": "no", "retry": "never"}.items()
    return sorted(line[2:].partition(":")[0] for line in text_of(result).splitlines() if line.startswith("- "))


@pytest.mark.parametrize(
    ("given", "arguments"),
    [
        ({"duration": 99, "model": "4.0", "save_as": "../x"}, ["duration", "model", "save_as"]),
        ({"duration": 99, "save_as": "../x"}, ["duration", "save_as"]),
        ({"model": "4.0", "prompt": "@Nope waves"}, ["model", "prompt"]),
        ({"model": "4.0", "prompt": ""}, ["model", "prompt"]),
        ({"model": "4.0", "audio": "original"}, ["audio", "model"]),
        ({"model": "4.0", "resolution": "4k"}, ["model"]),  # some model has it
        ({"resolution": "8k", "duration": 99, "save_as": "../x"}, ["duration", "resolution", "save_as"]),
        ({"take": 0, "model": "4.0", "prompt": "@Nope"}, ["model", "prompt", "take"]),
        ({"colour": "red", "duration": 2}, ['"colour"', "duration"]),
        ({"resolution": "8k", "images": [{}], "prompt": "@image_1"}, ["images", "resolution"]),
    ],
    ids=" ".join,
)
async def test_problems_of_a_video_come_in_one_answer(
    connect: Connect, given: dict[str, Any], arguments: list[str]
) -> None:
    async with connect() as client:
        assert await problems(client, "generate_video", **{"prompt": "A sea", **given}) == arguments


@pytest.mark.parametrize(
    ("given", "arguments"),
    [
        ({"prompt": "", "save_as": "../x", "aspect_ratio": "5:4"}, ["aspect_ratio", "prompt", "save_as"]),
        ({"resolution": "8k", "save_as": "../x"}, ["prompt", "resolution", "save_as"]),
        ({"prompt": "@Nope", "model": "4.0", "count": 10}, ["count", "model", "prompt"]),
    ],
    ids=" ".join,
)
async def test_problems_of_a_picture_come_in_one_answer(
    connect: Connect, given: dict[str, Any], arguments: list[str]
) -> None:
    async with connect() as client:
        assert await problems(client, "generate_image", **given) == arguments
