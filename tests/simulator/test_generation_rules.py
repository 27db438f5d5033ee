"""What a generation is refused for. A refusal is free and leaves nothing behind. fact: gen-billed-at-end"""

from __future__ import annotations

from typing import Any

import pytest

from simulator.box import Box, as_base64, picture_bytes, refusal
from simulator.generation_box import (
    BASE,
    BODIES,
    CLIP,
    FEATURE,
    FRAME,
    FROM_IMAGE,
    FROM_TEXT,
    GENERATIONS,
    LAST,
    MOTION,
    O1,
    OLD_IMAGE,
    OLD_MOTION,
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
)

pytestmark = pytest.mark.anyio
RATIO = {"aspect_ratio": "16:9"}


def older(path: str, **changes: Any) -> dict[str, Any]:
    """An older body with changes; None leaves a field out."""
    return {name: value for name, value in {**BODIES[path], **changes}.items() if value is not None}


def frame(url: str) -> dict[str, Any]:
    return new_body({"type": "first_frame", "url": url})


def shots(prompt: str, duration: int = 5, **settings: Any) -> dict[str, Any]:
    return {"prompt": prompt, "settings": {"duration": duration, **settings}}


def customized(*lengths: str, **changes: Any) -> dict[str, Any]:
    rows = [{"index": place, "prompt": "x", "duration": length} for place, length in enumerate(lengths, start=1)]
    return older(OLD_OMNI, multi_shot=True, shot_type="customize", multi_prompt=rows, duration="5", **changes)


MOTION_ROWS = ({"type": "image", "url": PICTURE}, {"type": "video", "url": CLIP})

# Facts: gen30-first-frame-required, gen30-models, gen30-prompt, gen30-prompt-lengths, gen30-pictures, gen30-videos,
# gen30-with-video, gen30-shots, handle-new, old-omni-fields, old-image2video-fields, old-duration-text, old-images.
REFUSED: dict[str, list[Any]] = {
    FROM_TEXT: [
        {},
        {"prompt": ""},
        {"prompt": 7},
        {"prompt": "x" * 3073},
        {"prompt": "x", "settings": []},
        shots("x", 2),
        shots("x", 16),
        {"prompt": "x", "settings": {"duration": "5"}},
        {"prompt": "x", "settings": {"duration": 5.0}},
        shots("x", audio=True),
        shots("x", audio="original"),
        shots("x", resolution="8k"),
        shots("x", aspect_ratio="4:3"),
        shots("x", multi_shot="yes"),
        shots("shot 1, 2, a; shot 2, 2, b;"),
        shots("".join(f"shot {n}, 1, a; " for n in range(1, 8)), 7),
        shots(f"shot 1, 5, {'x' * 513};"),
        shots("shot 1, 0, a; shot 2, 5, b;"),
        {"prompt": "x", "options": {"external_task_id": 7}},
        {"prompt": "x", "options": {"callback_url": "nowhere"}},
        {"prompt": "x", "options": {"watermark_info": {"enabled": "yes"}}},
    ],
    TURBO_TEXT: [shots("x", resolution="4k"), shots("shot 1, 4, a;"), {"prompt": "x" * 3073}],
    "/image-to-video/kling-3.0-turbo": [new_body(), new_body(FRAME, prompt="x" * 2501)],
    FROM_IMAGE: [
        {},
        {"contents": []},
        {"contents": {}},
        {"contents": ["x"]},
        new_body(),
        new_body(LAST),
        new_body(FRAME, FRAME),
        new_body(FRAME, audio=False),
        new_body({"type": "first_frame"}),
        frame("data:image/png;base64,AAAA"),
        frame("https://example.invalid/a.png"),
        frame(as_base64(picture_bytes(299, 400))),
        frame(as_base64(picture_bytes(300, 751))),
        frame(as_base64(picture_bytes(image_format="GIF"))),
    ],
    OMNI: [
        {"contents": [], "settings": RATIO},
        new_body(),  # aspect_ratio is missing
        new_body(refer()),
        new_body(FEATURE, prompt="", **RATIO),
        new_body(FEATURE, BASE, **RATIO),
        new_body(FEATURE, audio="native", **RATIO),
        new_body(FEATURE, multi_shot=False, **RATIO),
        new_body(BASE, FRAME),
        new_body(BASE, audio="native"),
        new_body(BASE, multi_shot=True),
        new_body(audio="original", **RATIO),
        new_body(LAST, **RATIO),
        new_body(FRAME, duration=2),
        new_body({"type": "feature_video", "url": "AAAA"}, **RATIO),
        new_body({"type": "feature_video", "url": "https://example.com/a.avi"}, **RATIO),
        new_body(refer("a"), refer("a"), **RATIO),
        new_body(refer("mia"), refer("miala"), **RATIO),
        new_body(*(refer(f"p{place}") for place in range(8)), **RATIO),
        new_body(FEATURE, *(refer(f"p{place}") for place in range(5)), **RATIO),
    ],
    O1: [
        new_body(**RATIO, duration=11),
        new_body(**RATIO, duration=6),
        new_body(FRAME, duration=7),
        new_body(**RATIO, audio="native"),
        new_body(**RATIO, resolution="4k"),
        new_body(FRAME, LAST, refer()),
        new_body(FRAME, LAST, FEATURE),
        new_body(FEATURE, *(refer(f"p{place}") for place in range(5)), **RATIO),
    ],
    MOTION: [
        new_body(*MOTION_ROWS),
        new_body(*MOTION_ROWS, character_orientation="left"),
        new_body(MOTION_ROWS[0], character_orientation="video"),
        new_body(MOTION_ROWS[1], character_orientation="video"),
        new_body(*MOTION_ROWS, character_orientation="video", audio="native"),
        new_body(*MOTION_ROWS, character_orientation="video", resolution="4k"),
        new_body(*MOTION_ROWS, character_orientation="video", prompt="x" * 2501),
    ],
    OLD_OMNI: [
        older(OLD_OMNI, prompt=None),
        older(OLD_OMNI, prompt="x" * 2501),
        older(OLD_OMNI, aspect_ratio=None),
        older(OLD_OMNI, duration=5),
        older(OLD_OMNI, duration="16"),
        older(OLD_OMNI, duration="2"),
        older(OLD_OMNI, mode="720p"),
        older(OLD_OMNI, sound=True),
        older(OLD_OMNI, sound="native"),
        older(OLD_OMNI, sound="on", video_list=[{"video_url": CLIP, "refer_type": "feature"}]),
        older(OLD_OMNI, video_list=[{"video_url": CLIP}] * 2),
        older(OLD_OMNI, video_list=[{"video_url": CLIP, "refer_type": "style"}]),
        older(OLD_OMNI, image_list=[{"image_url": PICTURE, "type": "last_frame"}]),
        older(OLD_OMNI, image_list=[{"image_url": PICTURE, "type": "end_frame"}]),
        older(OLD_OMNI, image_list=[{"image": PICTURE}]),
        older(OLD_OMNI, multi_shot=True),
        customized("2", "2"),
        customized(*["1"] * 7),
        older(OLD_OMNI, model_name="kling-video-o1", duration="7"),
        older(OLD_OMNI, model_name="kling-video-o1", mode="4k"),
        older(OLD_OMNI, model_name="kling-video-o1", sound="on"),
    ],
    OLD_IMAGE: [older(OLD_IMAGE, image=None), older(OLD_IMAGE, duration=5), older(OLD_IMAGE, image_tail=7)],
    OLD_TEXT: [older(OLD_TEXT, prompt=None), older(OLD_TEXT, duration=5), older(OLD_TEXT, aspect_ratio="4:3")],
    OLD_MOTION: [
        older(OLD_MOTION, image_url=None),
        older(OLD_MOTION, video_url=None),
        older(OLD_MOTION, character_orientation=None),
        older(OLD_MOTION, keep_original_sound=True),
        older(OLD_MOTION, mode="4k"),
        older(OLD_MOTION, model_name=None),  # its default is an older model, which is not played
    ],
    OMNI_IMAGE: [
        older(OMNI_IMAGE, prompt=None),
        older(OMNI_IMAGE, n=0),
        older(OMNI_IMAGE, n=10),
        older(OMNI_IMAGE, n="1"),
        older(OMNI_IMAGE, resolution="8k"),
        older(OMNI_IMAGE, model_name="kling-image-o1", resolution="4k"),
        older(OMNI_IMAGE, model_name="kling-image-o1", result_type="series"),
        older(OMNI_IMAGE, result_type="series", series_amount=10),
        older(OMNI_IMAGE, aspect_ratio="5:4"),
        older(OMNI_IMAGE, image_list=[{"image": PICTURE}] * 11),
    ],
    GENERATIONS: [
        older(GENERATIONS, aspect_ratio="auto"),
        older(GENERATIONS, resolution="4k"),
        older(GENERATIONS, n=10),
        older(GENERATIONS, image="nothing"),
    ],
}


@pytest.mark.parametrize(("path", "body"), [(path, body) for path, bodies in REFUSED.items() for body in bodies])
async def test_body_that_breaks_a_rule_is_refused_and_free(box: Box, path: str, body: Any) -> None:
    assert refusal(await box.http.post(path, json=body))[:2] == (400, 1201)
    assert box.account_creations() == {}
    assert box.world.account_of("an-api-key").ledger.rows == []
    assert not box.world.requests[-1].committed


ALLOWED: dict[str, list[Any]] = {
    FROM_TEXT: [
        shots("x", 3),
        shots("x", 15, resolution="4k", audio="native", aspect_ratio="1:1"),
        {"prompt": "x" * 3072},
        shots("shot 1, 2, a; shot 2, 3, b;"),
        shots("shot 1, 2, a; shot 2, 2, b;", multi_shot=False),  # fact: gen30-shot-text, one piece
    ],
    TURBO_TEXT: [shots("x", 15, resolution="1080p", aspect_ratio="9:16")],
    FROM_IMAGE: [
        new_body(FRAME, LAST, audio="native", resolution="4k", duration=15),
        new_body(FRAME, prompt=""),
        frame(as_base64(picture_bytes(300, 750))),
    ],
    OMNI: [
        new_body(FRAME),
        new_body(FRAME, LAST),
        new_body(BASE),
        new_body(BASE, audio="original"),
        new_body(FEATURE, multi_shot=True, **RATIO),
        new_body(*(refer(f"p{n}") for n in range(7)), prompt="@p0 @p1 @p2 @p3 @p4 @p5 @p6", **RATIO),
    ],
    O1: [
        new_body(**RATIO, duration=10),
        new_body(refer(), prompt="@image_1", **RATIO, duration=7),
        new_body(FRAME, LAST, duration=6),
        new_body(FEATURE, FRAME, duration=3),
    ],
    MOTION: [new_body(*MOTION_ROWS, character_orientation="image", audio="off", resolution="1080p", prompt="")],
    OLD_OMNI: [
        older(OLD_OMNI, duration="3", mode="4k", sound="on"),
        older(OLD_OMNI, aspect_ratio=None, video_list=[{"video_url": CLIP}], duration=None),
        older(OLD_OMNI, aspect_ratio=None, image_list=[{"image_url": PICTURE, "type": "first_frame"}]),
        customized("2", "3", prompt=None),
        older(OLD_OMNI, multi_shot=True, shot_type="intelligence"),
    ],
    OLD_IMAGE: [older(OLD_IMAGE, image_tail=PICTURE, sound="on", mode="std", duration="15")],
    OMNI_IMAGE: [
        older(OMNI_IMAGE, n=9, resolution="4k", aspect_ratio="21:9"),
        older(OMNI_IMAGE, result_type="series", series_amount="auto"),
        older(OMNI_IMAGE, result_type="series", series_amount=9),
    ],
    GENERATIONS: [older(GENERATIONS, n=9, resolution="2k", aspect_ratio="21:9", image=PICTURE, negative_prompt="y")],
}


@pytest.mark.parametrize(("path", "body"), [(path, body) for path, bodies in ALLOWED.items() for body in bodies])
async def test_body_at_its_limits_is_accepted_and_wholly_used(box: Box, path: str, body: Any) -> None:
    assert await make(box, path, body)
    assert box.world.ignored_fields == []


@pytest.mark.parametrize("wrong", ["", "12", "820000000000000001", 12, 3.0, None, ["1"]])
@pytest.mark.parametrize("path", [OMNI, OLD_OMNI, OMNI_IMAGE])
async def test_msg_bad_element_for_an_id_that_is_no_element(box: Box, path: str, wrong: Any) -> None:
    """Fact: msg-bad-element."""
    body = with_element(path, wrong)
    assert refusal(await box.http.post(path, json=body)) == (400, 1201, "Invalid element id")


def with_element(path: str, element_id: object) -> dict[str, Any]:
    if path in {OMNI, O1}:
        return new_body(person(element_id), prompt="@mia", **RATIO)
    return older(path, element_list=[{"element_id": element_id}], prompt="<<<element_1>>>")


async def test_element_of_the_account_or_of_kling_can_be_used_if_it_is_ready(box: Box) -> None:
    preset = next(iter(box.world.preset_elements)).element_id
    states = {
        status: own_element(box, status=status).element_id for status in ("ready", "deleted", "failed", "pending")
    }
    foreign = box.world.add_element("another account", "Mia").element_id
    for element_id, code in [
        (preset, 0),
        (states["ready"], 0),
        (states["deleted"], 1201),
        (states["failed"], 1201),
        (states["pending"], 1201),
        (foreign, 1201),
    ]:
        assert (await box.http.post(OMNI, json=with_element(OMNI, element_id))).json()["code"] == code


async def test_new_id_string_and_old_element_id_in_both_forms(box: Box) -> None:
    """Facts: new-id-string, old-element-id, legacy-id-type."""
    text = own_element(box).element_id
    number = int(text)
    codes = {
        (path, type(given).__name__): (await box.http.post(path, json=with_element(path, given))).json()["code"]
        for path in (OMNI, OLD_OMNI)
        for given in (text, number)
    }
    assert codes == {(OMNI, "str"): 0, (OMNI, "int"): 1201, (OLD_OMNI, "str"): 0, (OLD_OMNI, "int"): 0}


# Pictures, image elements and video elements, and whether Kling takes them. facts: omni-counts, element-targets
COUNTS = [
    (OMNI, (), (0, 7, 0), True),
    (OMNI, (), (3, 4, 0), True),
    (OMNI, (), (4, 4, 0), False),
    (OMNI, (), (0, 0, 3), True),
    (OMNI, (), (0, 0, 4), False),
    (OMNI, (), (1, 3, 3), True),
    (OMNI, (), (2, 3, 1), False),
    (OMNI, (FRAME,), (0, 3, 0), True),
    (OMNI, (FRAME,), (0, 4, 0), False),
    (OMNI, (FRAME, LAST), (0, 2, 1), True),
    (OMNI, (FEATURE,), (2, 2, 0), True),
    (OMNI, (FEATURE,), (2, 3, 0), False),
    (OMNI, (FEATURE,), (0, 0, 1), True),
    (OMNI, (FEATURE,), (1, 0, 1), False),
    (OMNI, (FEATURE,), (0, 1, 1), False),
    (OMNI, (FEATURE,), (0, 0, 2), False),
    (O1, (), (3, 4, 0), True),
    (O1, (), (4, 4, 0), False),
    (O1, (), (0, 0, 1), False),  # fact: video-models
    (O1, (FRAME, LAST), (0, 1, 0), False),
    (O1, (FEATURE,), (2, 2, 0), True),
    (O1, (FEATURE,), (2, 3, 0), False),
    (FROM_IMAGE, (FRAME,), (0, 3, 0), True),
    (FROM_IMAGE, (FRAME,), (0, 2, 1), True),
    (FROM_IMAGE, (FRAME,), (0, 4, 0), False),
    (MOTION, MOTION_ROWS, (0, 1, 0), True),
    (MOTION, MOTION_ROWS, (0, 2, 0), False),
]


@pytest.mark.parametrize(("path", "rows", "counts", "accepted"), COUNTS)
async def test_omni_counts_and_limits_of_elements(
    box: Box, path: str, rows: tuple[Any, ...], counts: tuple[int, int, int], accepted: bool
) -> None:
    pictures, images, videos = counts
    given = [refer(f"p{place}") for place in range(pictures)]
    given += [person(own_element(box).element_id, f"i{place}") for place in range(images)]
    given += [person(own_element(box, "video_refer").element_id, f"v{place}") for place in range(videos)]
    settings = {"character_orientation": "video"} if path == MOTION else RATIO if path != FROM_IMAGE else {}
    prompt = " ".join(f"@{row['id']}" for row in given) or "x"
    reply = await box.http.post(path, json=new_body(*rows, *given, prompt=prompt, **settings))
    assert (reply.json()["code"] == 0) is accepted, reply.text
    assert box.world.ignored_fields == []


@pytest.mark.parametrize(("count", "accepted"), [(10, True), (11, False)])
@pytest.mark.parametrize("path", [OMNI_IMAGE, GENERATIONS])
async def test_pictures_take_ten_references_in_all(box: Box, path: str, count: int, accepted: bool) -> None:
    alone = path == GENERATIONS
    ids = [own_element(box).element_id for _ in range(count - 1)]
    pictures: dict[str, Any] = {"image": PICTURE} if alone else {"image_list": [{"image": PICTURE}]}
    handles = "".join(f"<<<element_{place}>>>" for place in range(1, count)) + "<<<image_1>>>"
    body = older(path, element_list=[{"element_id": one} for one in ids], prompt=handles, **pictures)
    assert ((await box.http.post(path, json=body)).json()["code"] == 0) is accepted


async def test_motion_control_with_an_element_follows_the_video_only(box: Box) -> None:
    element_id = own_element(box).element_id
    for orientation, code in (("video", 0), ("image", 1201)):
        body = new_body(*MOTION_ROWS, person(element_id), prompt="@mia", character_orientation=orientation)
        assert (await box.http.post(MOTION, json=body)).json()["code"] == code
        rows = [{"element_id": element_id}]
        body = older(
            OLD_MOTION, element_list=rows, character_orientation=orientation, prompt="<<<element_1>>>"
        )  # fact: old-motion-fields
        assert (await box.http.post(OLD_MOTION, json=body)).json()["code"] == code
