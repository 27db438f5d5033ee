"""A dump of the database shows nobody's credentials, pictures or links to them, and names no account in clear."""

from __future__ import annotations

import base64

import pytest
from helpers import ACCESS_KEY, API_KEY, CANARIES, SECRET_KEY, Connect, Pictures, structured
from virtual_time import VirtualClock

from kling_mcp.simulator import World
from postgres.conftest import Database
from postgres.server import PASSWORD

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "credential",
    [
        {"api_key": API_KEY},
        {"api_key": "", "access_key": ACCESS_KEY, "secret_key": SECRET_KEY},
    ],
    ids=["api key", "key pair"],
)
async def test_database_holds_no_secret(
    connect: Connect,
    database: Database,
    pictures: Pictures,
    creation: dict[str, object],
    credential: dict[str, str],
) -> None:
    async with connect(state_url=database.url, **credential) as client:
        made = structured(await client.call_tool("create_element_and_wait", creation))
        found = structured(await client.call_tool("find_elements", {"query": "mia"}))
        assert found["elements"][0]["element_id"] == made["element_ids"][0]
    text = database.server.dump(database.name)
    assert "Mia" in text
    assert made["task_id"] in text
    for secret in (*CANARIES, PASSWORD):
        assert secret not in text
    for path in (pictures.front, pictures.side):
        assert str(path) not in text
        assert base64.b64encode(path.read_bytes()).decode()[100:160] not in text


def test_the_clock_of_these_tests_is_virtual(clock: VirtualClock, world: World) -> None:
    """Else a creation would take as long as it does at Kling."""
    assert isinstance(clock, VirtualClock)
    assert world.clock == clock.wall
