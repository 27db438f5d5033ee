"""`generate_video` and `generate_image` from a client to the files: price first, paid once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from helpers import API_KEY, last_line, text_of

if TYPE_CHECKING:
    from helpers import Connect
    from mcp_types import CallToolResult

    from kling_mcp.simulator import World

pytestmark = pytest.mark.anyio

MIA = {"prompt": "@Mia waves"}


def add(world: World, name: str) -> str:
    return world.add_element(world.account_of(API_KEY), name).element_id


async def video(client: Any, **arguments: Any) -> CallToolResult:
    return await client.call_tool("generate_video", MIA | arguments)


async def test_first_call_tells_the_price_and_spends_nothing(connect: Connect, world: World) -> None:
    add(world, "Mia")
    async with connect() as client:
        result = await video(client)
    assert result.is_error
    assert last_line(result).items() >= {"kind": "needs_confirmation", "created": "no", "retry": "never"}.items()
    text = text_of(result)
    assert "3 video units ($0.42 at list price of 2026-09-20)" in text
    assert "max_units=3" in text
    assert world.ignored_fields == []
