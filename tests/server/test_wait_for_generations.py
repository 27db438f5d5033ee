"""`wait_for_tasks` with videos and pictures: several kinds together, saved whatever becomes of the call."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from helpers import ACCESS_KEY, SECRET_KEY, last_line, requests_to, structured, text_of

from kling_mcp.api.generations import GenerationApi
from kling_mcp.results.saver import Result
from kling_mcp.results.sidecar import Description

if TYPE_CHECKING:
    from helpers import Connect
    from mcp import Client
    from virtual_time import VirtualClock

    from kling_mcp.account import Account
    from kling_mcp.results.background import BackgroundSaver
    from kling_mcp.results.saver import SavedFile
    from kling_mcp.settings import Settings
    from kling_mcp.simulator import Faults, World

pytestmark = pytest.mark.anyio

WAIT = "wait_for_tasks"
BOAT = {"prompt": "A red boat", "max_units": 100, "wait_seconds": 0}
PICTURES = "/v1/images/generations"
PLANE = {"model_name": "kling-v3", "prompt": "A plane", "n": 1}
VOICE = {"voice_name": "Mia", "voice_url": "https://example.com/mia.mp3"}


async def begin(client: Client, tool: str = "generate_image", **arguments: Any) -> dict[str, Any]:
    """A paid task that is not waited for."""
    begun = structured(await client.call_tool(tool, BOAT | arguments))
    assert begun["task_status"] != "succeed"
    return begun


async def wait(client: Client, **arguments: Any) -> dict[str, Any]:
    """Wait until nothing is pending."""
    while (view := structured(await client.call_tool(WAIT, {"wait_seconds": 600, **arguments})))["pending"]:
        pass
    return view


async def test_all_kinds_are_waited_for_in_one_call(
    connect: Connect, account: Account, creation: dict[str, Any]
) -> None:
    async with connect() as client:
        element = structured(await client.call_tool("create_element", creation))["task_id"]
        voice = (await account.client.create_voice(VOICE, external_task_id="mia-1")).task_id
        image = (await begin(client))["task_id"]
        video = (await begin(client, "generate_video"))["task_id"]
        view = await wait(client, ids=[element, voice, image, video])
    assert [task["kind"] for task in view["tasks"]] == ["element", "voice", "image", "video"]
    assert {task["task_status"] for task in view["tasks"]} == {"succeed"}
    assert [len(task["files"]) for task in view["tasks"]] == [0, 0, 1, 1]
    assert [task["prompt"] for task in view["tasks"]] == ["", "", "A red boat", "A red boat"]
    assert [Path(task["files"][0]["path"]).suffix for task in view["tasks"][2:]] == [".png", ".mp4"]


@pytest.mark.parametrize("pair", [False, True])
async def test_wait_says_what_a_generation_cost(connect: Connect, pair: bool) -> None:
    """The two credentials read it from different fields. fact: tasks-outputs"""
    credential = {"api_key": "", "access_key": ACCESS_KEY, "secret_key": SECRET_KEY} if pair else {}
    async with connect(**credential) as client:
        begun = await begin(client, model="3.0")
        (task,) = (await wait(client, ids=[begun["task_id"]]))["tasks"]
    assert float(task["units_deducted"]) == float(begun["units_estimated"]) > 0


@pytest.mark.parametrize("pair", [False, True])
async def test_key_pair_and_api_key_show_the_same_kinds(connect: Connect, pair: bool) -> None:
    credential = {"api_key": "", "access_key": ACCESS_KEY, "secret_key": SECRET_KEY} if pair else {}
    async with connect(**credential) as client:
        await begin(client, model="3.0")
        await begin(client, "generate_video")
        view = await wait(client)
    assert sorted(task["kind"] for task in view["tasks"]) == ["image", "video"]


@pytest.fixture
def results(settings: Settings) -> Path:
    """The output folder."""
    assert settings.output_dir
    return settings.output_dir


async def test_save_as_names_the_file(connect: Connect, results: Path) -> None:
    async with connect() as client:
        made = await begin(client)
        refused = await client.call_tool(WAIT, {"ids": [made["task_id"]], "save_as": "../out"})
        assert last_line(refused)["kind"] == "bad_input"
        (task,) = (await wait(client, ids=[made["task_id"]], save_as="boats/red"))["tasks"]
    (file,) = task["files"]
    assert Path(file["path"]) == results / "boats" / "red.png"
    about = json.loads(Path(file["path"]).with_suffix(".json").read_text("utf-8"))
    assert (about["prompt"], about["task_id"]) == ("A red boat", made["task_id"])


async def test_task_of_another_program_is_saved_as_what_it_is(connect: Connect, account: Account) -> None:
    """fact: tasks-get"""
    other = await GenerationApi(account.client).create(PICTURES, PLANE | {"n": 2}, external_task_id="studio-1")
    async with connect() as client:
        (task,) = (await wait(client, ids=[other.task_id]))["tasks"]
    assert (task["kind"], task["prompt"], len(task["files"])) == ("image", "", 2)
    assert all(file["path"].endswith(".png") for file in task["files"])


async def test_read_only_mode_saves_nothing_and_shows_the_links(connect: Connect, results: Path) -> None:
    async with connect() as client:
        made = await begin(client)
    async with connect(read_only=True) as client:
        (task,) = (await wait(client, ids=[made["task_id"]]))["tasks"]
    (file,) = task["files"]
    assert (file["path"], file["url"] != "") == ("", True)
    assert files_in(results) == []


async def test_failed_generation_is_a_row_with_the_reason_and_is_not_repeated(
    connect: Connect, faults: Faults, world: World
) -> None:
    """fact: gen-failed"""
    faults.fail_task("Failure to pass the risk control system")
    async with connect() as client:
        failed = await begin(client)
        good = await begin(client, prompt="A blue boat")
        before = len(world.generations)
        result = await client.call_tool(WAIT, {"wait_seconds": 600})
    tasks = {task["task_id"]: task for task in structured(result)["tasks"]}
    assert tasks[failed["task_id"]]["task_status_msg"] == "Failure to pass the risk control system"
    assert tasks[failed["task_id"]]["files"] == []
    assert tasks[good["task_id"]]["files"][0]["path"]
    assert text_of(result).startswith("1 ready, 1 failed, pending=0.")
    assert len(world.generations) == before


async def test_progress_says_how_long_it_usually_takes(connect: Connect) -> None:
    told: list[str] = []

    async def report(progress: float, total: float | None, message: str | None) -> None:
        told.append(message or "")

    async with connect() as client:
        made = await begin(client, "generate_video")
        await client.call_tool(WAIT, {"ids": [made["task_id"]], "wait_seconds": 9}, progress_callback=report)
    assert any("Waiting for 1 task at Kling; videos take about 1 to 6 minutes" in message for message in told)


async def test_file_that_the_disk_refused_is_saved_by_the_next_call(connect: Connect, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    async with connect(output_dir=disk / "films" / "out") as client:
        made = await begin(client)
        first = await wait(client, ids=[made["task_id"]])
        assert first["tasks"][0]["files"][0]["path"] == ""
        assert made["task_id"] in first["next_step"]
        assert any("output folder" in warning for warning in first["tasks"][0]["warnings"])
        await anyio.Path(disk).mkdir()
        second = await wait(client, ids=[made["task_id"]])
    assert second["tasks"][0]["files"][0]["path"]
    assert second["next_step"] == ""


def files_in(folder: Path) -> list[Path]:
    return [*folder.iterdir()]


def on_disk(row: SavedFile) -> bool:
    return bool(row.path) and Path(row.path).is_file()


@pytest.fixture
async def finished(account: Account, faults: Faults) -> tuple[list[Result], Description]:
    """A picture that is ready at Kling, and a line over which it takes a minute."""
    kind = account.generator.kinds["image"]
    made = await GenerationApi(account.client).create(PICTURES, PLANE, external_task_id="studio-1")
    task = (await kind.poller.wait([made.task_id], 600))[made.task_id].task
    assert task is not None
    faults.delay(20, route="file")
    return [Result(task.results[0].url)], Description(kind="image", task_id=task.task_id, prompt="A plane")


@pytest.fixture
def background(account: Account) -> BackgroundSaver:
    return account.generator.background


async def test_save_goes_on_when_its_call_is_cancelled_and_a_later_call_joins_it(
    background: BackgroundSaver, finished: tuple[list[Result], Description], world: World
) -> None:
    with anyio.move_on_after(10):
        await background.save(*finished, 600)
    (row,) = await background.save(*finished, 5)
    assert not on_disk(row)
    assert row.error is not None
    assert row.error.retry == "later"
    (row,) = await background.save(*finished, 60)
    assert on_disk(row)
    assert len(requests_to(world, "file")) == 1


async def test_end_of_the_server_ends_downloads_in_time(
    background: BackgroundSaver, finished: tuple[list[Result], Description], clock: VirtualClock
) -> None:
    await background.save(*finished, 1)
    started = clock.monotonic()
    await background.aclose()
    assert clock.monotonic() - started <= 6
    (row,) = await background.save(*finished, 100)
    assert on_disk(row)


@pytest.mark.parametrize("name", ["task_id", "external_task_id"])
async def test_get_element_says_what_the_id_of_a_generation_is(connect: Connect, name: str) -> None:
    async with connect() as client:
        made = await begin(client)
        result = await client.call_tool("get_element", {"id": made[name]})
    assert last_line(result)["kind"] == "not_found"
    assert f'"{made[name]}" is the id of a picture, not of an element.' in text_of(result)
    assert f'wait_for_tasks with ids=["{made[name]}"]' in text_of(result)


async def test_get_element_knows_a_generation_of_another_program(connect: Connect, account: Account) -> None:
    other = await GenerationApi(account.client).create(PICTURES, PLANE, external_task_id="studio-1")
    async with connect() as client:
        await wait(client, ids=[other.task_id])
        result = await client.call_tool("get_element", {"id": other.task_id})
    assert f'"{other.task_id}" is the id of a picture, not of an element.' in text_of(result)


async def test_text_holds_the_facts_of_every_file(connect: Connect) -> None:
    async with connect() as client:
        made = await begin(client, count=2)
        result = await client.call_tool(WAIT, {"ids": [made["task_id"]], "wait_seconds": 600})
    (task,) = structured(result)["tasks"]
    facts = [str(value) for file in task["files"] for value in file.values() if value]
    assert [fact for fact in [*facts, task["units_estimated"], task["prompt"]] if fact not in text_of(result)] == []
