"""`plan_production` and `apply_production` from a client to the files: one plan, one question, nothing twice."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from helpers import Connect, last_line, structured, text_of
from mcp_types import ElicitResult
from server.test_generate import Person, agreeing

from kling_mcp.settings.spending import SpendingSettings
from kling_mcp.simulator import World
from production.episodes import Episode, empty_episode, filming_world

if TYPE_CHECKING:
    from mcp import Client
    from mcp_types import CallToolResult
    from virtual_time import VirtualClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def world(clock: VirtualClock) -> World:
    return filming_world(clock)


@pytest.fixture
def episode(tmp_path: Path, pictures: object) -> Episode:
    made = empty_episode(tmp_path)
    made.add("Mia", "Sara")
    made.film("kitchen", "@Mia dances with @Sara in a kitchen")
    made.film("harbour", "A quiet harbour at dawn")
    return made


async def plan(client: Client, episode: Episode, **arguments: Any) -> dict[str, Any]:
    return structured(await client.call_tool("plan_production", {"path": episode.save(), **arguments}))


async def apply(client: Client, plan_id: str, **arguments: Any) -> CallToolResult:
    return await client.call_tool("apply_production", {"plan_id": plan_id, "wait_seconds": 600, **arguments})


def made(world: World) -> int:
    return sum(world.accepted_creations().values())


async def test_person_is_asked_once_for_the_whole_plan_and_gets_the_files(
    connect: Connect, world: World, episode: Episode, era: str, tmp_path: Path
) -> None:
    person = agreeing()
    async with connect(era, person) as client:
        planned = await plan(client, episode)
        assert [row["name"] for row in planned["create"]] == ["Mia", "Sara"]
        assert [row["shot"] for row in planned["shots"]["blocked"]] == ["kitchen"]
        assert planned["units"] == {"video": "6"}
        result = structured(await apply(client, planned["plan_id"]))
    assert [result[status] for status in ("ready", "pending", "failed", "not_started")] == [4, 0, 0, 0]
    assert result["next_step"] == ""
    (question,) = person.asked
    assert question.startswith("Make this production for 6 video units ($0.84 at list price of 2026-09-20): 2 videos?")
    for line in (
        "Elements, which are free: Mia, Sara",
        "Settings: all: 3.0-omni, 16:9, 5 s, 720p, silent, 3 units each",
        'render kitchen (after Mia, Sara are made): "@Mia dances with @Sara in a kitchen"',
        'render harbour: "A quiet harbour at dawn"',
    ):
        assert line in question.splitlines()
    assert {path.name for path in (tmp_path / "results" / "episode").glob("*.mp4")} == {"kitchen.mp4", "harbour.mp4"}
    assert made(world) == 4
    assert world.ignored_fields == []


async def test_person_who_declines_stops_the_plan_before_anything_is_sent(
    connect: Connect, world: World, episode: Episode, era: str
) -> None:
    async with connect(era, Person(ElicitResult(action="decline"))) as client:
        planned = await plan(client, episode)
        result = await apply(client, planned["plan_id"])
    assert last_line(result).items() >= {"kind": "needs_confirmation", "created": "no"}.items()
    assert made(world) == 0


async def test_client_that_cannot_ask_gets_the_total_and_repeats_with_max_units(
    connect: Connect, world: World, episode: Episode, era: str
) -> None:
    async with connect(era) as client:
        planned = await plan(client, episode)
        refused = await apply(client, planned["plan_id"])
        assert last_line(refused)["kind"] == "needs_confirmation"
        assert "max_units=6" in text_of(refused)
        assert last_line(await apply(client, planned["plan_id"], max_units=5))["kind"] == "over_budget"
        assert made(world) == 0
        assert structured(await apply(client, planned["plan_id"], max_units=6))["ready"] == 4


async def test_repeat_of_an_agreed_plan_goes_on_in_another_server_without_asking(
    connect: Connect, world: World, episode: Episode, era: str
) -> None:
    person = agreeing()
    async with connect(era, person) as client:
        planned = await plan(client, episode)
        first = structured(await apply(client, planned["plan_id"], wait_seconds=5))
        assert first["pending"] == 3
        assert first["not_started"] == 1
        assert f'plan_id="{planned["plan_id"]}"' in first["next_step"]
    async with connect(era, person) as client:
        second = structured(await apply(client, planned["plan_id"]))
        assert second["pending"] == second["not_started"] == second["failed"] == 0
        third = structured(await apply(client, planned["plan_id"]))
        assert [third["ready"], third["units_paid"]] == [4, {}]
    assert len(person.asked) == 1
    assert made(world) == 4


async def test_elements_alone_are_free_and_ask_no_person(connect: Connect, world: World, episode: Episode) -> None:
    person = agreeing()
    async with connect(elicitation=person) as client:
        planned = await plan(client, episode, part="cast")
        assert planned["units"] == {}
        assert structured(await apply(client, planned["plan_id"]))["ready"] == 2
    assert person.asked == []


async def test_changed_picture_makes_the_plan_stale(connect: Connect, world: World, episode: Episode, era: str) -> None:
    async with connect(era, agreeing()) as client:
        planned = await plan(client, episode)
        episode.picture("Mia-front", version=2)
        result = await apply(client, planned["plan_id"])
    assert last_line(result).items() >= {"kind": "stale_plan", "created": "no", "retry": "never"}.items()
    assert "Mia is to be made from something else now" in text_of(result)
    assert made(world) == 0


async def test_unknown_plan_is_not_found(client: Client) -> None:
    result = await apply(client, "plan-0")
    assert last_line(result)["kind"] == "not_found"
    assert "plan_production" in text_of(result)


async def test_problem_of_a_sheet_comes_with_its_line(connect: Connect, episode: Episode) -> None:
    episode.cast["Mia"]["front"] = "nowhere.png"
    async with connect() as client:
        result = await client.call_tool("plan_production", {"path": episode.save()})
    assert last_line(result)["kind"] == "bad_input"
    assert "line 6" in text_of(result)


async def test_cap_of_the_day_leaves_the_rest_for_later(connect: Connect, world: World, episode: Episode) -> None:
    spending = SpendingSettings(mode="allow", units_per_day=4)
    async with connect(spending=spending) as client:
        planned = await plan(client, episode)
        result = structured(await apply(client, planned["plan_id"]))
    statuses = {row["name"]: row["status"] for row in result["entries"]}
    assert sorted(statuses.values()) == ["not_started", "ready", "ready", "ready"]
    (late,) = (row for row in result["entries"] if row["status"] == "not_started")
    assert "in 24 hours" in late["reason"]


@pytest.mark.parametrize("cap", ["units_per_call", "units_per_day"])
async def test_shot_that_no_wait_makes_payable_has_failed(connect: Connect, episode: Episode, cap: str) -> None:
    spending = SpendingSettings(mode="allow", **{cap: 2})
    async with connect(spending=spending) as client:
        planned = await plan(client, episode)
        result = structured(await apply(client, planned["plan_id"]))
    assert (result["ready"], result["failed"], result["not_started"]) == (2, 2, 0)
    assert all("may cost 3 video units" in row["reason"] for row in result["entries"] if row["kind"] == "shot")
    assert result["next_step"].startswith("Correct the sheet and plan again")


async def test_read_only_server_plans_and_does_not_apply(connect: Connect, episode: Episode) -> None:
    async with connect(read_only=True) as client:
        assert (await plan(client, episode))["plan_id"]
        assert "apply_production" not in {tool.name for tool in (await client.list_tools()).tools}


async def test_five_missing_names_are_in_the_answer(connect: Connect, world: World, episode: Episode) -> None:
    wanted = ["Mia", "Sara", "A", "B", "C", "D", "E"]
    async with connect(spending=SpendingSettings(mode="allow")) as client:
        planned = await plan(client, episode)
        await apply(client, planned["plan_id"])
        planned = await plan(client, episode, require=wanted)
    assert [row["name"] for row in planned["missing"]] == wanted[2:]
    assert planned["next_step"] == "Correct the sheet first (5 missing), and plan again."
