"""Tools that the operator left out: not listed, and a call says that it was the operator."""

from __future__ import annotations

from typing import Any

import pytest
from helpers import Connect, last_line, structured, text_of
from mcp import Client

from kling_mcp.errors import ConfigurationError
from kling_mcp.server.build import build_server, select_tools
from kling_mcp.server.tools import NAMES, PAID, TOOLSETS, load
from kling_mcp.settings import Settings
from kling_mcp.settings.spending import SpendingSettings
from kling_mcp.simulator import World

pytestmark = pytest.mark.anyio

WRITING = {spec.name for spec in map(load, NAMES) if not spec.annotations.read_only_hint}
READING = {spec.name for spec in map(load, NAMES)} - WRITING


NAMES_OF_ELEMENTS = {
    *("create_element_and_wait", "create_element", "find_elements", "get_element", "list_elements"),
    *("list_preset_elements", "use_elements", "delete_element"),
}


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


OF_ALL = {"wait_for_tasks", "check_setup"}
GENERATE = {"generate_video", "generate_image", "find_generations"}
PRODUCTION = {"plan_production", "apply_production"}
VOICES = {"find_voices", "create_voice", "delete_voice"}
SPENDING_OFF = SpendingSettings(mode="off")


@pytest.mark.parametrize(
    ("chosen", "names"),
    [
        (("elements",), NAMES_OF_ELEMENTS | OF_ALL),
        (("generate",), GENERATE | OF_ALL),
        (("Voices", "generate"), GENERATE | OF_ALL | VOICES),
        (("account",), OF_ALL | {"check_balance"}),
        (("production",), PRODUCTION | OF_ALL),
        (("elements", "voices", "generate", "production", "account"), READING | WRITING),
    ],
)
async def test_toolsets_leave_out_the_others(connect: Connect, chosen: tuple[str, ...], names: set[str]) -> None:
    assert await listed(connect, "auto", toolsets=chosen) == names


async def test_a_choice_of_tools_narrows_the_toolsets(connect: Connect) -> None:
    tools = ("find_elements", "find_generations", "check_setup")
    assert await listed(connect, "auto", toolsets=("generate",), tools=tools) == {"find_generations", "check_setup"}


def test_every_tool_is_in_one_toolset_or_in_all() -> None:
    placed = [name for names in TOOLSETS.values() for name in names]
    assert sorted([*placed, *OF_ALL]) == sorted(NAMES)
    assert set(PAID) == GENERATE - {"find_generations"} | {"create_voice", "apply_production"}


async def test_spending_that_is_off_leaves_out_what_costs(connect: Connect, era: str) -> None:
    assert await listed(connect, era, spending=SPENDING_OFF) == READING | WRITING - set(PAID)


def test_a_choice_of_a_toolset_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigurationError) as caught:
        build_server(Settings(toolsets=("elements", "film")))
    assert caught.value.message == (
        "KLING_MCP_TOOLSETS names film, which is not a toolset; "
        "the toolsets are elements, voices, generate, production, account."
    )


@pytest.mark.parametrize(
    ("changes", "variable"),
    [
        ({"spending": SPENDING_OFF}, "KLING_MCP_SPENDING"),
        ({"read_only": True}, "KLING_MCP_READ_ONLY"),
        ({"toolsets": ("elements",)}, "KLING_MCP_TOOLSETS"),
        ({"tools": ("get_element",)}, "KLING_MCP_TOOLS"),
    ],
)
async def test_a_call_of_a_hidden_paid_tool_names_the_variable(
    connect: Connect, world: World, changes: dict[str, Any], variable: str
) -> None:
    async with connect(**changes) as client:
        result = await client.call_tool("generate_video", {"prompt": "A boat"})
    assert last_line(result)["kind"] == "read_only"
    assert f"switched off on this server ({variable})" in text_of(result)
    assert world.requests == []


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


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("make_coffee", "choose one of the list"),
        ("find_element", "did you mean find_elements?"),
        ("create_elements", "choose one of the list"),  # what is switched off is not suggested
        ("", "choose one of the list"),
        ("find_elements" + "\u202e\n" * 9, "did you mean find_elements?"),
    ],
)
async def test_a_tool_that_does_not_exist_is_an_error_of_ours(
    connect: Connect, era: str, world: World, name: str, fix: str
) -> None:
    async with connect(era, read_only=True) as client:
        result = await client.call_tool(name, {})
    assert result.is_error
    text = text_of(result)
    assert "name: must be a tool; got " in text
    assert f"Fix: {fix}\n" in text
    assert "Nothing was created.\n" in text
    assert "\u202e" not in text
    assert last_line(result) == {
        "kind": "bad_input",
        "created": "no",
        "retry": "never",
        "code": "-",
        "request_id": "-",
    }
    assert world.requests == []


async def test_tool_that_a_program_adds_to_the_server_is_called() -> None:
    server = build_server(Settings(sandbox=True))
    server.add_tool(lambda: "coffee", name="make_coffee")
    async with Client(server) as client:
        assert text_of(await client.call_tool("make_coffee", {})) == "coffee"


def test_a_choice_of_a_tool_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigurationError) as caught:
        build_server(Settings(tools=("get_element", "get_elment")))
    message = caught.value.message
    assert message.startswith("KLING_MCP_TOOLS names get_elment, which is not a tool; the tools are ")
    assert all(spec.name in message for spec in map(load, NAMES))


def test_tools_are_listed_in_our_order_whatever_the_choice() -> None:
    chosen, _ = select_tools(Settings(tools=("check_setup", "get_element")))
    assert [spec.name for spec in chosen] == ["get_element", "check_setup"]
