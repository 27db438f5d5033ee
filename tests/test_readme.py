"""The README fits on a screen and a bit, and says what the code does: its table, blocks and example are compared."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import write_readme
from documentation import PAGES, blocks_of
from helpers import API_KEY, Connect, text_of
from readings import plain_variables
from repository_files import ROOT, named

from kling_mcp.settings import Settings
from kling_mcp.simulator import World

PATH = ROOT / "README.md"
README = PATH.read_text("utf-8")
MOST_LINES = 150


def test_readme_is_short() -> None:
    assert len(README.splitlines()) <= MOST_LINES


def test_table_of_tools_matches_the_code() -> None:
    assert write_readme.with_tools(README) == README, "run: python tools/write_readme.py"


def test_readme_leads_to_the_pages_that_it_no_longer_holds() -> None:
    moved = {"settings", "errors", "limits", "command-line", "figures", "promises", "clients", "tools", "library"}
    assert moved <= {Path(link).stem for link in re.findall(r"\]\(docs/([\w-]+\.md)", README)}


def servers_of(path: Path) -> list[dict[str, Any]]:
    """The servers in the blocks of a page that a client's configuration takes."""
    blocks = [json.loads(block.text) for block in blocks_of(path) if block.language == "json"]
    return [
        server for block in blocks for server in {**block.get("mcpServers", {}), **block.get("servers", {})}.values()
    ]


LOCAL = [server for path in PAGES for server in servers_of(path) if "command" in server]


@pytest.mark.parametrize("server", LOCAL)
def test_block_for_an_assistant_starts_the_server_with_settings_that_exist(server: dict[str, Any]) -> None:
    assert [server["command"], *server["args"]] == ["uvx", "kling-mcp"]
    assert set(server["env"]) <= plain_variables()
    given = {name: "a-real-key" if name == "KLING_API_KEY" else value for name, value in server["env"].items()}
    assert Settings.from_env(given).credential_kind in {"api_key", "sandbox"}


@pytest.mark.parametrize("server", LOCAL)
def test_block_that_was_not_filled_in_is_refused_by_name(server: dict[str, Any]) -> None:
    for name, placeholder in server["env"].items():
        if not placeholder.isdecimal():
            with pytest.raises(Exception, match=name):
                Settings.from_env({name: placeholder})


def test_readme_has_a_block_for_assistants() -> None:
    assert servers_of(PATH)


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_make_targets_of_a_page_exist(path: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    page = path.read_text("utf-8")
    assert {*re.findall(r"^make ([a-z]+)", page, re.MULTILINE), *re.findall(r"`make ([a-z]+)", page)} <= targets


@pytest.mark.anyio
async def test_example_of_the_readme_is_what_the_server_answers(connect: Connect, world: World) -> None:
    """The answer to what the person says there."""
    [example] = [block.text for block in blocks_of(PATH) if block.language == "text"]
    world.add_element(world.account_of(API_KEY), "Pip")
    prompt = "@Pip waters the plants on a sunny balcony, wide shot"
    assert f"> Five seconds: {prompt.removeprefix('@')}." in README
    async with connect() as client:
        answer = await client.call_tool("generate_video", {"prompt": prompt, "duration": 5})
    assert text_of(answer) == example.rstrip("\n")
