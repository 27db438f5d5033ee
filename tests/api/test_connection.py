"""What can happen between us and Kling: no connection, no reply, half a reply, too much, another address."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from importlib.util import find_spec
from typing import Any, NamedTuple

import anyio
import httpx
import pytest
from helpers import API_KEY, ATTEMPTS, SENDS, VIDEO_CREATION, failure_of, requests_to
from virtual_time import VirtualClock

from kling_mcp.account import Account
from kling_mcp.api.auth import ApiKey
from kling_mcp.api.client import KlingClient
from kling_mcp.api.sender import MAX_REPLY_BYTES, Sender, Timeouts
from kling_mcp.errors import (
    ConnectionFailedError,
    KlingError,
    LostReplyError,
    UnexpectedReplyError,
    UnknownOutcomeError,
)
from kling_mcp.simulator import Faults, World

pytestmark = pytest.mark.anyio

HOST = "https://api-singapore.klingai.com"
Handler = Callable[[httpx.Request], httpx.Response]


class End(NamedTuple):
    """How a request ends: class, kind, created, retry."""

    error: type[KlingError]
    kind: str
    created: str
    retry: str


NEVER_SENT = End(ConnectionFailedError, "network", "no", "now")
LOST_LOOK = End(LostReplyError, "network", "no", "now")
LOST_CREATION = End(UnknownOutcomeError, "unknown_outcome", "maybe", "later")
LOST_DELETION = End(UnknownOutcomeError, "unknown_outcome", "no", "now")


def end_of(error: KlingError) -> End:
    """The four words of an error."""
    return End(type(error), error.kind, error.created, error.retry)


def client_of(handler: Handler, clock: VirtualClock, **options: Any) -> KlingClient:
    """A client whose network is this function."""
    sender = Sender(HOST, clock, make_transport=lambda: httpx.MockTransport(handler), **options)
    return KlingClient(sender, ApiKey(API_KEY), clock)


class TestNoConnection:
    """Nothing was sent, so every request may be repeated."""

    @pytest.mark.parametrize("route", SENDS)
    @pytest.mark.parametrize("timed_out", [False, True], ids=["refused", "timed-out"])
    async def test_every_request_is_tried_again_and_then_given_up(
        self, account: Account, world: World, faults: Faults, route: str, timed_out: bool
    ) -> None:
        faults.refuse_connection(timeout=timed_out, times=None)
        error = await failure_of(account.client, route)
        assert end_of(error) == NEVER_SENT
        assert world.requests == []
        # Two time-outs of ten seconds use up the time for repeats.
        assert account.client.sender.requests_sent == (2 if timed_out else ATTEMPTS)
        assert "api-singapore.klingai.com" in error.message
        assert "nothing was sent" in error.message

    async def test_a_creation_survives_two_refused_connections(
        self, account: Account, world: World, faults: Faults
    ) -> None:
        faults.refuse_connection(times=2)
        await account.client.create_element(VIDEO_CREATION, external_task_id="kmcp-mia")
        assert world.accepted_creations() == {"kmcp-mia": 1}

    @pytest.mark.parametrize("failure", [httpx.ProxyError("403"), httpx.PoolTimeout("busy"), httpx.ConnectError("x")])
    async def test_a_proxy_that_refuses_lets_nothing_through(self, clock: VirtualClock, failure: Exception) -> None:
        def refuse(request: httpx.Request) -> httpx.Response:
            raise failure

        assert end_of(await failure_of(client_of(refuse, clock), "create")) == NEVER_SENT


class TestLostReply:
    @pytest.mark.parametrize("ending", ["closed", "reset"])
    async def test_a_look_up_is_repeated(self, account: Account, world: World, faults: Faults, ending: Any) -> None:
        """fact: retry-reads"""
        faults.lose_reply_before_commit(ending=ending, times=None)
        assert end_of(await failure_of(account.client, "query")) == LOST_LOOK
        assert len(world.requests) == ATTEMPTS

    @pytest.mark.parametrize("ending", ["closed", "reset", "hang"])
    @pytest.mark.parametrize("committed", [False, True])
    async def test_a_creation_is_sent_once(
        self, account: Account, world: World, faults: Faults, ending: Any, committed: bool
    ) -> None:
        """fact: retry-create"""
        lose = faults.lose_reply_after_commit if committed else faults.lose_reply_before_commit
        lose(ending=ending, times=None)
        error = await failure_of(account.client, "create")
        assert end_of(error) == LOST_CREATION
        assert len(requests_to(world, "create")) == 1
        assert sum(world.accepted_creations().values()) == committed
        assert isinstance(error, UnknownOutcomeError)
        assert error.still_at_work == (ending == "hang")

    @pytest.mark.parametrize("committed", [False, True])
    async def test_a_deletion_is_sent_once(
        self, account: Account, world: World, faults: Faults, committed: bool
    ) -> None:
        lose = faults.lose_reply_after_commit if committed else faults.lose_reply_before_commit
        lose(times=None)
        assert end_of(await failure_of(account.client, "delete")) == LOST_DELETION
        assert len(world.requests) == 1


class TestSilence:
    async def test_a_server_that_hangs_is_left_after_the_read_time_out(
        self, account: Account, faults: Faults, clock: VirtualClock
    ) -> None:
        faults.lose_reply_after_commit(ending="hang", times=None)
        started = clock.monotonic()
        assert end_of(await failure_of(account.client, "query")) == LOST_LOOK
        assert clock.monotonic() - started == pytest.approx(Timeouts().read)  # one attempt: no time for a second

    async def test_a_late_reply_is_waited_for(self, account: Account, faults: Faults, clock: VirtualClock) -> None:
        faults.delay(Timeouts().read - 1)
        await account.client.list_elements()
        assert clock.monotonic() == pytest.approx(Timeouts().read - 1)

    async def test_a_reply_that_drips_is_left_after_the_exchange_time_out(self, clock: VirtualClock) -> None:
        async def drip() -> AsyncIterator[bytes]:
            while True:
                await anyio.sleep(10)  # each byte comes well before the read time-out
                yield b" "

        client = client_of(lambda _: httpx.Response(200, content=drip()), clock)
        for route, end in (("query", LOST_LOOK), ("create", LOST_CREATION)):
            started = clock.monotonic()
            assert end_of(await failure_of(client, route)) == end
            assert clock.monotonic() - started == pytest.approx(Timeouts().exchange, abs=0.1)

    async def test_answer_to_a_large_body_is_waited_for_longer(
        self, account: Account, faults: Faults, clock: VirtualClock
    ) -> None:
        """A proxy may take megabytes at once, and pass them on as slowly as its line is."""
        large = {**VIDEO_CREATION, "element_description": "x" * 6_500_000}
        faults.lose_reply_after_commit(ending="hang", route="create", times=2)
        with pytest.raises(UnknownOutcomeError):
            await account.client.create_element(VIDEO_CREATION, external_task_id="small")
        small_took = clock.monotonic()
        with pytest.raises(UnknownOutcomeError):
            await account.client.create_element(large, external_task_id="large")
        assert small_took == pytest.approx(Timeouts().read, abs=0.1)
        assert clock.monotonic() - small_took == pytest.approx(Timeouts().read + 6_500_000 / 16_000, abs=0.1)

    async def test_drip_after_a_large_body_is_left_after_a_longer_time(self, clock: VirtualClock) -> None:
        async def drip() -> AsyncIterator[bytes]:
            while True:
                await anyio.sleep(10)
                yield b" "

        client = client_of(lambda _: httpx.Response(200, content=drip()), clock)
        with pytest.raises(UnknownOutcomeError):
            await client.create_element({"picture": bytes(4_875_000)}, external_task_id="large")
        assert clock.monotonic() == pytest.approx(Timeouts().exchange + 6_500_000 / 16_000, abs=0.1)

    async def test_half_a_reply_is_a_lost_reply(self, clock: VirtualClock) -> None:
        async def half() -> AsyncIterator[bytes]:
            yield b'{"code": 0, "da'
            raise httpx.ReadError("reset")

        client = client_of(lambda _: httpx.Response(200, content=half()), clock)
        assert end_of(await failure_of(client, "create")) == LOST_CREATION


class TestOversizedReply:
    @pytest.mark.parametrize(("route", "error"), [("list", UnexpectedReplyError), ("create", UnknownOutcomeError)])
    async def test_an_endless_reply_is_not_read_to_its_end(
        self, clock: VirtualClock, route: str, error: type[KlingError]
    ) -> None:
        sent = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal sent
            while True:
                sent += 4 * 2**20
                yield bytes(4 * 2**20)

        caught = await failure_of(client_of(lambda _: httpx.Response(200, content=endless()), clock), route)
        assert type(caught) is error
        assert sent <= MAX_REPLY_BYTES + 4 * 2**20
        assert "64 MiB" in caught.message
        assert caught.created == ("maybe" if route == "create" else "no")


class TestRedirects:
    """The credential goes to the host that was configured, and to no other."""

    @pytest.mark.parametrize("route", SENDS)
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_redirect_to_another_host_is_not_followed(self, clock: VirtualClock, route: str, status: int) -> None:
        asked: list[httpx.URL] = []

        def network(request: httpx.Request) -> httpx.Response:
            asked.append(request.url)
            return httpx.Response(status, headers={"Location": f"https://elsewhere.invalid{request.url.path}"})

        error = await failure_of(client_of(network, clock), route)

        assert [url.host for url in asked] == ["api-singapore.klingai.com"]
        assert end_of(error) == End(UnexpectedReplyError, "vendor_fault", "no", "never")
        assert '"https://elsewhere.invalid/v1/' in error.message
        assert "never sent to another address" in error.message

    async def test_redirect_on_the_same_host_is_not_followed(
        self, account: Account, world: World, faults: Faults
    ) -> None:
        faults.redirect(f"{HOST}/v1/general/elsewhere")
        await failure_of(account.client, "query")
        assert len(world.requests) == 1


class TestConnectionPool:
    async def test_connection_pool_serves_many_requests_and_reopens_after_closing(self, clock: VirtualClock) -> None:
        made = 0

        def transport() -> httpx.MockTransport:
            nonlocal made
            made += 1
            return httpx.MockTransport(lambda _: httpx.Response(200, json={"code": 0, "data": []}))

        sender = Sender(f"{HOST}/", clock, make_transport=transport)
        client = KlingClient(sender, ApiKey(API_KEY), clock)
        assert made == 0  # nothing is opened before it is needed
        await client.list_elements()
        await client.list_elements()
        assert (made, sender.requests_sent) == (1, 2)
        await sender.aclose()
        await sender.aclose()
        await client.list_elements()
        assert made == 2

    async def test_a_path_in_the_base_url_is_kept(self, clock: VirtualClock) -> None:
        asked: list[str] = []

        def network(request: httpx.Request) -> httpx.Response:
            asked.append(str(request.url))
            return httpx.Response(200, json={"code": 0, "data": []})

        sender = Sender("https://gateway.example/kling/", clock, make_transport=lambda: httpx.MockTransport(network))
        await KlingClient(sender, ApiKey(API_KEY), clock).list_elements(2, 5)
        assert asked == ["https://gateway.example/kling/v1/general/advanced-custom-elements?pageNum=2&pageSize=5"]


async def test_module_that_httpcore_does_not_find_is_looked_for_once(clock: VirtualClock) -> None:
    """httpcore asks for `sniffio` at each request; where it is not installed, that costs more than the request."""
    answer = {"code": 0, "message": "", "data": []}
    await client_of(lambda _: httpx.Response(200, json=answer), clock).list_elements()
    assert "sniffio" in sys.modules or find_spec("sniffio")
