"""Why Kling cannot be reached: one sentence for each cause, with the place and what cures it."""

from __future__ import annotations

import socket
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import anyio
import httpx
import pytest
from helpers import API_KEY, failure_of
from network_calls import failure_at, kling_at
from network_stand import Authority, ConnectProxy, Handler, Kling, SocksProxy, listening

from kling_mcp.api.diagnostics import check
from kling_mcp.api.network import Attempt, way_to
from kling_mcp.api.network_causes import explain
from kling_mcp.api.sender import Timeouts
from kling_mcp.cli import main
from kling_mcp.concurrency.clock import SystemClock
from kling_mcp.errors import KlingError

pytestmark = pytest.mark.anyio

API = "https://api.example"
WAY = way_to(API, "KLING_BASE_URL")
QUICK = Timeouts(connect=0.05)


@pytest.fixture
def anyio_backend() -> str:
    """Sockets need real time."""
    return "asyncio"


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that refuses connections: it is taken, and nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def require_network_error(error: KlingError, retry: str) -> None:
    """What holds for every cause; and the advice leads on, not in a circle."""
    assert (error.kind, error.created, error.retry) == ("network", "no", retry)
    assert "othing was" in error.for_caller()
    assert "check_setup" not in error.for_caller()
    assert f"docs/troubleshooting.md#{error.topic}\n" in error.for_caller()


async def test_unknown_name_is_reported_by_its_cause() -> None:
    error = await failure_at("https://no-such-host.invalid")
    require_network_error(error, "now")
    assert error.message.startswith("Could not connect to no-such-host.invalid: ")
    # A computer without any name service reports that in the same way.
    assert "was not found (DNS)" in error.message
    assert "KLING_BASE_URL" in error.advice
    assert "HTTPS_PROXY" in error.advice


async def test_refused_connection_is_reported_by_its_cause(closed_port: int) -> None:
    error = await failure_at(f"http://127.0.0.1:{closed_port}")
    require_network_error(error, "now")
    assert f"127.0.0.1:{closed_port}: the connection was refused" in error.message


async def test_silence_while_connecting_is_reported_by_its_cause() -> None:
    async with listening(_silent) as port:
        error = await failure_at(f"https://127.0.0.1:{port}", timeouts=QUICK)
    require_network_error(error, "now")
    assert "did not answer in time" in error.message


async def _silent(reader: StreamReader, _: StreamWriter) -> None:
    assert await reader.read()
    assert not await reader.read()  # until the client gives up


async def test_https_to_a_port_for_plain_http_is_reported_by_its_cause() -> None:
    async with listening(Kling()) as port:
        error = await failure_at(f"https://127.0.0.1:{port}")
    require_network_error(error, "never")
    assert f"127.0.0.1:{port} does not speak https" in error.message
    assert "KLING_BASE_URL" in error.advice


@pytest.mark.parametrize("path", ["v1", "kling/v1"])
@pytest.mark.parametrize("route", ["list", "create", "delete"])
@pytest.mark.parametrize("answer", [b"<html>not found</html>", b'{"code":1202,"message":"no such method"}'])
async def test_path_in_the_base_url_is_named_when_it_leads_nowhere(path: str, route: str, answer: bytes) -> None:
    async with listening(Kling(answer, "404 Not Found")) as port:
        error = await failure_at(f"http://127.0.0.1:{port}/{path}", route)
    require_network_error(error, "never")
    assert f"Drop the path /{path} from KLING_BASE_URL" in error.advice


async def test_address_without_a_path_is_not_blamed_for_what_is_not_found() -> None:
    async with listening(Kling(b'{"code":1203,"message":"no such task"}', "404 Not Found")) as port:
        assert (await failure_of(kling_at(f"http://127.0.0.1:{port}/gateway"), "query")).kind == "not_found"
        assert (await failure_of(kling_at(f"http://127.0.0.1:{port}"), "list")).kind == "not_found"


@pytest.mark.parametrize(
    ("refusal", "words", "retry"),
    [
        ("407 Proxy Authentication Required", "answers 407: it wants a user name and a password", "never"),
        ("403 Forbidden", "does not allow connections to api.example", "now"),
        ("502 Bad Gateway", "could not connect to api.example: it answers 502", "now"),
    ],
)
async def test_refusal_of_an_http_proxy_is_reported(
    monkeypatch: pytest.MonkeyPatch, refusal: str, words: str, retry: str
) -> None:
    async with listening(ConnectProxy(refusal=refusal)) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        error = await failure_at(API)
    require_network_error(error, retry)
    assert f"The proxy 127.0.0.1:{port} (HTTPS_PROXY)" in error.message
    assert words in error.message
    assert "HTTPS_PROXY" in error.advice


async def test_password_that_a_proxy_does_not_accept_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(ConnectProxy(refusal="407 No PWCANARY")) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://jane:PWCANARY@127.0.0.1:{port}")
        error = await failure_at(API)
    assert "does not accept the user name and password" in error.message
    assert "PWCANARY" not in error.for_caller()


async def test_proxy_in_front_of_a_plain_address_wants_a_password_too(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(Kling(b"", "407 Proxy Authentication Required")) as port:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
        error = await failure_at("http://127.0.0.1:9")
    require_network_error(error, "never")
    assert "(HTTP_PROXY) answers 407" in error.message


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_proxy_that_is_down_is_named_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, closed_port: int, scheme: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", f"{scheme}://127.0.0.1:{closed_port}")
    error = await failure_at(API)
    require_network_error(error, "now")
    assert f"The proxy 127.0.0.1:{closed_port} (ALL_PROXY) cannot be used" in error.message
    assert "refuses connections" in error.message
    assert "NO_PROXY" in error.advice


async def test_proxy_with_an_unknown_name_is_named_with_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://no-such-proxy.invalid:8080")
    error = await failure_at(API)
    require_network_error(error, "now")
    assert "The proxy no-such-proxy.invalid:8080 (https_proxy)" in error.message
    assert "(DNS)" in error.message


@pytest.mark.parametrize(
    ("proxy", "words", "retry"),
    [
        (SocksProxy(password="secret"), "wants a user name and a password", "never"),
        (SocksProxy(reply=2), "does not allow connections", "now"),
        (SocksProxy(reply=4), "host unreachable", "now"),
        (SocksProxy(reply=1), "it gave no reason", "now"),
    ],
)
async def test_refusal_of_a_socks_proxy_is_reported(
    monkeypatch: pytest.MonkeyPatch, proxy: SocksProxy, words: str, retry: str
) -> None:
    async with listening(proxy) as port:
        monkeypatch.setenv("ALL_PROXY", f"socks5://127.0.0.1:{port}")
        error = await failure_at(API)
    require_network_error(error, retry)
    assert words in error.message


async def test_wrong_password_for_a_socks_proxy_is_reported_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(SocksProxy(password="right")) as port:
        monkeypatch.setenv("ALL_PROXY", f"socks5://jane:PWCANARY@127.0.0.1:{port}")
        error = await failure_at(API)
    require_network_error(error, "never")
    assert "does not accept the user name and password" in error.message
    assert "PWCANARY" not in error.for_caller()


@pytest.mark.parametrize("scheme", ["http", "socks5"])
@pytest.mark.parametrize("other", ["http", "other", "silent"])
async def test_program_that_is_no_such_proxy_never_makes_a_creation_uncertain(
    monkeypatch: pytest.MonkeyPatch, scheme: str, other: str
) -> None:
    handlers: dict[str, Handler] = {"http": Kling(b"", "400 Bad Request"), "other": _greets, "silent": _leaves}
    async with listening(handlers[other]) as port:
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://127.0.0.1:{port}")
        error = await failure_at(API, timeouts=Timeouts(proxy=0.1))
    require_network_error(error, "now")
    assert "ALL_PROXY" in error.message


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_proxy_that_says_nothing_is_left_long_before_the_exchange_ends(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    async with listening(_silent) as port:
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://127.0.0.1:{port}")
        error = await failure_at(API, timeouts=Timeouts(proxy=0.05))
    require_network_error(error, "now")
    assert f"The proxy 127.0.0.1:{port} (ALL_PROXY)" in error.message
    assert "did not answer in time" in error.message


async def test_patience_for_a_proxy_ends_when_the_request_is_sent() -> None:
    with anyio.fail_after(300) as scope:
        whole = scope.deadline
        attempt = Attempt(WAY, proxy_seconds=20)
        attempt.scope = scope
        await attempt("http11.send_request_headers.started", {"request": SimpleNamespace(method=b"CONNECT")})
        assert scope.deadline < whole
        await attempt("http11.send_request_headers.started", {"request": SimpleNamespace(method=b"GET")})
        assert scope.deadline == whole


async def _greets(_: StreamReader, writer: StreamWriter) -> None:
    writer.write(b"SSH-2.0-Other\r\n")
    await writer.drain()


async def _leaves(_: object, __: object) -> None:
    """Closes the connection."""


async def test_untrusted_certificate_behind_a_proxy_is_that_of_the_target(
    monkeypatch: pytest.MonkeyPatch, authority: Authority
) -> None:
    proxy = ConnectProxy()
    async with listening(Kling(), authority.server_context("api.example")) as proxy.port, listening(proxy) as port:
        monkeypatch.delenv("SSL_CERT_FILE")
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        error = await failure_at(API)
    require_network_error(error, "never")
    assert error.message.startswith("The certificate of api.example is not trusted")


async def test_proxy_that_does_not_speak_https_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(Kling()) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"https://127.0.0.1:{port}")
        error = await failure_at(API)
    require_network_error(error, "never")
    assert f"api.example or of the proxy 127.0.0.1:{port} does not speak https" in error.message
    assert "HTTPS_PROXY should begin with http://" in error.advice


async def test_check_setup_shows_the_same_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://jane:PWCANARY#1@proxy.example:8080")
    error = await failure_at(API, "list")
    found = await check(kling_at(API), SystemClock())
    (problem,) = found.problems
    assert problem.startswith(f"network: {error.message}")
    assert f"{error.advice} More: https://" in problem
    assert problem.endswith("docs/troubleshooting.md#proxies")


@pytest.mark.parametrize("status", ["404 Not Found", "500 Oops"])
async def test_check_setup_never_leads_to_itself(status: str) -> None:
    async with listening(Kling(b"<html>", status)) as port:
        found = await check(kling_at(f"http://127.0.0.1:{port}"), SystemClock())
    (problem,) = found.problems
    assert "A proxy between this computer and Kling may have answered instead." in problem
    assert "check_setup" not in problem


def test_command_check_shows_the_cause_and_fails(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, restored_logging: None, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such.pem")
    environ = {"KLING_API_KEY": API_KEY, "KLING_BASE_URL": API, "KLING_MCP_STATE_DIR": str(tmp_path)}
    assert main(["check"], environ) == 1
    shown = capsys.readouterr().out
    assert 'Problem: network: SSL_CERT_FILE names a file that does not exist: "/no/such.pem"' in shown
    assert "check_setup" not in shown


def _wrapped(cause: Exception) -> httpx.ConnectError:
    error = httpx.ConnectError("outside")
    error.__cause__ = OSError("all attempts failed")
    error.__cause__.__cause__ = ExceptionGroup("attempts", [OSError("first"), cause])
    return error


def test_cause_is_found_below_several_attempts() -> None:
    assert "refused" in explain(_wrapped(ConnectionRefusedError(111, "x")), WAY).message
    assert "did not answer in time" in explain(_wrapped(TimeoutError()), WAY).message
    assert "connection failed (ConnectError)" in explain(httpx.ConnectError("x"), WAY).message
    assert "all connections are in use" in explain(httpx.PoolTimeout("x"), WAY).message


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("“api.example” certificate name does not match input", "another name"),
        ("The certificate's CN name does not match the passed value.", "another name"),
        ("“api.example” certificate is expired", "has expired"),
        ("A required certificate is not within its validity period when verifying", "has expired"),
        ("“api.example” certificate is not trusted", "is not trusted"),
        ("A certificate chain processed, but terminated in a root certificate which is not trusted", "is not trusted"),
    ],
)
def test_words_of_macos_and_windows_are_understood(said: str, words: str) -> None:
    cause = ssl.SSLCertVerificationError(1, said)
    cause.verify_message = said
    assert words in explain(cause, WAY).message


def test_handshake_that_fails_otherwise_names_its_reason() -> None:
    assert "(connection closed)" in explain(ssl.SSLError(8, "eof"), WAY).message
