"""Deletion by element id, at once, never twice. facts: delete-takes-element-id, delete-synchronous"""

from typing import Any

import pytest

from kling_mcp.simulator import Quirks
from simulator.box import DELETE, Box, data, element, refusal

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("path", [DELETE, "/v1/general/delete-advanced-elements"])
async def test_delete_two_paths_act_on_one_library(box: Box, path: str) -> None:
    element_id = await box.ready()
    reply = await box.http.post(path, json={"element_id": element_id})
    assert reply.json()["code"] == 0
    assert element((await box.page())[0])["status"] == "deleted"  # fact: delete-synchronous
    assert box.world.requests[-2].committed


@pytest.mark.parametrize(("delete_data", "expected"), [("absent", "absent"), ("null", None)])
async def test_delete_has_no_data(delete_data: Any, expected: object) -> None:
    async with Box(quirks=Quirks(delete_data=delete_data)) as box:
        reply = await box.delete(await box.ready())
        assert reply.json().get("data", "absent") == expected


async def test_delete_reply_may_hold_a_task() -> None:
    async with Box(quirks=Quirks(delete_data="task")) as box:
        record = data(await box.delete(await box.ready()))
        assert record["task_status"] == "succeed"
        assert isinstance(record["task_id"], str)


async def test_msg_deleted_twice(box: Box) -> None:
    element_id = await box.ready()
    await box.delete(element_id)
    deleted_at = (await box.page())[0]["updated_at"]
    box.clock.now += 60
    reply = await box.delete(element_id)
    assert refusal(reply) == (400, 1201, f"Element already be deleted for id: {element_id}")
    assert (await box.page())[0]["updated_at"] == deleted_at


async def test_delete_takes_element_id_and_never_a_task_id(box: Box) -> None:
    task = await box.created()
    box.clock.now += 5
    assert refusal(await box.delete(task)) == (400, 1201, "Invalid element id")


async def test_an_unfinished_or_failed_element_cannot_be_deleted(box: Box) -> None:
    account = box.world.account_of("an-api-key")
    for status in ("pending", "failed"):
        task = box.world.add_element(account, status, status=status)
        assert refusal(await box.delete(task.element_id)) == (400, 1201, "Invalid element id")


async def test_presets_not_deletable(box: Box) -> None:
    assert refusal(await box.delete("160")) == (400, 1201, "Only custom elements can be deleted")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "element_id is required"),
        ({"element_id": ""}, "element_id is required"),
        ({"element_id": 320000000000007}, "element_id must be a string"),
        ({"element_id": "1", "force": True}, "unknown field: force"),
    ],
)
async def test_deletion_body_is_one_required_string(box: Box, body: dict[str, object], said: str) -> None:
    assert refusal(await box.http.post(DELETE, json=body)) == (400, 1201, said)
