"""Names are compared as they are shown: what an answer shows can be handed back, and twins are told apart by id."""

from __future__ import annotations

import unicodedata
from typing import Any

import anyio
import pytest
from helpers import API_KEY, Connect, last_line, structured, text_of

from kling_mcp.simulator import Faults, World

pytestmark = pytest.mark.anyio

# As Kling has it, and as a person reads and types it.
NAMES = [
    ("山田\u3000太郎", "山田 太郎"),
    ("Mia\u00a0Rose", "Mia Rose"),
    ("Chat\u202f!", "Chat !"),
    ("Leo  Two", "Leo Two"),
    ("Leo ", "Leo"),
    ("Mia\u200b", "Mia"),
    ("Is\u00adabel", "Isabel"),
    ("\u200fليلى", "ليلى"),
    (unicodedata.normalize("NFD", "Zoë"), "Zoë"),
    ('Max "Axe"', "Max ”Axe”"),
]
TARGET = "omni-video/kling-v3-omni"


def add(world: World, name: str, **known: Any) -> str:
    """An element in the account of the tests; its id."""
    return world.add_element(world.account_of(API_KEY), name, **known).element_id


@pytest.mark.parametrize(("name", "typed"), NAMES)
async def test_shown_name_can_be_handed_to_every_tool(connect: Connect, world: World, name: str, typed: str) -> None:
    element_id = add(world, name)
    async with connect() as client:
        (row,) = structured(await client.call_tool("find_elements", {"query": typed}))["elements"]
        for given in (typed, row["element_name"], name):
            found = structured(await client.call_tool("get_element", {"id": given}))
            assert (found["matched_by"], found["element_ids"]) == ("element_name", [element_id])
            use = await client.call_tool("use_elements", {"elements": [given], "target": TARGET})
            assert structured(use)["element_ids"] == [element_id]
        deletion = {"element_id": element_id, "element_name": typed}
        assert structured(await client.call_tool("delete_element", deletion))["deleted"]


@pytest.mark.parametrize(("name", "typed"), NAMES)
async def test_twins_are_ambiguous_and_listed_with_their_ids(
    connect: Connect, world: World, name: str, typed: str
) -> None:
    ids = {add(world, name), add(world, typed)}
    async with connect() as client:
        refused = await client.call_tool("get_element", {"id": typed})
        assert last_line(refused)["kind"] == "ambiguous_name"
        assert all(element_id in text_of(refused) for element_id in ids)
        found = structured(await client.call_tool("find_elements", {"query": typed}))
        assert {row["element_id"] for row in found["elements"]} == ids
        assert len(found["duplicate_names"]) == 1


async def test_twins_before_and_after_others_are_both_exact_hits(connect: Connect, world: World) -> None:
    """Names that only begin with the words come after both."""
    for name in ("Mia Rose", "Mia Rose Marie", "Mia\u00a0Rose"):
        add(world, name)
    async with connect() as client:
        found = structured(await client.call_tool("find_elements", {"query": "Mia Rose"}))
    assert [row["element_name"] for row in found["elements"]] == ["Mia Rose", "Mia Rose", "Mia Rose Marie"]


@pytest.mark.parametrize("twin", ["Mia\u00a0Rose", "Mia\u3000Rose", "Mia\u2009Rose"])
async def test_name_that_looks_the_same_is_taken(
    connect: Connect, world: World, creation: dict[str, Any], twin: str
) -> None:
    element_id = add(world, "Mia Rose")
    async with connect() as client:
        refused = await client.call_tool("create_element", {**creation, "element_name": twin})
        assert last_line(refused)["kind"] == "name_taken"
        assert element_id in text_of(refused)


async def test_only_one_of_two_twins_on_their_way_is_created(
    connect: Connect, world: World, faults: Faults, creation: dict[str, Any]
) -> None:
    answers: list[str] = []

    async def create(name: str) -> None:
        made = await client.call_tool("create_element_and_wait", {**creation, "element_name": name})
        answers.append(last_line(made)["kind"] if made.is_error else structured(made)["task_status"])

    async with connect() as client, anyio.create_task_group() as group:
        group.start_soon(create, "Mia Rose")
        group.start_soon(create, "Mia\u00a0Rose")
    assert sorted(answers) == ["name_taken", "succeed"]


async def test_name_of_invisible_characters_names_nothing(connect: Connect, world: World) -> None:
    """Tasks whose name is unknown have no name that could be asked for."""
    add(world, "Stranger", status="pending")
    async with connect() as client:
        assert last_line(await client.call_tool("get_element", {"id": "\u200b"}))["kind"] == "not_found"
