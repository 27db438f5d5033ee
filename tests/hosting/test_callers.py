"""Whose share a request uses: proof is asked for with each request, however well its caller is known."""

from __future__ import annotations

import pytest
from starlette.types import Receive, Scope, Send

from hosting.conftest import Serve
from hosting.http_server import calling, kling
from kling_mcp.server.http.callers import MOST_KNOWN, Caller, RecognizeCaller, caller_of
from kling_mcp.server.http.shares import STRANGERS
from kling_mcp.simulator import Faults

pytestmark = pytest.mark.anyio


class Door:
    """Notes who comes in."""

    def __init__(self) -> None:
        self.last = Caller(b"", b"")

    async def __call__(self, scope: Scope, _: Receive, __: Send) -> None:
        self.last = caller_of(scope)


async def let_in(door: Door, recognize: RecognizeCaller, *keys: str) -> Caller:
    headers = [(b"x-kling-api-key", key.encode()) for key in keys]
    await recognize({"type": "http", "headers": headers}, None, None)  # type: ignore[arg-type] # nothing is read
    return door.last


async def test_caller_has_a_share_as_long_as_kling_accepts_the_key(serve: Serve, faults: Faults) -> None:
    door = Door()
    async with serve() as house:
        recognize = RecognizeCaller(door, house.runtime)
        stranger = await let_in(door, recognize, "anna")
        await house.post(calling("list_elements"), kling("anna"))
        known = [await let_in(door, recognize, "anna") for _ in range(3)]
        faults.reply_code(1002, route="list")
        await house.post(calling("list_elements"), kling("anna"))
        refused = await let_in(door, recognize, "anna")
    assert stranger.share == refused.share == STRANGERS
    assert {caller.name for caller in (*known, refused)} == {stranger.name}
    assert len({caller.share for caller in known}) == 1
    assert known[0].share != STRANGERS


async def test_memory_of_callers_is_bounded_and_holds_no_strangers(serve: Serve) -> None:
    door = Door()
    async with serve() as house:
        recognize = RecognizeCaller(door, house.runtime)
        await house.post(calling("list_elements"), kling("anna"))
        anna = await let_in(door, recognize, "anna")
        for number in range(MOST_KNOWN + 1):
            await let_in(door, recognize, f"invented-{number}")
        assert list(recognize._known) == [anna.name]
        assert (await let_in(door, recognize, "anna")).share == anna.share
