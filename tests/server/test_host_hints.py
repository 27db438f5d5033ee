"""Hosts that hide tools: which tools are always seen, the words that find the others, and who confirms a deletion."""

from __future__ import annotations

import re
from typing import Any

import pytest
from helpers import Connect

from kling_mcp.server.host_hints import ALWAYS_LOAD, LONG_RESULT, MAX_RESULT_CHARACTERS, REQUIRES_PERSON, SEARCH_HINT
from kling_mcp.server.tools import NAMES, read_wire

pytestmark = pytest.mark.anyio

ALWAYS_SEEN = {"find_elements", "create_element_and_wait", "generate_video"}
LONG = {
    *("find_elements", "find_generations", "list_elements", "list_preset_elements"),
    *("wait_for_tasks", "plan_production"),
}


async def meta_of(connect: Connect, era: str, **changes: Any) -> dict[str, dict[str, Any]]:
    """What `tools/list` says of each tool beside its schema."""
    async with connect(era, **changes) as client:
        return {tool.name: tool.meta or {} for tool in (await client.list_tools()).tools}


async def test_tools_that_begin_a_request_are_never_hidden(connect: Connect, era: str) -> None:
    meta = await meta_of(connect, era)
    assert {name for name in meta if meta[name].get(ALWAYS_LOAD) is True} == ALWAYS_SEEN
    assert {name for name in meta if ALWAYS_LOAD in meta[name]} == ALWAYS_SEEN


async def test_every_other_tool_is_found_by_words_that_it_does_not_say_itself(connect: Connect, era: str) -> None:
    meta = await meta_of(connect, era)
    assert {name for name in meta if meta[name].get(SEARCH_HINT)} == set(NAMES) - ALWAYS_SEEN
    for name in set(NAMES) - ALWAYS_SEEN:
        hint, tool = meta[name][SEARCH_HINT], read_wire(name)
        said = set(re.findall("[a-z]+", f"{name} {tool['title']} {tool['description']}".lower().replace("_", " ")))
        assert re.fullmatch("[A-Za-z ]{5,30}", hint)
        assert set(hint.lower().split()) - said, name


async def test_tools_with_long_results_ask_for_more_room(connect: Connect, era: str) -> None:
    meta = await meta_of(connect, era)
    assert {name: meta[name][MAX_RESULT_CHARACTERS] for name in meta if MAX_RESULT_CHARACTERS in meta[name]} == (
        dict.fromkeys(LONG, LONG_RESULT)
    )
    assert LONG_RESULT <= 500_000  # more is not heeded


async def test_deletions_follow_the_permissions_of_the_client_by_default(connect: Connect, era: str) -> None:
    meta = await meta_of(connect, era)
    assert [name for name in meta if REQUIRES_PERSON in meta[name]] == []


async def test_deletions_need_a_person_where_the_setting_says_so(connect: Connect, era: str) -> None:
    """Only the JSON value true counts."""
    meta = await meta_of(connect, era, confirm_deletions=True)
    assert {name: meta[name][REQUIRES_PERSON] for name in meta if REQUIRES_PERSON in meta[name]} == {
        "delete_element": True,
        "delete_voice": True,
    }
    assert meta["delete_voice"][SEARCH_HINT] == read_wire("delete_voice")["_meta"][SEARCH_HINT]


async def test_setting_of_one_server_changes_no_marks_of_the_next(connect: Connect) -> None:
    await meta_of(connect, "auto", confirm_deletions=True)
    assert REQUIRES_PERSON not in (await meta_of(connect, "auto"))["delete_element"]
