"""Proxies as desktops, companies and proxy programs set them: they work, or a sentence names the variable."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import pytest
from network_calls import READ, failure_at, kling_at
from network_stand import EMPTY_LIST, Authority, ConnectProxy, Kling, SocksProxy, listening

from kling_mcp.api.network import open_network
from kling_mcp.api.proxies import SYSTEM, Proxy, choose_proxy, is_exempt
from kling_mcp.errors import ConnectionFailedError
from kling_mcp.observability.logs import configure_logging
from kling_mcp.settings.environment import LogLevel

pytestmark = pytest.mark.anyio

API = "https://api-singapore.klingai.com"
PASSWORD = "PWCANARY"


@pytest.fixture
def anyio_backend() -> str:
    """Sockets need real time."""
    return "asyncio"


def chosen(environ: Mapping[str, str], url: str = API) -> str:
    """Scheme, host and port of the proxy, or ""."""
    proxy = choose_proxy(url, environ)
    return proxy.url if proxy else ""


@pytest.mark.parametrize(
    ("environ", "proxy"),
    [
        ({"ALL_PROXY": "socks://127.0.0.1:7891/"}, "socks5://127.0.0.1:7891"),
        ({"ALL_PROXY": "socks5://127.0.0.1:7891"}, "socks5://127.0.0.1:7891"),
        ({"https_proxy": "socks5h://127.0.0.1"}, "socks5://127.0.0.1:1080"),
        ({"HTTPS_PROXY": "proxy.example:8080"}, "http://proxy.example:8080"),
        ({"HTTPS_PROXY": '"http://proxy.example:8080"'}, "http://proxy.example:8080"),
        ({"HTTPS_PROXY": "HTTP://proxy.example/"}, "http://proxy.example:80"),
        ({"HTTPS_PROXY": "http://[fd00::1]:3128"}, "http://[fd00::1]:3128"),
        ({"HTTPS_PROXY": "", "ALL_PROXY": "http://a:1"}, "http://a:1"),
        ({"HTTPS_PROXY": "http://big:1", "https_proxy": "http://small:1"}, "http://small:1"),
        ({"HTTP_PROXY": "http://a:1"}, ""),
        ({}, ""),
    ],
)
def test_proxy_variables_are_read_as_other_programs_read_them(environ: Mapping[str, str], proxy: str) -> None:
    assert chosen(environ) == proxy


def test_proxy_credentials_are_unescaped_and_not_shown() -> None:
    proxy = choose_proxy(API, {"HTTPS_PROXY": f"http://jane:{PASSWORD}%231%40@proxy.example:8080"})
    assert proxy is not None
    assert (proxy.user, proxy.password) == ("jane", f"{PASSWORD}#1@")
    assert PASSWORD not in repr(proxy) + proxy.url + proxy.place


def test_system_settings_count_only_without_a_variable() -> None:
    system = {"https": "http://system:1"}
    assert choose_proxy(API, {}, system) == Proxy(SYSTEM, "http", "system", 1)
    assert choose_proxy(API, {"ALL_PROXY": "http://own:2"}, system) == Proxy("ALL_PROXY", "http", "own", 2)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (f"http://jane:{PASSWORD}#1@proxy.example:8080", "%23"),
        (f"http://jane:{PASSWORD}/1@proxy.example:8080", "%2F"),
        (f"http://jane:x@{PASSWORD}?y@proxy.example:8080", "%3F"),
        (f"socks5h://jane@corp:{PASSWORD}#y@proxy.example:8080", "%23"),
        ("http:/proxy.example:8080", "must begin with http://"),
        (f"http://jane:{PASSWORD}@proxy.example:eighty", "port is not a number"),
        (f"http://jane:{PASSWORD}@proxy.example:99999", "port is not a number"),
        (f"jane:{PASSWORD}@proxy.example:0", "names no host"),
        (f"http://jane:{PASSWORD}@", "names no host"),
        (f"http://jane:{PASSWORD}@[fd00::1:8080", "cannot be read"),
        (f"socks4://jane:{PASSWORD}@proxy.example", "must begin with http://"),
        ("http://proxy .example:8080", "names no host"),
    ],
)
async def test_unreadable_proxy_is_named_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, value: str, words: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    error = await failure_at(API)
    assert (error.kind, error.created, error.retry) == ("network", "no", "never")
    assert error.message.startswith("The proxy address in HTTPS_PROXY cannot be read")
    assert words in error.for_caller()
    assert PASSWORD not in error.for_caller() + caplog.text


def test_proxy_with_a_name_that_no_host_can_have_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://xn--{'ä' * 70}:8080")
    with pytest.raises(ConnectionFailedError, match="HTTPS_PROXY cannot be read"):
        open_network(API, "KLING_BASE_URL")


@pytest.mark.parametrize(
    ("listed", "host", "exempt"),
    [
        ("localhost,127.0.0.1,::1,fd07:b51a:cc66:f0::/64", "127.0.0.1", True),
        ("localhost,127.0.0.1,::1,fd07:b51a:cc66:f0::/64", "::1", True),
        ("localhost,127.0.0.1,::1,fd07:b51a:cc66:f0::/64", "fd07:b51a:cc66:f0::9", True),
        ("localhost,127.0.0.1,::1,fd07:b51a:cc66:f0::/64", "api.example", False),
        ("[::1]", "::1", True),
        ("[::1]:443", "::1", True),
        ("[::1]:444", "::1", False),
        ("10.0.0.0/8", "10.9.8.7", True),
        ("10.0.0.0/8", "11.9.8.7", False),
        ("10.*", "10.9.8.7", True),
        ("*", "api.example", True),
        ("klingai.com", "api-singapore.klingai.com", True),
        (".klingai.com", "api-singapore.klingai.com", True),
        ("*.klingai.com", "API-singapore.klingai.com.", True),
        ("lingai.com", "api-singapore.klingai.com", False),
        ("https://klingai.com", "klingai.com", True),
        ("klingai.com:443 other", "klingai.com", True),
        ("klingai.com:8443", "klingai.com", False),
        ("<local>", "intranet", True),
        ("<local>", "klingai.com", False),
    ],
)
def test_exempt_hosts_are_names_addresses_and_networks(listed: str, host: str, exempt: bool) -> None:
    assert is_exempt(host, 443, {"NO_PROXY": listed}) is exempt


def test_unreadable_entry_of_no_proxy_is_left_out_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    environ = {"no_proxy": f"klingai.com,fd07:zz::/64,jane:{PASSWORD}@x", "HTTPS_PROXY": "http://a:1"}
    assert chosen(environ) == ""
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert '"fd07:zz::/64"' in caplog.messages[0]
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize("scheme", ["socks", "socks5", "socks5h"])
async def test_socks_proxy_carries_a_call_and_looks_the_name_up(
    monkeypatch: pytest.MonkeyPatch, authority: Authority, scheme: str
) -> None:
    kling, proxy = Kling(), SocksProxy()
    async with listening(kling, authority.server_context("api.example")) as proxy.port, listening(proxy) as port:
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://127.0.0.1:{port}/")
        assert await READ(kling_at("https://api.example")) == []
    assert proxy.wanted == ["api.example:443"]
    assert len(kling.asked) == 1


async def test_socks_proxy_does_not_matter_to_an_address_that_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(Kling()) as port:
        monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:1/")
        monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1,::1,fd07:b51a:cc66:f0::/64,[::1]")
        assert await READ(kling_at(f"http://127.0.0.1:{port}")) == []


@pytest.mark.parametrize("log_level", ["WARNING", "DEBUG"])
async def test_socks_password_reaches_the_proxy_and_no_log(
    monkeypatch: pytest.MonkeyPatch,
    authority: Authority,
    log_level: LogLevel,
    capsys: pytest.CaptureFixture[str],
    restored_logging: None,
) -> None:
    proxy = SocksProxy(password=f"{PASSWORD}#1")
    configure_logging(log_level)
    async with listening(Kling(), authority.server_context("api.example")) as proxy.port, listening(proxy) as port:
        monkeypatch.setenv("ALL_PROXY", f"socks5://jane:{PASSWORD}%231@127.0.0.1:{port}")
        assert await READ(kling_at("https://api.example")) == []
    assert proxy.wanted == ["api.example:443"]
    assert PASSWORD not in capsys.readouterr().err


async def test_http_proxy_gets_its_password_in_the_tunnel_request_only(
    monkeypatch: pytest.MonkeyPatch, authority: Authority
) -> None:
    kling, proxy = Kling(EMPTY_LIST), ConnectProxy()
    async with listening(kling, authority.server_context("api.example")) as proxy.port, listening(proxy) as port:
        monkeypatch.setenv("https_proxy", f"http://jane:{PASSWORD}@127.0.0.1:{port}")
        assert await READ(kling_at("https://api.example")) == []
    (head,) = proxy.heads
    assert head.startswith("CONNECT api.example:443 ")
    assert "Proxy-Authorization: Basic " in head
    assert len(kling.asked) == 1
