"""The shots of a sheet: priced before their elements exist, rendered after them, paid once, saved under their names."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from helpers import API_KEY
from never_twice.wishes import elements_at

from kling_mcp.production.plan import differences
from kling_mcp.simulator import World
from production.episodes import Episode, apply, empty_episode, filming_world, plan, run, statuses

if TYPE_CHECKING:
    from virtual_time import VirtualClock

    from kling_mcp.production.plan import Plan
    from kling_mcp.runtime import Runtime
    from kling_mcp.simulator import Faults

pytestmark = pytest.mark.anyio


@pytest.fixture
def world(clock: VirtualClock) -> World:
    return filming_world(clock)


@pytest.fixture
def episode(tmp_path: Path, pictures: object) -> Episode:
    made = empty_episode(tmp_path)
    made.add("Mia", "Sara")
    made.film("kitchen", "@Mia dances with @Sara in a kitchen")
    made.film("harbour", "A quiet harbour at dawn", duration=10, resolution="1080p")
    return made


def states(planned: Plan) -> dict[str, str]:
    return {f"{each.shot_id} {each.take}": each.action for each in planned.shots}


def spent(world: World, clock: VirtualClock) -> Decimal:
    return Decimal(world.account_of(API_KEY).ledger.spent(clock.wall()).get("video", 0))


async def test_shots_are_priced_before_their_elements_exist_and_cost_just_that(
    runtime: Runtime, episode: Episode, world: World, clock: VirtualClock, tmp_path: Path
) -> None:
    planned = await plan(runtime, episode)
    assert states(planned) == {"kitchen 1": "blocked", "harbour 1": "render"}
    assert planned.shots[0].waits_for == ("Mia", "Sara")
    (price,) = planned.price()
    assert [price.low, price.high] == [Decimal(11), Decimal(11)]  # 5 s at 0.6 and 10 s at 0.8
    outcomes = await run(runtime, planned)
    assert statuses(outcomes) == dict.fromkeys(["Mia", "Sara", "kitchen", "harbour"], "ready")
    assert spent(world, clock) == price.high
    saved = {path.relative_to(tmp_path / "results").as_posix() for path in (tmp_path / "results").rglob("*.*")}
    assert saved == {f"episode/{name}.{ending}" for name in ("kitchen", "harbour") for ending in ("mp4", "json")}
    assert episode.lock.shots["kitchen"][1].files == ("episode/kitchen.mp4",)
    assert dict(episode.lock.shots["kitchen"][1].element_ids) == episode.ids()
    again = await plan(runtime, episode)
    assert states(again) == {"kitchen 1": "unchanged", "harbour 1": "unchanged"}
    assert not again.has_work
    assert world.ignored_fields == []


async def test_sidecar_has_the_names_of_the_sheet_and_no_ids(
    runtime: Runtime, episode: Episode, tmp_path: Path
) -> None:
    await apply(runtime, episode)
    text = (tmp_path / "results" / "episode" / "kitchen.json").read_text("utf-8")
    assert "@Mia dances with @Sara in a kitchen" in text


async def test_replaced_element_renders_its_shots_again_and_no_others(
    runtime: Runtime, episode: Episode, world: World
) -> None:
    await apply(runtime, episode)
    old = episode.ids()["Mia"]
    episode.picture("Mia-front", version=2)
    planned = await plan(runtime, episode)
    assert states(planned) == {"kitchen 1": "blocked", "harbour 1": "unchanged"}
    assert planned.shots[0].why == "after Mia is made; element Mia will be another element"
    assert [(kept.element_id, kept.shots) for kept in planned.kept] == [(old, ("kitchen",))]
    assert statuses(await run(runtime, planned)) == {"Mia": "ready", "kitchen": "ready"}
    rendered = [task for task in world.generations.values() if "dances" in task.order.prompt]
    assert len(rendered) == 2
    assert not (await plan(runtime, episode)).has_work


async def test_takes_are_videos_of_their_own_and_a_further_take_renders_alone(
    runtime: Runtime, episode: Episode, tmp_path: Path
) -> None:
    episode.shots = {"harbour": {"prompt": "A quiet harbour", "takes": 2}}
    episode.cast = {}
    assert statuses(await apply(runtime, episode)) == {"harbour": "ready", "harbour 2": "ready"}
    episode.shots["harbour"]["takes"] = 3
    planned = await plan(runtime, episode)
    assert states(planned) == {"harbour 1": "unchanged", "harbour 2": "unchanged", "harbour 3": "render"}
    await run(runtime, planned)
    names = {path.name for path in (tmp_path / "results" / "episode").glob("*.mp4")}
    assert names == {f"harbour-take-{take}.mp4" for take in (1, 2, 3)}


async def test_changed_settings_and_texts_are_named(runtime: Runtime, episode: Episode) -> None:
    await apply(runtime, episode)
    episode.shots["harbour"]["resolution"] = "720p"
    episode.shots["kitchen"]["prompt"] = "@Mia sings with @Sara"
    planned = await plan(runtime, episode)
    assert {each.shot_id: each.why for each in planned.shots} == {
        "kitchen": "prompt changed",
        "harbour": "resolution changed",
    }


async def test_shot_that_names_an_unknown_element_is_stuck_and_its_name_missing(
    runtime: Runtime, episode: Episode, world: World
) -> None:
    episode.film("street", "@Nemo walks with @Mia")
    planned = await plan(runtime, episode)
    assert [(each.shot_id, each.is_stuck) for each in planned.shots if each.action == "blocked"] == [
        ("kitchen", False),
        ("street", True),
    ]
    assert [each.name for each in planned.missing] == ["Nemo"]
    (price,) = planned.price()
    assert price.high == 11
    outcomes = await run(runtime, planned)
    assert statuses(outcomes) == dict.fromkeys(["Mia", "Sara", "kitchen", "harbour"], "ready")


async def test_plan_for_shots_alone_makes_no_element_and_uses_those_that_exist(
    runtime: Runtime, episode: Episode, world: World
) -> None:
    planned = await plan(runtime, episode, part="shots")
    assert states(planned) == {"kitchen 1": "blocked", "harbour 1": "render"}
    assert statuses(await run(runtime, planned)) == {"harbour": "ready"}
    assert elements_at(world) == []
    await apply(runtime, episode, part="cast")
    planned = await plan(runtime, episode, part="shots")
    assert states(planned) == {"kitchen 1": "render", "harbour 1": "unchanged"}


async def test_cast_is_meant_even_if_another_element_has_the_same_name(
    runtime: Runtime, episode: Episode, world: World
) -> None:
    await apply(runtime, episode, part="cast")
    world.add_element(world.account_of(API_KEY), "Mia")
    runtime.own_account().library.invalidate()
    planned = await plan(runtime, episode)
    assert (planned.problems, states(planned)["kitchen 1"]) == ((), "render")
    assert statuses(await run(runtime, planned)) == {"kitchen": "ready", "harbour": "ready"}


async def test_shot_whose_element_fails_is_not_started(
    runtime: Runtime, episode: Episode, faults: Faults, world: World
) -> None:
    faults.fail_task("the face is covered", route="create")
    outcomes = await apply(runtime, episode)
    by_name = {each.name: each for each in outcomes}
    failed = next(each for each in outcomes if each.status == "failed")
    assert by_name["kitchen"].status == "not_started"
    assert by_name["kitchen"].reason == f"It waits for {failed.name}, which failed."
    assert by_name["harbour"].status == "ready"


async def test_voice_and_clip_of_the_cast_decide_the_price_before_they_exist(
    runtime: Runtime, episode: Episode
) -> None:
    episode.cast["Mia"] = {"description": "The host", "video": "https://example.com/host.mp4"}
    planned = await plan(runtime, episode)
    (kitchen, _) = planned.shots
    assert kitchen.estimate is not None
    assert [kitchen.estimate.low, kitchen.estimate.high] == [Decimal(3), Decimal("4.5")]
    assert "made from a video" in kitchen.estimate.doubt


async def test_changed_shot_makes_a_plan_stale_and_own_progress_does_not(runtime: Runtime, episode: Episode) -> None:
    decided = (await plan(runtime, episode)).to_json()
    await apply(runtime, episode, part="cast")
    assert differences(decided, await plan(runtime, episode)) == []
    await apply(runtime, episode)
    assert differences(decided, await plan(runtime, episode)) == []
    episode.shots["harbour"]["duration"] = 15
    assert differences(decided, await plan(runtime, episode)) == ["shot harbour take 1 changed"]


async def test_two_shots_that_are_the_same_are_one_video_and_paid_once(
    runtime: Runtime, episode: Episode, world: World, clock: VirtualClock
) -> None:
    episode.film("again", "@Mia dances with @Sara in a kitchen")
    planned = await plan(runtime, episode)
    (price,) = planned.price()
    assert price.high == 11
    assert planned.shots[2].notes == ("it is the same as shot kitchen, so one video serves both and is paid once",)
    outcomes = await run(runtime, planned)
    assert [each.status for each in outcomes] == ["ready"] * 5
    assert spent(world, clock) == 11
    assert not (await plan(runtime, episode)).has_work


async def test_shot_that_is_paid_and_not_saved_is_pending_until_a_later_call_saves_it(
    runtime: Runtime, episode: Episode, world: World, faults: Faults, clock: VirtualClock
) -> None:
    episode.shots = {"harbour": {"prompt": "A quiet harbour"}}
    episode.cast = {}
    faults.reply_status(503, times=None, route="file")
    planned = await plan(runtime, episode)
    (outcome,) = await run(runtime, planned)
    assert [outcome.status, outcome.reason] == ["pending", "It is made and paid for, and not saved yet."]
    assert outcome.can_repeat
    again = await plan(runtime, episode)
    assert [states(again), [price.high for price in again.price()]] == [{"harbour 1": "render"}, []]
    faults.clear()
    assert statuses(await run(runtime, again)) == {"harbour": "ready"}
    assert episode.lock.shots["harbour"][1].files == ("episode/harbour.mp4",)
    assert spent(world, clock) == 3
    assert len(world.generations) == 1
