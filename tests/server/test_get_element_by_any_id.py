"""`get_element` takes any of the four kinds of id, says which it was, and never guesses."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from helpers import API_KEY, Connect, last_line, requests_to, structured, text_of
from mcp import Client
from mcp_types import CallToolResult
from virtual_time import VirtualClock

from kling_mcp.simulator import Faults, World

pytestmark = pytest.mark.anyio


async def get(client: Client, any_id: str) -> CallToolResult:
    return await client.call_tool("get_element", {"id": any_id})


async def got(client: Client, any_id: str) -> dict[str, Any]:
    return structured(await get(client, any_id))


def add(world: World, name: str, **known: Any) -> Any:
    return world.add_element(world.account_of(API_KEY), name, **known)


@pytest.mark.parametrize("given", ["8.81199455830155E+17", "160.0"])
async def test_id_that_a_spreadsheet_has_rounded_is_called_so(connect: Connect, given: str) -> None:
    async with connect() as client:
        result = await client.call_tool("get_element", {"id": given})
    assert last_line(result)["kind"] == "not_found"
    assert "This looks like an id that was rounded on the way, in a spreadsheet" in text_of(result)


async def test_element_whose_name_looks_like_a_rounded_id_is_found(connect: Connect, world: World) -> None:
    world.add_element(world.account_of(API_KEY), "160.0")
    async with connect() as client:
        found = structured(await client.call_tool("get_element", {"id": "160.0"}))
    assert found["matched_by"] == "element_name"


async def test_each_kind_of_id_is_named(client: Client, world: World) -> None:
    mia = add(world, "Mia", external_task_id="my-own-7")
    kinds = {
        "task_id": mia.task_id,
        "external_task_id": "my-own-7",
        "element_id": mia.element_id,
        "element_name": "Mia",
    }
    for kind, any_id in kinds.items():
        result = await get(client, any_id)
        given = structured(result)
        assert (given["matched_by"], given["element_ids"]) == (kind, [mia.element_id])
        assert f"matched_by={kind}" in text_of(result)


async def test_a_task_id_costs_one_request(connect: Connect, world: World) -> None:
    mia = add(world, "Mia")
    async with connect() as client:
        await got(client, mia.task_id)
    assert [request.route for request in world.requests] == ["query"]


async def test_an_element_id_of_18_digits_is_not_taken_for_a_task(connect: Connect, world: World) -> None:
    world.quirks = dataclasses.replace(world.quirks, element_id_digits=18)
    mia = add(world, "Mia")
    async with connect() as client:
        assert (await got(client, mia.element_id))["matched_by"] == "element_id"


async def test_an_official_element_is_found_by_id_and_by_name(connect: Connect) -> None:
    """fact: presets-thin"""
    async with connect() as client:
        by_name = await got(client, "Grey Heron")
        by_id = await got(client, by_name["element_ids"][0])
    assert by_name["elements"] == by_id["elements"]
    assert (by_id["task_status"], by_id["elements"][0]["owned_by"]) == ("succeed", "kling")


async def test_an_id_wins_over_a_name(connect: Connect, world: World) -> None:
    mia = add(world, "Mia", external_task_id="Leo")
    add(world, "Leo")
    async with connect() as client:
        given = await got(client, "Leo")
    assert (given["matched_by"], given["element_ids"]) == ("external_task_id", [mia.element_id])


async def test_an_ambiguous_name_is_an_error_with_the_candidates(connect: Connect, world: World) -> None:
    first, second = add(world, "Mia", description="the one"), add(world, "Mia", description="the other")
    add(world, "Mia", status="deleted")
    async with connect() as client:
        result = await get(client, "Mia")
    assert last_line(result)["kind"] == "ambiguous_name"
    text = text_of(result)
    for task, about in ((first, "the one"), (second, "the other")):
        assert f"element_id={task.element_id}, ready, created 2026-" in text
        assert f'"{about}"' in text
    assert text.count("element_id=") == 2


async def test_name_of_a_ready_and_a_deleted_element_means_the_ready_one(connect: Connect, world: World) -> None:
    ready = add(world, "Mia")
    add(world, "Mia", status="deleted")
    async with connect() as client:
        assert (await got(client, "Mia"))["element_ids"] == [ready.element_id]


async def test_deleted_element_is_shown_as_deleted(connect: Connect, world: World) -> None:
    gone = add(world, "Mia", status="deleted")
    async with connect() as client:
        for any_id in ("Mia", gone.element_id, gone.task_id):
            assert [row["status"] for row in (await got(client, any_id))["elements"]] == ["deleted"]


async def test_unknown_name_is_answered_with_near_names(client: Client, world: World) -> None:
    mia = add(world, "Mia Rossi")
    result = await get(client, "Mia Rosi")
    assert last_line(result) == {
        "kind": "not_found",
        "created": "no",
        "retry": "never",
        "code": "-",
        "request_id": "-",
    }
    assert 'Similar names: "Mia Rossi".' in text_of(result)
    assert mia.element_id not in text_of(result)


async def test_a_name_in_another_case_is_not_the_name(connect: Connect, world: World) -> None:
    add(world, "Mia")
    async with connect() as client:
        assert last_line(await get(client, "mia"))["kind"] == "not_found"


async def test_an_empty_id_is_bad_input(connect: Connect) -> None:
    async with connect() as client:
        assert last_line(await get(client, "  "))["kind"] == "bad_input"


async def test_blanks_around_an_id_do_not_matter(connect: Connect, world: World) -> None:
    mia = add(world, "Mia")
    async with connect() as client:
        assert (await got(client, f"  {mia.element_id}\n"))["element_ids"] == [mia.element_id]


async def test_a_creation_from_here_is_found_by_its_external_id(
    connect: Connect, world: World, creation: dict[str, Any]
) -> None:
    """fact: query-external-id; Kling may neither look it up nor list it."""
    world.quirks = dataclasses.replace(world.quirks, query_by_external_id=False, task_info="always-empty")
    async with connect() as client:
        made = structured(await client.call_tool("create_element_and_wait", creation))
        assert (await got(client, made["external_task_id"]))["element_ids"] == made["element_ids"]


async def test_the_journal_remembers_what_the_index_lost(
    connect: Connect, world: World, creation: dict[str, Any], settings: Any
) -> None:
    world.quirks = dataclasses.replace(world.quirks, query_by_external_id=False, task_info="always-empty")
    async with connect() as client:
        made = structured(await client.call_tool("create_element_and_wait", creation))
    for path in settings.state_dir.glob("library-*"):
        path.unlink()
    async with connect() as client:
        given = await got(client, made["external_task_id"])
    assert (given["matched_by"], given["element_ids"]) == ("external_task_id", made["element_ids"])


async def test_an_external_id_that_no_list_shows_is_asked_of_kling(connect: Connect, world: World) -> None:
    world.quirks = dataclasses.replace(world.quirks, task_info="always-empty")
    mia = add(world, "Mia", external_task_id="my-own-7")
    async with connect() as client:
        given = await got(client, "my-own-7")
    assert (given["matched_by"], given["element_ids"]) == ("external_task_id", [mia.element_id])


async def test_id_is_looked_up_even_when_the_lists_fail(connect: Connect, world: World, faults: Faults) -> None:
    mia = add(world, "Mia", external_task_id="my-own-7")
    faults.refuse_connection(route="list", times=None)
    faults.refuse_connection(route="presets", times=None)
    async with connect() as client:
        assert (await got(client, "my-own-7"))["element_ids"] == [mia.element_id]
        assert last_line(await get(client, "Somebody"))["kind"] == "network"


async def test_a_silent_kling_leaves_what_is_known_with_a_warning(
    connect: Connect, world: World, faults: Faults
) -> None:
    mia = add(world, "Mia")
    async with connect() as client:
        await got(client, "Mia")
        faults.refuse_connection(route="query", times=None)
        given = await got(client, mia.element_id)
        assert given["element_ids"] == [mia.element_id]
        assert "The latest look-up failed" in given["warnings"][0]


async def test_name_of_a_running_task_is_a_network_error_while_kling_is_silent(
    connect: Connect, faults: Faults, creation: dict[str, Any]
) -> None:
    async with connect() as client:
        structured(await client.call_tool("create_element", creation))
        faults.refuse_connection(route="query", times=None)
        assert last_line(await get(client, "Mia"))["kind"] == "network"


async def test_a_running_task_is_found_by_the_name_it_will_have(
    connect: Connect, creation: dict[str, Any], clock: VirtualClock
) -> None:
    async with connect() as client:
        task = structured(await client.call_tool("create_element", creation))
        early = await got(client, "Mia")
        assert (early["task_id"], early["matched_by"]) == (task["task_id"], "element_name")
        assert early["next_step"]
        await clock.sleep(6)
        assert (await got(client, "Mia"))["elements"][0]["status"] == "ready"


async def test_an_incomplete_library_does_not_say_that_something_is_missing(
    connect: Connect, world: World, faults: Faults
) -> None:
    add(world, "Mia")
    faults.refuse_connection(route="presets", times=None)
    async with connect() as client:
        result = await get(client, "Nobody")
    assert last_line(result)["kind"] == "not_found"
    assert "could not be read in full, so it may still exist" in text_of(result)
    assert requests_to(world, "query")
