"""What `kling-mcp call` says of the tools: all of them, in words that need no MCP client."""

from __future__ import annotations

import pytest

from commands.conftest import Run
from kling_mcp.commands.call_help import EXAMPLES, SENTENCES, describe_tool, meaning_of
from kling_mcp.commands.call_words import read_arguments, sort_words
from kling_mcp.server.arguments import parse_arguments
from kling_mcp.server.tools import NAMES, TOOLSETS, load, read_wire


def test_list_has_every_tool_in_one_line_of_its_toolset(run: Run) -> None:
    listed = run("--help")
    assert (listed.code, listed.err) == (0, "")
    rows = [line.split()[0] for line in listed.out.splitlines() if line.startswith("  ")]
    assert [row for row in rows if row in NAMES] == [
        *(name for tools in TOOLSETS.values() for name in NAMES if name in tools),
        *(name for name in NAMES if not any(name in tools for tools in TOOLSETS.values())),
    ]
    assert "..." not in listed.out.partition("elements:")[2]
    assert all(len(line) <= 100 for line in listed.out.splitlines())


def test_call_without_a_tool_lists_them_as_wrong_use(run: Run) -> None:
    assert run().code == 2
    assert "find_elements" in run().out
    assert run("--json").code == 2


@pytest.mark.parametrize("tool", NAMES)
def test_help_of_a_tool_explains_every_argument(run: Run, tool: str) -> None:
    shown = run(tool, "--help")
    assert (shown.code, shown.err) == (0, "")
    schema = read_wire(tool)["inputSchema"]
    for name, argument in schema.get("properties", {}).items():
        assert f"\n  {name} " in shown.out
        assert meaning_of(tool, name), f"{name} of {tool} says nothing"
        assert all(choice in shown.out for choice in argument.get("enum", ()))
    assert shown.out.count("; required") + shown.out.count(" required\n") >= len(schema.get("required", ()))


@pytest.mark.parametrize("tool", NAMES)
def test_example_of_a_tool_can_be_sent(run: Run, tool: str) -> None:
    arguments = read_arguments(sort_words([tool, *EXAMPLES[tool]]), lambda: b"")
    parse_arguments(load(tool).arguments, arguments)
    assert f"\n  kling-mcp call {tool}" in run(tool, "--help").out


def test_help_says_of_lists_whose_entries_keep_their_commas_that_the_name_is_repeated() -> None:
    own = {name for tool in NAMES for name in load(tool).arguments.SENTENCES}
    assert own == SENTENCES
    lines = describe_tool("generate_video", 45).splitlines()
    (shots,) = (line for line in lines if line.startswith("  shots "))
    assert "repeat it" in shots
    assert "commas" not in shots


def test_wait_of_the_settings_is_the_default_that_help_shows(run: Run) -> None:
    assert "default 300" in run("generate_image", "-h", KLING_MCP_WAIT_SECONDS="300").out


def test_help_in_the_sandbox_says_where_it_is_kept(run: Run) -> None:
    shown = run("--help", KLING_MCP_SANDBOX="1")
    assert "a simulated Kling: nothing costs money" in shown.out
    assert "sandbox-" in shown.out
