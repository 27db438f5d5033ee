"""Bodies of generations that the simulator accepts, and short ways to send and read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.box import KEY, Box, data

if TYPE_CHECKING:
    import httpx

    from kling_mcp.simulator.records import ElementTask

PICTURE = "https://example.com/a.png"
CLIP = "https://example.com/a.mp4"
OMNI, FROM_TEXT, FROM_IMAGE = "/omni-video/kling-3.0-omni", "/text-to-video/kling-3.0", "/image-to-video/kling-3.0"
TURBO_TEXT, O1, MOTION = "/text-to-video/kling-3.0-turbo", "/omni-video/kling-o1", "/motion-control/kling-3.0"
OLD_OMNI, OLD_IMAGE, OLD_TEXT = "/v1/videos/omni-video", "/v1/videos/image2video", "/v1/videos/text2video"
OLD_MOTION, OMNI_IMAGE, GENERATIONS = "/v1/videos/motion-control", "/v1/images/omni-image", "/v1/images/generations"

FRAME = {"type": "first_frame", "url": PICTURE}
LAST = {"type": "last_frame", "url": PICTURE}
FEATURE = {"type": "feature_video", "url": CLIP}
BASE = {"type": "base_video", "url": CLIP}


def refer(name: str = "image_1") -> dict[str, Any]:
    """A reference picture of the 3.0 standard."""
    return {"type": "refer_image", "url": PICTURE, "id": name}


def person(element_id: object, name: str = "mia") -> dict[str, Any]:
    """An element of the 3.0 standard."""
    return {"type": "element", "element_id": element_id, "id": name}


def new_body(
    *contents: dict[str, Any], prompt: str = "a street", options: Any = None, **settings: Any
) -> dict[str, Any]:
    """A body of the 3.0 standard with contents; without `prompt` there is no such row."""
    rows = [{"type": "prompt", "text": prompt}] if prompt else []
    body: dict[str, Any] = {"contents": [*rows, *contents], "settings": settings}
    return body if options is None else body | {"options": options}


# A body for each route that is accepted and uses no element.
BODIES: dict[str, dict[str, Any]] = {
    FROM_TEXT: {"prompt": "a street"},
    TURBO_TEXT: {"prompt": "a street"},
    FROM_IMAGE: new_body(FRAME),
    "/image-to-video/kling-3.0-turbo": new_body(FRAME),
    OMNI: new_body(aspect_ratio="16:9"),
    O1: new_body(aspect_ratio="16:9"),
    MOTION: new_body({"type": "image", "url": PICTURE}, {"type": "video", "url": CLIP}, character_orientation="video"),
    OLD_OMNI: {"model_name": "kling-v3-omni", "prompt": "a street", "aspect_ratio": "16:9"},
    OLD_IMAGE: {"model_name": "kling-v3", "prompt": "a street", "image": PICTURE},
    OLD_TEXT: {"model_name": "kling-v3", "prompt": "a street"},
    OLD_MOTION: {
        "model_name": "kling-v3",
        "image_url": PICTURE,
        "video_url": CLIP,
        "character_orientation": "video",
    },
    OMNI_IMAGE: {"model_name": "kling-v3-omni", "prompt": "a street"},
    GENERATIONS: {"model_name": "kling-v3", "prompt": "a street"},
}
OLDER = [path for path in BODIES if path.startswith("/v1/")]
NEW = [path for path in BODIES if not path.startswith("/v1/")]


def with_external_id(path: str, external_id: str) -> dict[str, Any]:
    """The body of a route with an external id in the place where the route reads it (fact: gen-external-id)."""
    given = {"external_task_id": external_id}
    return BODIES[path] | (given if path in OLDER else {"options": given})


async def make(box: Box, path: str, body: Any = None) -> str:
    """The task id of an accepted generation."""
    record = data(await box.http.post(path, json=BODIES[path] if body is None else body))
    return str(record["id"] if path in NEW else record["task_id"])


async def tasks(box: Box, *ids: str, name: str = "task_ids") -> list[dict[str, Any]]:
    """What `GET /tasks` says."""
    reply: httpx.Response = await box.http.get("/tasks", params={name: ",".join(ids)})
    rows = reply.json()["data"]
    assert isinstance(rows, list), reply.text
    return rows


async def finished(box: Box, path: str, body: Any = None) -> dict[str, Any]:
    """The row of `/tasks` of a generation that has ended."""
    task_id = await make(box, path, body)
    box.clock.now += 1000
    (row,) = await tasks(box, task_id)
    return row


def own_element(box: Box, kind: str = "image_refer", **fields: Any) -> ElementTask:
    """A ready element of the account."""
    return box.world.add_element(box.world.account_of(KEY), "Mia", reference_type=kind, **fields)
