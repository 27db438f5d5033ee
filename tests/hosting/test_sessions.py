"""Sessions of older clients: used by their own caller alone, and always room for a caller's next one."""

from __future__ import annotations

from collections.abc import Mapping

import anyio
import pytest
from virtual_time import VirtualClock

from hosting.conftest import Serve
from hosting.http_server import TOKEN, House, bearer, calling, initializing, kling, message
from kling_mcp.settings.hosting import HostingSettings
from kling_mcp.simulator import Faults

pytestmark = pytest.mark.anyio

LIST = message("tools/list")
ANNA = kling("anna")
OLDER = {"MCP-Protocol-Version": "2025-11-25"}
WAYS_IN = {"open": HostingSettings(), "token": HostingSettings(token=TOKEN)}


async def opened(house: House, who: Mapping[str, str]) -> dict[str, str]:
    """The headers of a new session of this caller."""
    reply = await house.post(initializing(), who)
    assert reply.status_code == 200, reply.text
    return {**who, **OLDER, "Mcp-Session-Id": reply.headers["Mcp-Session-Id"]}


async def is_open(house: House, session: Mapping[str, str]) -> bool:
    status = (await house.post({**LIST, "params": {}}, session)).status_code
    assert status in {200, 404}
    return status == 200


async def prove(house: House, who: Mapping[str, str]) -> None:
    """Kling accepts this caller's key."""
    assert (await house.post(calling("list_elements"), who)).json()["result"]["isError"] is False


class TestRoom:
    async def test_caller_that_never_ends_a_session_can_always_open_the_next(self, serve: Serve) -> None:
        async with serve(most_sessions=40) as house:
            await prove(house, ANNA)
            sessions = [await opened(house, ANNA) for _ in range(100)]
            assert [await is_open(house, session) for session in sessions[-15:]] == [False] * 5 + [True] * 10

    async def test_session_that_was_idle_longest_makes_room(self, serve: Serve) -> None:
        async with serve(most_sessions=40) as house:
            await prove(house, ANNA)
            oldest, *others = [await opened(house, ANNA) for _ in range(10)]
            assert await is_open(house, oldest)
            await opened(house, ANNA)
            assert [await is_open(house, session) for session in (oldest, *others)] == [True, False] + [True] * 8

    async def test_session_with_a_running_call_stays(self, serve: Serve, faults: Faults, clock: VirtualClock) -> None:
        statuses: list[int] = []
        async with serve(most_sessions=12) as house:
            await prove(house, ANNA)
            busy = [await opened(house, ANNA) for _ in range(3)]
            faults.delay(20, times=3, route="list")

            async def wait(session: Mapping[str, str]) -> None:
                call = calling("list_elements")
                call["params"].pop("_meta")
                statuses.append((await house.post(call, session)).status_code)

            async with anyio.create_task_group() as group:
                for session in busy:
                    group.start_soon(wait, session)
                await clock.sleep(1)
                refused = await house.post(initializing(), ANNA)
                assert (refused.status_code, refused.headers["Retry-After"]) == (503, "60")
                assert "calls running" in refused.json()["error"]["message"]
                assert (await house.post(initializing(), kling("bert"))).status_code == 200, "others have room"
                assert (await house.post(LIST, ANNA)).status_code == 200, "newer clients need none"
            assert statuses == [200] * 3
            assert [await is_open(house, session) for session in busy] == [True] * 3
            await opened(house, ANNA)

    async def test_open_stream_does_not_keep_an_idle_session(self, serve: Serve, clock: VirtualClock) -> None:
        async with serve(most_sessions=4) as house:
            await prove(house, ANNA)
            session = await opened(house, ANNA)
            ended: list[int] = []

            async def stream() -> None:
                async with house.http({**session, "Accept": "text/event-stream"}) as http:
                    ended.append((await http.get("/mcp")).status_code)

            async with anyio.create_task_group() as group:
                group.start_soon(stream)
                await clock.sleep(60)
                assert ended == []
                await opened(house, ANNA)
            assert ended == [200]
            assert not await is_open(house, session)

    async def test_invented_keys_take_no_room_from_others(self, serve: Serve) -> None:
        async with serve(most_sessions=64) as house:
            await prove(house, ANNA)
            mine = await opened(house, ANNA)
            invented = [await opened(house, kling(f"key-{number}")) for number in range(200)]
            assert await is_open(house, mine)
            assert [await is_open(house, session) for session in invented[-6:]] == [False] * 2 + [True] * 4
            assert len([await opened(house, ANNA) for _ in range(15)]) == 15

    async def test_openings_at_the_same_moment_are_counted(self, serve: Serve) -> None:
        statuses: list[int] = []
        async with serve(most_sessions=32) as house:

            async def open_one() -> None:
                statuses.append((await house.raw(initializing()))[0])

            async with anyio.create_task_group() as group:
                for _ in range(20):
                    group.start_soon(open_one)
            assert set(statuses) <= {200, 503}
            assert 200 in statuses
            assert len(house.sdk_sessions) <= 2

    async def test_session_of_a_stranger_counts_for_its_caller_once_the_key_is_proved(self, serve: Serve) -> None:
        async with serve(most_sessions=16) as house:
            mine = await opened(house, ANNA)
            await prove(house, ANNA)
            assert await is_open(house, mine)
            for number in range(5):
                await opened(house, kling(f"key-{number}"))
            assert await is_open(house, mine)

    async def test_forgotten_sessions_end_after_half_an_hour(self, serve: Serve, clock: VirtualClock) -> None:
        async with serve() as house:
            session = await opened(house, ANNA)
            await clock.sleep(1801)
            assert not await is_open(house, session)
            assert house.sdk_sessions == {}

    async def test_sessions_that_are_ended_and_openings_that_are_refused_leave_nothing(self, serve: Serve) -> None:
        async with serve() as house, house.http() as http:
            for _ in range(50):
                session = await opened(house, ANNA)
                assert (await http.delete("/mcp", headers=session)).status_code == 200
                assert (await house.raw({**LIST, "jsonrpc": "1.0"}, [(b"mcp-session-id", b"0" * 32)]))[0] in {400, 404}
            assert house.sdk_sessions == {}
            assert len(house.app.state.requests._answering) == 0


class TestOwner:
    @pytest.mark.parametrize("hosting", WAYS_IN.values(), ids=WAYS_IN)
    @pytest.mark.parametrize(
        "other",
        [
            kling("bert"),
            {},
            {"X-Kling-Access-Key": "anna", "X-Kling-Secret-Key": "a-secret-of-more-than-thirty-two-characters"},
        ],
        ids=["another key", "no key", "a key pair"],
    )
    async def test_session_is_not_there_for_another_caller(
        self, serve: Serve, hosting: HostingSettings, other: dict[str, str]
    ) -> None:
        async with serve(hosting=hosting) as house, house.http() as http:
            mine = await opened(house, {**bearer(), **ANNA})
            theirs = {**OLDER, **bearer(), **other, "Mcp-Session-Id": mine["Mcp-Session-Id"]}
            answers = [
                await house.post({**LIST, "params": {}}, theirs),
                await http.get("/mcp", headers={**theirs, "Accept": "text/event-stream"}),
                await http.delete("/mcp", headers=theirs),
            ]
            unknown = await http.delete("/mcp", headers={**theirs, "Mcp-Session-Id": "0" * 32})
            assert [answer.status_code for answer in answers] == [404, 404, 404]
            assert {answer.text for answer in answers} == {unknown.text}, "nor is it said to be there"
            assert await is_open(house, mine)

    async def test_call_cannot_be_cancelled_by_another_caller(
        self, serve: Serve, faults: Faults, clock: VirtualClock
    ) -> None:
        faults.delay(20, route="list")
        call = calling("list_elements")
        call["params"].pop("_meta")
        cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": call["id"]}}
        answers: list[str] = []
        async with serve() as house:
            mine = await opened(house, ANNA)

            async def ask() -> None:
                answers.append((await house.post(call, mine)).text)

            async with anyio.create_task_group() as group:
                group.start_soon(ask)
                await clock.sleep(5)
                assert (await house.post({**cancel, "id": 9}, {**mine, **kling("bert")})).status_code == 404
        assert '"isError":false' in answers[0].replace(" ", "")
