"""What the page of a production gets beside the rows, and who does not get it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from helpers import structured, text_of
from mcp_types import CallToolResult
from PIL import Image
from production.episodes import NAMES, Episode, apply, plan

from gallery.test_results_data import Open, open_client, size_of
from kling_mcp.runtime import Runtime
from kling_mcp.server.gallery import MAX_PAGE_CHARACTERS, PICTURES_KEY
from kling_mcp.server.gallery.cast import CAST_KEY, cast_data
from kling_mcp.simulator import World

__all__ = ["open_client"]

pytestmark = pytest.mark.anyio


@pytest.fixture
def episode(tmp_path: Path, pictures: object) -> Episode:
    folder = tmp_path / "pictures" / "episode"
    folder.mkdir(parents=True)
    return Episode(folder)


def for_page(result: CallToolResult) -> dict[str, Any]:
    """What the page gets, and no model."""
    assert not result.is_error, text_of(result)
    data: dict[str, Any] = (result.meta or {})[CAST_KEY]
    return data


async def data_of(runtime: Runtime, episode: Episode, **options: Any) -> dict[str, Any]:
    planned = await plan(runtime, episode, **options)
    made: dict[str, Any] = {**await cast_data(planned, runtime.own_account(), runtime.media_policy())}
    data: dict[str, Any] = made[CAST_KEY]
    return data


def actions(data: dict[str, Any]) -> dict[str, str]:
    return {row["name"]: row["action"] for row in data["cast"]}


@pytest.mark.parametrize("era", ["legacy", "auto"])
async def test_plan_brings_the_cast_as_it_stands_in_the_sheet(open_client: Open, episode: Episode, era: str) -> None:
    episode.add("Sara")
    episode.cast |= {"Mia": {}, "Tower": {"description": "In fog"}, "Zed": {"element_id": "999888777666"}}
    episode.film("kitchen", "@Mia dances with @Sara", takes=2)
    async with open_client(era) as client:
        arguments = {"path": episode.save(), "require": ["Dragon"]}
        result = await client.call_tool("plan_production", arguments)
    data = for_page(result)
    assert actions(data) == {"Sara": "create", "Mia": "adopt", "Tower": "missing", "Zed": "problem"}
    sara, _, tower, zed = data["cast"]
    assert (sara["pictures"], sara["clip"], sara["description"]) == (2, False, "The one and only Sara")
    assert (tower["pictures"], tower["description"]) == (0, "In fog")
    assert zed["problems"] == structured(result)["problems"]
    assert zed["problems"][0].startswith(f"line {zed['line']}, cast.Zed.element_id: must be ")
    assert [(row["shot"], row["take"], row["action"], row["prompt"]) for row in data["shots"]] == [
        ("kitchen", take, "blocked", "@Mia dances with @Sara") for take in (1, 2)
    ]
    assert (data["path"], data["part"], data["require"]) == (str(episode.path), "all", ["Dragon"])
    assert {key: size_of(uri) for key, uri in data["pictures"].items()} == {"name Sara": (102, 128)}
    assert "base64" not in json.dumps(structured(result))


@pytest.mark.parametrize("era", ["legacy", "auto"])
async def test_applied_plan_brings_the_same_page(open_client: Open, episode: Episode, era: str) -> None:
    episode.add("Sara")
    async with open_client(era) as client:
        planned = structured(await client.call_tool("plan_production", {"path": episode.save()}))
        applied = await client.call_tool("apply_production", {"plan_id": planned["plan_id"], "wait_seconds": 600})
        assert structured(applied)["ready"] == 1
        again = for_page(await client.call_tool("plan_production", {"path": episode.save()}))
    assert actions(for_page(applied)) == {"Sara": "create"}
    assert list(for_page(applied)["pictures"]) == ["name Sara"]
    assert actions(again) == {"Sara": "unchanged"}
    assert list(again["pictures"]) == [f"id {episode.ids()['Sara']}"]


@pytest.mark.parametrize("era", ["legacy", "auto"])
async def test_clients_without_apps_get_nothing_of_a_production(open_client: Open, episode: Episode, era: str) -> None:
    episode.add("Sara")
    async with open_client(era, apps=False) as client:
        planned = await client.call_tool("plan_production", {"path": episode.save()})
        plan_id = structured(planned)["plan_id"]
        applied = await client.call_tool("apply_production", {"plan_id": plan_id, "wait_seconds": 600})
    assert not any({CAST_KEY, PICTURES_KEY} & {*(result.meta or {})} for result in (planned, applied))


async def test_replaced_entry_has_both_pictures_and_an_orphan_its_own(runtime: Runtime, episode: Episode) -> None:
    episode.add("Mia", "Sara")
    episode.film("harbour", "A quiet harbour")
    await apply(runtime, episode)
    old = episode.ids()
    episode.picture("Mia-front", version=2)
    del episode.cast["Sara"]
    data = await data_of(runtime, episode)
    assert actions(data) == {"Mia": "replace", "Sara": "orphan"}
    assert [row["element_id"] for row in data["cast"]] == [old["Mia"], old["Sara"]]
    assert {*data["pictures"]} == {"name Mia", f"id {old['Mia']}", f"id {old['Sara']}"}
    assert data["pictures"]["name Mia"] != data["pictures"][f"id {old['Mia']}"]


async def test_rendered_shot_says_where_its_file_is(open_client: Open, episode: Episode, world: World) -> None:
    episode.film("harbour", "A quiet harbour")
    async with open_client() as client:
        planned = structured(await client.call_tool("plan_production", {"path": episode.save()}))
        applied = {"pending": 1, "plan_id": planned["plan_id"]}
        while applied["pending"]:
            arguments = {"plan_id": planned["plan_id"], "wait_seconds": 600}
            applied = structured(await client.call_tool("apply_production", arguments))
        (row,) = for_page(await client.call_tool("plan_production", {"path": episode.save()}))["shots"]
    (file,) = episode.lock.shots["harbour"][1].files
    assert (row["action"], row["files"], row["units"]) == ("unchanged", [file], "")


async def test_plan_of_shots_alone_brings_only_what_is_missing(runtime: Runtime, episode: Episode) -> None:
    episode.add("Sara")
    episode.cast["Tower"] = {"description": "In fog"}
    episode.film("night", "@Tower at night")
    data = await data_of(runtime, episode, part="shots")
    assert actions(data) == {"Tower": "missing"}
    assert [row["action"] for row in data["shots"]] == ["stuck"]


async def test_file_that_became_something_else_has_no_picture(
    runtime: Runtime, episode: Episode, tmp_path: Path
) -> None:
    episode.add("Mia", "Sara", "Otto", "Bruno")
    episode.cast["Bruno"] |= {"front": "https://example.com/bruno.jpg"}
    planned = await plan(runtime, episode)
    diary = tmp_path / "diary.png"
    Image.new("RGB", (300, 300)).save(diary)
    (episode.folder / "Mia-front.png").write_text("my secret diary")
    (episode.folder / "Sara-front.png").unlink()
    (episode.folder / "Otto-front.png").unlink()
    (episode.folder / "Otto-front.png").symlink_to(diary)  # outside of the allowed folders
    data: Any = (await cast_data(planned, runtime.own_account(), runtime.media_policy()))[CAST_KEY]
    assert len(data["cast"]) == 4
    assert data["pictures"] == {}


async def test_texts_of_a_sheet_are_cleaned(runtime: Runtime, episode: Episode) -> None:
    episode.add("Mia")
    episode.cast["Mia"]["description"] = "<b>short</b> hair"
    episode.film("s1", "<script>\u2066run\u200b</script>" + "x" * 500)
    told = json.dumps(await data_of(runtime, episode, require=("\u202egpj.exe\x1b[31m",)), ensure_ascii=False)
    assert "<b>short</b>" in told  # the page inserts it as text
    assert not set(told) & set("\u202e\u2066\u200b\x1b")
    assert len(told) < 20_000


async def test_pictures_of_a_large_cast_are_bounded(runtime: Runtime, episode: Episode) -> None:
    names = [f"{name} {number}" for number in range(3) for name in NAMES]
    episode.add(*names)
    for name in names:
        Image.frombytes("RGB", (300, 300), os.urandom(270_000)).save(episode.folder / f"{name}-front.png")
    data = await data_of(runtime, episode)
    assert [row["name"] for row in data["cast"]] == names
    assert 10 < len(data["pictures"]) < len(names)
    assert list(data["pictures"]) == [f"name {name}" for name in names[: len(data["pictures"])]]
    assert len("".join(data["pictures"].values())) <= MAX_PAGE_CHARACTERS
