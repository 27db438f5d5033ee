"""What an agent that knows nothing but the tools reads: what is paid for, what is not, what is wrong, and the files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from helpers import Connect, structured, text_of
from server.test_generate import agreeing

from kling_mcp.settings.spending import SpendingSettings
from kling_mcp.simulator import World
from production.episodes import FILES, Episode, empty_episode, filming_world
from production.test_production_tools import apply

if TYPE_CHECKING:
    from mcp import Client
    from mcp_types import CallToolResult
    from virtual_time import VirtualClock

pytestmark = pytest.mark.anyio
ALLOW = SpendingSettings(mode="allow")


@pytest.fixture
def world(clock: VirtualClock) -> World:
    return filming_world(clock)


@pytest.fixture
def episode(tmp_path: Path, pictures: object) -> Episode:
    made = empty_episode(tmp_path)
    made.add("Mara", "Ilja")
    made.film("s01", "@Mara climbs the stairs")
    made.film("s02", "@Mara waves to @Ilja", duration=8, audio="native", takes=2)
    made.film("s03", "A calm sea", aspect_ratio="9:16")
    return made


async def plan(client: Client, episode: Episode, **arguments: Any) -> CallToolResult:
    return await client.call_tool("plan_production", {"path": episode.save(), **arguments})


def lines(result: CallToolResult) -> list[str]:
    return text_of(result).splitlines()


async def test_names_without_an_at_sign_are_noted_before_anything_is_paid(connect: Connect, episode: Episode) -> None:
    person = agreeing()
    episode.film("s01", "Mara climbs the stairs")
    episode.film("s02", "Mara waves")
    notes = [
        "shots s01, s02 say Mara without @, so that element is not used there: write @Mara.",
        "no shot uses Mara, Ilja: write @Mara in a prompt to show that element.",
    ]
    async with connect(elicitation=person) as client:
        planned = await plan(client, episode)
        assert structured(planned)["notes"] == notes
        await apply(client, structured(planned)["plan_id"])
    for note in notes:
        assert f"Note: {note}" in lines(planned)
        assert f"Note: {note}" in person.asked[0].splitlines()


async def test_spoken_words_without_sound_are_noted(connect: Connect, episode: Episode) -> None:
    episode.film("s03", '@Mara says: "Come up, Ilja!"')
    async with connect() as client:
        notes = structured(await plan(client, episode))["notes"]
    assert "shot s03 has spoken words and no sound: audio: native makes them heard, at another price." in notes
    assert not any("s02" in note for note in notes)


async def test_plan_says_settings_and_prompt_of_each_shot(connect: Connect, episode: Episode) -> None:
    async with connect() as client:
        planned = await plan(client, episode)
    assert (
        "Settings of the shots: all: 3.0-omni, 16:9, 8 s, 720p, native sound, 6.4 units each; "
        "s03: 9:16, 5 s, silent, 3 units; s01: 5 s, silent, 3 units"
    ) in lines(planned)
    assert 'render s02 takes 1 to 2 (after Mara, Ilja are made): "@Mara waves to @Ilja"' in lines(planned)
    rows = {(row["shot"], row["take"]): row for row in structured(planned)["shots"]["blocked"]}
    assert rows["s02", 2]["settings"] == "3.0-omni, 16:9, 8 s, 720p, native sound"
    assert (rows["s01", 1]["action"], rows["s01", 1]["prompt"]) == ("render", "@Mara climbs the stairs")


async def test_plan_of_forty_shots_is_a_short_text(connect: Connect, episode: Episode) -> None:
    names = ("Otto", "Bruno", "Kitchen", "Harbour", "Teapot", "Parrot", "Nurse", "Baker")
    episode.add(*names)
    episode.shots = {}
    for number in range(1, 41):
        name = names[number % len(names)]
        episode.film(f"s{number:02}", f"@{name} and @Mara walk {number} steps on the pier{', evening light' * 16}")
    episode.shots["s07"] |= {"duration": 8, "audio": "native"}
    async with connect() as client:
        text = text_of(await plan(client, episode))
    assert "all: 3.0-omni, 16:9, 5 s, 720p, silent, 3 units each; s07: 8 s, native sound, 6.4 units" in text
    assert all(f"render s{number:02}" in text for number in range(1, 41))
    assert len(text) <= 4_800  # about 1,200 tokens


async def test_videos_that_exist_are_reused_and_not_said_to_be_rendered(
    connect: Connect, episode: Episode, world: World
) -> None:
    async with connect(spending=ALLOW) as client:
        await apply(client, structured(await plan(client, episode))["plan_id"])
        episode.path.with_name("episode.lock.json").unlink()
        planned = await plan(client, episode)
        assert "2 to adopt, 4 to reuse without paying again. Price: nothing is paid." in lines(planned)[0]
        assert 'reuse s01 (it was made before, and paid): "@Mara climbs the stairs"' in lines(planned)
        assert "to render" not in text_of(planned)
        assert "not made yet" not in text_of(planned)
        ids = [row["element_id"] for row in structured(planned)["adopt"]]
        assert all(text_of(planned).count(element_id) == 1 for element_id in ids)
        result = await apply(client, structured(planned)["plan_id"])
    assert structured(result)["units_paid"] == {}
    assert "Paid by this call: nothing." in lines(result)
    shots = [row for row in structured(result)["entries"] if row["kind"] == "shot"]
    assert [(row["units_deducted"], row["paid"]) for row in shots] == [("0", "before")] * 4


async def test_total_is_what_this_call_paid(connect: Connect, episode: Episode, world: World) -> None:
    async with connect(spending=ALLOW) as client:
        del episode.shots["s02"]
        first = await apply(client, structured(await plan(client, episode))["plan_id"])
        assert structured(first)["units_paid"] == {"video": "6"}
        assert "Paid by this call: 6 video units." in lines(first)
        episode.path.with_name("episode.lock.json").unlink()
        episode.film("s04", "A storm", duration=3)
        second = structured(await apply(client, structured(await plan(client, episode))["plan_id"]))
    assert second["units_paid"] == {"video": "1.8"}
    paid = {row["name"]: (float(row["units_deducted"]), row["paid"]) for row in second["entries"] if row["take"]}
    assert paid == {"s01": (0, "before"), "s03": (0, "before"), "s04": (1.8, "now")}


async def test_two_shots_with_one_video_are_counted_once(connect: Connect, episode: Episode) -> None:
    episode.shots = {}
    episode.film("a", "A calm sea")
    episode.film("b", "A calm sea")
    async with connect(spending=ALLOW) as client:
        planned = await plan(client, episode)
        rows = structured(planned)["shots"]["render"]
        assert [(row["shot"], row["action"], row["why"]) for row in rows] == [
            ("a", "render", ""),
            ("b", "reuse", "the same video as shot a"),
        ]
        result = structured(await apply(client, structured(planned)["plan_id"]))
    assert result["units_paid"] == {"video": "3"}


async def test_video_that_is_still_being_made_counts_as_estimated(
    connect: Connect, episode: Episode, world: World
) -> None:
    world.durations = lambda _kind, _rng: 500.0
    episode.shots = {"s03": episode.shots["s03"]}
    episode.cast = {}
    async with connect(spending=ALLOW) as client:
        result = structured(await apply(client, structured(await plan(client, episode))["plan_id"], wait_seconds=5))
    assert (result["pending"], result["units_paid"]) == (1, {"video": "3"})


async def test_unknown_names_are_to_be_corrected_before_a_person_agrees(connect: Connect, episode: Episode) -> None:
    for shot in ("s01", "s02"):
        episode.film(shot, "@MARA waves to @Ilia")
    async with connect() as client:
        planned = await plan(client, episode)
    assert {row["name"]: row["why"] for row in structured(planned)["missing"]} == {
        "MARA": "shots s01, s02 name it, and no element has this name: did you mean @Mara?",
        "Ilia": "shots s01, s02 name it, and no element has this name: did you mean @Ilja?",
    }
    step = structured(planned)["next_step"]
    assert step.startswith("Correct the sheet first (2 missing), and plan again.")
    assert "leaves out shots s01, s02" in step
    assert "leave out s01" in text_of(planned)


async def test_plan_for_shots_alone_says_that_the_cast_comes_first(connect: Connect, episode: Episode) -> None:
    async with connect() as client:
        step = structured(await plan(client, episode, part="shots"))["next_step"]
    assert "plan with part=all" in step
    assert "leaves out shots s01, s02" in step


async def test_finished_plan_lists_its_files_again(connect: Connect, episode: Episode, tmp_path: Path) -> None:
    folder = tmp_path / "results" / "episode"
    names = ["s01.mp4", "s02-take-1.mp4", "s02-take-2.mp4", "s03.mp4"]
    async with connect(spending=ALLOW) as client:
        plan_id = structured(await plan(client, episode))["plan_id"]
        await apply(client, plan_id)
        again = await apply(client, plan_id)
        planned = await plan(client, episode)
    result = structured(again)
    assert (result["ready"], result["next_step"]) == (6, "")
    assert [file["path"] for row in result["entries"] for file in row["files"]] == [
        str(folder / name) for name in names
    ]
    unchanged = structured(planned)["shots"]["unchanged"]
    assert [file["path"] for row in unchanged for file in row["files"]] == [str(folder / name) for name in names]
    for answer in (again, planned):
        assert f"files in {folder}: {', '.join(names)}" in lines(answer)


async def test_files_that_are_not_saved_keep_their_links(connect: Connect, episode: Episode) -> None:
    episode.shots = {"s03": episode.shots["s03"]}
    episode.cast = {}
    async with connect(spending=ALLOW, output_dir=False) as client:
        plan_id = structured(await plan(client, episode))["plan_id"]
        first = structured(await apply(client, plan_id))
        again = await apply(client, plan_id)
    (row,) = structured(again)["entries"]
    assert [file["url"] for file in row["files"]] == [file["url"] for file in first["entries"][0]["files"]]
    assert row["files"][0]["url"].startswith(FILES)
    assert f"not saved: {row['files'][0]['url']}" in lines(again)


async def test_sheet_is_taught_by_the_answer_and_by_a_resource(connect: Connect, episode: Episode) -> None:
    async with connect() as client:
        refused = await client.call_tool("plan_production", {"path": str(episode.folder / "nothing.yaml")})
        (content,) = (await client.read_resource("kling://production-sheet")).contents
        assert "kling://production-sheet" in (client.instructions or "")
    assert "Keys of a cast entry: description, front, others" in text_of(refused)
    assert "front: mia-front.jpg" in getattr(content, "text", "")
