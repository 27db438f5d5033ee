"""Whoever invents keys leaves nothing behind: no row of the journal, no index, no file."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from helpers import API_KEY, last_line, requests_to, structured
from mcp_types import ResourceTemplateReference
from virtual_time import VirtualClock

from hosting.conftest import Serve
from hosting.http_server import creation, kling
from kling_mcp.simulator import World

pytestmark = pytest.mark.anyio

PAIR = {"X-Kling-Access-Key": "invented", "X-Kling-Secret-Key": "invented-with-more-than-thirty-two-characters"}
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("create_element", creation("Mia")),
    ("create_element_and_wait", {**creation("Mia"), "wait_seconds": 1}),
    ("wait_for_tasks", {"ids": ["some-task"], "wait_seconds": 0}),
    ("find_elements", {"query": "Mia"}),
    ("get_element", {"id": "880000000000000101"}),
    ("get_element", {"id": "Mia"}),
    ("use_elements", {"elements": ["Mia"], "target": "omni-video/kling-v3-omni"}),
    ("list_elements", {}),
    ("find_voices", {}),
    ("delete_element", {"element_id": "320000000000007", "element_name": "Mia"}),
    ("check_setup", {}),
]


@pytest.fixture
def world(clock: VirtualClock) -> World:
    return World(clock.wall, api_keys=[API_KEY])


def files_of_accounts(state: Path) -> list[str]:
    """What lies there beside the state of all, its locks and the log."""
    found = [path.relative_to(state).as_posix() for path in state.rglob("*") if path.is_file()]
    return [name for name in found if not name.startswith(("state.", "audit."))]


def rows(state: Path) -> int:
    """Of the journal and of the handles of tasks."""
    with sqlite3.connect(state / "state.sqlite3") as db:
        counts = db.execute("SELECT (SELECT count(*) FROM tasks) + (SELECT count(*) FROM handles)")
        return int(counts.fetchone()[0])


@pytest.mark.parametrize("who", [kling("invented"), PAIR], ids=["api key", "key pair"])
async def test_refused_credential_leaves_no_file_and_no_row(
    serve: Serve, tmp_path: Path, who: Mapping[str, str]
) -> None:
    async with serve() as house, house.client(headers=who) as client:
        for tool, arguments in CALLS:
            answer = await client.call_tool(tool, arguments)
            if tool != "check_setup":
                assert last_line(answer)["kind"] == "auth", tool
        element = ResourceTemplateReference(type="ref/resource", uri="kling://elements/{id}")
        assert (await client.complete(element, {"name": "id", "value": "M"})).completion.values == []
        assert files_of_accounts(tmp_path / "state") == []
    assert rows(tmp_path / "state") == 0


async def test_credential_that_counts_is_proved_by_whatever_it_asks(serve: Serve, tmp_path: Path, world: World) -> None:
    """One more request, and only where the first call of an account is a creation."""
    async with serve() as house, house.client(headers=kling(API_KEY)) as client:
        structured(await client.call_tool("list_elements", {}))
        lists = len(requests_to(world, "list"))
        structured(await client.call_tool("create_element", {**creation("Mia"), "allow_duplicate_name": True}))
        assert len(requests_to(world, "list")) == lists
        structured(await client.call_tool("find_elements", {"query": "Mia"}))
        assert len(files_of_accounts(tmp_path / "state")) > 0
    assert rows(tmp_path / "state") == 1
