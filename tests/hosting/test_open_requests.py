"""Who holds requests open holds them from its own share: streams make room for the next, calls are refused, not cut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import anyio
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send
from virtual_time import VirtualClock

from hosting.conftest import Serve
from hosting.http_server import TOKEN, House, bearer, calling, kling, message, request_of
from kling_mcp.server.http.open_requests import (
    OF_ONE,
    OF_STRANGERS,
    SEND_SECONDS,
    STRANGERS_BURST,
    STRANGERS_PER_SECOND,
    OpenRequests,
)
from kling_mcp.server.http.shares import STRANGERS
from kling_mcp.settings.hosting import HostingSettings
from kling_mcp.simulator import Faults

pytestmark = pytest.mark.anyio

LIST = message("tools/list")
LISTEN = message("subscriptions/listen", {"notifications": {}})
ANNA = kling("anna")


async def prove(house: House, who: dict[str, str]) -> None:
    reply = await house.post(calling("list_elements"), who)
    assert reply.json()["result"]["isError"] is False


class TestStreams:
    @pytest.mark.parametrize("hosting", [HostingSettings(), HostingSettings(token=TOKEN)], ids=["open", "token"])
    async def test_streams_of_an_invented_key_keep_no_one_else_out(
        self, serve: Serve, clock: VirtualClock, hosting: HostingSettings
    ) -> None:
        invented, anna = {**bearer(), **kling("invented")}, {**bearer(), **ANNA}
        ended: list[int] = []
        async with serve(hosting=hosting) as house, house.http() as http:
            await prove(house, anna)

            async def hold(who: dict[str, str]) -> None:
                ended.append((await house.post(LISTEN, who)).status_code)

            async with anyio.create_task_group() as group:
                for _ in range(OF_STRANGERS * 2):
                    group.start_soon(hold, invented)
                    await clock.sleep(0.1)
                group.start_soon(hold, anna)
                await clock.sleep(5)
                assert len(ended) == OF_STRANGERS, "the oldest ones have made room"
                assert [(await http.get(path)).status_code for path in ("/healthz", "/readyz")] == [200, 200]
                assert (await house.post(calling("list_elements"), anna)).status_code == 200
                assert (await house.post(LIST, {**bearer(), **kling("newcomer")})).status_code == 200
                assert len(ended) == OF_STRANGERS, "nor did these cost anna's stream its place"
                await house.app.state.requests.finish(0)

    async def test_stream_that_makes_room_ends_without_an_error(self) -> None:
        answers = [await self.pushed_out(has_begun) for has_begun in (True, False)]
        assert [part.get("more_body") for part in answers[0]] == [None, False]
        assert answers[1][0]["status"] == 503
        assert b"made room" in answers[1][1]["body"]

    @staticmethod
    async def pushed_out(has_begun: bool) -> list[Message]:
        """What the oldest stream of a caller is sent when there is one too many."""
        answers: dict[int, list[Message]] = {}

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if has_begun:
                await send({"type": "http.response.start", "status": 200, "headers": []})
            await anyio.sleep_forever()

        async def nothing() -> Message:
            return {"type": "http.request"}

        requests = OpenRequests(app, VirtualClock())
        async with anyio.create_task_group() as group:
            for number in range(OF_ONE + 1):
                answers[number] = []

                async def send(message: Message, number: int = number) -> None:
                    answers[number].append(message)

                group.start_soon(requests, request_of(b"anna", "GET"), nothing, send)
                await anyio.sleep(0.1)
            group.cancel_scope.cancel()
        return answers[0]


class TestCalls:
    @staticmethod
    async def statuses(requests: OpenRequests, shares: Iterable[bytes]) -> list[tuple[bytes, int]]:
        found: list[tuple[bytes, int]] = []

        async def one(share: bytes) -> None:
            async def nothing() -> Message:
                return {"type": "http.request"}

            async def send(message: Message) -> None:
                if message["type"] == "http.response.start":
                    found.append((share, message["status"]))

            await requests(request_of(share), nothing, send)

        async with anyio.create_task_group() as group:
            for share in shares:
                group.start_soon(one, share)
        return found

    async def test_calls_beyond_the_own_share_are_refused_and_others_are_answered(self, clock: VirtualClock) -> None:
        async def slow(scope: Scope, receive: Receive, send: Send) -> None:
            await clock.sleep(10)
            await PlainTextResponse("done")(scope, receive, send)

        everyone = [b"anna"] * (OF_ONE + 9) + [STRANGERS] * (OF_STRANGERS + 7) + [b"bert"] * 5
        found = Counter(await self.statuses(OpenRequests(slow, clock), everyone))
        assert found == {
            (b"anna", 200): OF_ONE,
            (b"anna", 503): 9,
            (STRANGERS, 200): OF_STRANGERS,
            (STRANGERS, 503): 7,
            (b"bert", 200): 5,
        }

    async def test_strangers_begin_one_after_the_other_beyond_a_burst(self, clock: VirtualClock) -> None:
        began: dict[bytes, list[float]] = {STRANGERS: [], b"anna": []}

        async def quick(scope: Scope, receive: Receive, send: Send) -> None:
            began[scope["kling_mcp.caller"].share].append(clock.monotonic())
            await PlainTextResponse("done")(scope, receive, send)

        requests = OpenRequests(quick, clock)
        for _ in range(6):
            await self.statuses(requests, [STRANGERS] * 50)
        await self.statuses(requests, [b"anna"] * 200)
        assert began[STRANGERS].count(began[STRANGERS][0]) == STRANGERS_BURST
        seconds = (300 - STRANGERS_BURST) / STRANGERS_PER_SECOND
        assert began[STRANGERS][-1] - began[STRANGERS][0] == pytest.approx(seconds)
        assert set(began[b"anna"]) == {began[STRANGERS][-1]}

    async def test_answer_that_is_not_taken_gives_its_place_back(self, clock: VirtualClock) -> None:
        async def answers(scope: Scope, receive: Receive, send: Send) -> None:
            await PlainTextResponse("done")(scope, receive, send)

        async def nothing() -> Message:
            return {"type": "http.request"}

        async def never(message: Message) -> None:
            await anyio.sleep_forever()

        requests = OpenRequests(answers, clock)
        began = clock.monotonic()
        await requests(request_of(b"anna"), nothing, never)
        assert clock.monotonic() - began == SEND_SECONDS + 1
        assert len(await self.statuses(requests, [b"anna"] * OF_ONE)) == OF_ONE


class TestProof:
    async def test_invented_keys_ask_kling_a_few_at_a_time_and_known_callers_pass_them(
        self, serve: Serve, faults: Faults, clock: VirtualClock
    ) -> None:
        answers: list[str] = []
        async with serve() as house:
            await prove(house, ANNA)
            faults.delay(5, times=20, route="list")

            async def invent(number: int) -> None:
                answers.append((await house.post(calling("list_elements"), kling(f"key-{number}"))).text)

            async with anyio.create_task_group() as group:
                for number in range(20):
                    group.start_soon(invent, number)
                await clock.sleep(12)
                assert len(answers) == 8, "four at a time"
                before = clock.monotonic()
                assert (await house.post(calling("list_elements"), ANNA)).status_code == 200
                assert clock.monotonic() - before <= 5

    async def test_many_first_calls_of_a_new_caller_wait_for_one_proof(
        self, serve: Serve, faults: Faults, clock: VirtualClock
    ) -> None:
        faults.delay(5, times=4, route="list")
        answers: list[str] = []
        async with serve() as house:

            async def call() -> None:
                answers.append((await house.post(calling("list_elements"), ANNA)).text)

            async with anyio.create_task_group() as group:
                for _ in range(20):
                    group.start_soon(call)
            assert clock.monotonic() == pytest.approx(5, abs=1)
        assert not any('"isError":true' in text.replace(" ", "") for text in answers)

    async def test_key_that_kling_no_longer_accepts_proves_nothing(self, serve: Serve, faults: Faults) -> None:
        async with serve() as house:
            await prove(house, ANNA)
            assert house.runtime.proved_credential(ANNA)
            faults.reply_code(1002, route="list")
            await house.post(calling("list_elements"), ANNA)
            assert not house.runtime.proved_credential(ANNA)
