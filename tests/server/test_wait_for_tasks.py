"""`wait_for_tasks` through MCP: many at once, any kind of id, a mix of ends, another chat, another process."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from helpers import API_KEY, Connect, last_line, requests_to, structured, text_of

if TYPE_CHECKING:
    from pathlib import Path

    from mcp import Client

    from kling_mcp.account import Account
    from kling_mcp.simulator import Faults, World

pytestmark = pytest.mark.anyio

WAIT = "wait_for_tasks"
CLIP = {
    "element_description": "Presenter, grey suit",
    "reference_type": "video_refer",
    "video_url": "https://example.com/host.mp4",
}


async def submit(client: Client, name: str, **arguments: Any) -> dict[str, Any]:
    return structured(await client.call_tool("create_element", {**CLIP, "element_name": name, **arguments}))


async def test_wait_without_ids_covers_all_unfinished_tasks(client: Client) -> None:
    made = [await submit(client, name) for name in ("Ann", "Ben", "Cid")]
    view = structured(await client.call_tool(WAIT, {"wait_seconds": 60}))
    assert {task["task_id"] for task in view["tasks"]} == {task["task_id"] for task in made}
    assert all(task["task_status"] == "succeed" and task["element_ids"] for task in view["tasks"])
    assert (view["pending"], view["next_step"]) == (0, "")
    nothing = structured(await client.call_tool(WAIT, {}))
    assert (nothing["tasks"], nothing["pending"]) == ([], 0)


async def test_a_mix_of_ends_is_no_error(client: Client, faults: Faults) -> None:
    """fact: failed-has-no-code"""
    faults.fail_task("Failure to pass the risk control system")
    failed = await submit(client, "Ann")
    ready = await submit(client, "Ben")
    faults.slow_task(500)
    slow = await submit(client, "Cid")
    result = await client.call_tool(WAIT, {"wait_seconds": 45})
    view = structured(result)
    states = {task["task_id"]: task["task_status"] for task in view["tasks"]}
    assert states == {failed["task_id"]: "failed", ready["task_id"]: "succeed", slow["task_id"]: "processing"}
    assert view["pending"] == 1
    assert slow["task_id"] in view["next_step"]
    assert failed["task_id"] not in view["next_step"]
    assert text_of(result).startswith("1 ready, 1 failed, pending=1.")


async def test_task_that_kling_does_not_show_is_called_so(connect: Connect, faults: Faults) -> None:
    faults.refuse_connection(times=None)
    async with connect() as client:
        result = await client.call_tool(WAIT, {"ids": ["880000000000000101"], "wait_seconds": 3})
    assert structured(result)["tasks"][0]["task_status"] == "unknown"
    assert "Kling has not shown this task yet, so its state is not known." in text_of(result)


@pytest.mark.parametrize("given", ["8.80E+17", "880000000000000101.0"])
async def test_ids_from_a_spreadsheet_are_refused_before_anything_is_asked(
    connect: Connect, world: World, given: str
) -> None:
    async with connect() as client:
        result = await client.call_tool(WAIT, {"ids": ["880000000000000101", given]})
    assert last_line(result)["kind"] == "bad_input"
    assert f'ids: must be an id with all its digits; got "{given}", which was rounded on the way' in text_of(result)
    assert world.requests == []


async def test_wait_goes_on_in_another_chat_after_a_restart(connect: Connect, tmp_path: Path) -> None:
    async with connect(state_dir=tmp_path) as first:
        made = await submit(first, "Ann")
    async with connect(state_dir=tmp_path) as second:
        view = structured(await second.call_tool(WAIT, {"wait_seconds": 60}))
    assert [task["task_id"] for task in view["tasks"]] == [made["task_id"]]
    assert view["tasks"][0]["element_ids"]


@pytest.mark.parametrize("works", [True, False])
async def test_an_external_id_made_elsewhere_is_found_by_query_or_in_the_list(
    client: Client, world: World, works: bool
) -> None:
    """fact: query-external-id"""
    world.quirks = replace(world.quirks, query_by_external_id=works)
    world.add_element(world.account_of(API_KEY), "Ann", external_task_id="studio-7")
    view = structured(await client.call_tool(WAIT, {"ids": "studio-7"}))
    (task,) = view["tasks"]
    assert (task["external_task_id"], task["task_status"], view["pending"]) == ("studio-7", "succeed", 0)


async def test_unknown_ids_are_an_error_only_if_no_given_id_is_known(client: Client) -> None:
    """fact: msg-task-not-found"""
    made = await submit(client, "Ann")
    both = structured(await client.call_tool(WAIT, {"ids": [made["task_id"], "nobody"], "wait_seconds": 60}))
    assert {task["task_status"] for task in both["tasks"]} == {"succeed", "unknown"}
    assert both["pending"] == 0
    alone = last_line(await client.call_tool(WAIT, {"ids": ["nobody"]}))
    assert (alone["kind"], alone["created"]) == ("not_found", "no")


async def test_unknown_id_beside_a_known_one_gets_no_kind_and_a_way_to_find_it(client: Client) -> None:
    task_id = (await submit(client, "Mia"))["task_id"]
    result = await client.call_tool(WAIT, {"ids": ["nope", task_id], "wait_seconds": 600})
    unknown, known = structured(result)["tasks"]
    assert (unknown["kind"], unknown["task_status"]) == ("", "unknown")
    assert unknown["next_step"].startswith("Call find_elements or find_generations")
    assert known["kind"] == "element"
    assert "There is no such task.\ntask_id=nope task_status=unknown" in text_of(result)
    assert "Kling has not shown this task yet" not in text_of(result)


async def test_unknown_ids_alone_are_all_named_with_a_way_to_find_them(client: Client) -> None:
    result = await client.call_tool(WAIT, {"ids": ["nope", "neither"]})
    assert last_line(result).items() >= {"kind": "not_found", "retry": "never"}.items()
    assert text_of(result).startswith('Kling knows no task "nope", "neither".')
    assert "wait_for_tasks without ids" in text_of(result)


async def test_unknown_id_is_looked_for_once_on_each_route(client: Client, world: World) -> None:
    """Videos and pictures of every kind are read on one. fact: gen-route-bound"""
    before = len(world.requests)
    await client.call_tool(WAIT, {"ids": ["870000000000000009"], "wait_seconds": 0})
    asked = [request.route for request in world.requests[before:]]
    assert len(asked) >= 3
    assert len(asked) == len(set(asked)), asked


async def test_a_lost_reply_is_settled_by_waiting(client: Client, world: World, faults: Faults) -> None:
    faults.lose_reply_after_create()
    faults.reply_code(5000, times=None, route="query")
    faults.reply_code(5000, times=None, route="list")
    lost = await client.call_tool("create_element", {**CLIP, "element_name": "Ann"})
    assert last_line(lost)["created"] == "maybe"
    faults.clear()
    view = structured(await client.call_tool(WAIT, {"wait_seconds": 60}))
    (task,) = view["tasks"]
    assert task["element_ids"]
    assert len(requests_to(world, "create")) == 1


async def test_twenty_waits_cost_little_more_than_a_single_wait(client: Client, world: World) -> None:
    for number in range(20):
        await submit(client, f"n{number}")
    before = len(world.requests)
    view = structured(await client.call_tool(WAIT, {"wait_seconds": 120}))
    assert len(view["tasks"]) == 20
    assert len(world.requests) - before < 20


async def test_voice_that_was_not_bound_is_reported(client: Client, world: World) -> None:
    """fact: voice-on-images"""
    voice = world.add_voice(world.account_of(API_KEY), "Alto")
    world.quirks = replace(world.quirks, bind_voices=False)
    await submit(client, "Ann", element_voice_id=voice.voice_id)
    view = structured(await client.call_tool(WAIT, {"wait_seconds": 60}))
    assert any(voice.voice_id in warning for warning in view["tasks"][0]["warnings"])


async def test_element_that_was_waited_for_is_found_at_once(client: Client) -> None:
    assert structured(await client.call_tool("find_elements", {}))["total"] == 0
    await submit(client, "Ann")
    await client.call_tool(WAIT, {"wait_seconds": 60})
    (row,) = structured(await client.call_tool("find_elements", {"query": "Ann"}))["elements"]
    assert row["status"] == "ready"


async def test_older_name_of_the_tool_is_answered_and_not_listed(client: Client) -> None:
    made = await submit(client, "Ann")
    view = structured(await client.call_tool("wait_for_elements", {"ids": [made["task_id"]]}))
    assert [task["task_status"] for task in view["tasks"]] == ["succeed"]
    assert "wait_for_elements" not in {tool.name for tool in (await client.list_tools()).tools}


async def test_older_name_of_the_tool_counts_in_the_list_of_tools(connect: Connect) -> None:
    async with connect(tools=("wait_for_elements",)) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == ["wait_for_tasks"]


async def test_voice_is_waited_for_and_answered_with_its_id(connect: Connect, tmp_path: Path, account: Account) -> None:
    async with connect() as client:
        voice = {"voice_name": "Mia", "voice_url": "https://example.com/mia.mp3"}
        made = await account.client.create_voice(voice, external_task_id="mia-1")
        result = await client.call_tool(WAIT, {"ids": [made.task_id, "mia-1"], "wait_seconds": 60})
        for task in structured(result)["tasks"]:
            assert (task["kind"], task["task_status"], task["element_ids"]) == ("voice", "succeed", [])
            assert f"Ready: voice_id={task['voice_id']}" in text_of(result)
