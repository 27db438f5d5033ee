"""`/tasks` shows the tasks of every product and of both standards.

facts: tasks-get, tasks-20, tasks-list, gen-lookup
"""

from __future__ import annotations

from typing import Any

import pytest

from kling_mcp.simulator import Quirks
from simulator.box import KEY, START, VOICES, Box, data, refusal, video_creation
from simulator.generation_box import (
    BODIES,
    GENERATIONS,
    OLD_TEXT,
    OMNI,
    OMNI_IMAGE,
    finished,
    make,
    own_element,
    tasks,
    with_external_id,
)

pytestmark = pytest.mark.anyio
NOW_MS = round(START * 1000)
DAY = 24 * 3600


async def listed(box: Box, **body: Any) -> dict[str, Any]:
    return data(await box.http.post("/tasks", json=body))


async def ids_of(box: Box, **body: Any) -> list[str]:
    return [row["id"] for row in (await listed(box, **body))["result"]]


@pytest.mark.parametrize("path", BODIES)
async def test_record_goes_from_submitted_to_succeeded_and_names_no_product(box: Box, path: str) -> None:
    """Facts: gen30-reply, tasks-name-nothing, terminal-succeed."""
    box.faults.slow_task(100)
    task_id = await make(box, path, with_external_id(path, "x"))
    seen = []
    for seconds in (0.0, 1.0, 99.0):
        box.clock.now = START + 1 + seconds
        (row,) = await tasks(box, task_id)
        seen.append((row["status"], row["update_time"] - row["create_time"]))
    assert seen == [("processing", 1000), ("processing", 1000), ("succeeded", 100_000)]
    assert (row["message"], row["external_id"]) == ("", "x")
    known = {"id", "status", "message", "create_time", "update_time", "external_id", "outputs", "billing"}
    assert set(row) == known


async def test_outputs_of_a_clip(box: Box) -> None:
    """Fact: tasks-outputs."""
    row = await finished(box, OMNI)
    (clip,) = row["outputs"]
    assert {name: clip[name] for name in ("type", "watermark_url", "duration")} == {
        "type": "video",
        "watermark_url": "",
        "duration": "5.041",
    }
    assert clip["id"].isdigit()
    assert clip["id"] != row["id"]
    assert clip["url"].startswith("https://api-singapore.klingai.com/_simulator/files/")


async def test_outputs_of_pictures_have_no_id_and_no_index(box: Box) -> None:
    """Facts: tasks-image-outputs, old-images."""
    single = await finished(box, OMNI_IMAGE, {**BODIES[OMNI_IMAGE], "n": 3})
    assert [set(picture) for picture in single["outputs"]] == [{"type", "url", "watermark_url"}] * 3
    assert len({picture["url"] for picture in single["outputs"]}) == 3
    record = data(await box.query(single["id"], OMNI_IMAGE))
    assert [row["index"] for row in record["task_result"]["images"]] == [0, 1, 2]

    series = await finished(box, OMNI_IMAGE, {**BODIES[OMNI_IMAGE], "result_type": "series"})
    assert len(series["outputs"]) == 4
    assert len({picture["group_id"] for picture in series["outputs"]}) == 1
    record = data(await box.query(series["id"], OMNI_IMAGE))
    assert [row["url"] for row in record["task_result"]["series_images"]] == [row["url"] for row in series["outputs"]]


async def test_older_record_holds_the_same_clip(box: Box) -> None:
    """Facts: old-query, old-record."""
    row = await finished(box, OLD_TEXT, {**BODIES[OLD_TEXT], "watermark_info": {"enabled": True}})
    record = data(await box.query(row["id"], OLD_TEXT))
    (clip,) = row["outputs"]
    del clip["type"]
    assert record["task_result"]["videos"] == [clip]
    assert clip["watermark_url"]
    assert record["watermark_info"] == {"enabled": True}
    assert record["final_balance_deduction"] == {"quota": "0", "list_price": "0"}
    assert record["created_at"] == row["create_time"]


async def test_tasks_element_references_and_a_voice(box: Box) -> None:
    """Facts: tasks-element-output, tasks-element-references."""
    voice = {"voice_name": "Low voice", "voice_url": "https://example.com/a.mp3", "external_task_id": "v"}
    await box.http.post(VOICES, json=voice)
    box.clock.now += 20
    (row,) = await tasks(box, "v", name="external_task_ids")
    (spoken,) = row["outputs"]
    assert (spoken["type"], spoken["name"], spoken["status"]) == ("voice", "Low voice", "succeeded")
    assert row["billing"][0] == {
        "charge_type": "unit",
        "cash_type": "",
        "amount": "0.05",
        "currency": "",
        "package_type": "video",
        "list_price": "",
    }

    await box.created(element_voice_id=spoken["id"], tag_list=[{"tag_id": "o_102"}], external_task_id="e")
    box.clock.now += 20
    (row,) = await tasks(box, "e", name="external_task_ids")
    (element,) = row["outputs"]
    assert isinstance(element["id"], str)
    assert (element["type"], element["element_type"], element["status"]) == (
        "element",
        "multi_image_elements",
        "succeeded",
    )
    roles = [(one["type"], one["role"]) for one in element["references"]]
    assert roles == [("image", "frontal"), ("image", "reference"), ("voice", "refer")]
    assert [tag["name"] for tag in element["tags"]] == ["Character"]
    assert row["billing"][0]["amount"] == "0"
    await box.delete(element["id"])
    (row,) = await tasks(box, "e", name="external_task_ids")
    assert row["outputs"][0]["status"] == "deleted"


async def test_video_element_is_a_character_of_a_video(box: Box) -> None:
    await box.http.post("/v1/general/advanced-custom-elements", json=video_creation(external_task_id="e"))
    box.clock.now += 20
    (row,) = await tasks(box, "e", name="external_task_ids")
    assert row["outputs"][0]["element_type"] == "video_character_elements"
    assert row["outputs"][0]["references"][0]["role"] == "refer"


async def test_tasks_field_names_may_be_others() -> None:
    """Fact: tasks-field-names."""
    quirks = Quirks(tasks_outputs="references", tasks_materials="materials", tasks_role="refer")
    async with Box(quirks=quirks) as box:
        task_id = own_element(box).task_id
        (row,) = await tasks(box, task_id)
        assert [one["role"] for one in row["references"][0]["materials"]] == ["frontal", "refer"]


async def test_get_leaves_unknown_and_foreign_ids_out(box: Box) -> None:
    foreign = box.world.add_element("another account", "Mia").task_id
    own = await make(box, OMNI)
    assert [row["id"] for row in await tasks(box, "1", own, foreign, own)] == [own]
    assert await tasks(box, own, name="external_task_ids") == []


@pytest.mark.parametrize(
    "query",
    [
        "",
        "task_ids=",
        "task_ids=1&external_task_ids=x",
        "task_ids=" + ",".join(map(str, range(21))),
        "ids=1",
        "task_ids=1&task_ids=2",
    ],
)
async def test_tasks_get_takes_1_to_20_ids_of_one_kind(box: Box, query: str) -> None:
    assert refusal(await box.http.get(f"/tasks?{query}"))[1] == 1201
    twenty = "task_ids=" + ",".join(map(str, range(20)))
    assert (await box.http.get(f"/tasks?{twenty}")).json()["data"] == []


async def test_list_shows_everything_of_the_last_30_days(box: Box) -> None:
    account = box.world.account_of(KEY)
    old = box.world.add_element(account, "old", created_at=START - 31 * DAY).task_id
    young = box.world.add_element(account, "young", created_at=START - 29 * DAY).task_id
    made = [await make(box, path) for path in BODIES]
    assert await ids_of(box) == [*reversed(made), young]
    assert await ids_of(box, start_time=NOW_MS - 40 * DAY * 1000, end_time=NOW_MS - 30 * DAY * 1000) == [old]
    assert await ids_of(box, start_time=str(NOW_MS - 40 * DAY * 1000), end_time=str(NOW_MS - 1)) == [young, old]
    assert (await listed(box))["count"] == len(made) + 1


async def test_list_filters_by_status_and_product(box: Box) -> None:
    """Fact: tasks-list-filters."""
    clip, picture = await make(box, OMNI), await make(box, GENERATIONS)
    element = own_element(box).task_id

    async def found(**filters: list[str]) -> set[str]:
        rows = [{"key": key, "values": values} for key, values in filters.items()]
        return set(await ids_of(box, filters=rows))

    assert await found(product_type=["image"]) == {picture}
    assert await found(product_type=["video"]) == {clip, element}
    assert await found(status=["submitted"]) == {clip, picture}
    assert await found(status=["succeeded", "failed"]) == {element}
    assert await found(status=["succeeded"], product_type=["image"]) == set()
    assert await found(status=[]) == {clip, picture, element}


async def test_cursor_walks_through_the_list_while_it_grows(box: Box) -> None:
    made = [own_element(box).task_id for _ in range(7)]
    seen: list[str] = []
    page = await listed(box, limit=3)
    while True:
        seen += [row["id"] for row in page["result"]]
        if not page["has_more"]:
            break
        own_element(box)
        page = await listed(box, cursor=page["next_cursor"], start_time=1, end_time=2)  # times have no effect
    assert seen == made[::-1]
    assert page["next_cursor"] == ""


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 0},
        {"limit": 501},
        {"limit": "10"},
        {"cursor": "nonsense"},
        {"cursor": "bnVsbA=="},
        {"start_time": "yesterday"},
        {"start_time": NOW_MS + 1},
        {"start_time": True},
        {"filters": [{"key": "colour", "values": ["red"]}]},
        {"filters": [{"key": "status", "values": "failed"}]},
        {"filters": ["status"]},
        {"page": 1},
    ],
)
async def test_tasks_list_refuses_what_it_cannot_read(box: Box, body: dict[str, Any]) -> None:
    assert refusal(await box.http.post("/tasks", json=body))[1] == 1201


@pytest.mark.parametrize(
    ("path", "least", "most"),
    [
        (OMNI_IMAGE, 24, 32),
        ("/text-to-video/kling-3.0-turbo", 28, 28),
        (OMNI, 83, 83),
        ("/text-to-video/kling-3.0", 30, 320),
        ("/v1/videos/omni-video", 83, 83),
    ],
)
async def test_gen_times_are_those_that_were_measured(box: Box, path: str, least: float, most: float) -> None:
    """Fact: gen-times."""
    row = await finished(box, path)
    assert least * 1000 <= row["update_time"] - row["create_time"] <= most * 1000


async def test_durations_are_asked_for_by_kind() -> None:
    asked: list[str] = []

    def remember(kind: str, _: object) -> float:
        asked.append(kind)
        return 0.0

    async with Box(durations=remember) as box:
        for path in (OMNI, "/text-to-video/kling-3.0-turbo", OLD_TEXT, GENERATIONS):
            row = await finished(box, path)
            assert row["status"] == "succeeded"
        reference = {"type": "refer_image", "url": "https://example.com/a.png", "id": "image_1"}
        rows = [{"type": "prompt", "text": "@image_1"}, reference]
        await make(box, OMNI, {"contents": rows, "settings": {"aspect_ratio": "1:1"}})
    assert asked == ["video_omni", "video_turbo", "video", "image", "video_omni_references"]
