"""Short calls come by a form of the server without event streams, and are the same calls."""

from __future__ import annotations

import pytest
from helpers import requests_to

from hosting.conftest import Serve
from hosting.http_server import calling, creation, headers_for, initializing, kling
from kling_mcp.server.tools import SHORT, load
from kling_mcp.simulator import World

pytestmark = pytest.mark.anyio

ANNA = kling("anna")


@pytest.mark.parametrize("name", sorted(SHORT))
async def test_short_call_is_the_same_call_in_every_form(serve: Serve, name: str) -> None:
    body = calling(name, page_size=3)
    async with serve() as house, house.http() as http:
        said = [
            await http.post("/mcp", json=body, headers=headers_for(body, **ANNA, Accept=accept))
            for accept in ("application/json, text/event-stream", "application/json", "text/event-stream")
        ]
        elsewhere = await http.post("/mcp/", json=body, headers=headers_for(body, **ANNA))
    assert [reply.status_code for reply in said] == [200] * 3
    answers = [reply.text.partition("data: ")[2] or reply.text for reply in said]
    assert answers[0] == answers[1] == answers[2].strip()
    assert '"isError":false' in answers[0]
    assert elsewhere.status_code != 500


@pytest.mark.parametrize("name", sorted(SHORT))
async def test_name_of_a_short_call_lets_no_other_call_in(serve: Serve, world: World, name: str) -> None:
    body = calling("create_element", **creation("Mia"))
    async with serve() as house:
        refused = await house.post(body, {**ANNA, "Mcp-Name": name})
        method = await house.post(body, {**ANNA, "Mcp-Name": name, "Mcp-Method": "tools/list"})
    assert (refused.status_code, method.status_code) == (400, 400)
    assert not requests_to(world, "create")


async def test_forms_of_the_server_share_accounts_and_end_together(serve: Serve) -> None:
    async with serve() as house:
        await house.post(calling("list_elements"), ANNA)
        await house.post(calling("find_elements", query="Mia"), ANNA)
        assert len(house.runtime._accounts) == 1
        older = await house.post(initializing(), {**ANNA, "Mcp-Name": "list_elements", "Mcp-Method": "tools/call"})
        assert older.headers["Mcp-Session-Id"] in house.sdk_sessions
    assert not house.app.state.server.session_manager._task_group


@pytest.mark.parametrize("name", sorted(SHORT))
def test_short_call_reads_and_its_code_reports_no_progress(name: str) -> None:
    spec = load(name)
    assert not spec.changes_something
    used = spec.handler.__code__.co_names
    assert not {"report_progress", "ask", "wait_seconds"} & set(used)
