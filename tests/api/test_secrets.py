"""Secrets stay where they are, also when Kling or a proxy sends them back: canaries in every kind of reply."""

from __future__ import annotations

import asyncio
import html
import io
import json
import logging
import sys
import traceback
from collections.abc import Callable, Iterator
from urllib.parse import quote

import httpx
import pytest
from helpers import ACCESS_KEY, API_KEY, CANARIES, SECRET_KEY, SENDS, failure_of
from network_stand import listening
from virtual_time import VirtualClock

from kling_mcp.api.auth import ApiKey, Credential, KeyPair
from kling_mcp.api.client import KlingClient
from kling_mcp.api.sender import Sender
from kling_mcp.concurrency.clock import SystemClock
from kling_mcp.errors import ApiError, UnexpectedReplyError
from kling_mcp.observability.logs import configure_logging
from kling_mcp.redact import HIDDEN

pytestmark = pytest.mark.anyio


@pytest.fixture
def debug_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """The process's own log at DEBUG; no setting has named a secret to it."""
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    configure_logging("DEBUG")
    yield stderr
    configure_logging()
    root.handlers[:] = handlers
    root.setLevel(level)


CREDENTIALS: dict[str, Credential] = {"api-key": ApiKey(API_KEY), "key-pair": KeyPair(ACCESS_KEY, SECRET_KEY)}
Echo = Callable[[str], httpx.Response]


def envelope(code: int, message: str, **data: object) -> dict[str, object]:
    return {"code": code, "message": message, "request_id": message, "data": data}


# What somebody could do with the header that we sent.
ECHOES: dict[str, Echo] = {
    "message": lambda said: httpx.Response(400, json=envelope(1200, f"bad header: {said}")),
    "message-escaped": lambda said: httpx.Response(
        401, content=json.dumps(envelope(1002, said)).replace("/", "\\/").encode()
    ),
    "unknown-code": lambda said: httpx.Response(500, json=envelope(7777, said)),
    "html": lambda said: httpx.Response(502, html=f"<html><b>{html.escape(said)}</b></html>"),
    "text": lambda said: httpx.Response(200, text=said),
    "location": lambda said: httpx.Response(307, headers={"Location": f"https://x.invalid/?token={quote(said)}"}),
}


def everything_said(error: BaseException, log: pytest.LogCaptureFixture) -> str:
    """All that a person, an agent or a log could see of an error, its whole chain included."""
    seen = ["".join(traceback.format_exception(error)), log.text]
    link: BaseException | None = error
    while link is not None:
        seen += [str(link), repr(link), repr(vars(link)), repr(link.args)]
        link = link.__cause__ or link.__context__
    for record in log.records:
        seen += [record.getMessage(), repr(record.__dict__)]
    return "\n".join(seen)


class TestEchoOverARealSocket:
    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @pytest.mark.parametrize("credential", CREDENTIALS.values(), ids=CREDENTIALS)
    async def test_key_that_a_header_echoes_is_not_in_the_debug_log(
        self, debug_log: io.StringIO, credential: Credential
    ) -> None:
        """At DEBUG, httpcore logs the headers of each reply. Over http, the keys of callers are in no setting."""
        shown = " ".join([*credential.secrets, *map(quote, credential.secrets)])

        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            headers = f"X-Echo: {shown}\r\nSet-Cookie: k={credential.secrets[0]}\r\nContent-Length: 11\r\n"
            writer.write(f'HTTP/1.1 200 OK\r\n{headers}\r\n{{"code": 5}}'.encode())
            await writer.drain()

        async with listening(echo) as port:
            sender = Sender(f"http://127.0.0.1:{port}", SystemClock())
            await failure_of(KlingClient(sender, credential, SystemClock()), "list")
            await sender.aclose()
        log = debug_log.getvalue()
        assert "receive_response_headers.complete" in log
        assert "X-Echo" in log
        assert HIDDEN in log
        assert not [secret for secret in CANARIES if secret in log]


@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
@pytest.mark.parametrize("credential", CREDENTIALS.values(), ids=CREDENTIALS)
@pytest.mark.parametrize("route", ["query", "list", "create", "delete"])
async def test_an_echoed_secret_is_shown_nowhere(
    clock: VirtualClock, caplog: pytest.LogCaptureFixture, echo: Echo, credential: Credential, route: str
) -> None:
    caplog.set_level(logging.DEBUG)
    sent: list[str] = []

    def network(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers["authorization"].removeprefix("Bearer "))
        return echo(" ".join([request.headers["authorization"], *credential.secrets]))

    sender = Sender("https://kling.example", clock, make_transport=lambda: httpx.MockTransport(network))
    error = await failure_of(KlingClient(sender, credential, clock), route)

    said = everything_said(error, caplog)
    for secret in (*CANARIES, *sent, *(quote(token, safe="") for token in sent)):
        assert secret not in said
    if isinstance(error, ApiError):
        assert HIDDEN in error.vendor_message
    assert HIDDEN in error.for_caller() or not isinstance(error, ApiError)


async def test_an_echo_in_a_result_is_hidden_too(clock: VirtualClock) -> None:
    """Also one that carries the token before the last: its answer was on the way when the clock was corrected."""
    pair = KeyPair(ACCESS_KEY, SECRET_KEY)
    sent: list[str] = []

    def network(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers["authorization"].removeprefix("Bearer "))
        record = {"task_id": "1", "task_status": "failed", "task_status_msg": " ".join([*sent, ACCESS_KEY])}
        return httpx.Response(200, json=envelope(0, "SUCCEED", **record))

    sender = Sender("https://kling.example", clock, make_transport=lambda: httpx.MockTransport(network))
    client = KlingClient(sender, pair, clock)
    await client.get_task("1")
    await clock.sleep(2000)  # long enough for another token
    task = await client.get_task("1")
    assert len(set(sent)) == 2
    assert task.task_status_msg == f"{HIDDEN} {HIDDEN} {HIDDEN}"


async def test_ordinary_words_are_left_alone(clock: VirtualClock) -> None:
    """A key as short as a word is none; hiding it would tear holes into names, and break ids."""
    reply = envelope(0, "SUCCEED", task_id="101", task_status_msg="sandbox castle 101")
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=reply))
    sender = Sender("https://kling.example", clock, make_transport=lambda: transport)
    for credential in (ApiKey("101"), ApiKey("sandbox", "sandbox"), ApiKey("sandbox castle", "sandbox")):
        task = await KlingClient(sender, credential, clock).get_task("101")
        assert (task.task_id, task.task_status_msg) == ("101", "sandbox castle 101")


async def test_the_network_failing_says_nothing_either(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    def network(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError(f"cannot send {dict(request.headers)}", request=request)

    sender = Sender("https://kling.example", clock, make_transport=lambda: httpx.MockTransport(network))
    for route in SENDS:
        error = await failure_of(KlingClient(sender, ApiKey(API_KEY), clock), route)
        assert API_KEY not in str(error) + error.for_caller() + "".join(traceback.format_exception(error))


async def test_a_cut_body_hides_before_it_cuts(clock: VirtualClock) -> None:
    """The part of a secret that a cap leaves over is a secret, too."""
    page = "x" * (300 - len(API_KEY) // 2) + API_KEY
    sender = Sender(
        "https://kling.example",
        clock,
        make_transport=lambda: httpx.MockTransport(lambda _: httpx.Response(200, text=page)),
    )
    error = await failure_of(KlingClient(sender, ApiKey(API_KEY), clock), "query")
    assert isinstance(error, UnexpectedReplyError)
    assert API_KEY[:8] not in error.body
