"""The vendor's hosts are reached as Kling itself is: through proxies, and with the certificates of this computer."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from helpers import CANARIES
from network_stand import VARIABLES, Authority, ConnectProxy, SocksProxy, listening

from kling_mcp.concurrency.clock import SystemClock
from kling_mcp.results.download import Downloader, DownloadLimits
from kling_mcp.results.links import LinkRules
from kling_mcp.results.saver import Result, ResultSaver, SavedFile
from results.stand import AT_ONCE, Store, clip, described, whole

pytestmark = pytest.mark.anyio

HOST = "p2-kling.klingai.com"
CLIP = clip(3000)


@pytest.fixture
def anyio_backend() -> str:
    """Sockets need real time."""
    return "asyncio"


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return Authority(tmp_path)


async def save(folder: Path, limits: DownloadLimits = AT_ONCE) -> SavedFile:
    clock = SystemClock()
    made = ResultSaver(folder, Downloader(LinkRules(), clock, limits=limits), clock)
    (row,) = await made.save([Result(f"https://{HOST}/a.mp4?ksTime=ffff0000")], described(save_as="x"))
    return row


@pytest.mark.parametrize("proxy", [ConnectProxy(), SocksProxy()], ids=["http", "socks"])
async def test_clip_comes_through_a_proxy_that_inspects_traffic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, authority: Authority, proxy: ConnectProxy | SocksProxy
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.pem))
    monkeypatch.setenv("KLING_API_KEY", CANARIES[0])
    store = Store([whole(CLIP)])
    async with listening(store, authority.server_context(HOST)) as proxy.port, listening(proxy) as port:
        scheme = "http" if isinstance(proxy, ConnectProxy) else "socks5h"
        monkeypatch.setenv("HTTPS_PROXY", f"{scheme}://127.0.0.1:{port}")
        row = await save(tmp_path / "out")
    assert (row.error, row.bytes) == (None, len(CLIP))
    (ask,) = store.asked
    assert not {"authorization", "cookie"} & set(ask.headers)
    assert not [canary for canary in CANARIES if canary in f"{ask.path} {ask.headers}"]


async def test_certificate_that_is_not_trusted_ends_the_download_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, authority: Authority
) -> None:
    store, proxy = Store([whole(CLIP)]), ConnectProxy()
    async with listening(store, authority.server_context(HOST)) as proxy.port, listening(proxy) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        row = await save(tmp_path / "out")
    assert row.error is not None
    assert (row.error.kind, row.error.retry, store.asked, len(proxy.heads)) == ("network", "never", [], 1)
    assert f"The certificate of {HOST} is not trusted" in row.error.message


async def test_proxy_that_is_gone_is_named_by_its_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, authority: Authority
) -> None:
    async with listening(ConnectProxy()) as port:
        pass
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
    row = await save(tmp_path / "out")
    assert row.error is not None
    assert (row.error.kind, row.error.retry) == ("network", "now")
    assert "HTTPS_PROXY" in row.error.message


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_proxy_that_never_answers_is_named_by_its_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, authority: Authority, scheme: str
) -> None:
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    short = DownloadLimits(tries=1, proxy=0.2)
    async with listening(silent) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"{scheme}://127.0.0.1:{port}")
        row = await save(tmp_path / "out", short)
    assert row.error is not None
    assert "HTTPS_PROXY) cannot be used to reach" in row.error.message
