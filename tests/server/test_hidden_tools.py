"""Tools that the operator left out: not listed, and a call says that it was the operator."""

from __future__ import annotations

from typing import Any

import pytest
from helpers import Connect, last_line, structured, text_of

from kling_mcp.errors import ConfigurationError
from kling_mcp.server.build import build_server, select_tools
from kling_mcp.server.tools import NAMES, load
from kling_mcp.settings import Settings
from kling_mcp.simulator import World

pytestmark = pytest.mark.anyio

WRITING = {spec.name for spec in map(load, NAMES) if not spec.annotations.read_only_hint}
READING = {spec.name for spec in map(load, NAMES)} - WRITING


async def listed(connect: Connect, era: str, **changes: Any) -> set[str]:
    """The names that a client sees."""
    async with connect(era, **changes) as client:
        return {tool.name for tool in (await client.list_tools()).tools}


async def test_all_tools_are_listed_by_default(connect: Connect, era: str) -> None:
    assert await listed(connect, era) == READING | WRITING


async def test_read_only_leaves_out_what_changes_anything(connect: Connect, era: str) -> None:
    assert await listed(connect, era, read_only=True) == READING
    assert {"create_element", "create_element_and_wait", "delete_element"} <= WRITING


async def test_a_choice_leaves_out_the_rest(connect: Connect, era: str) -> None:
    assert await listed(connect, era, tools=("get_element", "check_setup")) == {"get_element", "check_setup"}


async def test_read_only_and_a_choice_of_tools_list_the_tools_that_both_allow(connect: Connect, era: str) -> None:
    chosen = ("get_element", "create_element")
    assert await listed(connect, era, tools=chosen, read_only=True) == {"get_element"}


@pytest.mark.parametrize(
    ("changes", "variable"),
    [({"read_only": True}, "KLING_MCP_READ_ONLY"), ({"tools": ("get_element",)}, "KLING_MCP_TOOLS")],
)
async def test_a_call_of_a_hidden_tool_names_the_variable(
    connect: Connect, era: str, world: World, changes: dict[str, Any], variable: str
) -> None:
    async with connect(era, **changes) as client:
        result = await client.call_tool("create_element", {"element_name": "Mia"})
    assert last_line(result) == {
        "kind": "read_only",
        "created": "no",
        "retry": "never",
        "code": "-",
        "request_id": "-",
    }
    assert variable in text_of(result)
    assert result.structured_content is None
    assert world.requests == []


async def test_listed_tools_still_work(connect: Connect, era: str) -> None:
    async with connect(era, read_only=True) as client:
        assert structured(await client.call_tool("list_elements", {}))["elements"] == []


async def test_a_tool_that_does_not_exist_is_unknown(connect: Connect, era: str) -> None:
    for changes in ({}, {"read_only": True}):
        async with connect(era, **changes) as client:
            result = await client.call_tool("make_coffee", {})
        assert result.is_error
        assert "make_coffee" in text_of(result)


def test_a_choice_of_a_tool_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigurationError) as caught:
        build_server(Settings(tools=("get_element", "get_elment")))
    message = caught.value.message
    assert message.startswith("KLING_MCP_TOOLS names get_elment, which is not a tool; the tools are ")
    assert all(spec.name in message for spec in map(load, NAMES))


def test_tools_are_listed_in_our_order_whatever_the_choice() -> None:
    chosen, _ = select_tools(Settings(tools=("check_setup", "get_element")))
    assert [spec.name for spec in chosen] == ["get_element", "check_setup"]
