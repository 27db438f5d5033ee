"""The cast of a sheet: planned, made once, left alone, replaced where a picture changed, adopted where it exists."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from helpers import API_KEY
from never_twice.wishes import elements_at

from kling_mcp.production.plan import differences
from production.episodes import NAMES, Episode, actions, apply, plan, planner_of, run, statuses

if TYPE_CHECKING:
    from kling_mcp.account import Account
    from kling_mcp.runtime import Runtime
    from kling_mcp.simulator import Faults, World

pytestmark = pytest.mark.anyio

EIGHT = NAMES[:8]


@pytest.fixture
def episode(tmp_path: Path) -> Episode:
    folder = tmp_path / "pictures" / "episode"
    folder.mkdir(parents=True, exist_ok=True)
    made = Episode(folder)
    made.add(*EIGHT)
    return made


@pytest.fixture(autouse=True)
def _folders(pictures: object) -> None:
    """`tmp_path / "pictures"` is where pictures may be read from."""


async def test_eight_entries_are_created_and_then_nothing_is_left_to_do(
    runtime: Runtime, episode: Episode, world: World
) -> None:
    planned = await plan(runtime, episode)
    assert actions(planned) == dict.fromkeys(EIGHT, "create")
    assert (planned.price(), planned.problems, world.accepted_creations()) == ((), (), {})
    outcomes = await run(runtime, planned)
    assert statuses(outcomes) == dict.fromkeys(EIGHT, "ready")
    assert {task.element_name: task.element_id for task in elements_at(world)} == episode.ids()
    again = await plan(runtime, episode)
    assert actions(again) == dict.fromkeys(EIGHT, "unchanged")
    assert not again.has_work


async def test_changed_picture_replaces_one_element_and_keeps_the_old_one(
    runtime: Runtime, episode: Episode, world: World
) -> None:
    await apply(runtime, episode)
    old = episode.ids()
    episode.picture("Mia-front", version=2)
    planned = await plan(runtime, episode)
    assert actions(planned) == {**dict.fromkeys(EIGHT, "unchanged"), "Mia": "replace"}
    assert planned.cast[0].why == "front is another picture"
    assert [(kept.element_id, kept.name) for kept in planned.kept] == [(old["Mia"], "Mia")]
    assert statuses(await run(runtime, planned)) == {"Mia": "ready"}
    new = episode.ids()
    assert new["Mia"] != old["Mia"]
    assert {name: new[name] for name in EIGHT[1:]} == {name: old[name] for name in EIGHT[1:]}
    assert [kept.element_id for kept in episode.lock.cast["Mia"].replaced] == [old["Mia"]]
    again = await plan(runtime, episode)
    assert not again.has_work
    assert [kept.element_id for kept in again.kept] == [old["Mia"]]
    assert len(elements_at(world)) == 9


async def test_every_changed_part_is_named(runtime: Runtime, episode: Episode) -> None:
    await apply(runtime, episode)
    episode.cast["Mia"]["description"] = "Another Mia"
    episode.cast["Sara"]["others"].append(episode.picture("Sara-back"))
    episode.cast["Otto"]["tags"] = ["Animal"]
    planned = await plan(runtime, episode)
    assert {each.name: each.why for each in planned.cast if each.action == "replace"} == {
        "Mia": "description changed",
        "Sara": "others[1] was added",
        "Otto": "tags changed",
    }


async def test_required_names_that_no_element_has_are_missing(runtime: Runtime, episode: Episode, world: World) -> None:
    """Three of the eight exist; one more is required that the sheet does not have."""
    for name in EIGHT[:3]:
        world.add_element(world.account_of(API_KEY), name)
    planned = await planner_of(runtime).make(episode.save(), require=(*EIGHT, "Nemo", "Mia"))
    assert [each.name for each in planned.plan.missing] == [*EIGHT[3:], "Nemo"]
    assert actions(planned.plan) == {**dict.fromkeys(EIGHT, "create"), **dict.fromkeys(EIGHT[:3], "adopt")}


async def test_registry_of_ids_is_adopted_and_bad_ids_are_named(
    runtime: Runtime, account: Account, world: World, tmp_path: Path
) -> None:
    owner = world.account_of(API_KEY)
    made = {name: world.add_element(owner, name) for name in ("Mia", "Sara", "Otto")}
    world.delete_element(owner, made["Otto"].element_id)
    registry = Episode(tmp_path / "pictures")
    ids = {name: task.element_id for name, task in made.items()} | {"Ghost": "329999999999999"}
    registry.cast = {name: {"element_id": element_id} for name, element_id in ids.items()}
    planned = await plan(runtime, registry)
    assert actions(planned) == {"Mia": "adopt", "Sara": "adopt", "Otto": "problem", "Ghost": "problem"}
    deleted, unknown = planned.problems
    assert made["Otto"].element_id in deleted
    assert "was deleted" in deleted
    assert "329999999999999" in unknown
    assert "unknown in this account" in unknown
    assert statuses(await run(runtime, planned)) == {"Mia": "ready", "Sara": "ready"}
    assert registry.ids() == {"Mia": ids["Mia"], "Sara": ids["Sara"]}
    assert actions(await plan(runtime, registry))["Mia"] == "unchanged"
    assert world.accepted_creations() == {}


async def test_adopted_entry_that_gets_pictures_is_made_and_the_adopted_element_kept(
    runtime: Runtime, episode: Episode, world: World
) -> None:
    old = world.add_element(world.account_of(API_KEY), "Mia").element_id
    made = episode.cast["Mia"]
    episode.cast = {"Mia": {"element_id": old}}
    await apply(runtime, episode)
    episode.cast = {"Mia": made}
    planned = await plan(runtime, episode)
    assert (planned.cast[0].action, planned.cast[0].element_id) == ("replace", old)
    assert statuses(await run(runtime, planned)) == {"Mia": "ready"}
    assert [kept.element_id for kept in episode.lock.cast["Mia"].replaced] == [old]


async def test_name_that_several_elements_have_is_a_problem_with_its_candidates(
    runtime: Runtime, episode: Episode, world: World
) -> None:
    ids = [world.add_element(world.account_of(API_KEY), "Mia").element_id for _ in range(2)]
    planned = await plan(runtime, episode)
    assert actions(planned)["Mia"] == "problem"
    assert all(element_id in planned.problems[0] for element_id in ids)


async def test_voice_is_found_by_its_name_and_an_unknown_one_is_a_problem(
    runtime: Runtime, episode: Episode, world: World
) -> None:
    voice = world.add_voice(world.account_of(API_KEY), "Calm narrator")
    episode.cast["Mia"]["voice"] = "Calm narrator"
    episode.cast["Sara"]["voice"] = "Loud narrator"
    planned = await plan(runtime, episode)
    assert planned.cast[0].made_from["voice"] == voice.voice_id
    assert [each.name for each in planned.cast if each.action == "problem"] == ["Sara"]
    assert "cast.Sara.voice" in planned.problems[0]
    await run(runtime, planned)
    made = {task.element_name: task for task in elements_at(world)}
    assert made["Mia"].voice is not None
    assert made["Mia"].voice.voice_id == voice.voice_id


async def test_deleted_element_is_a_problem_and_is_made_again(runtime: Runtime, episode: Episode, world: World) -> None:
    await apply(runtime, episode)
    old = episode.ids()["Mia"]
    world.delete_element(world.account_of(API_KEY), old)
    planned = await plan(runtime, episode)
    assert (planned.cast[0].action, planned.cast[0].why) == ("create", f"its element {old} was deleted")
    assert old in planned.problems[0]
    assert statuses(await run(runtime, planned)) == {"Mia": "ready"}
    assert episode.ids()["Mia"] != old


async def test_lock_that_names_an_unknown_element_makes_no_second_one(
    runtime: Runtime, episode: Episode, world: World
) -> None:
    await apply(runtime, episode)
    path = episode.path.with_name("episode.lock.json")
    path.write_text(path.read_text("utf-8").replace(episode.ids()["Mia"], "329999999999999"), "utf-8")
    planned = await plan(runtime, episode)
    assert actions(planned)["Mia"] == "problem"
    assert not planned.has_work
    assert "unknown in this account" in planned.problems[0]


async def test_lost_lock_file_is_made_again_without_creating_anything(
    runtime: Runtime, episode: Episode, world: World
) -> None:
    await apply(runtime, episode)
    ids = episode.ids()
    episode.path.with_name("episode.lock.json").unlink()
    planned = await plan(runtime, episode)
    assert actions(planned) == dict.fromkeys(EIGHT, "adopt")
    await run(runtime, planned)
    assert episode.ids() == ids
    assert len(elements_at(world)) == 8


async def test_entry_that_fails_does_not_stop_the_others(runtime: Runtime, episode: Episode, faults: Faults) -> None:
    faults.fail_task("the face is covered")
    outcomes = await apply(runtime, episode)
    assert sorted(statuses(outcomes).values()) == ["failed", *["ready"] * 7]
    (failed,) = (each for each in outcomes if each.status == "failed")
    assert "the face is covered" in failed.reason
    assert len(episode.ids()) == 7
    assert list(actions(await plan(runtime, episode)).values()).count("create") == 1


async def test_twelve_entries_are_made_with_five_slots(
    runtime: Runtime, episode: Episode, world: World, faults: Faults
) -> None:
    world.durations = lambda _kind, _rng: 60.0
    faults.limit_parallel(5)
    episode.add(*NAMES[8:])
    assert statuses(await apply(runtime, episode)) == dict.fromkeys(NAMES, "ready")
    assert len(elements_at(world)) == 12


async def test_wait_that_runs_out_hands_over_and_a_repeat_goes_on(
    runtime: Runtime, episode: Episode, world: World
) -> None:
    world.durations = lambda _kind, _rng: 60.0
    planner = planner_of(runtime)
    kept = await planner.make(episode.save())
    first = statuses(await run(runtime, kept.plan, wait_seconds=10))
    assert sorted(first.values()) == ["not_started"] * 5 + ["pending"] * 3
    while True:
        _, left = await planner.find(kept.plan_id)
        if not left.has_work:
            break
        await run(runtime, left, wait_seconds=50)
    assert len(elements_at(world)) == 8
    assert len(episode.ids()) == 8


class TestStalePlans:
    async def test_plan_fits_while_nothing_changed(self, runtime: Runtime, episode: Episode) -> None:
        decided = (await plan(runtime, episode)).to_json()
        assert differences(decided, await plan(runtime, episode)) == []

    async def test_own_progress_is_no_change(self, runtime: Runtime, episode: Episode) -> None:
        decided = (await plan(runtime, episode)).to_json()
        await apply(runtime, episode)
        assert differences(decided, await plan(runtime, episode)) == []

    async def test_changed_picture_is_named(self, runtime: Runtime, episode: Episode) -> None:
        decided = (await plan(runtime, episode)).to_json()
        episode.picture("Mia-front", version=2)
        assert differences(decided, await plan(runtime, episode)) == ["Mia is to be made from something else now"]

    async def test_new_and_missing_entries_are_named(self, runtime: Runtime, episode: Episode) -> None:
        decided = (await plan(runtime, episode)).to_json()
        del episode.cast["Sara"]
        episode.add("Nurse")
        assert differences(decided, await plan(runtime, episode)) == [
            "Nurse is new in the sheet",
            "Sara is no longer in the sheet",
        ]

    async def test_element_made_elsewhere_under_the_name_is_named(
        self, runtime: Runtime, episode: Episode, world: World
    ) -> None:
        decided = (await plan(runtime, episode)).to_json()
        made = world.add_element(world.account_of(API_KEY), "Mia")
        runtime.own_account().library.invalidate()
        (told,) = differences(decided, await plan(runtime, episode))
        assert told.startswith("Mia was to be created, and now is adopted")
        assert made.element_id in told

    async def test_deleted_element_is_named(self, runtime: Runtime, episode: Episode, world: World) -> None:
        await apply(runtime, episode)
        decided = (await plan(runtime, episode)).to_json()
        world.delete_element(world.account_of(API_KEY), episode.ids()["Mia"])
        (told,) = differences(decided, await plan(runtime, episode))
        assert told.startswith("Mia was to be left as it is, and now is created")
