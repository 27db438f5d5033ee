"""Creating, looking up and listing through MCP, once in each protocol era."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import pytest
from helpers import API_KEY, EVERY_ERA, VIDEO_CREATION, Connect, Pictures, last_line, requests_to, structured, text_of
from mcp import Client
from virtual_time import VirtualClock

from kling_mcp.simulator import Faults, Quirks, World

pytestmark = pytest.mark.anyio

CREATE = "create_element_and_wait"


@pytest.fixture(params=EVERY_ERA)
def era(request: pytest.FixtureRequest) -> str:
    """The main job runs with the newest handshake, too."""
    return str(request.param)


async def test_an_element_is_made_and_its_id_comes_back(
    client: Client, world: World, creation: dict[str, Any], pictures: Pictures
) -> None:
    result = await client.call_tool(CREATE, creation)
    task = structured(result)
    (true_id,) = world.account_of(API_KEY).elements
    assert task["element_ids"] == [true_id]
    assert (task["task_status"], task["outcome"], task["units_deducted"]) == ("succeed", "submitted", "0")
    assert (task["warnings"], task["next_step"]) == ([], "")
    (row,) = task["elements"]
    assert (row["element_name"], row["tags"], row["status"]) == ("Mia", ["Character"], "ready")
    assert text_of(result).startswith(f"Ready: element_ids={true_id}\n")
    (sent,) = requests_to(world, "create")
    files = (pictures.front, pictures.side)
    assert sent.picture_sha256 == tuple(hashlib.sha256(path.read_bytes()).hexdigest() for path in files)


@pytest.mark.parametrize("tool", [CREATE, "create_element"])
async def test_wrong_arguments_and_wrong_material_are_reported_in_one_answer(
    client: Client, world: World, creation: dict[str, Any], tool: str
) -> None:
    wrong = {
        **creation,
        "element_name": "a name that has far too many characters",
        "reference_type": "photo",
        "frontal_image": "/mnt/user-data/uploads/mia.png",
        "refer_image": ["x.png"],
    }
    del wrong["element_description"]
    told = text_of(await client.call_tool(tool, wrong))
    for argument in ("element_name", "element_description", "reference_type", "frontal_image", '"refer_image"'):
        assert f"- {argument}:" in told, argument
    assert told.count("- reference_type:") == 1
    assert world.requests == []


async def test_wrong_arguments_alone_are_reported_alone(client: Client, creation: dict[str, Any]) -> None:
    told = text_of(await client.call_tool(CREATE, {**creation, "wait_seconds": "soon"}))
    assert told.startswith("One problem with the input:\n- wait_seconds:")


async def test_submitting_returns_at_once_with_the_next_call(
    client: Client, clock: VirtualClock, creation: dict[str, Any]
) -> None:
    task = structured(await client.call_tool("create_element", creation))
    assert clock.monotonic() < 0.5
    assert (task["task_status"], task["element_ids"], task["waited_seconds"]) == ("submitted", [], 0.0)
    assert task["next_step"] == f'Call wait_for_tasks with ids=["{task["task_id"]}"] to get the element_id.'
    assert task["external_task_id"].startswith("kmcp-")


async def test_every_form_of_a_picture_sends_the_same_bytes(
    client: Client, world: World, creation: dict[str, Any], pictures: Pictures
) -> None:
    """fact: image-source"""
    data = "data:image/jpeg;base64," + base64.b64encode(pictures.back.read_bytes()).decode()
    forms = [pictures.side.as_uri(), data, "https://example.com/side.png"]
    structured(await client.call_tool("create_element", {**creation, "refer_images": forms}))
    (sent,) = requests_to(world, "create")
    by_bytes = [
        hashlib.sha256(path.read_bytes()).hexdigest() for path in (pictures.front, pictures.side, pictures.back)
    ]
    assert list(sent.picture_sha256)[:3] == by_bytes
    assert len(sent.picture_sha256) == 3  # a link stays a link


@pytest.mark.parametrize("encoded", ["json", "comma", "newline"])
async def test_lists_arrive_in_every_encoding(
    client: Client, world: World, creation: dict[str, Any], pictures: Pictures, encoded: str
) -> None:
    """A name with a space, one in another script: what clients send as one text is taken apart rightly."""
    paths = [str(pictures.side), str(pictures.back)]
    text = {"json": str(paths).replace("'", '"'), "comma": ",".join(paths), "newline": "\n".join(paths)}[encoded]
    structured(await client.call_tool("create_element", {**creation, "refer_images": text, "tags": "character,o_103"}))
    (sent,) = requests_to(world, "create")
    assert len(sent.picture_sha256) == 3
    (task,) = world.account_of(API_KEY).tasks.values()
    assert getattr(task, "tags", None) == ("o_102", "o_103")


async def test_video_element_is_created_and_ready(client: Client, world: World) -> None:
    """facts: video-url-only, video-count"""
    video = VIDEO_CREATION["element_video_list"]["refer_videos"][0]["video_url"]
    arguments = {
        "element_name": "Host",
        "element_description": "Presenter",
        "reference_type": "video_refer",
        "video_url": video,
    }
    task = structured(await client.call_tool(CREATE, arguments))
    assert task["elements"][0]["reference_type"] == "video_refer"
    local = await client.call_tool(CREATE, {**arguments, "video_url": "/home/me/clip.mp4"})
    assert last_line(local)["kind"] == "bad_input"
    assert len(requests_to(world, "create")) == 1


async def test_repeated_tool_call_returns_the_first_element(
    client: Client, world: World, creation: dict[str, Any]
) -> None:
    first = structured(await client.call_tool(CREATE, creation))
    result = await client.call_tool("create_element", {**creation, "tags": "Character"})
    again = structured(result)
    assert again["outcome"] == "already_submitted"
    assert "An identical request was sent before; this is its task, and no second one was made." in text_of(result)
    assert again["element_ids"] == first["element_ids"]
    assert sum(world.accepted_creations().values()) == 1


async def test_creation_of_a_taken_name_is_stopped(
    client: Client, world: World, creation: dict[str, Any], pictures: Pictures
) -> None:
    """fact: name-not-unique"""
    (element_id,) = structured(await client.call_tool(CREATE, creation))["element_ids"]
    another = {**creation, "refer_images": [str(pictures.back)]}
    result = await client.call_tool(CREATE, another)
    assert last_line(result)["kind"] == "name_taken"
    assert element_id in text_of(result)
    second = structured(await client.call_tool(CREATE, {**another, "allow_duplicate_name": "true"}))
    assert second["element_ids"] not in ([], [element_id])
    assert sum(world.accepted_creations().values()) == 2


async def test_a_weak_set_of_pictures_is_warned_of(
    client: Client, creation: dict[str, Any], pictures: Pictures
) -> None:
    """fact: frontal-may-repeat"""
    result = await client.call_tool("create_element", {**creation, "refer_images": [str(pictures.front)]})
    (warning,) = structured(result)["warnings"]
    assert f"Warning: {warning}" in text_of(result)


async def test_a_lost_reply_is_found_by_external_id(
    client: Client, world: World, faults: Faults, creation: dict[str, Any]
) -> None:
    faults.lose_reply_after_create()
    result = await client.call_tool(CREATE, creation)
    task = structured(result)
    assert task["outcome"] == "recovered"
    assert "A reply to this request was lost, so its task was looked up at Kling and found" in text_of(result)
    assert len(task["element_ids"]) == 1
    assert sum(world.accepted_creations().values()) == 1


async def test_a_look_that_fails_at_the_end_does_not_hide_the_task(
    client: Client, faults: Faults, creation: dict[str, Any]
) -> None:
    faults.reply_code(5001, times=None, route="query")
    faults.reply_code(5001, times=None, route="list")
    result = await client.call_tool(CREATE, {**creation, "wait_seconds": 20})
    task = structured(result)
    assert task["task_status"] == "submitted"
    assert any("last poll of the task failed" in warning for warning in task["warnings"])
    assert task["task_id"] in task["next_step"]


class TestLookingUp:
    async def test_element_is_looked_up_by_task_id_and_by_external_id(
        self, client: Client, creation: dict[str, Any]
    ) -> None:
        """facts: query-takes-task-id, query-external-id"""
        made = structured(await client.call_tool(CREATE, creation))
        for name in ("task_id", "external_task_id"):
            result = await client.call_tool("get_element", {"id": f" {made[name]} "})
            found = structured(result)
            assert (found["matched_by"], found["element_ids"]) == (name, made["element_ids"])
            assert f"matched_by={name}" in text_of(result)

    async def test_running_task_is_shown_with_the_next_step(
        self, client: Client, faults: Faults, creation: dict[str, Any]
    ) -> None:
        faults.slow_task(60)
        made = structured(await client.call_tool("create_element", creation))
        found = structured(await client.call_tool("get_element", {"id": made["task_id"]}))
        assert found["task_status"] in {"submitted", "processing"}
        assert found["next_step"] == f'Call get_element with id="{made["task_id"]}" again later.'

    async def test_deleted_element_is_called_deleted(self, client: Client, world: World) -> None:
        gone = world.add_element(world.account_of(API_KEY), "Gone", status="deleted")
        result = await client.call_tool("get_element", {"id": gone.task_id})
        assert structured(result)["elements"][0]["status"] == "deleted"
        assert text_of(result).startswith("Deleted: ")

    @pytest.mark.parametrize("wanted", ["", "   "])
    async def test_lookup_without_an_id_is_bad_input(self, client: Client, world: World, wanted: str) -> None:
        assert last_line(await client.call_tool("get_element", {"id": wanted}))["kind"] == "bad_input"
        assert world.requests == []

    async def test_unknown_id_is_not_found(self, client: Client) -> None:
        fields = last_line(await client.call_tool("get_element", {"id": "999999999999999999"}))
        assert (fields["kind"], fields["created"], fields["retry"]) == ("not_found", "no", "never")

    async def test_ids_of_18_digits_keep_every_digit(
        self, client: Client, world: World, creation: dict[str, Any]
    ) -> None:
        """fact: id-as-string: in structure, in text, and on the way back"""
        world.quirks = Quirks(element_id_digits=18)
        made = await client.call_tool(CREATE, creation)
        (true_id,) = world.account_of(API_KEY).elements
        assert int(true_id) > 2**53
        assert structured(made)["element_ids"] == [true_id]
        assert true_id in text_of(made)
        listed = structured(await client.call_tool("list_elements", {}))
        assert listed["elements"][0]["element_id"] == true_id
        deleted = await client.call_tool("delete_element", {"element_id": true_id, "element_name": "Mia"})
        assert structured(deleted)["element_id"] == true_id


class TestLists:
    async def test_own_elements_are_listed_in_pages(self, client: Client, world: World) -> None:
        """facts: list-no-total, list-is-tasks, list-shows-deleted"""
        kling = world.account_of(API_KEY)
        for name, status in (("a", "ready"), ("b", "deleted"), ("c", "pending"), ("d", "failed"), ("e", "ready")):
            world.add_element(kling, name, status=status)  # type: ignore[arg-type] # the words are right
        rows: list[dict[str, Any]] = []
        page_num, more = 0, True
        while more:
            page_num += 1
            page = structured(await client.call_tool("list_elements", {"page_num": page_num, "page_size": 2}))
            assert (page["page_num"], page["page_size"]) == (page_num, 2)
            rows += page["elements"]
            more = page["has_more"]
        assert page_num == 3
        assert sorted(row["status"] for row in rows) == ["deleted", "failed", "pending", "ready", "ready"]
        assert len({row["task_id"] for row in rows}) == 5

    async def test_list_says_why_kling_refused_an_element(
        self, client: Client, faults: Faults, creation: dict[str, Any]
    ) -> None:
        faults.fail_task("The face is covered")
        await client.call_tool(CREATE, creation)
        result = await client.call_tool("list_elements", {})
        why, advice = structured(result)["notes"]
        assert why == '"Mia" was refused by Kling: "The face is covered".'
        assert advice.startswith("Ask the person before trying again")
        assert f"Note: {why}" in text_of(result).splitlines()

    async def test_empty_account_has_an_empty_list(self, client: Client) -> None:
        """fact: list-no-total: an empty account gives []"""
        result = await client.call_tool("list_elements", {})
        assert structured(result) == {"elements": [], "page_num": 1, "page_size": 30, "has_more": False, "notes": []}
        assert text_of(result).startswith("0 of your elements")

    async def test_official_elements_are_listed_as_ready_and_owned_by_kling(self, client: Client) -> None:
        """facts: presets, presets-thin"""
        page = structured(await client.call_tool("list_preset_elements", {"page_size": "500"}))
        assert len(page["elements"]) == 54
        assert {row["owned_by"] for row in page["elements"]} == {"kling"}
        assert {row["status"] for row in page["elements"]} == {"ready"}

    @pytest.mark.parametrize("tool", ["list_elements", "list_preset_elements"])
    @pytest.mark.parametrize("arguments", [{"page_num": 0}, {"page_num": 1001}, {"page_size": 0}, {"page_size": 501}])
    async def test_pages_out_of_range_are_refused_without_a_request(
        self, connect: Connect, world: World, tool: str, arguments: dict[str, int]
    ) -> None:
        async with connect() as client:
            assert last_line(await client.call_tool(tool, arguments))["kind"] == "bad_input"
        assert world.requests == []


async def test_relative_picture_in_a_deleted_working_directory_is_no_defect(
    client: Client, creation: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    result = await client.call_tool(CREATE, {**creation, "frontal_image": "front.jpg"})
    assert "frontal_image: must be a full path" in text_of(result)
    assert (last_line(result)["kind"], last_line(result)["created"]) == ("bad_input", "no")
    assert structured(await client.call_tool(CREATE, creation))["task_status"] == "succeed"
