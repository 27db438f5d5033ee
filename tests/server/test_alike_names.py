"""Names are compared as they are shown, whatever they hold: what an answer shows can be handed back."""

from __future__ import annotations

from typing import Any

import pytest
from helpers import API_KEY, Connect, last_line, structured, text_of

from kling_mcp.sanitize import as_shown
from kling_mcp.simulator import World

pytestmark = pytest.mark.anyio

# Made through this server: the name as it is sent, and as it is shown.
OWN = [
    ("山田\u3000太郎", "山田 太郎"),
    ("Mia\u00a0Rose", "Mia Rose"),
    ("Chat\u202f!", "Chat !"),
    ("Leo  Two", "Leo Two"),
    ("Zoe\u0308", "Zoë"),
]
# Made elsewhere.
FOREIGN = [
    *OWN,
    ("Leo ", "Leo"),
    ("Mia\u200b", "Mia"),
    ("Mi\u200ba", "Mia"),
    ("\u200fليلى", "ليلى"),
    ('Zoë "Fox"', "Zoë ”Fox”"),
]


def add(world: World, name: str) -> str:
    return world.add_element(world.account_of(API_KEY), name).element_id


@pytest.mark.parametrize(("made", "shown"), FOREIGN)
async def test_a_shown_name_is_accepted_by_every_tool(connect: Connect, world: World, made: str, shown: str) -> None:
    element_id = add(world, made)
    async with connect() as client:
        for name in (made, shown, f" {shown} "):
            found = await client.call_tool("get_element", {"id": name})
            assert structured(found)["element_ids"] == [element_id]
            assert f"name=”{shown}”" in as_shown(text_of(found))
            used = await client.call_tool("use_elements", {"elements": [name], "target": "omni-video"})
            assert structured(used)["element_ids"] == [element_id]
            searched = structured(await client.call_tool("find_elements", {"query": name}))
            assert [row["element_id"] for row in searched["elements"]] == [element_id]
        deleted = await client.call_tool("delete_element", {"element_id": element_id, "element_name": shown})
        assert structured(deleted)["deleted"]


@pytest.mark.parametrize(("made", "shown"), OWN)
async def test_a_created_name_is_handed_back_as_it_is_shown(
    connect: Connect, creation: dict[str, Any], made: str, shown: str
) -> None:
    async with connect() as client:
        task = structured(await client.call_tool("create_element_and_wait", {**creation, "element_name": made}))
        found = structured(await client.call_tool("get_element", {"id": shown}))
        used = await client.call_tool("use_elements", {"elements": [shown], "target": "omni-video"})
    assert found["element_ids"] == task["element_ids"] == structured(used)["element_ids"]


@pytest.mark.parametrize(("made", "shown"), FOREIGN)
async def test_a_name_that_looks_like_another_is_taken(
    connect: Connect, world: World, creation: dict[str, Any], made: str, shown: str
) -> None:
    element_id = add(world, made)
    async with connect() as client:
        result = await client.call_tool("create_element", {**creation, "element_name": shown})
    assert last_line(result)["kind"] == "name_taken"
    assert f"element_id={element_id}" in text_of(result)
    assert world.accepted_creations() == {}


@pytest.mark.parametrize(("made", "shown"), OWN)
async def test_a_name_is_taken_while_its_lookalike_is_being_made(
    connect: Connect, world: World, creation: dict[str, Any], made: str, shown: str
) -> None:
    async with connect() as client:
        structured(await client.call_tool("create_element", {**creation, "element_name": made}))
        result = await client.call_tool("create_element", {**creation, "element_name": shown, "tags": ["Animal"]})
    assert last_line(result)["kind"] == "name_taken"
    assert sum(world.accepted_creations().values()) == 1


@pytest.mark.parametrize(("made", "shown"), FOREIGN)
async def test_names_that_look_the_same_are_ambiguous(connect: Connect, world: World, made: str, shown: str) -> None:
    ids = {add(world, made), add(world, shown)}
    async with connect() as client:
        for name in (made, shown):
            for tool, arguments in (
                ("get_element", {"id": name}),
                ("use_elements", {"elements": [name], "target": "omni-video"}),
            ):
                result = await client.call_tool(tool, arguments)
                assert last_line(result)["kind"] == "ambiguous_name"
                assert all(f"element_id={element_id}" in text_of(result) for element_id in ids)
        found = structured(await client.call_tool("find_elements", {"query": shown}))
    assert {row["element_id"] for row in found["elements"]} == ids
    assert len(found["duplicate_names"]) == 1


async def test_names_that_look_different_stay_apart(connect: Connect, world: World) -> None:
    names = ["Mia", "mia", "Мia", "ＭＩＡ", "Mïa"]
    ids = [add(world, name) for name in names]
    async with connect() as client:
        found = [structured(await client.call_tool("get_element", {"id": name}))["element_ids"] for name in names]
    assert found == [[element_id] for element_id in ids]
