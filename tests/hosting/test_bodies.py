"""Bodies that come slowly, and the memory that they hold: from each caller's own share, and never for long."""

from __future__ import annotations

from functools import partial

import anyio
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send
from virtual_time import VirtualClock

from hosting.http_server import request_of
from kling_mcp.server.http.bodies import BODY_SECONDS, FREE_BYTES, Bodies
from kling_mcp.server.http.shares import STRANGERS

pytestmark = pytest.mark.anyio

MB = 1_000_000
MOST, LARGEST = 256 * MB, 12 * MB


class Guarded:
    """Bodies in front of an app that reads everything and then works for ten seconds."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.bodies = Bodies(self.app, clock, largest=LARGEST, most_bytes=MOST)
        self.statuses: dict[str, int] = {}

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["more_body"]:
            pass
        await self.clock.sleep(10)
        await PlainTextResponse("done")(scope, receive, send)

    async def post(self, name: str, share: bytes, size: int, *, stops_at: int = 0, seconds: float = 0.0) -> None:
        """Send so many bytes in megabytes, within `seconds`, or stop there and keep the connection open."""
        arrived = 0

        async def receive() -> Message:
            nonlocal arrived
            if stops_at and arrived >= stops_at:
                await anyio.sleep_forever()
            piece = min(MB, size - arrived)
            await self.clock.sleep(seconds * piece / size)
            arrived += piece
            return {"type": "http.request", "body": b"x" * piece, "more_body": arrived < size}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.statuses[name] = message["status"]

        await self.bodies(request_of(share), receive, send)


@pytest.fixture
def guarded(clock: VirtualClock) -> Guarded:
    return Guarded(clock)


async def test_half_sent_bodies_of_strangers_keep_no_room_from_anyone(guarded: Guarded) -> None:
    async with anyio.create_task_group() as group:
        for number in range(22):
            group.start_soon(partial(guarded.post, f"half {number}", STRANGERS, LARGEST, stops_at=11 * MB))
        await guarded.clock.sleep(1)
        for share in (b"anna", b"bert", b"cleo", STRANGERS):
            group.start_soon(partial(guarded.post, f"whole {share!r}", share, LARGEST, seconds=5))
            group.start_soon(partial(guarded.post, f"small {share!r}", share, 2_000))
        await guarded.clock.sleep(17)
        whole = {name: status for name, status in guarded.statuses.items() if not name.startswith("half")}
        assert len(whole) == 8
        assert set(whole.values()) == {200}
        group.cancel_scope.cancel()


async def test_half_sent_bodies_of_a_known_caller_leave_room_for_others(guarded: Guarded) -> None:
    async with anyio.create_task_group() as group:
        for number in range(22):
            group.start_soon(partial(guarded.post, f"half {number}", b"anna", LARGEST, stops_at=11 * MB))
        await guarded.clock.sleep(1)
        for share in (b"bert", b"cleo", STRANGERS):
            group.start_soon(partial(guarded.post, f"whole {share!r}", share, LARGEST))
        await guarded.clock.sleep(12)
        assert guarded.statuses["whole b'bert'"] == guarded.statuses["whole b'cleo'"] == 200
        assert guarded.statuses["whole b''"] == 200
        group.cancel_scope.cancel()


async def test_oldest_half_of_a_body_makes_room_for_its_callers_next(guarded: Guarded) -> None:
    async with anyio.create_task_group() as group:
        for number in range(2):
            group.start_soon(partial(guarded.post, f"half {number}", STRANGERS, LARGEST, stops_at=11 * MB))
            await guarded.clock.sleep(1)
        for number in range(1, 4):
            group.start_soon(partial(guarded.post, f"whole {number}", STRANGERS, LARGEST))
            await guarded.clock.sleep(11)
        assert guarded.statuses == {"half 0": 503, "whole 1": 200, "whole 2": 200, "whole 3": 200}
        group.cancel_scope.cancel()


async def test_body_that_is_complete_gives_no_way(guarded: Guarded) -> None:
    async with anyio.create_task_group() as group:
        for number in range(30):
            group.start_soon(partial(guarded.post, f"{number}", b"anna", LARGEST))
    statuses = list(guarded.statuses.values())
    assert statuses.count(200) == MOST // 2 // LARGEST
    assert statuses.count(503) == 30 - MOST // 2 // LARGEST
    await guarded.post("later", b"anna", LARGEST)
    assert guarded.statuses["later"] == 200, "everything was given back"


async def test_small_requests_never_wait_for_large_ones(guarded: Guarded) -> None:
    async with anyio.create_task_group() as group:
        for number in range(30):
            group.start_soon(partial(guarded.post, f"large {number}", b"anna", LARGEST))
        await guarded.clock.sleep(1)
        for number in range(100):
            group.start_soon(partial(guarded.post, f"small {number}", b"anna", FREE_BYTES))
    assert {guarded.statuses[f"small {number}"] for number in range(100)} == {200}


async def test_slow_body_is_given_up_after_a_minute(guarded: Guarded, clock: VirtualClock) -> None:
    await guarded.post("slow", b"anna", 2 * MB, stops_at=MB)
    assert (guarded.statuses, clock.monotonic()) == ({"slow": 408}, BODY_SECONDS)
