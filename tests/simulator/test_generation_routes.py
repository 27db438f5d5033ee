"""Every route that makes videos or pictures: accepted, found again, never twice, and refused without a trace."""

from __future__ import annotations

import base64
import hmac
import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from kling_mcp.simulator import Quirks
from simulator.box import ELEMENTS, HOST, START, VOICES, Box, data, image_creation, refusal
from simulator.generation_box import (
    BODIES,
    FROM_TEXT,
    GENERATIONS,
    NEW,
    OLD_OMNI,
    OLD_TEXT,
    OLDER,
    OMNI,
    OMNI_IMAGE,
    finished,
    make,
    tasks,
    with_external_id,
)

if TYPE_CHECKING:
    import httpx

pytestmark = pytest.mark.anyio
ACCESS, SECRET = "an-access-key", "a-secret-key"


def token() -> str:
    """What a key pair sends (fact: jwt-shape)."""
    claims = {"iss": ACCESS, "exp": int(START) + 1800, "nbf": int(START) - 5}
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in ({"alg": "HS256", "typ": "JWT"}, claims)
    ]
    signature = hmac.new(SECRET.encode(), ".".join(parts).encode(), sha256).digest()
    return ".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=").decode()])


@pytest.mark.parametrize("path", NEW)
async def test_create_of_the_new_standard_answers_with_its_task(box: Box, path: str) -> None:
    """Facts: gen30-routes, gen30-reply."""
    record = data(await box.http.post(path, json=with_external_id(path, "x")))
    moment = round(START * 1000)
    assert record == {
        "id": record["id"],
        "status": "submitted",
        "create_time": moment,
        "update_time": moment,
        "external_id": "x",
    }
    assert box.world.ignored_fields == []


@pytest.mark.parametrize("path", OLDER)
async def test_create_of_an_older_route_answers_with_its_task(box: Box, path: str) -> None:
    """Facts: gen-two-standards, old-routes."""
    record = data(await box.http.post(path, json=with_external_id(path, "x")))
    assert (record["task_status"], record["task_info"]) == ("submitted", {"external_task_id": "x"})
    assert box.world.ignored_fields == []


@pytest.mark.parametrize("path", OLDER)
async def test_older_task_is_read_and_listed_on_its_own_route_alone(box: Box, path: str) -> None:
    """Facts: old-query, gen-route-bound, gen-lookup."""
    task_id = await make(box, path, with_external_id(path, "x"))
    for item in (task_id, "x"):
        assert data(await box.query(item, path))["task_id"] == task_id
    assert [row["task_id"] for row in await box.page(path)] == [task_id]
    for other in set(OLDER) - {path}:
        assert refusal(await box.query(task_id, other))[2] == f"Task not found by id/external id: {task_id}"
        assert await box.page(other) == []


async def test_external_id_may_not_find_an_older_video_but_a_picture() -> None:
    """Facts: gen-lookup, query-external-id."""
    async with Box(quirks=Quirks(query_by_external_id=False)) as box:
        for path, code in ((OLD_TEXT, 1201), (GENERATIONS, 0)):
            await make(box, path, with_external_id(path, path[-5:]))
            assert (await box.query(path[-5:], path)).json()["code"] == code


async def test_task_of_the_new_standard_has_no_older_route(box: Box) -> None:
    task_id = await make(box, OMNI)
    assert refusal(await box.query(task_id, OLD_OMNI))[1] == 1201
    assert [row["id"] for row in await tasks(box, task_id)] == [task_id]


@pytest.mark.parametrize("path", BODIES)
async def test_gen_external_id_is_used_once_in_the_whole_account(box: Box, path: str) -> None:
    """Whatever made the first task; the repeat creates and costs nothing, also 13 minutes later."""
    makers: dict[str, Any] = {
        ELEMENTS: image_creation(external_task_id="x"),
        VOICES: {"voice_name": "V", "voice_url": "https://example.com/a.mp3", "external_task_id": "x"},
        **{other: with_external_id(other, "x") for other in (FROM_TEXT, OLD_TEXT, OMNI_IMAGE)},
    }
    for first, body in makers.items():
        box.world.reset()
        assert (await box.http.post(first, json=body)).json()["code"] == 0
        for later in (0, 780):
            box.clock.now += later
            reply = await box.http.post(path, json=with_external_id(path, "x"))
            assert refusal(reply) == (400, 1201, "External_task_id x already exists")
        assert box.account_creations() == {"x": 1}
        assert len(box.world.account_of("an-api-key").tasks) == 1


@pytest.mark.parametrize("path", BODIES)
async def test_used_external_id_of_a_generation_is_refused_for_elements_unless_a_quirk_lets_it(path: str) -> None:
    """Fact: msg-external-id-used, open for elements; a generation never takes a used one."""
    async with Box(quirks=Quirks(refuse_used_external_id=False)) as box:
        await make(box, path, with_external_id(path, "x"))
        assert data(await box.create(external_task_id="x"))["task_id"]
        assert refusal(await box.http.post(path, json=with_external_id(path, "x")))[1] == 1201


@pytest.mark.parametrize("path", BODIES)
async def test_lost_reply_leaves_a_task_that_is_found_by_its_external_id(box: Box, path: str) -> None:
    """Fact: retry-create."""
    import httpx  # noqa: PLC0415 - only its exceptions

    box.faults.lose_reply_after_create()
    with pytest.raises(httpx.RemoteProtocolError):
        await box.http.post(path, json=with_external_id(path, "x"))
    (row,) = await tasks(box, "x", name="external_task_ids")
    assert row["external_id"] == "x"
    box.faults.lose_reply_before_commit(route="any-create")
    with pytest.raises(httpx.RemoteProtocolError):
        await box.http.post(path, json=with_external_id(path, "y"))
    assert await tasks(box, "y", name="external_task_ids") == []
    assert box.account_creations() == {"x": 1}


@pytest.mark.parametrize("path", BODIES)
async def test_gen_failed_has_code_0_and_a_text_in_both_standards(box: Box, path: str) -> None:
    """Facts: gen-failed, msg-moderated, price-failed-unknown."""
    box.faults.fail_task("Failure to pass the risk control system")
    row = await finished(box, path)
    assert (row["status"], row["message"], row["outputs"]) == ("failed", "Failure to pass the risk control system", [])
    assert row["billing"][0]["amount"] == "0"
    if path in OLDER:
        record = data(await box.query(row["id"], path))
        assert (record["task_status"], record["task_status_msg"]) == ("failed", row["message"])
        assert (record["task_result"], record["final_unit_deduction"]) == ({}, "0")


async def test_key_pair_works_on_older_routes_and_not_on_new_ones() -> None:
    """Fact: auth-pair-legacy-only."""
    async with Box(key=token(), api_keys=[], key_pairs={ACCESS: SECRET}) as box:
        for path in OLDER:
            await make(box, path)
        paths: list[tuple[str, str, Any]] = [("POST", path, BODIES[path]) for path in NEW]
        paths += [("GET", "/tasks?task_ids=1", None), ("POST", "/tasks", {}), ("POST", "/account/billing/package", {})]
        for method, path, body in paths:
            reply: httpx.Response = await box.http.request(method, path, json=body)
            assert refusal(reply) == (401, 1002, "Authorization is invalid"), path
        span = {"start_time": "1779000000000", "end_time": "1781000000000"}
        assert (await box.http.get("/account/costs", params=span)).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/omni-video/kling-9", {}, 1203),
        ("/text-to-video/kling-3.0-omni", {"prompt": "x"}, 1203),
        (OLD_TEXT, {"prompt": "x"}, 1201),  # fact: gen-name-the-model
        (OLD_TEXT, {"model_name": "kling-v1", "prompt": "x"}, 1201),
        (OMNI_IMAGE, {"model_name": "kling-v3", "prompt": "x"}, 1201),
    ],
)
async def test_unknown_or_discontinued_model_is_refused(box: Box, path: str, body: Any, code: int) -> None:
    assert refusal(await box.http.post(path, json=body))[1] == code
    assert box.account_creations() == {}


@pytest.mark.parametrize(
    ("path", "body", "model"),
    [
        (OLD_OMNI, {"prompt": "x", "aspect_ratio": "1:1"}, "kling-video-o1"),
        (OMNI_IMAGE, {"prompt": "x"}, "kling-image-o1"),
        (GENERATIONS, {"prompt": "x"}, "kling-v3"),
    ],
)
async def test_old_default_models_are_used_and_billed(box: Box, path: str, body: Any, model: str) -> None:
    await make(box, path, body)
    (task,) = box.world.generations.values()
    assert task.order.model == model
    assert task.units > 0


async def test_gen_no_cancel_so_a_task_cannot_be_deleted(box: Box) -> None:
    """Fact: gen-no-cancel."""
    task_id = await make(box, OMNI)
    for path in (f"/tasks/{task_id}", f"/omni-video/{task_id}", HOST + "/tasks"):
        assert (await box.http.delete(path)).json()["code"] == 1202
