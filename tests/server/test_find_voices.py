"""`find_voices` from a client to Kling, and what becomes of a voice that was asked for."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from helpers import API_KEY, Connect, last_line, structured, text_of
from mcp import Client

from kling_mcp.simulator import Faults, World

pytestmark = pytest.mark.anyio


async def found(client: Client, **arguments: Any) -> dict[str, Any]:
    return structured(await client.call_tool("find_voices", arguments))


async def test_voices_come_with_their_trial_link(client: Client, world: World) -> None:
    voice_id = world.add_voice(world.account_of(API_KEY), "Grandma").voice_id
    result = await client.call_tool("find_voices", {"query": "grandma"})
    (row,) = structured(result)["voices"]
    assert row == {
        "voice_id": voice_id,
        "voice_name": "Grandma",
        "owned_by": world.account_of(API_KEY).owner_id,
        "trial_url": f"https://voices.example.com/{voice_id}.mp3",
        "source": "custom",
        "status": "ready",
    }
    for fact in (voice_id, '"Grandma"', row["trial_url"], "source=custom", "status=ready"):
        assert fact in text_of(result)


async def test_a_found_voice_can_be_bound(connect: Connect, creation: dict[str, Any]) -> None:
    async with connect() as client:
        voice_id = (await found(client, query="Calm Alto"))["voices"][0]["voice_id"]
        made = structured(await client.call_tool("create_element_and_wait", {**creation, "element_voice_id": voice_id}))
    assert made["elements"][0]["voice_id"] == voice_id
    assert made["warnings"] == []


async def test_voices_are_filtered_by_source_and_paged(connect: Connect, world: World) -> None:
    for number in range(3):
        world.add_voice(world.account_of(API_KEY), f"Mine {number}")
    async with connect() as client:
        assert (await found(client))["total"] == 7
        assert (await found(client, source="custom"))["total"] == 3
        assert (await found(client, source="preset"))["total"] == 4
        seen: list[str] = []
        cursor = ""
        while cursor or not seen:
            page = await found(client, limit=3, cursor=cursor)
            seen += [row["voice_name"] for row in page["voices"]]
            cursor = page["next_cursor"]
    assert len(seen) == len(set(seen)) == 7


async def test_cursor_of_another_query_is_refused(connect: Connect, world: World) -> None:
    for name in ("One", "Two"):
        world.add_voice(world.account_of(API_KEY), name)
    async with connect() as client:
        cursor = (await found(client, source="custom", limit=1))["next_cursor"]
        assert len((await found(client, source="custom", cursor=cursor))["voices"]) == 1
        for arguments in ({"source": "all"}, {"source": "custom", "query": "one"}):
            result = await client.call_tool("find_voices", {**arguments, "cursor": cursor})
            assert last_line(result)["kind"] == "bad_input"


async def test_cursor_whose_voice_is_gone_is_reported(connect: Connect, world: World, clock: Any) -> None:
    account = world.account_of(API_KEY)
    voices = [world.add_voice(account, name) for name in ("One", "Two", "Three")]
    async with connect() as client:
        page = await found(client, source="custom", limit=1)
        (last,) = (voice for voice in voices if voice.voice_id == page["voices"][0]["voice_id"])
        last.deleted_at = clock.wall()
        await clock.sleep(61)
        result = await client.call_tool("find_voices", {"source": "custom", "cursor": page["next_cursor"]})
    assert last_line(result)["kind"] == "bad_input"
    assert "still in the list" in text_of(result)


async def test_typing_error_in_a_voice_name_is_forgiven_and_reported(connect: Connect) -> None:
    async with connect() as client:
        given = await found(client, query="brihgt tenor")
    assert [row["voice_name"] for row in given["voices"]] == ["Bright Tenor"]
    assert given["notes"] == ['Nothing matches "brihgt tenor" as written; these are similar.']


async def test_description_in_words_finds_the_voices_that_match_best(client: Client) -> None:
    result = await client.call_tool("find_voices", {"query": "warm female narrator"})
    given = structured(result)
    assert [row["voice_name"] for row in given["voices"]] == ["Warm Bass"]
    (note,) = given["notes"]
    assert note.startswith('No voice matches all of "warm female narrator"; these match some of its words, best first.')
    assert "Kling knows only names of voices, no gender, age, language or tone" in note
    assert f"Note: {note}" in text_of(result)


async def test_words_that_no_name_has_list_all_voices(client: Client) -> None:
    given = await found(client, query="deep male", limit=3)
    assert (len(given["voices"]), given["total"]) == (3, 4)
    (note,) = given["notes"]
    assert note.startswith('No voice matches "deep male", so all are listed. Kling knows only names of voices')
    rest = await found(client, query="deep male", limit=3, cursor=given["next_cursor"])
    assert (len(rest["voices"]), rest["notes"]) == (1, [])


async def test_unknown_voice_id_lists_no_other_voice(client: Client) -> None:
    given = await found(client, query="829836802793406551")
    assert (given["voices"], given["notes"]) == ([], ['No usable voice has the id "829836802793406551".'])


async def test_account_without_voices_is_shown_the_way_to_others(client: Client) -> None:
    given = await found(client, source="custom")
    assert given["notes"] == ["This account has no voices of its own; source=preset shows Kling's."]


async def test_failed_list_of_voices_is_reported(connect: Connect, world: World, faults: Faults) -> None:
    world.add_voice(world.account_of(API_KEY), "Grandma")
    faults.refuse_connection(route="voice-presets", times=None)
    async with connect() as client:
        given = await found(client)
    assert (given["total"], given["complete"]) == (1, False)
    assert given["notes"][0].startswith("The official voices could not be read just now.")


async def test_voice_left_out_by_kling_is_reported(connect: Connect, world: World, creation: dict[str, Any]) -> None:
    """facts: voice-on-images, video-voice-unreliable"""
    world.quirks = dataclasses.replace(world.quirks, bind_voices=False)
    async with connect() as client:
        voice_id = (await found(client, query="Calm Alto"))["voices"][0]["voice_id"]
        arguments = {**creation, "element_voice_id": voice_id}
        made = structured(await client.call_tool("create_element_and_wait", arguments))
        later = structured(await client.call_tool("get_element", {"id": made["element_ids"][0]}))
    for told in (made, later):
        (warning,) = told["warnings"]
        assert f"Kling did not bind the voice {voice_id}" in warning
        assert "shows no voice" in warning


async def test_voice_left_out_by_kling_is_reported_by_a_later_wait(
    connect: Connect, world: World, creation: dict[str, Any]
) -> None:
    world.quirks = dataclasses.replace(world.quirks, bind_voices=False)
    async with connect() as client:
        voice_id = (await found(client, query="Calm Alto"))["voices"][0]["voice_id"]
        arguments = {**creation, "element_voice_id": voice_id}
        task = structured(await client.call_tool("create_element", arguments))
        assert task["warnings"] == []
        done = structured(await client.call_tool("wait_for_tasks", {"ids": [task["task_id"]]}))
        later = structured(await client.call_tool("get_element", {"id": done["tasks"][0]["task_id"]}))
    assert len(later["warnings"]) == 1


async def test_voice_left_out_by_kling_is_reported_by_a_repeated_creation(
    connect: Connect, world: World, creation: dict[str, Any]
) -> None:
    """Both creating tools say so, once."""
    world.quirks = dataclasses.replace(world.quirks, bind_voices=False)
    async with connect() as client:
        voice_id = (await found(client, query="Calm Alto"))["voices"][0]["voice_id"]
        arguments = {**creation, "element_voice_id": voice_id}
        structured(await client.call_tool("create_element_and_wait", arguments))
        for tool in ("create_element", "create_element_and_wait"):
            again = await client.call_tool(tool, arguments)
            (warning,) = structured(again)["warnings"]
            assert f"Kling did not bind the voice {voice_id}" in warning
            assert f"Warning: {warning}" in text_of(again)


async def test_element_without_a_requested_voice_has_no_voice_warning(
    connect: Connect, creation: dict[str, Any]
) -> None:
    async with connect() as client:
        made = structured(await client.call_tool("create_element_and_wait", creation))
        later = structured(await client.call_tool("get_element", {"id": "Mia"}))
    assert made["warnings"] == later["warnings"] == []
