"""The five endpoints through the simulator: what leaves, what is understood, whatever this Kling's habits are."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from helpers import API_KEY, VIDEO_CREATION, Pictures, requests_to
from virtual_time import VirtualClock

from kling_mcp.account import Account
from kling_mcp.api.client import is_external_id_used
from kling_mcp.errors import InputError, NotFoundError, RequestError
from kling_mcp.simulator import Faults, Quirks, World

pytestmark = pytest.mark.anyio

QUIRKS: dict[str, dict[str, Any]] = {
    "as documented": {},
    "id-as-string: 18 digits": {"element_id_digits": 18},
    "id-as-string: text": {"element_id_digits": 18, "element_id_json": "string"},
    "reference-type-null": {"reference_type_null": True},
    "empty-while-running": {"task_info": "empty-while-running"},
    "missing-while-running": {"task_info": "missing-while-running"},
    "task_info always empty": {"task_info": "always-empty"},
    "flat-result": {"flat_result": True},
    "tags as ids": {"tags": "ids"},
    "tags left out": {"tags": "empty"},
    "pictures as links": {"pictures": "links"},
    "pictures left out": {"pictures": "empty"},
    "no voice info": {"no_voice_info": "absent"},
    "delete-reply": {"delete_data": "task"},
    "delete-has-no-data: null": {"delete_data": "null"},
    "envelope-code-200": {"success_code": 200},
    "terminal-succeed": {"status_words": {"succeed": "succeeded"}},
    "unknown fields": {"extra_fields": True},
    "deduction as number": {"deduction": "number"},
    "list-order-unknown": {"list_order": "shuffled"},
    "presets-thin off": {"presets_thin": False},
}


def creation(pictures: Pictures) -> dict[str, Any]:
    """A creation body with pictures as bare Base64."""
    front, side = (base64.b64encode(path.read_bytes()).decode() for path in (pictures.front, pictures.side))
    return {
        "element_name": "Mia",
        "element_description": "Barista, short red hair",
        "reference_type": "image_refer",
        "element_image_list": {"frontal_image": front, "refer_images": [{"image_url": side}]},
        "tag_list": [{"tag_id": "o_102"}],
    }


@pytest.mark.parametrize("habits", QUIRKS.values(), ids=QUIRKS)
async def test_a_life_of_an_element_reads_the_same_whatever_the_habits(
    account: Account, world: World, clock: VirtualClock, pictures: Pictures, habits: dict[str, Any]
) -> None:
    """Created, running, ready, listed, deleted, listed as deleted. facts: query-takes-task-id, list-is-tasks,
    list-shows-deleted, delete-synchronous, create-is-free"""
    client = account.client
    world.quirks = Quirks(**habits)

    sent = await client.create_element(creation(pictures), external_task_id="kmcp-mia")
    assert sent.task_status == "submitted"
    running = await client.get_task(sent.task_id)
    assert (running.task_id, running.element_ids, running.is_final) == (sent.task_id, [], False)
    assert not any(task.elements for task in await client.list_elements())

    await clock.sleep(10)
    ready = await client.get_task(sent.task_id)
    (element,) = ready.elements
    (true_id,) = world.account_of(API_KEY).elements
    assert (ready.task_status, ready.is_final, element.element_id) == ("succeed", True, true_id)
    assert (element.element_name, element.element_description) == ("Mia", "Barista, short red hair")
    assert element.kind == "image_refer"
    assert [tag.tag_id for tag in element.tag_list] == ([] if habits.get("tags") == "empty" else ["o_102"])
    assert (element.element_voice_info.voice_id, element.is_official) == ("", False)
    assert ready.final_unit_deduction == "0"
    assert ready.updated_at > ready.created_at > 0

    assert [task.element_ids for task in await client.list_elements()] == [[true_id]]
    await client.delete_element(true_id)
    (listed,) = await client.list_elements()
    assert listed.elements[0].is_deleted


class TestRequests:
    async def test_creation_request_has_the_documented_form(
        self, account: Account, world: World, pictures: Pictures
    ) -> None:
        """facts: no-trailing-slash, headers, base64-bare, frontal-is-string. The simulator refuses other forms."""
        await account.client.create_element(creation(pictures), external_task_id="kmcp-mia")
        (request,) = world.requests
        assert (request.method, request.path, request.query) == (
            "POST",
            "/v1/general/advanced-custom-elements",
            "",
        )
        assert request.headers["content-type"] == "application/json"
        assert request.headers["user-agent"].startswith("kling-mcp/")
        assert request.picture_sha256 == tuple(
            hashlib.sha256(path.read_bytes()).hexdigest() for path in (pictures.front, pictures.side)
        )
        assert world.accepted_creations() == {"kmcp-mia": 1}

    async def test_a_query_escapes_what_it_is_given(self, account: Account, world: World) -> None:
        """An id stays one segment of the path."""
        with pytest.raises(NotFoundError):
            await account.client.get_task("a/../b?c=d#e %2f")
        (request,) = world.requests
        assert request.route == "query"
        assert request.query == ""

    @pytest.mark.parametrize("name", ["", ".", ".."])
    async def test_an_id_that_is_a_place_in_a_path_is_not_sent(self, account: Account, world: World, name: str) -> None:
        with pytest.raises(InputError, match="must be a task id"):
            await account.client.get_task(name)
        assert world.requests == []

    async def test_list_request_names_page_and_page_size(self, account: Account, world: World) -> None:
        """pageNum and pageSize. facts: list-range, list-shape, presets, list-no-total"""
        kling = world.account_of(API_KEY)
        for number in range(5):
            world.add_element(kling, f"element {number}")
        pages = [await account.client.list_elements(page_num, 2) for page_num in (1, 2, 3, 4)]
        assert [len(page) for page in pages] == [2, 2, 1, 0]
        assert len({task.task_id for page in pages for task in page}) == 5
        presets = await account.client.list_preset_elements(1, 500)
        assert len(presets) == 54
        assert all(element.is_official for task in presets for element in task.elements)
        assert [request.query for request in requests_to(world, "list")][:1] == ["pageNum=1&pageSize=2"]

    async def test_deletion_request_has_the_documented_form(self, account: Account, world: World) -> None:
        """facts: delete-takes-element-id, delete-two-paths: the official page's path is used"""
        mia = world.add_element(world.account_of(API_KEY), "Mia")
        await account.client.delete_element(mia.element_id)
        (request,) = world.requests
        assert (request.method, request.path) == ("POST", "/v1/general/delete-elements")


class TestExternalIds:
    async def test_a_task_is_found_by_its_external_id(self, account: Account) -> None:
        """fact: query-external-id"""
        sent = await account.client.create_element(VIDEO_CREATION, external_task_id="kmcp-host")
        found = await account.client.get_task("kmcp-host")
        assert (found.task_id, found.external_task_id) == (sent.task_id, "kmcp-host")

    async def test_used_external_id_is_distinguished_from_other_refusals(
        self, account: Account, faults: Faults
    ) -> None:
        """fact: msg-external-id-used"""
        await account.client.create_element(VIDEO_CREATION, external_task_id="kmcp-host")
        with pytest.raises(RequestError) as used:
            await account.client.create_element(VIDEO_CREATION, external_task_id="kmcp-host")
        faults.reply_code(1201, message="external_task_id is too long")
        with pytest.raises(RequestError) as other:
            await account.client.create_element(VIDEO_CREATION, external_task_id="kmcp-2")
        assert is_external_id_used(used.value)
        assert not is_external_id_used(other.value)


async def test_a_failed_task_has_only_its_message(account: Account, faults: Faults, clock: VirtualClock) -> None:
    """facts: failed-has-no-code, msg-moderated"""
    faults.fail_task()
    sent = await account.client.create_element(VIDEO_CREATION, external_task_id="kmcp-host")
    await clock.sleep(30)
    task = await account.client.get_task(sent.task_id)
    assert (task.task_status, task.is_final) == ("failed", True)
    assert task.task_status_msg == "Failure to pass the risk control system"


async def test_unknown_status_word_is_not_final(account: Account, world: World) -> None:
    """fact: status-unknown"""
    world.quirks = Quirks(status_words={"submitted": "queued"})
    task = await account.client.create_element(VIDEO_CREATION, external_task_id="kmcp-host")
    assert (task.task_status, task.is_final) == ("unknown", False)


async def test_the_client_knows_its_account(account: Account) -> None:
    assert account.client.credential_kind == "api_key"
    assert len(account.client.account) == 32


@pytest.mark.parametrize("nobodys", ["x" * 257, "9" * 100_000, "\ud83d"])
async def test_impossible_id_is_not_found_without_a_request(account: Account, world: World, nobodys: str) -> None:
    with pytest.raises(NotFoundError):
        await account.client.get_task(nobodys)
    assert world.requests == []
