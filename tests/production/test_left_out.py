"""What a plan cannot make is told as not started, with its reason, and no answer calls it done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from helpers import Connect, structured, text_of

from kling_mcp.settings.spending import SpendingSettings
from kling_mcp.simulator import World
from production.episodes import Episode, empty_episode, filming_world
from production.test_production_tools import apply, plan

if TYPE_CHECKING:
    from pathlib import Path

    from virtual_time import VirtualClock

pytestmark = pytest.mark.anyio
ALLOW = SpendingSettings(mode="allow")


@pytest.fixture
def world(clock: VirtualClock) -> World:
    return filming_world(clock)


@pytest.fixture
def episode(tmp_path: Path, pictures: object) -> Episode:
    made = empty_episode(tmp_path)
    made.add("Mia")
    made.film("good", "@Mia hops")
    made.film("bad", "@Mia and @Ghost")
    return made


def entries(result: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {row["name"]: (row["status"], row["reason"]) for row in result["entries"]}


async def test_shot_with_an_unknown_name_is_an_entry_that_was_not_started(connect: Connect, episode: Episode) -> None:
    async with connect(spending=ALLOW) as client:
        plan_id = (await plan(client, episode))["plan_id"]
        first, again = await apply(client, plan_id), await apply(client, plan_id)
    for answer in (first, again):
        result = structured(answer)
        assert [result[status] for status in ("ready", "pending", "failed", "not_started")] == [2, 0, 0, 2]
        told = entries(result)
        assert told["Mia"][0] == told["good"][0] == "ready"
        assert told["bad"] == ("not_started", 'It is left out: no element is named "Ghost".')
        assert told["Ghost"] == (
            "not_started",
            "It is missing: shot bad names it, and no element has this name.",
        )
        assert result["next_step"] == "Left out: shot bad. Correct the sheet first (1 missing), and plan again."
        assert '- shot bad take 1: not_started; It is left out: no element is named "Ghost".' in text_of(answer)
        assert "Everything is done." not in text_of(answer)


async def test_corrected_sheet_is_done_with_its_next_plan(connect: Connect, episode: Episode) -> None:
    async with connect(spending=ALLOW) as client:
        await apply(client, (await plan(client, episode))["plan_id"])
        episode.film("bad", "@Mia waves")
        done = await apply(client, (await plan(client, episode))["plan_id"])
    assert (structured(done)["ready"], structured(done)["not_started"]) == (3, 0)
    assert text_of(done).endswith("Everything is done.")


async def test_left_out_entries_stay_in_sight_while_the_rest_is_made(connect: Connect, episode: Episode) -> None:
    async with connect(spending=ALLOW) as client:
        result = structured(await apply(client, (await plan(client, episode))["plan_id"], wait_seconds=0))
    assert {name: status for name, (status, _) in entries(result).items()} == {
        "Mia": "pending",
        "good": "not_started",
        "Ghost": "not_started",
        "bad": "not_started",
    }
    assert result["next_step"].startswith("Call apply_production")


async def test_entry_with_a_problem_comes_with_that_problem(connect: Connect, episode: Episode) -> None:
    episode.cast["Zed"] = {"element_id": "999888777666555444"}
    episode.film("bad", "@Zed at sea")
    async with connect(spending=ALLOW) as client:
        told = entries(structured(await apply(client, (await plan(client, episode))["plan_id"])))
    assert told["Zed"][0] == "not_started"
    assert "must be an element that is ready" in told["Zed"][1]
    assert told["bad"] == ("not_started", "It is left out: there is no element for Zed.")


async def test_required_name_is_missing_from_the_outcome_until_it_exists(connect: Connect, episode: Episode) -> None:
    del episode.shots["bad"]
    async with connect(spending=ALLOW) as client:
        plan_id = (await plan(client, episode, require=["Mia", "Nemo"]))["plan_id"]
        result = structured(await apply(client, plan_id))
    told = entries(result)
    assert told["Mia"] == ("ready", "")
    assert told["Nemo"][0] == "not_started"
    assert result["next_step"] == "Correct the sheet first (1 missing), and plan again."


async def test_plan_for_shots_alone_leaves_out_what_needs_new_elements(connect: Connect, episode: Episode) -> None:
    episode.film("bad", "A calm sea")
    async with connect(spending=ALLOW) as client:
        planned = await plan(client, episode, part="shots", require=["Mia"])
        result = structured(await apply(client, planned["plan_id"]))
    assert {row["name"]: row["why"] for row in planned["missing"]} == {"Mia": "a plan for shots alone does not make it"}
    assert entries(result)["good"] == ("not_started", "It is left out: there is no element for Mia.")
    assert entries(result)["bad"][0] == "ready"
