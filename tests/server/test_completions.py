"""Names and tags are completed from the library that is known here, for whoever is typing."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from helpers import API_KEY, requests_to
from mcp import Client
from mcp_types import PromptReference, ResourceTemplateReference

from kling_mcp.simulator import Faults, World

pytestmark = pytest.mark.anyio

ELEMENT = ResourceTemplateReference(type="ref/resource", uri="kling://elements/{id}")
CAST = PromptReference(type="ref/prompt", name="plan_cast")
SHOT = PromptReference(type="ref/prompt", name="make_shot")
PICTURES = PromptReference(type="ref/prompt", name="prepare_reference_pictures")


async def values(client: Client, ref: Any, name: str, typed: str) -> list[str]:
    return (await client.complete(ref, {"name": name, "value": typed})).completion.values


async def test_names_that_begin_so_are_suggested(client: Client, world: World) -> None:
    account = world.account_of(API_KEY)
    for name in ("Mia", "Milo", "Rex"):
        world.add_element(account, name)
    world.add_element(account, "Mirage", status="deleted")
    assert set(await values(client, ELEMENT, "id", "mi")) >= {"Mia", "Milo"}
    assert not {"Rex", "Mirage"} & set(await values(client, ELEMENT, "id", "mi"))


async def test_a_shared_or_odd_name_is_suggested_as_its_id(client: Client, world: World) -> None:
    account = world.account_of(API_KEY)
    twins = [world.add_element(account, "Mia") for _ in range(2)]
    odd = world.add_element(account, "Mia\u202ecod")
    suggested = await values(client, ELEMENT, "id", "mia")
    assert {twin.element_id for twin in twins} | {odd.element_id} <= set(suggested)
    assert "Mia" not in suggested


async def test_an_id_is_completed_to_an_id(client: Client, world: World) -> None:
    mia = world.add_element(world.account_of(API_KEY), "Mia")
    assert await values(client, ELEMENT, "id", mia.element_id) == [mia.element_id]


async def test_the_last_name_of_a_list_is_completed(client: Client, world: World) -> None:
    for name in ("Mia", "Rex", "Salt, pepper"):
        world.add_element(world.account_of(API_KEY), name)
    assert (await values(client, CAST, "elements", "Mia, re"))[0] == "Mia, Rex"
    assert (await values(client, CAST, "elements", "re"))[0] == "Rex"
    # A name with a comma cannot stand in a list with commas.
    assert await values(client, CAST, "elements", "salt") == []


async def test_name_after_the_last_at_sign_of_a_scene_is_completed(client: Client, world: World) -> None:
    for name in ("Mia", "Rex"):
        world.add_element(world.account_of(API_KEY), name)
    assert (await values(client, SHOT, "scene", "@Mia pats @re"))[0] == "@Mia pats @Rex"
    assert (await values(client, SHOT, "elements", "Mia, re"))[0] == "Mia, Rex"
    assert await values(client, SHOT, "scene", "Mia pats re") == []
    assert await values(client, SHOT, "scene", "meet me @ re") == []


async def test_shapes_are_completed_without_a_request(client: Client, world: World) -> None:
    assert await values(client, SHOT, "aspect_ratio", "") == ["16:9", "9:16", "1:1"]
    assert await values(client, SHOT, "aspect_ratio", "9") == ["9:16"]
    assert world.requests == []


async def test_tags_are_completed_without_a_request(client: Client, world: World) -> None:
    assert await values(client, PICTURES, "tag", "co") == ["Costume"]
    assert await values(client, PICTURES, "tag", " C") == ["Character", "Costume"]
    assert len(await values(client, PICTURES, "tag", "")) == 8
    assert world.requests == []


@pytest.mark.parametrize(
    ("ref", "name"),
    [
        (CAST, "story"),
        (PICTURES, "subject"),
        (PromptReference(type="ref/prompt", name="nothing"), "tag"),
        (ResourceTemplateReference(type="ref/resource", uri="kling://tags"), "id"),
        (ELEMENT, "other"),
    ],
)
async def test_free_text_is_not_completed(client: Client, world: World, ref: Any, name: str) -> None:
    assert await values(client, ref, name, "mi") == []
    assert world.requests == []


async def test_at_most_twenty_are_suggested_and_more_are_announced(client: Client, world: World) -> None:
    for number in range(30):
        world.add_element(world.account_of(API_KEY), f"Mia {number}")
    completion = (await client.complete(ELEMENT, {"name": "id", "value": "mia"})).completion
    assert len(completion.values) == 20
    assert completion.has_more


async def test_typing_on_sends_no_further_request(client: Client, world: World) -> None:
    world.add_element(world.account_of(API_KEY), "Mia")
    await values(client, ELEMENT, "id", "m")
    before = len(world.requests)
    for typed in ("mi", "mia", "mia x"):
        await values(client, ELEMENT, "id", typed)
    assert len(world.requests) == before


async def test_completion_is_empty_when_kling_cannot_be_read(client: Client, faults: Faults, world: World) -> None:
    world.add_element(world.account_of(API_KEY), "Mia")
    faults.reply_code(1000, times=None)
    assert await values(client, ELEMENT, "id", "mi") == []
    assert await values(client, PICTURES, "tag", "an") == ["Animal"]


async def test_completion_is_empty_without_credentials(connect: Any, world: World) -> None:
    async with connect(api_key="") as client:
        assert await values(client, ELEMENT, "id", "mi") == []
    assert requests_to(world, "list") == []


async def test_completion_answers_within_a_short_time(client: Client, world: World, faults: Faults) -> None:
    world.add_element(world.account_of(API_KEY), "Mia")
    assert await values(client, ELEMENT, "id", "mi") == ["Mia"]
    await anyio.sleep(100)
    faults.delay(30, times=None)
    started = anyio.current_time()
    assert await values(client, ELEMENT, "id", "mi") == ["Mia"]
    assert anyio.current_time() - started == pytest.approx(2, abs=0.5)
