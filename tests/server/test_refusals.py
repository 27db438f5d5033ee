"""Creations that were refused or are under way carry the names that were submitted, and are found by them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers import API_KEY, Connect, last_line, structured, text_of
from library.test_submitted import remove_indexes
from mcp import Client
from mcp_types import CallToolResult
from virtual_time import VirtualClock

from kling_mcp.simulator import Faults, World

pytestmark = pytest.mark.anyio

REASON = "Failure to pass the risk control system"
TARGET = "omni-video/kling-v3-omni"
ASK = "Ask the person before trying again"


async def create(client: Client, creation: dict[str, Any], name: str, **changes: Any) -> CallToolResult:
    return await client.call_tool("create_element_and_wait", {**creation, "element_name": name, **changes})


async def refuse(client: Client, faults: Faults, creation: dict[str, Any], name: str, **changes: Any) -> str:
    """A creation that fails at Kling; its task id."""
    faults.fail_task(REASON)
    refused = await create(client, creation, name, **changes)
    assert last_line(refused)["kind"] == "task_failed"
    return text_of(refused).split("accepted task ")[1].split(" ")[0]


async def call(client: Client, tool: str, **arguments: Any) -> tuple[dict[str, Any], str]:
    """The structured content and the text of a success."""
    result = await client.call_tool(tool, arguments)
    return structured(result), text_of(result)


async def test_refused_creation_says_what_is_known_of_its_pictures(
    client: Client, faults: Faults, creation: dict[str, Any]
) -> None:
    structured(await create(client, creation, "ep16_Rex"))
    faults.fail_task(REASON)
    refused = await create(client, creation, "Rex the Ripper")
    text = text_of(refused)
    assert last_line(refused)["kind"] == "task_failed"
    assert f'saying "{REASON}"' in text
    assert 'The same pictures passed as "ep16_Rex" (2026-09-21).' in text
    assert ASK in text


async def test_look_up_of_a_failed_task_is_a_success_with_the_reason(
    client: Client, faults: Faults, creation: dict[str, Any]
) -> None:
    await create(client, creation, "ep16_Rex")
    task_id = await refuse(client, faults, creation, "Rex 16")
    for given, kind in ((task_id, "task_id"), ("Rex 16", "element_name"), ("Rex\u00a016", "element_name")):
        view, text = await call(client, "get_element", id=given)
        assert (view["task_status"], view["task_status_msg"], view["matched_by"]) == ("failed", REASON, kind)
        assert (view["element_ids"], view["elements"][0]["status"]) == ([], "failed")
        assert view["elements"][0]["element_name"] == "Rex 16"
        assert view["warnings"] == ['The same pictures passed as "ep16_Rex" (2026-09-21).']
        assert view["next_step"].startswith(ASK)
        for said in ("Kling refused the inputs", REASON, '"Rex 16"', "passed as", ASK):
            assert said in text, said


async def test_failed_task_from_elsewhere_has_no_name(connect: Connect, world: World) -> None:
    failed = world.add_element(world.account_of(API_KEY), "Mia", status="failed", external_task_id="my-own-7")
    async with connect() as client:
        for given in (failed.task_id, "my-own-7"):
            view, text = await call(client, "get_element", id=given)
            assert (view["task_status"], view["elements"], view["warnings"]) == ("failed", [], [])
            assert REASON in text
            assert ASK in text


async def test_wait_that_meets_a_failed_task_is_a_success_with_the_reason(
    client: Client, faults: Faults, creation: dict[str, Any]
) -> None:
    await create(client, creation, "ep16_Rex")
    faults.fail_task(REASON)
    task = structured(await client.call_tool("create_element", {**creation, "element_name": "Rex 16"}))
    for ids in ([], [task["task_id"]], [task["external_task_id"]], ["Rex 16"]):
        view, text = await call(client, "wait_for_tasks", ids=ids)
        (told,) = view["tasks"]
        assert (told["task_status"], told["elements"][0]["element_name"]) == ("failed", "Rex 16")
        assert "passed as" in told["warnings"][0]
        assert told["next_step"].startswith(ASK)
        assert text.startswith("0 ready, 1 failed, pending=0.")
        assert (view["pending"], view["next_step"]) == (0, "")


async def test_running_task_carries_its_name_everywhere(
    client: Client, faults: Faults, creation: dict[str, Any]
) -> None:
    faults.slow_task(300)
    task = structured(await client.call_tool("create_element", {**creation, "element_name": "Rex 16"}))
    for tool, arguments in (
        ("get_element", {"id": "Rex 16"}),
        ("get_element", {"id": task["task_id"]}),
        ("list_elements", {}),
        ("find_elements", {"query": "rex", "status": "pending"}),
        ("find_elements", {"query": "Rex 1", "status": "any"}),
    ):
        view, text = await call(client, tool, **arguments)
        (row,) = view["elements"]
        assert (row["element_name"], row["status"], row["task_id"]) == ("Rex 16", "pending", task["task_id"]), tool
        assert '"Rex 16"' in text
    for ids in ([], ["Rex 16"]):
        (told,) = (await call(client, "wait_for_tasks", ids=ids, wait_seconds=0))[0]["tasks"]
        assert told["elements"][0]["element_name"] == "Rex 16"
    use = text_of(await client.call_tool("use_elements", {"elements": [task["task_id"]], "target": TARGET}))
    assert "is not ready yet" in use
    assert '"Rex 16"' in use


async def test_failed_task_carries_its_name_everywhere(
    client: Client, faults: Faults, creation: dict[str, Any]
) -> None:
    await create(client, creation, "ep16_Ada")
    task_id = await refuse(client, faults, creation, "Rex 16")
    row = (await call(client, "list_elements"))[0]["elements"]
    assert [(each["element_name"], each["status"]) for each in row if not each["element_id"]] == [("Rex 16", "failed")]
    for status in ("failed", "any"):
        view, text = await call(client, "find_elements", query="rex", status=status)
        assert [(each["element_name"], each["task_id"]) for each in view["elements"]] == [("Rex 16", task_id)]
        assert view["notes"][0].startswith(f'"Rex 16" was refused by Kling: "{REASON}". The same pictures passed as')
        assert ASK in text
    for named in ("Rex 16", task_id):
        use = text_of(await client.call_tool("use_elements", {"elements": [named], "target": TARGET}))
        for said in ("was never created", REASON, '"Rex 16"', "passed as", ASK):
            assert said in use, said


async def test_names_come_back_where_the_index_was_lost(
    connect: Connect, faults: Faults, creation: dict[str, Any], tmp_path: Path
) -> None:
    async with connect(state_dir=tmp_path) as client:
        await create(client, creation, "ep16_Rex")
        await refuse(client, faults, creation, "Rex 16")
    remove_indexes(tmp_path)
    async with connect(state_dir=tmp_path) as client:
        view, text = await call(client, "find_elements", status="failed")
        assert [row["element_name"] for row in view["elements"]] == ["Rex 16"]
        assert "passed as" in text


async def test_same_pictures_are_known_in_any_order_and_beside_any_text(
    client: Client, faults: Faults, creation: dict[str, Any]
) -> None:
    await create(client, creation, "ep16_Rex")
    front, (side,) = creation["frontal_image"], creation["refer_images"]
    changes = {"frontal_image": side, "refer_images": [front], "element_description": "Another", "tags": ["Animal"]}
    faults.fail_task(REASON)
    assert 'passed as "ep16_Rex"' in text_of(await create(client, creation, "Rex 16", **changes))


async def test_refusal_of_other_pictures_has_no_such_fact(
    client: Client, faults: Faults, creation: dict[str, Any]
) -> None:
    await create(client, creation, "ep16_Rex")
    faults.fail_task(REASON)
    front = creation["frontal_image"]
    text = text_of(await create(client, creation, "Rex 16", refer_images=[front]))
    assert "The same" not in text
    assert ASK in text


async def test_earlier_refusals_of_the_same_clip_are_known(connect: Connect, faults: Faults) -> None:
    clip = {
        "element_description": "Presenter",
        "reference_type": "video_refer",
        "video_url": "https://example.com/host.mp4",
    }
    async with connect() as client:
        await refuse(client, faults, clip, "Host")
        faults.fail_task(REASON)
        text = text_of(await create(client, clip, "Host 2"))
    assert 'The same clip was also refused as "Host" (2026-' in text


async def test_twin_that_was_deleted_since_is_called_so(
    client: Client, faults: Faults, creation: dict[str, Any]
) -> None:
    (element_id,) = structured(await create(client, creation, "ep16_Rex"))["element_ids"]
    await client.call_tool("delete_element", {"element_id": element_id, "element_name": "ep16_Rex"})
    await call(client, "get_element", id=element_id)
    faults.fail_task(REASON)
    assert "(2026-09-21, deleted since)" in text_of(await create(client, creation, "Rex 16"))


async def test_many_failed_ones_are_explained_briefly(client: Client, faults: Faults, creation: dict[str, Any]) -> None:
    for number in range(7):
        await refuse(client, faults, creation, f"Rex {number}")
    view, text = await call(client, "find_elements", status="failed")
    assert view["total"] == 7
    assert sum("was refused by Kling" in note for note in view["notes"]) == 5
    assert "get_element tells the reason of each other failed one." in view["notes"]
    assert text.count(ASK) == 1


# --- tasks of others, which have no name yet


@pytest.mark.parametrize(
    ("status", "note"),
    [
        ("pending", "Kling shows no name for 2 pending tasks made elsewhere, so these could not be matched."),
        ("failed", "Kling shows no name for 1 failed task made elsewhere, so it could not be matched."),
        ("any", "Kling shows no name for 2 pending and 1 failed tasks made elsewhere, so these could not be matched."),
        ("ready", "Kling shows no name for 2 pending tasks made elsewhere, so these could not be matched."),
    ],
)
async def test_nameless_tasks_of_others_are_counted(connect: Connect, world: World, status: str, note: str) -> None:
    account = world.account_of(API_KEY)
    for state in ("pending", "pending", "failed"):
        world.add_element(account, "Stranger", status=state)
    async with connect() as client:
        view, text = await call(client, "find_elements", query="Hero 5", status=status)
    assert note in view["notes"]
    assert note in text


async def test_nameless_tasks_are_no_news_beside_hits_or_without_words(connect: Connect, world: World) -> None:
    account = world.account_of(API_KEY)
    world.add_element(account, "Stranger", status="pending")
    world.add_element(account, "Mia")
    async with connect() as client:
        for arguments in ({"query": "Mia"}, {}, {"source": "preset", "query": "zzz"}):
            assert "no name" not in (await call(client, "find_elements", **arguments))[1], arguments


async def test_creation_whose_reply_was_lost_is_not_called_unknown(
    connect: Connect, faults: Faults, creation: dict[str, Any], clock: VirtualClock
) -> None:
    async with connect() as client:
        faults.lose_reply_after_create()
        faults.reply_code(5000, times=None, route="query")
        faults.reply_code(5000, times=None, route="list")
        lost = await client.call_tool("create_element", {**creation, "element_name": "Rex 16"})
        assert last_line(lost)["created"] == "maybe"
        faults.clear()
        found = await client.call_tool("get_element", {"id": "Rex 16"})
        assert "never created" not in text_of(found)
        assert "No element" not in text_of(found)
