"""`delete_element` as an agent meets it; what is sent in each case is in tests/elements/test_delete.py."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from helpers import API_KEY, Connect, Pictures, last_line, requests_to, structured, text_of
from mcp import Client
from virtual_time import VirtualClock

from kling_mcp.simulator import Faults, World

pytestmark = pytest.mark.anyio

TOOL = "delete_element"


@pytest.mark.parametrize("given", ["8.81199455830155E+17", "160.0"])
async def test_id_from_a_spreadsheet_is_refused_before_anything_is_asked(
    connect: Connect, world: World, given: str
) -> None:
    async with connect() as client:
        result = await client.call_tool("delete_element", {"element_id": given, "element_name": "Mia"})
    assert last_line(result)["kind"] == "bad_input"
    assert f'got "{given}", which was rounded on the way' in text_of(result)
    assert world.requests == []


async def test_deletion_by_name_alone_is_answered_with_the_candidates(connect: Connect, world: World) -> None:
    account = world.account_of(API_KEY)
    mia = world.add_element(account, "Mia", description="Barista")
    world.add_element(account, "Mia", status="deleted")
    async with connect() as client:
        one = await client.call_tool(TOOL, {"element_id": "Mia", "element_name": "Mia"})
        other = world.add_element(account, "Mia", description="Pilot")
        several = await client.call_tool(TOOL, {"element_id": " Mia ", "element_name": "Mia"})
    assert last_line(one)["kind"] == "not_found"
    assert f"These may be meant: element_id={mia.element_id}, ready, created 20" in text_of(one)
    assert '"Barista". If you cannot tell, ask the person.' in text_of(one)
    assert last_line(several)["kind"] == "ambiguous_name"
    assert all(f"element_id={each.element_id}, ready, created 20" in text_of(several) for each in (mia, other))
    assert requests_to(world, "delete") == []


async def test_deletion_by_task_id_is_answered_with_the_element(connect: Connect, world: World) -> None:
    """fact: delete-takes-element-id"""
    mia = world.add_element(world.account_of(API_KEY), "Mia")
    async with connect() as client:
        result = await client.call_tool(TOOL, {"element_id": mia.task_id, "element_name": "Mia"})
    assert last_line(result)["kind"] == "not_found"
    assert f"These may be meant: element_id={mia.element_id}" in text_of(result)


async def test_an_element_is_deleted_and_the_answer_says_which(client: Client, world: World) -> None:
    mia = world.add_element(world.account_of(API_KEY), "Mia")
    arguments = {"element_id": f" {mia.element_id} ", "element_name": "Mia"}
    result = await client.call_tool(TOOL, arguments)
    assert structured(result) == {"element_id": mia.element_id, "element_name": "Mia", "deleted": True}
    assert text_of(result) == f'Element {mia.element_id} "Mia" is deleted. deleted=true'

    again = await client.call_tool(TOOL, arguments)
    assert structured(again)["deleted"] is True
    assert "was already deleted; nothing was sent" in text_of(again)
    assert len(requests_to(world, "delete")) == 1


async def test_an_element_that_is_known_here_is_not_looked_for_in_the_list(client: Client, world: World) -> None:
    """A look at its task and the deletion: two requests, however long the list."""
    mia = world.add_element(world.account_of(API_KEY), "Mia")
    await client.call_tool("find_elements", {"query": "Mia"})
    world.requests.clear()
    result = await client.call_tool(TOOL, {"element_id": mia.element_id, "element_name": "Mia"})
    assert structured(result)["deleted"] is True
    assert [request.route for request in world.requests] == ["query", "delete"]


async def test_element_known_to_the_index_is_checked_at_kling(client: Client, world: World, faults: Faults) -> None:
    """The task cannot be read just now, so the list decides, as for an element that nobody here has seen."""
    mia = world.add_element(world.account_of(API_KEY), "Mia")
    await client.call_tool("find_elements", {"query": "Mia"})
    world.requests.clear()
    faults.malformed("html", route="query", times=None)
    wrong = await client.call_tool(TOOL, {"element_id": mia.element_id, "element_name": "Noah"})
    assert 'which is "Mia"; got "Noah"' in text_of(wrong)
    right = await client.call_tool(TOOL, {"element_id": mia.element_id, "element_name": "Mia"})
    assert structured(right)["deleted"] is True
    assert len(requests_to(world, "list")) == 2


async def test_deletion_needs_both_arguments(client: Client, world: World) -> None:
    result = await client.call_tool(TOOL, {})
    assert last_line(result)["kind"] == "bad_input"
    assert "element_id: must be given" in text_of(result)
    assert "element_name: must be given" in text_of(result)
    assert world.requests == []


@pytest.mark.parametrize("element_id", ["", "  "])
async def test_deletion_with_an_empty_id_is_refused(client: Client, world: World, element_id: str) -> None:
    result = await client.call_tool(TOOL, {"element_id": element_id, "element_name": "Mia"})
    assert last_line(result)["kind"] == "bad_input"
    assert world.requests == []


async def test_a_wrong_name_is_caught(client: Client, world: World) -> None:
    mia = world.add_element(world.account_of(API_KEY), "Mia")
    result = await client.call_tool(TOOL, {"element_id": mia.element_id, "element_name": "Noah"})
    assert last_line(result) == {
        "kind": "bad_input",
        "created": "no",
        "retry": "never",
        "code": "-",
        "request_id": "-",
    }
    assert 'which is "Mia"; got "Noah"' in text_of(result)
    assert "Nothing was deleted." in text_of(result)


async def test_a_preset_is_left_alone(client: Client, world: World) -> None:
    result = await client.call_tool(TOOL, {"element_id": "160", "element_name": "Moon Bicycle"})
    assert last_line(result)["kind"] == "bad_input"
    assert "No deletion was sent." in text_of(result)
    assert requests_to(world, "delete") == []


async def test_unknown_outcome_of_a_deletion_says_how_to_go_on(client: Client, world: World, faults: Faults) -> None:
    mia = world.add_element(world.account_of(API_KEY), "Mia")
    faults.lose_reply_before_commit(route="delete")
    arguments = {"element_id": mia.element_id, "element_name": "Mia"}
    fields = last_line(await client.call_tool(TOOL, arguments))
    assert (fields["kind"], fields["created"], fields["retry"]) == ("unknown_outcome", "no", "now")
    assert structured(await client.call_tool(TOOL, arguments))["deleted"] is True


async def test_name_is_free_again_after_a_deletion(
    client: Client, world: World, creation: dict[str, Any], pictures: Pictures
) -> None:
    """The guard on names must not remember what was deleted a moment ago."""
    first = structured(await client.call_tool("create_element_and_wait", creation))
    (element_id,) = first["element_ids"]
    structured(await client.call_tool(TOOL, {"element_id": element_id, "element_name": "Mia"}))
    another = {**creation, "refer_images": [str(pictures.back)]}
    second = structured(await client.call_tool("create_element_and_wait", another))
    assert second["element_ids"] not in ([], [element_id])


async def test_name_is_read_again_after_an_unconfirmed_deletion(
    client: Client, world: World, faults: Faults, clock: VirtualClock, creation: dict[str, Any]
) -> None:
    mia = world.add_element(world.account_of(API_KEY), "Mia")
    assert last_line(await client.call_tool("create_element", creation))["kind"] == "name_taken"
    faults.delay(5, after_commit=True, route="delete")
    faults.lose_reply_after_commit(route="delete")

    async def break_the_list() -> None:
        await clock.sleep(1)
        faults.reply_code(1000, times=None, route="list")

    async with anyio.create_task_group() as group:
        group.start_soon(break_the_list)
        arguments = {"element_id": mia.element_id, "element_name": "Mia"}
        assert last_line(await client.call_tool(TOOL, arguments))["kind"] == "unknown_outcome"
    faults.clear()

    assert structured(await client.call_tool("create_element", creation))["outcome"] == "submitted"


async def test_deleted_element_can_be_created_again(client: Client, creation: dict[str, Any]) -> None:
    first = structured(await client.call_tool("create_element_and_wait", creation))
    (element_id,) = first["element_ids"]
    structured(await client.call_tool(TOOL, {"element_id": element_id, "element_name": "Mia"}))
    second = structured(await client.call_tool("create_element_and_wait", creation))
    assert second["outcome"] == "submitted"
    assert second["element_ids"] not in ([], [element_id])
