"""What a version of the server tells models: its list of tools, and what it says of itself.

From a checkout, whose server is started and asked, or from a JSON file: a `tools/list` result, or the list in it, with
`instructions` beside it where they differ, too.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from mcp import Client, StdioServerParameters
from mcp_types import Tool

if TYPE_CHECKING:
    from collections.abc import Sequence


class UnreadableTextsError(Exception):
    """There are no texts of tools at this place."""


@dataclass(frozen=True, slots=True)
class ToolTexts:
    """Texts in place of the running server's own; without `instructions` (None) those stay."""

    tools: tuple[Tool, ...]
    instructions: str | None = None


def read_texts(place: str) -> ToolTexts:
    """The texts of a checkout or a file.

    Raises:
        UnreadableTextsError: says what is wrong with the place.
    """
    path = Path(place)
    if (path / "kling_mcp").is_dir():
        return anyio.run(_ask_server, path.resolve())
    try:
        held = json.loads(path.read_text("utf-8"))
        listed = held["tools"] if isinstance(held, dict) else held
        tools = tuple(Tool.model_validate(row) for row in listed)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnreadableTextsError(
            f"{place} is neither a checkout of kling-mcp nor a JSON file with a list of tools ({type(error).__name__})"
        ) from None
    return ToolTexts(tools, held.get("instructions") if isinstance(held, dict) else None)


async def _ask_server(checkout: Path) -> ToolTexts:
    """What its server answers over stdio, with the settings of nobody."""
    own = {name: text for name, text in os.environ.items() if not name.startswith("KLING_")}
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "kling_mcp"], env={**own, "PYTHONPATH": str(checkout)}, cwd=checkout
    )
    async with Client(server) as client:
        tools: Sequence[Tool] = (await client.list_tools()).tools
        return ToolTexts(tuple(tools), client.instructions)
