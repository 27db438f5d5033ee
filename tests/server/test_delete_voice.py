"""`delete_voice`: by id, with the exact name as a safety check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from helpers import API_KEY, Connect, last_line, requests_to, structured, text_of

if TYPE_CHECKING:
    from mcp import Client
    from mcp_types import CallToolResult

    from kling_mcp.simulator import Faults, World

pytestmark = pytest.mark.anyio


async def delete(client: Client, voice_id: str, voice_name: str = "Narrator") -> CallToolResult:
    return await client.call_tool("delete_voice", {"voice_id": voice_id, "voice_name": voice_name})


def narrator(world: World) -> str:
    """The id of an own voice."""
    return world.add_voice(world.account_of(API_KEY), "Narrator").voice_id


def deletions(world: World) -> int:
    return len(requests_to(world, "voice-delete"))


async def test_voice_is_deleted_and_the_answer_says_which(client: Client, world: World) -> None:
    voice_id = narrator(world)
    result = await delete(client, f" {voice_id} ")
    expected = {"voice_id": voice_id, "voice_name": "Narrator", "deleted": True, "warnings": []}
    assert structured(result) == expected
    assert text_of(result) == f'Voice {voice_id} "Narrator" is deleted. deleted=true'
    again = await delete(client, voice_id)
    assert structured(again)["deleted"] is True
    assert "was already deleted; nothing was sent" in text_of(again)
    assert deletions(world) == 1


async def test_deleted_voice_is_no_longer_found(client: Client, world: World) -> None:
    voice_id = narrator(world)
    structured(await client.call_tool("find_voices", {"source": "custom"}))
    structured(await delete(client, voice_id))
    assert structured(await client.call_tool("find_voices", {"source": "custom"}))["voices"] == []


async def test_wrong_name_of_a_voice_deletes_nothing(client: Client, world: World) -> None:
    result = await delete(client, narrator(world), "Narrater")
    assert last_line(result)["kind"] == "bad_input"
    assert 'which is "Narrator"; got "Narrater"' in text_of(result)
    assert deletions(world) == 0


async def test_official_voice_is_left_alone(client: Client, world: World) -> None:
    preset = next(iter(world.preset_voices))
    result = await delete(client, preset.voice_id, preset.voice_name)
    assert last_line(result)["kind"] == "bad_input"
    assert "not an official one" in text_of(result)
    assert deletions(world) == 0


async def test_name_or_task_id_in_place_of_the_voice_id_is_answered_with_the_voice(
    client: Client, world: World
) -> None:
    voice = world.add_voice(world.account_of(API_KEY), "Narrator")
    for given in ("Narrator", voice.task_id):
        result = await delete(client, given)
        assert last_line(result)["kind"] == "not_found"
        assert f'These may be meant: voice_id={voice.voice_id}, "Narrator"' in text_of(result)
    world.add_voice(world.account_of(API_KEY), "Narrator")
    assert last_line(await delete(client, "Narrator"))["kind"] == "ambiguous_name"
    assert deletions(world) == 0


async def test_unknown_id_of_a_voice_is_not_found(client: Client) -> None:
    result = await delete(client, "829836802793406551", "Somebody")
    assert last_line(result)["kind"] == "not_found"
    assert "These may be meant" not in text_of(result)


@pytest.mark.parametrize("voice_id", ["", "8.3E+17"])
async def test_unusable_id_of_a_voice_is_refused(client: Client, world: World, voice_id: str) -> None:
    assert last_line(await delete(client, voice_id))["kind"] == "bad_input"
    assert world.requests == []


async def test_lost_reply_of_a_deletion_counts_as_done_if_the_list_shows_it(
    client: Client, world: World, faults: Faults
) -> None:
    """Fact: delete-synchronous."""
    voice_id = narrator(world)
    faults.lose_reply_after_commit(route="voice-delete")
    assert structured(await delete(client, voice_id))["deleted"] is True


async def test_deletion_that_never_arrived_says_how_to_go_on(client: Client, world: World, faults: Faults) -> None:
    voice_id = narrator(world)
    faults.lose_reply_before_commit(route="voice-delete")
    result = await delete(client, voice_id)
    assert last_line(result).items() >= {"kind": "unknown_outcome", "created": "no", "retry": "now"}.items()
    assert "Call delete_voice again with the same arguments" in text_of(result)
    assert structured(await delete(client, voice_id))["deleted"] is True


async def test_elements_that_are_still_bound_are_named(connect: Connect, world: World, era: str) -> None:
    account, voice_id = world.account_of(API_KEY), narrator(world)
    mia = world.add_element(account, "Mia", voice_id=voice_id)
    world.add_element(account, "Leo")
    world.add_element(account, "Gone", voice_id=voice_id, status="deleted")
    async with connect(era) as client:
        result = await delete(client, voice_id)
    (warning,) = structured(result)["warnings"]
    assert warning.startswith(f'Still bound to this voice: "Mia" ({mia.element_id}).')
    assert warning in text_of(result)


async def test_library_that_cannot_be_read_hinders_no_deletion(client: Client, world: World, faults: Faults) -> None:
    voice_id = narrator(world)
    faults.malformed("html", route="list", times=None)
    assert structured(await delete(client, voice_id))["warnings"] == []


async def test_read_only_server_has_neither_tool(connect: Connect) -> None:
    async with connect(read_only=True) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        refused: Any = await delete(client, "7")
    assert not {"create_voice", "delete_voice"} & names
    assert last_line(refused)["kind"] == "read_only"
