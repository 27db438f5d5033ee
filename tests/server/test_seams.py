"""What we rely on in the SDK without its promise: an upgrade that changes it must fail here, not at a user's."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from helpers import OLDEST_HANDSHAKE, Connect, last_line, text_of
from mcp import Client
from mcp.server.mcpserver import MCPServer
from mcp_types import CallToolResult, TextContent
from virtual_time import VirtualClock

from kling_mcp._version import __version__
from kling_mcp.runtime import Runtime
from kling_mcp.server.arguments import ToolArguments
from kling_mcp.server.build import build_server
from kling_mcp.server.identity import ICON, WEBSITE
from kling_mcp.server.tool import CREATES, DELETES, READS, Answer, ToolSpec, tool
from kling_mcp.server.tool_context import ToolContext
from kling_mcp.server.tool_list import KlingTool
from kling_mcp.server.tools import read_wire
from kling_mcp.server.views.view import View
from kling_mcp.settings import Settings
from kling_mcp.settings.spending import SpendingSettings

pytestmark = pytest.mark.anyio


class Nothing(ToolArguments):
    """No arguments."""


class Nothings(View):
    """No results."""


async def test_run_gets_the_arguments_as_they_came(client: Client) -> None:
    """The SDK would drop the unknown one, and turn the text into a number, before a handler sees them."""
    result = await client.call_tool("list_elements", {"page_num": "2", "pages": 3, "page_size": "x"})
    assert last_line(result)["kind"] == "bad_input"
    text = text_of(result)
    assert '"pages": must be an argument of this tool' in text
    assert 'page_size: must be a whole number; got "x"' in text
    assert text.startswith("2 problems with the input:")  # "2" for page_num is none


async def test_a_result_passes_as_it_was_built(client: Client) -> None:
    """Text and structure are ours, side by side, and an error carries no structure."""
    good = await client.call_tool("list_preset_elements", {"page_size": 1})
    assert isinstance(good, CallToolResult)
    assert not good.is_error
    assert good.structured_content is not None
    assert good.structured_content["page_size"] == 1
    (block,) = good.content
    assert isinstance(block, TextContent)
    assert block.text.startswith("1 official elements on page_num=1")

    bad = await client.call_tool("get_element", {"id": "nothing"})
    assert bad.is_error
    assert bad.structured_content is None
    assert not text_of(bad).startswith("Error executing tool")


async def test_the_server_says_who_it_is(client: Client) -> None:
    assert client.server_info is not None
    assert (client.server_info.name, client.server_info.version) == ("kling-mcp", __version__)
    assert (client.server_info.website_url, client.server_info.icons) == (WEBSITE, [ICON])
    assert "create_element_and_wait" in (client.instructions or "")


async def test_instructions_name_the_way_around_what_cannot_be_done(connect: Connect) -> None:
    """facts: no-update, library-web-separate. Every conversation pays for them: about 250 tokens."""
    async with connect() as client:
        said = client.instructions or ""
    assert "cannot be renamed, changed or given another voice: create a new one, then delete the old one" in said
    assert "made on Kling's web site are reported not to appear here" in said
    assert "tell the person the price that the first call gives, and go on only if they agree" in said
    assert len(said) <= 1100


async def test_instructions_name_production_sheets_where_the_server_has_them(connect: Connect) -> None:
    async with connect() as client:
        assert "write a production sheet (kling://production-sheet) and call plan_production" in (
            client.instructions or ""
        )
    async with connect(toolsets=("elements", "generate")) as client:
        assert "production" not in (client.instructions or "")


async def test_instructions_of_the_sandbox_say_that_nothing_is_real_or_kept(connect: Connect) -> None:
    async with connect(sandbox=True, api_key="") as client:
        said = client.instructions or ""
    assert said.startswith("This is the sandbox")
    assert "nothing survives the end of this server" in said
    assert "results are small placeholders, whatever length and size were asked for" in said


@pytest.mark.parametrize(
    "changes", [{"read_only": True}, {"toolsets": ("elements",)}, {"spending": SpendingSettings(mode="off")}]
)
async def test_instructions_of_a_server_that_makes_no_videos_name_the_way_around(
    connect: Connect, changes: dict[str, Any]
) -> None:
    async with connect(**changes) as client:
        said = client.instructions or ""
    assert "send what use_elements gives to Kling's API, which answers with the video" in said
    assert "prices are in Kling's console" in said
    assert len(said) <= 1100


@pytest.mark.parametrize(
    ("mode", "version"), [(OLDEST_HANDSHAKE, OLDEST_HANDSHAKE), ("legacy", "2025-11-25"), ("auto", "2026-07-28")]
)
async def test_each_era_is_spoken(connect: Connect, mode: str, version: str) -> None:
    async with connect(mode) as client:
        assert client.protocol_version == version


class TestDefects:
    """A defect of ours: a reference, and nothing of the inside."""

    @pytest.mark.parametrize(("kind", "created"), [("read", "no"), ("create", "maybe"), ("delete", "no")])
    async def test_defect_in_a_tool_is_an_internal_error(
        self, clock: VirtualClock, era: str, caplog: pytest.LogCaptureFixture, kind: str, created: str
    ) -> None:
        annotations = {"read": READS, "create": CREATES, "delete": DELETES}[kind]

        @tool("broken", title="Broken", annotations=annotations, arguments=Nothing, view=Nothings)
        async def broken(arguments: Nothing, call: ToolContext) -> Answer:
            """Always fails."""
            raise ZeroDivisionError("the inside")

        settings = Settings(sandbox=True)
        server = build_server(settings, Runtime(settings, clock=clock))
        server._tool_manager._tools["broken"] = KlingTool.of(broken.on_wire(), lambda: broken)
        async with Client(server, mode="legacy" if era != "auto" else era) as client:
            result = await client.call_tool("broken", {})

        fields = last_line(result)
        assert (fields["kind"], fields["created"], fields["retry"]) == ("internal", created, "never")
        text = text_of(result)
        assert "bug in kling-mcp" in text
        assert "ZeroDivisionError" not in text
        assert "the inside" not in text
        reference = text.split("(reference ")[1].split(")")[0]
        assert f"reference {reference}" in caplog.text
        assert "ZeroDivisionError: the inside" in caplog.text

    async def test_tool_that_cannot_be_loaded_is_an_internal_error(
        self, clock: VirtualClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        """As in an installation that lacks a package."""

        def load_it() -> ToolSpec:
            raise ModuleNotFoundError("No module named 'PIL'")

        settings = Settings(sandbox=True)
        server = build_server(settings, Runtime(settings, clock=clock))
        server._tool_manager._tools["get_element"] = KlingTool.of(read_wire("get_element"), load_it)
        async with Client(server, mode="legacy") as client:
            result = await client.call_tool("get_element", {"id": "1"})

        fields = last_line(result)
        assert (fields["kind"], fields["created"]) == ("internal", "no")
        assert "PIL" not in text_of(result)
        assert "No module named 'PIL'" in caplog.text

    async def test_an_error_of_ours_is_logged_as_one_line(
        self, connect: Connect, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        async with connect() as client:
            await client.call_tool("get_element", {"id": ""})
        assert "get_element: kind=bad_input created=no" in caplog.text


def test_building_a_server_opens_nothing(tmp_path: Any, clock: VirtualClock) -> None:
    """No file, no connection, no thread: a client may start the server and never use it."""
    settings = Settings(state_dir=tmp_path / "state")
    assert isinstance(build_server(settings, Runtime(settings, clock=clock)), MCPServer)
    assert not (tmp_path / "state").exists()
