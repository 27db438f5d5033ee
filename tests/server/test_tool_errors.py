"""Failures as an agent reads them: what happened, whether anything was created, what to do, and the last line."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from helpers import (
    ACCESS_KEY,
    API_KEY,
    CANARIES,
    SECRET_KEY,
    Connect,
    Pictures,
    last_line,
    requests_to,
    structured,
    text_of,
)
from mcp import Client
from mcp_types import CallToolResult
from virtual_time import VirtualClock

from kling_mcp.runtime import Runtime
from kling_mcp.server.build import build_server
from kling_mcp.server.tools import NAMES, PAID
from kling_mcp.settings import Settings
from kling_mcp.simulator import Faults, World
from kling_mcp.simulator.codes import CODES

pytestmark = pytest.mark.anyio

CREATING = ("create_element", "create_element_and_wait")

# kind and retry of every code, and what a creation that ends with it leaves behind.
WORDS: dict[int, tuple[str, str, str]] = {
    **dict.fromkeys((1000, 1001, 1002), ("auth", "never", "no")),
    **dict.fromkeys((1003, 1004), ("clock", "never", "no")),
    **dict.fromkeys((1100, 1103, 1304), ("permission", "never", "no")),
    **dict.fromkeys((1101, 1102), ("balance", "never", "no")),
    **dict.fromkeys((1200, 1201), ("bad_input", "never", "no")),
    1202: ("vendor_fault", "never", "no"),
    1203: ("not_found", "never", "no"),
    **dict.fromkeys((1300, 1301), ("content_policy", "never", "no")),
    1302: ("rate_limited", "later", "no"),
    1303: ("busy", "later", "no"),
    **dict.fromkeys((5000, 5001, 5002), ("vendor_fault", "later", "maybe")),
}


def test_table_of_tool_errors_is_complete() -> None:
    assert set(WORDS) == set(CODES)


@pytest.mark.parametrize("code", WORDS)
@pytest.mark.parametrize("tool", ["get_element", "list_elements", "list_preset_elements"])
async def test_failed_read_is_an_error_with_its_kind(
    connect: Connect, world: World, faults: Faults, code: int, tool: str
) -> None:
    faults.reply_code(code, times=None)
    async with connect() as client:
        result = await client.call_tool(tool, {"id": "880"} if tool == "get_element" else {})
    fields = last_line(result)
    kind, retry, _ = WORDS[code]
    assert (fields["kind"], fields["created"], fields["retry"], fields["code"]) == (kind, "no", retry, str(code))
    assert fields["request_id"] in {f"Cl6sim{seen.number:08d}" for seen in world.requests if seen.code == code}
    told = [line for line in text_of(result).splitlines() if not line.startswith("More: https://")]
    assert CODES[code].message in told[0]
    assert len(told) == 3
    assert "created" not in "".join(told[:-1])
    assert result.structured_content is None


@pytest.fixture
async def modern(connect: Connect) -> AsyncIterator[Client]:
    """A client of one era, for tables that are long already."""
    async with connect() as client:
        yield client


@pytest.mark.parametrize("code", WORDS)
async def test_failed_creation_is_an_error_with_its_kind(
    modern: Client, world: World, faults: Faults, creation: dict[str, Any], code: int
) -> None:
    faults.reply_code(code, times=None, route="create")
    result = await modern.call_tool("create_element_and_wait", creation)
    fields = last_line(result)
    kind, retry, created = WORDS[code]
    assert (fields["kind"], fields["created"], fields["retry"]) == (kind, created, retry)
    assert fields["code"] == str(code)
    assert world.accepted_creations() == {}
    posts = len(requests_to(world, "create"))
    assert posts == 1 if (created, retry) == ("no", "never") else 1 <= posts <= 20
    told = text_of(result)
    assert ("It is not known whether" in told) is (created == "maybe")


@pytest.mark.parametrize("shape", ["html", "empty", "truncated", "array"])
async def test_a_creation_whose_answer_cannot_be_read_is_found_again(
    connect: Connect, world: World, faults: Faults, creation: dict[str, Any], shape: Any
) -> None:
    faults.malformed(shape, route="create")
    async with connect() as client:
        result = await client.call_tool("create_element_and_wait", creation)
    assert not result.is_error
    assert result.structured_content is not None
    assert result.structured_content["outcome"] == "recovered"
    assert sum(world.accepted_creations().values()) == 1


async def test_a_failed_task_is_an_error_with_klings_reason(
    client: Client, faults: Faults, creation: dict[str, Any]
) -> None:
    """facts: failed-has-no-code, msg-moderated. The inputs were refused, not the network."""
    faults.fail_task("Failure to pass the risk control system")
    result = await client.call_tool("create_element_and_wait", creation)
    fields = last_line(result)
    assert (fields["kind"], fields["created"], fields["retry"], fields["code"]) == ("task_failed", "no", "never", "-")
    text = text_of(result)
    assert 'saying "Failure to pass the risk control system"' in text
    assert "refused its inputs" in text
    assert "external_task_id kmcp-" in text
    task_id = text.split("accepted task ")[1].split(" ")[0]
    assert structured(await client.call_tool("get_element", {"id": task_id}))["task_status"] == "failed"


async def test_every_tool_without_credentials_says_what_to_set(connect: Connect, era: str, world: World) -> None:
    async with connect(era, api_key="") as client:
        for tool, arguments in (
            ("get_element", {"id": "1"}),
            ("list_elements", {}),
            ("wait_for_tasks", {}),
            ("delete_element", {"element_id": "1", "element_name": "x"}),
        ):
            result = await client.call_tool(tool, arguments)
            assert last_line(result)["kind"] == "missing_credentials"
            assert "KLING_API_KEY" in text_of(result)
    assert world.requests == []


async def test_problems_of_all_inputs_come_in_one_answer(client: Client, world: World, pictures: Pictures) -> None:
    arguments = {
        "element_name": "A name that is far too long for Kling",
        "element_description": "",
        "reference_type": "image_refer",
        "frontal_image": "/mnt/user-data/uploads/front.png",
        "refer_images": [str(pictures.folder / "missing.png")],
        "tags": ["Charcter"],
    }
    result = await client.call_tool("create_element", arguments)
    assert last_line(result)["kind"] == "bad_input"
    lines = text_of(result).splitlines()
    named = [line.split(":")[0].removeprefix("- ").split("[")[0] for line in lines if line.startswith("- ")]
    assert set(named) == {"element_name", "element_description", "frontal_image", "refer_images", "tags"}
    assert all("Fix: " in line for line in lines if line.startswith("- "))
    assert world.requests == []


@pytest.mark.parametrize("tool", ["create_element", "create_element_and_wait"])
async def test_a_rounded_id_is_refused_before_anything_is_sent(
    client: Client, world: World, creation: dict[str, Any], tool: str
) -> None:
    """fact: id-as-string"""
    result = await client.call_tool(tool, {**creation, "element_voice_id": 829836802793406551})
    assert last_line(result)["kind"] == "bad_input"
    assert (
        "element_voice_id: must be text, because a JSON number above 9007199254740991 or with a point is rounded"
        in text_of(result)
    )
    assert world.requests == []


class Echo:
    """A Kling that sends back what it was sent, in every field. `sent` holds the tokens it saw."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.sent: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request.headers["authorization"].removeprefix("Bearer "))
        said = " ".join([*self.sent[-1:], *CANARIES])
        element = {"element_id": "7", "element_name": said, "element_description": said, "owned_by": said}
        record = {
            "task_id": "1",
            "task_status": "succeed",
            "task_status_msg": said,
            "task_result": {"elements": [element]},
        }
        is_list = request.url.path.endswith("elements") and request.method == "GET"
        code = 0 if self.status == 200 else 1201
        body = {"code": code, "message": said, "request_id": said, "data": [record] if is_list else record}
        return httpx.Response(self.status, text=said if self.status == 502 else json.dumps(body))


@pytest.mark.parametrize("credential", [(API_KEY, "", ""), ("", ACCESS_KEY, SECRET_KEY)], ids=["api-key", "key-pair"])
@pytest.mark.parametrize("status", [200, 400, 502])
async def test_a_canary_is_in_no_answer_no_log_and_no_file(
    settings: Settings,
    creation: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    credential: tuple[str, str, str],
    status: int,
) -> None:
    caplog.set_level(logging.DEBUG)
    echo = Echo(status)
    api_key, access_key, secret_key = credential
    chosen = replace(settings, api_key=api_key, access_key=access_key, secret_key=secret_key)
    runtime = Runtime(chosen, clock=VirtualClock(), make_transport=lambda: httpx.MockTransport(echo))
    texts = [caplog.text]
    async with Client(build_server(chosen, runtime)) as client:
        for tool, arguments in {
            "check_setup": {},
            "list_elements": {},
            "get_element": {"id": "1"},
            "create_element_and_wait": creation,
            "wait_for_tasks": {"ids": ["1"]},
            "delete_element": {"element_id": "7", "element_name": "x"},
        }.items():
            texts.append((await client.call_tool(tool, arguments)).model_dump_json())

    assert chosen.state_dir is not None
    files = [path.read_bytes() for path in chosen.state_dir.rglob("*") if path.is_file()]
    assert files
    assert echo.sent
    everything = b"\n".join([*files, *(text.encode() for text in texts), caplog.text.encode()])
    for secret in {*chosen.secrets, *echo.sent}:
        assert secret.encode() not in everything


# One call of each tool that only looks, or deletes: by what goes wrong.
UNREADABLE: dict[str, dict[str, Any]] = {
    "wait_for_tasks": {"ids": 2**53},
    "find_elements": {"limit": "many"},
    "get_element": {},
    "list_elements": {"page_num": 0},
    "list_preset_elements": {"page_num": 0},
    "use_elements": {"elements": ["Mia"], "target": "photo"},
    "find_voices": {"source": "photo"},
    "find_generations": {"kind": "photo"},
    "plan_production": {"path": "episode.yaml", "part": "some"},
    "delete_voice": {"voice_id": "7"},
    "check_balance": {"days": 31},
    "delete_element": {"element_id": "7"},
    "check_setup": {"verbose": True},
}
FINE: dict[str, dict[str, Any]] = {
    "find_elements": {},
    "get_element": {"id": "Mia"},
    "list_elements": {},
    "list_preset_elements": {},
    "use_elements": {"elements": ["Mia"], "target": "omni-video"},
    "find_voices": {},
    "find_generations": {},
    "plan_production": {"path": "/nowhere/episode.yaml"},
    "delete_voice": {"voice_id": "7", "voice_name": "Narrator"},
    "check_balance": {},
    "delete_element": {"element_id": "7", "element_name": "Mia"},
}


def test_tables_of_failing_calls_are_complete() -> None:
    assert {*UNREADABLE, *CREATING, *PAID} == set(NAMES)
    assert {*FINE, "check_setup", "wait_for_tasks"} == set(UNREADABLE)  # these two succeed and say what is wrong


def assert_silent_about_creation(result: CallToolResult) -> None:
    assert last_line(result)["created"] == "no"
    *prose, _ = text_of(result).splitlines()
    assert "created" not in " ".join(prose)


async def test_failed_call_that_cannot_create_is_silent_about_creation(connect: Connect, faults: Faults) -> None:
    async with connect() as client:
        for tool, arguments in UNREADABLE.items():
            assert_silent_about_creation(await client.call_tool(tool, arguments))
        faults.refuse_connection(times=None)
        for tool, arguments in FINE.items():
            assert_silent_about_creation(await client.call_tool(tool, arguments))
    async with connect(tools=("create_element",)) as client:
        for tool, arguments in FINE.items():
            assert_silent_about_creation(await client.call_tool(tool, arguments))


@pytest.mark.parametrize("tool", CREATING)
async def test_failed_call_that_may_create_says_that_nothing_was_created(
    connect: Connect, creation: dict[str, Any], faults: Faults, tool: str
) -> None:
    async with connect(read_only=True) as client:
        results = [await client.call_tool(tool, creation)]
    async with connect() as client:
        results.append(await client.call_tool(tool, {}))
        faults.refuse_connection(times=None)
        results.append(await client.call_tool(tool, creation))
    assert [last_line(result)["kind"] for result in results] == ["read_only", "bad_input", "network"]
    assert all("Nothing was created." in text_of(result).splitlines() for result in results)
