"""Over http and over stdio it is the same server: tools, answers, and what the operator left out."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from helpers import last_line, text_of
from mcp import Client, StdioServerParameters
from processes import COMMAND, environ_with

from hosting.http_server import House, creation, kling
from kling_mcp.runtime import Runtime
from kling_mcp.server.http.app import build_http_app
from kling_mcp.server.tools import NAMES, load
from kling_mcp.settings import Settings
from kling_mcp.simulator import World, served_in_background

pytestmark = pytest.mark.anyio

KEY = "somebodys-key"
READING = {spec.name for spec in map(load, NAMES) if not spec.changes_something}
READ_ONLY = {"KLING_MCP_READ_ONLY": "1"}
CHOSEN = {"KLING_MCP_TOOLS": "get_element,check_setup,create_element"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # real time: there is a process


@pytest.fixture(scope="module")
def kling_at() -> Iterator[str]:
    """A Kling where the caller has two elements."""
    world = World(api_keys=[KEY])
    for name in ("Mia", "Noa"):
        world.add_element(world.account_of(KEY), name)
    with served_in_background(world) as url:
        yield url


@asynccontextmanager
async def over_stdio(era: str, environ: dict[str, str]) -> AsyncIterator[Client]:
    server = StdioServerParameters(command=COMMAND[0], args=COMMAND[1:], env=environ_with(**environ))
    async with Client(server, mode=era) as client:
        yield client


@asynccontextmanager
async def over_http(era: str, environ: dict[str, str]) -> AsyncIterator[Client]:
    """The operator's settings, and the caller's key in a header."""
    own = {name: value for name, value in environ.items() if name != "KLING_API_KEY"}
    runtime = Runtime(Settings.from_env(own), transport="http")
    app = build_http_app(runtime)
    async with app.router.lifespan_context(app), House(app, runtime).client(era, kling(KEY)) as client:
        yield client


async def everything_about(client: Client) -> dict[str, Any]:
    """What a client can learn of the server, and what it is answered; nothing in it depends on the time."""
    told: dict[str, Any] = {
        "protocol": client.protocol_version,
        "server": client.server_info.model_dump(mode="json") if client.server_info else None,
        "instructions": client.instructions,
        "tools": (await client.list_tools()).model_dump(mode="json"),
        "prompts": (await client.list_prompts()).model_dump(mode="json"),
        "templates": (await client.list_resource_templates()).model_dump(mode="json"),
    }
    for name, arguments in (
        ("list_elements", {}),
        ("list_preset_elements", {"page_size": 3}),
        ("get_element", {"id": "Mia"}),
        ("get_element", {"id": "nobody"}),
        ("list_elements", {"page": 1}),
        ("use_elements", {"elements": ["Noa"], "target": "omni-video/kling-v3-omni"}),
        ("create_element", {**creation("Cleo"), "refer_images": []}),
        ("delete_element", {"element_id": "1", "element_name": "x"}),
        ("make_coffee", {}),
    ):
        result = await client.call_tool(name, arguments)
        told[f"{name} {json.dumps(arguments)}"] = (result.is_error, text_of(result), result.structured_content)
    return told


def environ(kling_at: str, state: Path, **chosen: str) -> dict[str, str]:
    return {"KLING_API_KEY": KEY, "KLING_BASE_URL": kling_at, "KLING_MCP_STATE_DIR": str(state), **chosen}


@pytest.mark.parametrize(
    ("era", "chosen"),
    [("legacy", {}), ("auto", {}), ("auto", {**CHOSEN, **READ_ONLY})],
    ids=["legacy", "modern", "with less tools"],
)
async def test_http_and_stdio_list_and_answer_the_same(
    kling_at: str, tmp_path: Path, era: str, chosen: dict[str, str]
) -> None:
    async with over_stdio(era, environ(kling_at, tmp_path / "near", **chosen)) as client:
        near = await everything_about(client)
    async with over_http(era, environ(kling_at, tmp_path / "far", **chosen)) as client:
        far = await everything_about(client)
    assert far == near


LEFT_OUT: dict[str, tuple[dict[str, str], set[str], str]] = {
    "read-only": (READ_ONLY, READING, "KLING_MCP_READ_ONLY"),
    "chosen": (CHOSEN, {"get_element", "check_setup", "create_element"}, "KLING_MCP_TOOLS"),
    "both": ({**CHOSEN, **READ_ONLY}, {"get_element", "check_setup"}, "KLING_MCP_READ_ONLY"),
}


@pytest.mark.parametrize("era", ["legacy", "auto"])
@pytest.mark.parametrize("name", LEFT_OUT)
async def test_tools_left_out_by_the_operator_are_left_out_over_http(
    kling_at: str, tmp_path: Path, era: str, name: str
) -> None:
    chosen, tools, variable = LEFT_OUT[name]
    async with over_http(era, environ(kling_at, tmp_path, **chosen)) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == tools
        for hidden in ("delete_element", "create_element_and_wait"):
            refused = await client.call_tool(hidden, {})
            assert last_line(refused)["kind"] == "read_only"
            assert variable in text_of(refused)
        assert not (await client.call_tool("get_element", {"id": "Mia"})).is_error
