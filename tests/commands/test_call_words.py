"""The words of a call, and the commands that are made of them: what a shell reads is what was meant."""

from __future__ import annotations

import shlex
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from kling_mcp.commands.call_words import call_line, read_arguments, same_call, sort_words, wait_call
from kling_mcp.commands.console import command_line, program_words
from kling_mcp.server.arguments import ToolArguments, parse_arguments

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


class Sample(ToolArguments):
    """One text and one list."""

    prompt: str = ""
    elements: list[str] = Field(default_factory=list)


def no_stdin() -> bytes:
    raise AssertionError("nothing reads stdin here")


@pytest.mark.skipif(sys.platform == "win32", reason="the words of a POSIX shell")
@given(text=TEXT, entries=st.lists(TEXT.filter(str.strip), min_size=2, max_size=4))
def test_arguments_survive_the_way_through_a_shell(text: str, entries: list[str]) -> None:
    words = ["generate_image", f"prompt={text}", *(f"elements={entry}" for entry in entries)]
    line = call_line(sort_words(words), words[0], words[1:])
    again = shlex.split(line)
    assert again == ["kling-mcp", "call", *words]
    arguments = read_arguments(sort_words(again[2:]), no_stdin)
    assert arguments == {"prompt": text, "elements": entries}


@pytest.mark.skipif(sys.platform == "win32", reason="the words of a POSIX shell")
@given(text=TEXT, entries=st.lists(TEXT.filter(str.strip), max_size=3))
def test_arguments_from_stdin_are_written_out_in_the_next_command(text: str, entries: list[str]) -> None:
    """A single entry with a comma stays one entry."""
    sent = {"prompt": text, "elements": entries, "count": 2, "dry_run": True}
    words = sort_words(["generate_image", "-", "--json"])
    again = sort_words(shlex.split(same_call(words, sent))[2:])
    assert again.wants_json
    read = read_arguments(again, no_stdin)
    both = [
        parse_arguments(Sample, {name: each[name] for name in ("prompt", "elements") if name in each})
        for each in (sent, read)
    ]
    assert both[0] == both[1]


def test_named_words_count_more_than_a_file_and_a_later_file_more_than_an_earlier() -> None:
    words = sort_words(["t", '{"a": 1, "b": 1, "c": 1}', "c=3", '{"b": 2}'])
    assert read_arguments(words, no_stdin) == {"a": 1, "b": 2, "c": "3"}


def test_wait_goes_on_as_long_as_the_call_did_and_keeps_its_name() -> None:
    words = sort_words(["wait_for_tasks", "ids=1", "--json"])
    line = wait_call(words, {"wait_seconds": "300", "save_as": "scene one"}, ["1", "2"])
    assert line == "kling-mcp call wait_for_tasks ids=1 ids=2 wait_seconds=300 'save_as=scene one' --json"
    assert wait_call(sort_words(["generate_image"]), {"wait_seconds": 0, "save_as": "x"}, ["1"]).endswith(" ids=1")


def test_windows_gets_its_own_quotes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.name", "nt")
    assert command_line(["kling-mcp", "call", "t", "prompt=a b"]) == 'kling-mcp call t "prompt=a b"'


def test_next_command_begins_with_uvx_where_uvx_started_this_one() -> None:
    assert program_words("/home/mia/.cache/uv/archive-v0/Qm2vC") == ("uvx", "kling-mcp")
    assert program_words("/usr/local") == program_words() == ("kling-mcp",)
