"""An official element with thin task fields is the same to every tool. fact: presets-thin"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from helpers import structured
from mcp import Client
from virtual_time import VirtualClock

from kling_mcp.runtime import Runtime
from kling_mcp.server.build import build_server

if TYPE_CHECKING:
    from kling_mcp.settings import Settings

pytestmark = pytest.mark.anyio

TASK_ID = "860000000000000001"
MOON = {"element_id": 160, "element_name": "Moon", "owned_by": "kling"}
WRAPPED: dict[str, Any] = {"task_result": {"elements": [MOON]}}
RECORDS: dict[str, dict[str, Any]] = {
    "bare": MOON,
    "bare with an empty status": {**MOON, "task_status": ""},
    "without a task": WRAPPED,
    "empty task": {**WRAPPED, "task_id": "", "task_status": "", "task_info": {}},
    "null task": {**WRAPPED, "task_id": None, "task_status": None, "task_info": None},
    "flat result": {"task_id": "", "task_status": "", "task_result": MOON},
    "task id alone": {**WRAPPED, "task_id": TASK_ID, "task_status": ""},
}


class Kling:
    """A Kling that shows one record in its list of official elements, in that of own ones, and to a query."""

    def __init__(self, record: dict[str, Any]) -> None:
        self.record = record

    def __call__(self, request: httpx.Request) -> httpx.Response:
        is_list = request.url.path.endswith("elements")
        return httpx.Response(200, json={"code": 0, "data": [self.record] if is_list else self.record})


@pytest.mark.parametrize("form", RECORDS)
async def test_thin_record_is_ready_in_every_answer(settings: Settings, form: str) -> None:
    kling = Kling(RECORDS[form])
    runtime = Runtime(replace(settings), clock=VirtualClock(), make_transport=lambda: httpx.MockTransport(kling))
    statuses: list[str] = []
    async with Client(build_server(settings, runtime)) as client:
        for tool, arguments in (
            ("list_elements", {}),
            ("list_preset_elements", {}),
            ("find_elements", {"source": "preset", "status": "any"}),
            ("find_elements", {"source": "custom", "status": "any"}),
            ("get_element", {"id": "160"}),
            ("get_element", {"id": "Moon"}),
        ):
            answer = structured(await client.call_tool(tool, arguments))
            assert answer.get("task_status", "succeed") == "succeed"
            statuses += [row["status"] for row in answer["elements"]]
        used = structured(await client.call_tool("use_elements", {"elements": ["160"], "target": "omni-video"}))
    assert statuses == ["ready"] * 6
    assert used["element_ids"] == ["160"]
