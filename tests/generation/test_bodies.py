"""The exact bodies of both standards: every field that is sent, and no other."""

from __future__ import annotations

from typing import Any

import pytest

from kling_mcp.generation.bodies import ImageRequest, UsedElement, VideoRequest
from kling_mcp.generation.models import IMAGE_ROUTES, VIDEO_ROUTES
from kling_mcp.media.picture import Picture

ROUTES = {(route.path, route.model_name): route for route in VIDEO_ROUTES}
OMNI = ROUTES["/omni-video/kling-3.0-omni", ""]
O1 = ROUTES["/omni-video/kling-o1", ""]
TEXT = ROUTES["/text-to-video/kling-3.0", ""]
FROM_FRAMES = ROUTES["/image-to-video/kling-3.0", ""]
TURBO = ROUTES["/text-to-video/kling-3.0-turbo", ""]
TURBO_FRAME = ROUTES["/image-to-video/kling-3.0-turbo", ""]
OLD_OMNI = ROUTES["/v1/videos/omni-video", "kling-v3-omni"]
OLD_FRAMES = ROUTES["/v1/videos/image2video", "kling-v3"]
IMAGES = {route.model: route for route in IMAGE_ROUTES}

LONG_ID = "829836802793406551"  # above 2^53


def picture(name: str) -> Picture:
    return Picture(name, link=f"https://example.com/{name}.png")


def body_of(**given: Any) -> dict[str, object]:
    return VideoRequest(**given).body("kmcp-1")


def test_omni_body_names_every_input_as_the_prompt_does() -> None:
    """facts: gen30-models, gen30-content-ids, handle-new, new-id-string, gen-external-id"""
    body = body_of(
        route=OMNI,
        prompt="@Mia meets @Sara in @image_1",
        elements=(UsedElement(LONG_ID, "@Mia"), UsedElement("12", "@Sara")),
        images=(picture("kitchen"),),
        seconds=7,
        aspect_ratio="9:16",
        resolution="1080p",
        audio="native",
    )
    assert body == {
        "contents": [
            {"type": "prompt", "text": "@Mia meets @Sara in @image_1"},
            {"type": "refer_image", "url": "https://example.com/kitchen.png", "id": "image_1"},
            {"type": "element", "element_id": LONG_ID, "id": "Mia"},
            {"type": "element", "element_id": "12", "id": "Sara"},
        ],
        "settings": {
            "resolution": "1080p",
            "audio": "native",
            "duration": 7,
            "aspect_ratio": "9:16",
            "multi_shot": False,
        },
        "options": {"external_task_id": "kmcp-1"},
    }


def test_frames_come_before_other_contents() -> None:
    body = body_of(route=FROM_FRAMES, prompt="x", first_frame=picture("a"), last_frame=picture("b"), seconds=5)
    assert body["contents"] == [
        {"type": "prompt", "text": "x"},
        {"type": "first_frame", "url": "https://example.com/a.png"},
        {"type": "last_frame", "url": "https://example.com/b.png"},
    ]
    assert body["settings"] == {"resolution": "720p", "audio": "off", "duration": 5, "multi_shot": False}


def test_text_route_has_its_prompt_on_top() -> None:
    """fact: gen30-routes"""
    body = body_of(route=TEXT, prompt="x", seconds=5, aspect_ratio="16:9")
    assert body["prompt"] == "x"
    assert "contents" not in body


@pytest.mark.parametrize("route", [TURBO, TURBO_FRAME])
def test_turbo_gets_neither_audio_nor_multi_shot(route: Any) -> None:
    """fact: gen30-models"""
    frame = picture("a") if route is TURBO_FRAME else None
    body = body_of(route=route, prompt="x", first_frame=frame, seconds=5, audio="native")
    assert body["settings"] == {"resolution": "720p", "duration": 5}


def test_o1_gets_no_multi_shot() -> None:
    assert body_of(route=O1, prompt="x", seconds=5)["settings"] == {"resolution": "720p", "audio": "off", "duration": 5}


def test_shots_of_the_newer_standard_are_one_prompt() -> None:
    """facts: gen30-shots, gen30-shot-text"""
    body = body_of(route=OMNI, shots=((2, "@Mia waves"), (3, "a door")), seconds=5, aspect_ratio="16:9")
    assert body["contents"] == [{"type": "prompt", "text": "shot 1, 2, @Mia waves; shot 2, 3, a door;"}]
    assert body["settings"]["multi_shot"] is True  # type: ignore[index]  # an object, as the line above shows


def test_reference_video_is_sent_with_multi_shot() -> None:
    """fact: gen30-with-video"""
    body = body_of(route=OMNI, prompt="as in @video_1", video_url="https://example.com/v.mp4", seconds=5)
    assert {"type": "feature_video", "url": "https://example.com/v.mp4", "id": "video_1"} in body["contents"]  # type: ignore[operator]  # a list
    assert body["settings"] == {"resolution": "720p", "audio": "off", "duration": 5, "multi_shot": True}


def test_base_video_is_sent_without_duration_and_shape() -> None:
    """fact: gen30-with-video"""
    body = body_of(route=OMNI, prompt="x", video_url="https://example.com/v.mp4", video_use="base", audio="original")
    assert body["settings"] == {"resolution": "720p", "audio": "original", "multi_shot": False}


def test_older_omni_body_counts_positions_and_writes_ids_as_numbers() -> None:
    """facts: handle-legacy, legacy-id-type, old-omni-fields, old-duration-text, old-no-type, gen-name-the-model"""
    body = body_of(
        route=OLD_OMNI,
        prompt="<<<element_1>>> in <<<image_1>>>",
        elements=(UsedElement(LONG_ID, "<<<element_1>>>"),),
        images=(picture("kitchen"),),
        first_frame=picture("frame"),
        seconds=7,
        resolution="1080p",
        audio="native",
    )
    assert body == {
        "model_name": "kling-v3-omni",
        "prompt": "<<<element_1>>> in <<<image_1>>>",
        "image_list": [
            {"image_url": "https://example.com/kitchen.png"},
            {"image_url": "https://example.com/frame.png", "type": "first_frame"},
        ],
        "element_list": [{"element_id": int(LONG_ID)}],
        "mode": "pro",
        "sound": "on",
        "duration": "7",
        "external_task_id": "kmcp-1",
    }


def test_older_shots_are_a_list_beside_no_prompt() -> None:
    """fact: old-omni-fields"""
    body = body_of(route=OLD_OMNI, shots=((2, "a"), (3, "b")), seconds=5, aspect_ratio="1:1", resolution="4k")
    assert body == {
        "model_name": "kling-v3-omni",
        "multi_shot": True,
        "shot_type": "customize",
        "multi_prompt": [
            {"index": 1, "prompt": "a", "duration": "2"},
            {"index": 2, "prompt": "b", "duration": "3"},
        ],
        "mode": "4k",
        "sound": "off",
        "aspect_ratio": "1:1",
        "duration": "5",
        "external_task_id": "kmcp-1",
    }


@pytest.mark.parametrize(
    ("use", "audio", "keeps"), [("base", "original", "yes"), ("base", "off", "no"), ("feature", "off", "no")]
)
def test_older_video_says_how_it_is_used(use: str, audio: str, keeps: str) -> None:
    """fact: old-omni-fields"""
    body = body_of(route=OLD_OMNI, prompt="x", video_url="https://example.com/v.mp4", video_use=use, audio=audio)
    video = {"video_url": "https://example.com/v.mp4", "refer_type": use, "keep_original_sound": keeps}
    assert body["video_list"] == [video]
    assert body["sound"] == "off"


def test_older_frames_have_fields_of_their_own() -> None:
    """fact: old-image2video-fields"""
    frame = Picture("first_frame", data=b"\x89PNG")
    body = body_of(route=OLD_FRAMES, prompt="x", first_frame=frame, last_frame=picture("b"), seconds=5)
    assert body == {
        "model_name": "kling-v3",
        "prompt": "x",
        "image": b"\x89PNG",
        "image_tail": "https://example.com/b.png",
        "mode": "std",
        "sound": "off",
        "duration": "5",
        "external_task_id": "kmcp-1",
    }


def test_callback_address_stands_where_the_route_reads_it() -> None:
    """fact: gen-external-id"""
    new = VideoRequest(route=TEXT, prompt="x", seconds=5).body("kmcp-1", "https://me.example/c")
    assert new["options"] == {"external_task_id": "kmcp-1", "callback_url": "https://me.example/c"}
    old = VideoRequest(route=OLD_OMNI, prompt="x", seconds=5).body("kmcp-1", "https://me.example/c")
    assert (old["callback_url"], old["external_task_id"]) == ("https://me.example/c", "kmcp-1")


@pytest.mark.parametrize(("model", "name"), [("3.0-omni", "kling-v3-omni"), ("o1", "kling-image-o1")])
def test_omni_picture_body(model: str, name: str) -> None:
    """facts: old-images, old-default-models"""
    request = ImageRequest(
        route=IMAGES[model],  # type: ignore[index]  # a text of the table
        prompt="<<<element_1>>> in <<<image_1>>>",
        elements=(UsedElement(LONG_ID, "<<<element_1>>>"),),
        images=(picture("kitchen"), picture("b")),
        count=2,
        aspect_ratio="auto",
        resolution="2k",
    )
    assert request.body("kmcp-1", "https://me.example/c") == {
        "model_name": name,
        "prompt": "<<<element_1>>> in <<<image_1>>>",
        "image_list": [{"image": "https://example.com/kitchen.png"}, {"image": "https://example.com/b.png"}],
        "element_list": [{"element_id": int(LONG_ID)}],
        "resolution": "2k",
        "n": 2,
        "aspect_ratio": "auto",
        "callback_url": "https://me.example/c",
        "external_task_id": "kmcp-1",
    }


def test_plain_picture_body_has_one_picture() -> None:
    """fact: old-images"""
    request = ImageRequest(route=IMAGES["3.0"], prompt="x", images=(picture("a"),), aspect_ratio="16:9")
    assert request.body("kmcp-1") == {
        "model_name": "kling-v3",
        "prompt": "x",
        "image": "https://example.com/a.png",
        "resolution": "1k",
        "n": 1,
        "aspect_ratio": "16:9",
        "external_task_id": "kmcp-1",
    }
