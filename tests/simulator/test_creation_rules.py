"""What a creation may hold. Every refusal leaves nothing behind. fact: create-fields"""

from typing import Any

import pytest

from kling_mcp.simulator import Quirks
from simulator.box import (
    ELEMENTS,
    Box,
    as_base64,
    data,
    element,
    image_creation,
    images,
    picture_bytes,
    refusal,
    video_creation,
)

pytestmark = pytest.mark.anyio
LINK = "https://example.com/side.png"


async def test_a_creation_with_every_field_is_accepted_and_kept(box: Box) -> None:
    voice = box.world.add_voice(box.world.account_of("an-api-key"), "Low voice")
    body = image_creation(
        element_voice_id=voice.voice_id,
        tag_list=[{"tag_id": "o_102"}, {"tag_id": "o_108"}],
        callback_url="https://example.com/hook",
        external_task_id="kmcp-1",
    )
    reply = data(await box.http.post(ELEMENTS, json=body))
    assert reply == {
        "task_id": reply["task_id"],
        "task_info": {"external_task_id": "kmcp-1"},
        "task_status": "submitted",
        "created_at": 1_780_000_000_000,
        "updated_at": 1_780_000_000_000,
    }
    box.clock.now += 5
    made = element(data(await box.query(reply["task_id"])))
    assert made["element_name"] == "Mia"
    assert made["element_description"] == body["element_description"]
    assert made["element_image_list"] == body["element_image_list"]
    assert [tag["id"] for tag in made["tag_list"]] == ["o_102", "o_108"]
    assert made["element_voice_info"]["voice_name"] == "Low voice"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"element_name": None}, "element_name is required"),
        ({"element_name": ""}, "element_name is required"),
        ({"element_name": 7}, "element_name must be a string"),
        ({"element_name": "n" * 21}, "element_name must be at most 20 characters"),
        ({"element_description": None}, "element_description is required"),
        ({"element_description": "d" * 101}, "element_description must be at most 100 characters"),
        ({"reference_type": None}, "reference_type is required"),
        ({"reference_type": "image"}, "reference_type must be image_refer or video_refer"),
        ({"element_image_list": None}, "element_image_list is required and must be an object"),
        ({"element_image_list": []}, "element_image_list is required and must be an object"),
        ({"element_image_list": {"refer_images": [{"image_url": LINK}]}}, "frontal_image is required"),
        (
            {"element_image_list": {"frontal_image": {"image_url": LINK}, "refer_images": []}},
            "frontal_image must be a string",  # fact: frontal-is-string
        ),
        (
            {"element_image_list": {"frontal_image": LINK, "refer_images": [LINK]}},
            "refer_images[0] must be an object",
        ),
        (
            {"element_image_list": {"frontal_image": LINK, "refer_images": [{"image_url": ""}]}},
            "image_url is required",
        ),
        (
            {"element_image_list": {"frontal_image": LINK, "refer_images": [{"url": LINK}]}},
            "unknown field: refer_images[0].url",
        ),
        ({"element_image_list": {**images(), "extra": 1}}, "unknown field: element_image_list.extra"),
        ({"element_voice_id": 7}, "element_voice_id must be a string"),
        ({"element_voice_id": "830000000000000000"}, "Voice id not found: 830000000000000000"),
        ({"tag_list": "o_102"}, "tag_list must be an array"),
        ({"tag_list": ["o_102"]}, "tag_list[0] must be an object"),
        ({"tag_list": [{"tag_id": "o_109"}]}, "Tag id not found: o_109"),
        ({"tag_list": [{"tag_id": "o_102", "name": "x"}]}, "unknown field: tag_list[0].name"),
        ({"callback_url": "example.com"}, "callback_url is not a valid url"),
        ({"external_task_id": 7}, "external_task_id must be a string"),
        ({"watermark": True}, "unknown field: watermark"),
    ],
)
async def test_a_creation_that_breaks_a_rule_is_refused(box: Box, changes: dict[str, Any], message: str) -> None:
    assert refusal(await box.create(**changes)) == (400, 1201, message)
    assert await box.page() == []
    assert not box.world.requests[0].committed


@pytest.mark.parametrize("refers", [[], [{"image_url": LINK}] * 4, None, {"image_url": LINK}])
async def test_msg_refer_count_wants_one_to_three_other_pictures(box: Box, refers: object) -> None:
    pictures = {"frontal_image": LINK, "refer_images": refers}
    reply = await box.create(element_image_list=pictures)
    assert refusal(reply) == (400, 1201, "The number of element refer images must be between 1 and 3")


async def test_frontal_may_repeat(box: Box) -> None:
    same = as_base64(picture_bytes())
    assert await box.created(element_image_list=images(same, same, same, same))


async def test_name_20_and_description_100_are_just_allowed(box: Box) -> None:
    assert await box.created(element_name="名" * 20, element_description="😀" * 100)


async def test_characters_may_be_counted_as_utf_16_units() -> None:
    async with Box(quirks=Quirks(characters="utf-16")) as box:
        assert await box.created(element_name="😀" * 10)
        reply = await box.create(element_name="😀" * 10 + "a")
        assert refusal(reply) == (400, 1201, "element_name must be at most 20 characters")


async def test_name_not_unique_so_two_elements_may_share_one(box: Box) -> None:
    assert await box.ready() != await box.ready()


async def test_empty_optional_texts_bind_nothing(box: Box) -> None:
    task = await box.created(element_voice_id="", callback_url="", external_task_id="", tag_list=[])
    box.clock.now += 5
    record = data(await box.query(task))
    assert record["task_info"] == {}
    assert element(record)["element_voice_info"] == {}


async def test_a_video_creation_is_accepted_and_its_images_are_empty(box: Box) -> None:
    task = data(await box.http.post(ELEMENTS, json=video_creation()))["task_id"]
    box.clock.now += 19.9
    assert data(await box.query(task))["task_status"] == "processing"
    box.clock.now += 0.1
    made = element(data(await box.query(task)))
    assert made["element_video_list"] == {"refer_videos": [{"video_url": "https://example.com/host.mp4"}]}
    assert made["element_image_list"] == {}


VIDEO = {"video_url": "https://example.com/host.mp4"}
ONE_VIDEO = "The number of element refer videos must be 1"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (video_creation("", element_video_list={}), ONE_VIDEO),
        (video_creation(element_video_list={"refer_videos": []}), ONE_VIDEO),
        (video_creation(element_video_list={"refer_videos": [VIDEO, VIDEO]}), ONE_VIDEO),  # fact: video-count
        (video_creation(element_video_list={"refer_videos": ["x"]}), ONE_VIDEO),
        (video_creation(""), "video_url is required"),
        (video_creation("AAAA"), "video_url is not a valid url"),  # fact: video-url-only
        (video_creation("http://[bad/host.mp4"), "video_url is not a valid url"),
        (video_creation("https://example.invalid/host.mp4"), "video_url can not be downloaded"),
        (video_creation("https://example.com/host.avi"), "video_url: format .avi is not supported"),
        (video_creation(element_image_list=images()), "element_image_list is not allowed for video_refer"),
    ],
)
async def test_a_video_that_breaks_a_rule_is_refused(box: Box, body: dict[str, Any], message: str) -> None:
    assert refusal(await box.http.post(ELEMENTS, json=body)) == (400, 1201, message)


async def test_a_video_list_has_no_effect_for_images(box: Box) -> None:
    assert await box.created(element_video_list={"refer_videos": "ignored"})


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b'{"element_name": NaN}', b"\xff\xfe{}"])
async def test_a_body_that_is_no_json_object_is_refused_with_1200(box: Box, body: bytes) -> None:
    reply = await box.http.post(ELEMENTS, content=body)
    assert refusal(reply) == (400, 1200, "The request body must be a JSON object")


async def test_headers_json_must_be_announced(box: Box) -> None:
    reply = await box.http.post(ELEMENTS, json=image_creation(), headers={"Content-Type": "text/plain"})
    assert refusal(reply) == (400, 1200, "Content-Type must be application/json")


async def test_unknown_query_parameters_are_refused(box: Box) -> None:
    reply = await box.http.post(ELEMENTS, json=image_creation(), params={"debug": "1"})
    assert refusal(reply) == (400, 1201, "unknown query parameter: debug")


async def test_a_lenient_world_overlooks_what_it_does_not_know() -> None:
    async with Box(strict=False) as box:
        body = image_creation(watermark=True)
        reply = await box.http.post(ELEMENTS, json=body, params={"debug": "1"}, headers={"Content-Type": "text/plain"})
        assert data(reply)["task_status"] == "submitted"


async def test_simulator_answers_with_and_without_a_trailing_slash(box: Box) -> None:
    assert data(await box.http.post(ELEMENTS + "/", json=image_creation()))["task_id"]


async def test_body_40mb_is_the_cap_and_a_proxy_says_so() -> None:
    async with Box(max_body_bytes=500) as box:
        assert await box.created()
        reply = await box.create(element_image_list=images("A" * 600))
        assert reply.status_code == 413
        assert reply.headers["content-type"].startswith("text/html")
        assert box.world.requests[-1].status == 413
        assert len(await box.page()) == 1


async def test_msg_external_id_used_also_after_a_failed_task(box: Box) -> None:
    box.faults.fail_task()
    await box.created(external_task_id="kmcp-1")
    box.clock.now += 60
    reply = await box.create(external_task_id="kmcp-1")
    assert refusal(reply) == (400, 1201, "External_task_id kmcp-1 already exists")
    assert box.account_creations() == {"kmcp-1": 1}


async def test_a_used_external_id_may_make_a_second_element() -> None:
    async with Box(quirks=Quirks(refuse_used_external_id=False)) as box:
        first, second = await box.created(external_task_id="x"), await box.created(external_task_id="x")
        assert first != second
        assert box.account_creations() == {"x": 2}
        assert data(await box.query("x"))["task_id"] == second
