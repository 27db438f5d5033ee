"""`find_generations`: what was made here and elsewhere, where its files are, and which links end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from helpers import ACCESS_KEY, API_KEY, SECRET_KEY, last_line, requests_to, structured, text_of

from kling_mcp.api.generations import GenerationApi

if TYPE_CHECKING:
    from pathlib import Path

    from helpers import Connect
    from mcp import Client
    from virtual_time import VirtualClock

    from kling_mcp.account import Account
    from kling_mcp.simulator import Faults, World

pytestmark = pytest.mark.anyio

FIND = "find_generations"
DAY = 24 * 3600.0


async def make(client: Client, prompt: str, *, tool: str = "generate_image", **arguments: Any) -> dict[str, Any]:
    """A finished generation, paid."""
    said = {"prompt": prompt, "max_units": 100, "wait_seconds": 600, **arguments}
    while (made := structured(await client.call_tool(tool, said)))["task_status"] != "succeed":
        assert "wait_for_tasks" in made["next_step"]
    return made


async def find(client: Client, **arguments: Any) -> dict[str, Any]:
    return structured(await client.call_tool(FIND, arguments))


def prompts(view: dict[str, Any]) -> list[str]:
    return [row["prompt"] for row in view["generations"]]


async def test_speech_in_a_prompt_keeps_its_quotes(client: Client) -> None:
    await make(client, 'Mia says: "Hello!"')
    result = await client.call_tool(FIND, {})
    assert 'prompt="Mia says: “Hello!”"' in text_of(result)
    assert structured(result)["generations"][0]["prompt"] == 'Mia says: "Hello!"'


@pytest.fixture
async def mia(world: World) -> str:
    return world.add_element(world.account_of(API_KEY), "Mia").element_id


async def test_a_row_shows_what_was_asked_for_and_where_the_file_is(connect: Connect, mia: str, tmp_path: Path) -> None:
    async with connect(output_dir=tmp_path / "out") as client:
        made = await make(client, "@Mia waves", tool="generate_video", take=2)
        result = await client.call_tool(FIND, {})
        (row,) = structured(result)["generations"]
    (file,) = made["files"]
    assert row["files"] == [file]
    assert (row["kind"], row["status"], row["prompt"], row["take"]) == ("video", "ready", "@Mia waves", 2)
    assert (row["task_id"], row["elements"]) == (made["task_id"], ["Mia"])
    assert row["units"] == made["units_deducted"] != ""
    short = [row["kind"], row["task_id"], row["prompt"], row["model"], "take=2", row["units"], row["created_at"][:10]]
    for fact in [*short, file["path"], f"link ends {file['expires_at'][:10]}"]:
        assert fact in text_of(result)


FILTERED: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["A boat at dusk", "@Mia waves", "A red boat"]),
    ({"query": "boat"}, ["A boat at dusk", "A red boat"]),
    ({"query": "BOAT red"}, ["A red boat"]),
    ({"query": "plane"}, []),
    ({"kind": "video"}, ["@Mia waves"]),
    ({"kind": "image"}, ["A boat at dusk", "A red boat"]),
    ({"element": "Mia"}, ["@Mia waves"]),
    ({"element": "mia"}, ["@Mia waves"]),
    ({"status": "failed"}, []),
    ({"status": "ready", "query": "waves"}, ["@Mia waves"]),
]


async def test_filters_narrow_the_list(connect: Connect, mia: str) -> None:
    async with connect() as client:
        await make(client, "A red boat")
        await make(client, "@Mia waves", tool="generate_video")
        await make(client, "A boat at dusk")
        views = [(wanted, found, await find(client, **wanted)) for wanted, found in FILTERED]
    for wanted, found, view in views:
        assert prompts(view) == found, wanted
        assert (view["total"], view["complete"], view["next_cursor"]) == (len(found), True, ""), wanted


async def test_note_says_how_many_there_are_if_none_fits(connect: Connect, mia: str) -> None:
    async with connect() as client:
        await make(client, "A red boat")
        view = await find(client, query="yesterday")
        assert view["notes"] == ["None of 1 fits; without query, element, kind and status all are listed."]
        assert (await find(client, query="boat"))["notes"] == []


async def test_element_is_found_by_its_id_and_task_by_its_ids(connect: Connect, mia: str) -> None:
    async with connect() as client:
        made = await make(client, "@Mia waves", tool="generate_video")
        await make(client, "A red boat")
        assert prompts(await find(client, element=mia)) == ["@Mia waves"]
        for name in ("task_id", "external_task_id"):
            assert prompts(await find(client, query=made[name])) == ["@Mia waves"]


async def test_pages_follow_each_other_without_gaps(connect: Connect) -> None:
    names = [f"Boat {number}" for number in range(5)]
    async with connect() as client:
        for name in names:
            await make(client, name)
        seen: list[str] = []
        cursor = ""
        while True:
            view = await find(client, limit=2, cursor=cursor)
            seen += prompts(view)
            assert view["total"] == 5
            if not (cursor := view["next_cursor"]):
                break
        assert seen == names[::-1]
        await find(client, limit=2)
        refused = await client.call_tool(
            FIND, {"query": "boat", "cursor": (await find(client, limit=2))["next_cursor"]}
        )
    assert last_line(refused)["kind"] == "bad_input"


async def test_tasks_of_other_programs_are_listed_and_elements_are_not(
    connect: Connect, world: World, account: Account, clock: VirtualClock
) -> None:
    """fact: tasks-list"""
    body = {"model_name": "kling-v3", "prompt": "A plane", "n": 1}
    api = GenerationApi(account.client)
    other = await api.create("/v1/images/generations", body, external_task_id="studio-1")
    world.add_element(world.account_of(API_KEY), "Mia")
    async with connect() as client:
        await make(client, "A red boat")
        await clock.sleep(60)  # what runs shows no product
        rows = (await find(client))["generations"]
    assert {row["task_id"]: row["prompt"] for row in rows}[other.task_id] == ""
    assert len(rows) == 2
    assert {row["kind"] for row in rows} == {"image"}


async def test_a_search_reads_the_lists_of_both_products_alone(connect: Connect, world: World) -> None:
    async with connect() as client:
        for number in range(4):
            await make(client, f"Boat {number}")
        before = len(world.requests)
        await find(client)
    assert len(world.requests) - before == 2


async def test_key_pair_reads_the_lists_of_the_older_routes(connect: Connect, world: World) -> None:
    """fact: gen-route-bound"""
    async with connect(api_key="", access_key=ACCESS_KEY, secret_key=SECRET_KEY) as client:
        made = await make(client, "A red boat", model="3.0")
        view = await find(client)
    assert [row["task_id"] for row in view["generations"]] == [made["task_id"]]
    assert view["complete"] is True
    assert requests_to(world, "tasks") == []


async def test_finished_results_that_are_not_saved_are_named_with_the_call_that_saves_them(
    connect: Connect, tmp_path: Path
) -> None:
    async with connect(output_dir=False) as client:
        made = await make(client, "A red boat")
        assert [file["path"] for file in made["files"]] == [""]
    async with connect(output_dir=tmp_path / "out") as client:
        view = await find(client)
        assert any(f'wait_for_tasks with ids=["{made["task_id"]}"] to save' in note for note in view["notes"])
        waited = structured(await client.call_tool("wait_for_tasks", {"ids": [made["task_id"]]}))
        ((file,),) = (task["files"] for task in waited["tasks"])
        after = await find(client)
    assert file["path"]
    assert after["notes"] == []
    assert [row["files"][0]["path"] for row in after["generations"]] == [file["path"]]


@pytest.mark.parametrize(
    ("days", "said"),
    [(26.0, "1 finished generation not saved"), (28.0, "end within 3 days"), (31.0, "ended")],
)
async def test_ends_of_links_stand_in_the_notes(
    connect: Connect, clock: VirtualClock, days: float, said: str, tmp_path: Path
) -> None:
    """fact: gen-links"""
    async with connect(output_dir=False) as client:
        await make(client, "A red boat")
    await clock.sleep(days * DAY)
    async with connect(output_dir=tmp_path / "out") as client:
        result = await client.call_tool(FIND, {})
    (note,) = structured(result)["notes"]
    assert said in note
    assert note in text_of(result)


async def test_a_saved_file_outlives_its_link(connect: Connect, clock: VirtualClock, tmp_path: Path) -> None:
    async with connect(output_dir=tmp_path / "out") as client:
        made = await make(client, "A red boat")
        await clock.sleep(40 * DAY)
        view = await find(client)
    (row,) = view["generations"]
    assert [file["path"] for file in row["files"]] == [made["files"][0]["path"]]
    assert view["notes"] == []


async def test_unreadable_list_leaves_what_was_made_here(connect: Connect, faults: Faults) -> None:
    async with connect() as client:
        await make(client, "A red boat")
        faults.reply_code(5000, times=None)
        view = await find(client)
        assert prompts(view) == ["A red boat"]
        assert view["complete"] is False
        assert "could be read" in view["notes"][0]


async def test_failed_generation_is_listed_with_the_reason(connect: Connect, faults: Faults) -> None:
    """fact: gen-failed"""
    async with connect() as client:
        faults.fail_task("Failure to pass the risk control system")
        said = {"prompt": "A red boat", "max_units": 9, "wait_seconds": 600}
        assert last_line(await client.call_tool("generate_image", said))["kind"] == "task_failed"
        (row,) = (await find(client, status="failed"))["generations"]
    assert row["task_status_msg"] == "Failure to pass the risk control system"
    assert row["files"] == []
