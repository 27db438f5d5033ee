"""Every command that a page shows works: blocks are run, and commands in prose are known to the command line."""

from __future__ import annotations

import ast
import json
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import documented_commands
import pytest
import yaml
from documentation import PAGES, Block, blocks_of, without_blocks
from repository_files import ROOT, files_of, named

from kling_mcp.simulator import World, served_in_background

EVERYWHERE = list(files_of(".md"))
BLOCKS = [block for path in EVERYWHERE for block in blocks_of(path)]
SHELL = {path: [block for block in blocks_of(path) if block.language == "sh"] for path in EVERYWHERE}
# The skill is kept in several places, word for word the same.
DIFFERENT = {tuple(block.text for block in SHELL[path]): path for path in EVERYWHERE if SHELL[path]}
PARSERS: Mapping[str, Callable[[str], object]] = {
    "json": json.loads,
    "yaml": yaml.safe_load,
    "toml": tomllib.loads,
    "python": ast.parse,
}
LANGUAGES = {"sh", "text", "ini", "nginx", *PARSERS}

needs_bash = pytest.mark.skipif(not documented_commands.BASH, reason="the blocks are for bash")


@pytest.fixture(scope="module")
def kling() -> Iterator[str]:
    """A Kling that takes any key and makes things at once."""
    with served_in_background(World(any_api_key=True, durations=lambda _kind, _rng: 0.1)) as url:
        yield url


@needs_bash
@pytest.mark.parametrize("path", sorted({*DIFFERENT.values()} - {documented_commands.RUN_BY_ITSELF}), ids=named)
def test_commands_of_a_page_work_one_after_the_other(path: Path, kling: str, tmp_path: Path) -> None:
    for block in SHELL[path]:
        if missing := documented_commands.missing_tools(block.text):
            pytest.skip(f"{block.place} needs {missing}")
        documented_commands.run(block, tmp_path, kling)


@needs_bash
@pytest.mark.parametrize(("code", "holds"), [(2, True), (1, False)])
def test_command_may_fail_where_the_page_says_so(code: int, holds: bool, kling: str, tmp_path: Path) -> None:
    script = f"kling-mcp production plan no-such-file  # no such sheet: exit code {code}\necho goes on\n"
    block = Block(ROOT / "README.md", 1, "sh", script)
    if holds:
        assert documented_commands.run(block, tmp_path, kling).endswith("goes on\n")
        return
    with pytest.raises(AssertionError):
        documented_commands.run(block, tmp_path, kling)


@needs_bash
@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("kling-mcp check\n", ""),
        ("kling-mcp chekc\n", "invalid choice"),
        ("kling-mcp demo --movie\n", "does not understand"),
        ("KLING_MCP_TOKEN=x kling-mcp serve\n", "KLING_MCP_TOKEN"),
        ("kling-mcp serve --transport http --host 0.0.0.0\n", "KLING_MCP_ALLOWED_HOSTS"),
        ("docker run -e KLING_KEY kling-mcp\n", "KLING_KEY"),
        ("docker run kling-mcp sevre\n", "does not understand"),
        ("make demmo\n", "make"),
        ("claude mcp add kling --env KLING_KEY=x -- uvx kling-mcp\n", "KLING_KEY"),
        ("no-such-program\n", "not found"),
        ("cat no-such-file | head -1\n", "No such file"),
    ],
)
def test_command_that_does_not_work_is_found(script: str, said: str, kling: str, tmp_path: Path) -> None:
    block = Block(ROOT / "README.md", 1, "sh", script)
    if not said:
        assert "are fine" in documented_commands.run(block, tmp_path, kling)
        return
    with pytest.raises(AssertionError, match=re.escape(said)):
        documented_commands.run(block, tmp_path, kling)


def test_stand_ins_have_reasons() -> None:
    reasons = [*documented_commands.PASS_ON.values(), *(one.reason for one in documented_commands.STAND_INS.values())]
    assert all(len(reason) > 8 for reason in reasons)


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_command_in_prose_is_one_that_exists(path: Path) -> None:
    commands = re.findall(r"`((?:uvx )?kling-mcp [^`]*)`", without_blocks(path.read_text("utf-8")))
    lost = [
        (command, words)
        for command in commands
        if (words := documented_commands.misunderstood(shlex.split(command.removeprefix("uvx "))))
    ]
    assert lost == []


def test_command_in_prose_that_does_not_exist_is_found() -> None:
    assert documented_commands.misunderstood(["kling-mcp", "demo", "--film"]) == []
    assert documented_commands.misunderstood(["kling-mcp", "demo", "--movie"]) == ["--movie"]
    assert documented_commands.misunderstood(["kling-mcp", "sevre"]) == ["sevre"]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.place)
def test_block_is_in_a_known_language_and_can_be_read(block: Block) -> None:
    assert block.language in LANGUAGES, "add the language, or use `text`"
    PARSERS.get(block.language, str)(block.text)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.place)
def test_commands_stand_only_in_blocks_that_are_run(block: Block) -> None:
    """Elsewhere nobody would notice that they no longer work."""
    commands = re.compile(r"^(?:\$ |>>> |kling-mcp |uvx |uv |pip |docker )", re.MULTILINE)
    assert block.language == "sh" or not commands.search(block.text)
