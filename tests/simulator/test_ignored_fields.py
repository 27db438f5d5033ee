"""What Kling does not understand is ignored and billed. The simulator counts it, so that a test can demand zero.

facts: gen-unknown-fields-billed, handle-wrong-is-billed, gen-handle-missing
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from simulator.box import Box, refusal
from simulator.generation_box import (
    BASE,
    BODIES,
    CLIP,
    FEATURE,
    FRAME,
    FROM_IMAGE,
    FROM_TEXT,
    GENERATIONS,
    O1,
    OLD_IMAGE,
    OLD_OMNI,
    OLD_TEXT,
    OMNI,
    OMNI_IMAGE,
    PICTURE,
    TURBO_TEXT,
    make,
    new_body,
    own_element,
    person,
    refer,
    tasks,
)

if TYPE_CHECKING:
    from kling_mcp.simulator.records import GenerationTask

pytestmark = pytest.mark.anyio
RATIO = {"aspect_ratio": "16:9"}


def older(path: str, **changes: Any) -> dict[str, Any]:
    return {**BODIES[path], **changes}


@pytest.mark.parametrize("path", BODIES)
async def test_unknown_field_at_every_level_is_ignored_and_billed(box: Box, path: str) -> None:
    body: dict[str, Any] = {**BODIES[path], "colour": "red", "watermark_info": {"enabled": False, "size": 1}}
    await make(box, path, body)
    wanted = ["colour", "watermark_info"] if path.count("/") == 2 else ["colour", "watermark_info.size"]
    assert box.world.ignored_fields == [f"POST {path}: {name}" for name in wanted]
    assert box.world.requests[-1].ignored == wanted
    assert only(box).units > 0


def only(box: Box) -> GenerationTask:
    """The one generation that was made."""
    (task,) = box.world.generations.values()
    return task


@pytest.mark.parametrize(
    ("path", "body", "ignored"),
    [
        (FROM_TEXT, {"prompt": "x", "settings": {"durations": 10}}, ["settings.durations"]),
        (FROM_TEXT, {"prompt": "x", "options": {"external_id": "x"}}, ["options.external_id"]),
        (FROM_TEXT, {"prompt": "x", "contents": []}, ["contents"]),
        (TURBO_TEXT, {"prompt": "x", "settings": {"audio": "native"}}, ["settings.audio"]),
        (TURBO_TEXT, {"prompt": "x", "settings": {"multi_shot": True}}, ["settings.multi_shot"]),
        (FROM_IMAGE, new_body(FRAME, aspect_ratio="1:1"), ["settings.aspect_ratio"]),
        (FROM_IMAGE, new_body(FRAME | {"id": "image_1"}), ["contents[1].id"]),
        (FROM_IMAGE, new_body(FRAME, refer()), ["contents[2].url", "contents[2].id", "contents[2].type refer_image"]),
        (OMNI, new_body(FRAME, {"type": "frame"}), ["contents[2].type frame"]),
        (OMNI, new_body(FRAME | {"image": PICTURE}), ["contents[1].image"]),
        (OMNI, new_body(BASE, duration=10), ["settings.duration"]),  # fact: gen30-with-video
        (O1, new_body(FRAME, multi_shot=True), ["settings.multi_shot"]),
        (OLD_TEXT, older(OLD_TEXT, settings={"duration": 10}), ["settings"]),
        (OLD_TEXT, older(OLD_TEXT, options={"external_task_id": "x"}), ["options"]),
        (OLD_TEXT, older(OLD_TEXT, model="kling-v3"), ["model"]),
        (OLD_IMAGE, older(OLD_IMAGE, aspect_ratio="1:1"), ["aspect_ratio"]),
        (OLD_IMAGE, older(OLD_IMAGE, voice_list=[]), ["voice_list"]),
        (OLD_OMNI, older(OLD_OMNI, multi_prompt=[{"index": 1}]), ["multi_prompt"]),
        (OLD_OMNI, older(OLD_OMNI, video_list=[{"video_url": CLIP}], duration="10"), ["duration"]),
        (OMNI_IMAGE, older(OMNI_IMAGE, series_amount=3), ["series_amount"]),
        (OMNI_IMAGE, older(OMNI_IMAGE, negative_prompt="x"), ["negative_prompt"]),
        (GENERATIONS, older(GENERATIONS, image_list=[{"image": PICTURE}]), ["image_list"]),
        (GENERATIONS, older(GENERATIONS, result_type="series"), ["result_type"]),
    ],
)
async def test_misspelt_misplaced_or_useless_field_is_ignored(
    box: Box, path: str, body: Any, ignored: list[str]
) -> None:
    await make(box, path, body)
    assert box.world.requests[-1].ignored == ignored


async def test_flat_body_makes_a_default_clip_without_its_external_id(box: Box) -> None:
    flat = {"prompt": "x", "duration": 10, "resolution": "1080p", "external_task_id": "x"}
    await make(box, FROM_TEXT, flat)
    task = only(box)
    assert (task.order.seconds, task.order.resolution, str(task.units)) == (5, "720p", "3.0")
    assert await tasks(box, "x", name="external_task_ids") == []
    assert box.world.requests[0].ignored == ["duration", "resolution", "external_task_id"]


async def test_refused_request_ignores_nothing_since_it_is_not_billed(box: Box) -> None:
    assert refusal(await box.http.post(OMNI, json={**new_body(), "colour": "red"}))[1] == 1201
    assert box.world.ignored_fields == []


@pytest.mark.parametrize(
    ("prompt", "ignored"),
    [
        ("@mia and @image_1 walk", []),
        ("@mia,@image_1;walk @mia", []),
        ("@mia跳舞 @image_1", []),
        ("write to a@b.example about @mia and @image_1", []),
        ("mia and @image_1 walk", ["contents[1].id mia is not in the prompt"]),
        ("@mia walks", ["contents[2].id image_1 is not in the prompt"]),
        ("@mia and @image_1 and @sara", ["prompt @sara"]),
        ("@mia and @image_1 with @video_1", ["prompt @video_1"]),
        ("@Mia @image_1", ["prompt @Mia", "contents[1].id mia is not in the prompt"]),
        ("@mias @image_1", ["prompt @mias", "contents[1].id mia is not in the prompt"]),
        ("<<<element_1>>> @image_1", ["contents[1].id mia is not in the prompt"]),
    ],
)
async def test_handle_new_must_match_the_contents(box: Box, prompt: str, ignored: list[str]) -> None:
    """Facts: handle-new, gen30-content-ids."""
    element_id = own_element(box).element_id
    await make(box, OMNI, new_body(person(element_id), refer(), prompt=prompt, **RATIO))
    assert box.world.requests[-1].ignored == ignored


async def test_frames_and_videos_may_have_a_handle_that_is_not_used(box: Box) -> None:
    await make(box, OMNI, new_body(FRAME | {"id": "image_1"}, FEATURE | {"id": "video_1"}))
    await make(box, OMNI, new_body(FRAME | {"id": "image_1"}, FEATURE | {"id": "video_1"}, prompt="@video_1 @image_1"))
    assert box.world.ignored_fields == []


@pytest.mark.parametrize(
    ("prompt", "ignored"),
    [
        ("<<<element_1>>> in <<<image_1>>>", []),
        ("<<<element_1>>>", ["image 1 is not in the prompt"]),
        ("<<<image_1>>>", ["element 1 is not in the prompt"]),
        ("<<<element_1>>> <<<image_1>>> <<<element_2>>>", ["prompt <<<element_2>>>"]),
        ("<<<element_0>>> <<<element_1>>> <<<image_1>>>", ["prompt <<<element_0>>>"]),
        ("<<<element_1>>> <<<image_1>>> <<<video_1>>>", ["prompt <<<video_1>>>"]),
        ("<<<element_1>>> <<<image_1>>> <<<person_1>>>", ["prompt <<<person_1>>>"]),
        ("@mia", ["element 1 is not in the prompt", "image 1 is not in the prompt"]),
    ],
)
@pytest.mark.parametrize("path", [OLD_OMNI, OMNI_IMAGE])
async def test_handle_legacy_must_match_the_lists(box: Box, path: str, prompt: str, ignored: list[str]) -> None:
    """Fact: handle-legacy."""
    pictures = [{"image_url" if path == OLD_OMNI else "image": PICTURE}]
    elements = [{"element_id": own_element(box).element_id}]
    await make(box, path, older(path, image_list=pictures, element_list=elements, prompt=prompt))
    assert sorted(box.world.requests[-1].ignored) == sorted(ignored)


async def test_handles_in_shots_count_as_those_of_the_prompt(box: Box) -> None:
    rows = [{"index": 1, "prompt": "<<<element_1>>> sits", "duration": "5"}]
    given: dict[str, Any] = {"multi_shot": True, "shot_type": "customize", "multi_prompt": rows, "prompt": ""}
    await make(box, OLD_OMNI, older(OLD_OMNI, element_list=[{"element_id": own_element(box).element_id}], **given))
    assert box.world.ignored_fields == []


async def test_first_frame_of_an_older_body_needs_no_handle(box: Box) -> None:
    """Fact: old-no-type."""
    frames = [{"image_url": PICTURE, "type": "first_frame"}, {"image_url": PICTURE, "type": "end_frame"}]
    await make(box, OLD_OMNI, older(OLD_OMNI, image_list=frames))
    await make(box, OLD_OMNI, older(OLD_OMNI, image_list=frames, prompt="from <<<image_1>>> to <<<image_2>>>"))
    assert box.world.ignored_fields == []


async def test_ignored_fields_can_be_asked_for_from_another_process() -> None:
    async with Box(control=True) as box:
        await make(box, FROM_TEXT, {"prompt": "x", "colour": "red"})
        wanted = [f"POST {FROM_TEXT}: colour"]
        assert (await box.http.get("/_simulator/ignored")).json() == wanted
        assert (await box.http.get("/_simulator/state")).json()["ignored_fields"] == wanted
        assert (await box.http.get("/_simulator/requests")).json()[0]["ignored"] == ["colour"]
