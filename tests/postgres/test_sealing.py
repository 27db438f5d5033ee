"""A question to a caller, begun at one replica and answered at another that shares nothing with it but the database."""

from __future__ import annotations

from pathlib import Path

import pytest
from hosting.http_server import served
from hosting.test_sealing import answered, asked, is_done, with_a_question
from virtual_time import VirtualClock

from kling_mcp.simulator import World
from postgres.conftest import Database

pytestmark = pytest.mark.anyio


async def test_question_of_one_replica_is_answered_at_another(
    database: Database, clock: VirtualClock, tmp_path: Path
) -> None:
    world = World(clock.wall, any_api_key=True)
    async with (
        served(world, clock, tmp_path / "a", state_url=database.url) as a,
        served(world, clock, tmp_path / "b", state_url=database.url) as b,
        served(world, clock, tmp_path / "c") as stranger,
    ):
        state = await asked(with_a_question(a))
        assert is_done(await answered(with_a_question(b), state))
        assert not is_done(await answered(with_a_question(stranger), state))
        assert not is_done(await answered(b, f"{state[:-1]}{'A' if state[-1] != 'A' else 'B'}"))
    assert state not in database.server.dump(database.name)
