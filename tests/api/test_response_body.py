"""Replies in their wrapping: what is packed honestly is read, and nothing unfolds to more than there is room for."""

from __future__ import annotations

import gzip
import json
import zlib

import httpx
import pytest
from helpers import API_KEY, VIDEO_CREATION
from virtual_time import VirtualClock

from kling_mcp.api.auth import ApiKey
from kling_mcp.api.client import KlingClient
from kling_mcp.api.response_body import GzipError, GzipReader
from kling_mcp.api.sender import MAX_REPLY_BYTES, Sender
from kling_mcp.errors import UnexpectedReplyError, UnknownOutcomeError

PLAIN = json.dumps({"code": 0, "data": [{"task_id": "880000000000000101", "task_status": "submitted"}]}).encode()
PACKED = gzip.compress(PLAIN, mtime=0)


def unpacked(encoding: str, packed: bytes, *, room: int = 10_000, piece: int = 7) -> bytes:
    """The whole of it, from pieces."""
    unpacker = GzipReader(encoding)
    body = b"".join(unpacker.take(packed[start : start + piece], room) for start in range(0, len(packed), piece))
    unpacker.finish()
    return body


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [("", PLAIN), ("identity", PLAIN), ("gzip", PACKED), (" X-GZIP", PACKED)],
    ids=["nothing", "identity", "gzip", "x-gzip"],
)
def test_valid_gzip_body_is_read(encoding: str, packed: bytes) -> None:
    assert unpacked(encoding, packed) == PLAIN


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", PLAIN),
        ("gzip", PACKED[:-9]),
        ("gzip", PACKED + b"more behind it"),
        ("deflate", zlib.compress(PLAIN)),
        ("gzip, gzip", gzip.compress(PACKED, mtime=0)),
        ("br", PLAIN),
    ],
    ids=["plain", "cut", "more behind it", "deflate", "twice", "brotli"],
)
def test_unrequested_encoding_or_damaged_gzip_is_refused(encoding: str, packed: bytes) -> None:
    with pytest.raises(GzipError):
        unpacked(encoding, packed)


def test_gunzip_stops_at_the_size_limit() -> None:
    bomb = gzip.compress(bytes(10_000_000))
    assert len(bomb) < 20_000
    assert GzipReader("gzip").take(bomb, 1000) == bytes(1000)


def kling(body: bytes, clock: VirtualClock, **headers: str) -> KlingClient:
    """A client whose Kling answers every request with these bytes."""
    transport = httpx.MockTransport(
        # Given as a stream, because httpx would unpack it here already.
        lambda _: httpx.Response(200, stream=httpx.ByteStream(body), headers=headers)
    )
    return KlingClient(Sender("https://kling.invalid", clock, make_transport=lambda: transport), ApiKey(API_KEY), clock)


@pytest.mark.anyio
async def test_a_packed_reply_of_kling_is_read(clock: VirtualClock) -> None:
    client = kling(PACKED, clock, **{"content-encoding": "gzip"})
    assert [task.task_id for task in await client.list_elements()] == ["880000000000000101"]


@pytest.mark.anyio
async def test_a_bomb_is_too_large_and_a_creation_unknown_then(clock: VirtualClock) -> None:
    bomb = gzip.compress(bytes(MAX_REPLY_BYTES + 1))
    client = kling(bomb, clock, **{"content-encoding": "gzip"})
    with pytest.raises(UnexpectedReplyError, match="larger than"):
        await client.list_elements()
    with pytest.raises(UnknownOutcomeError) as unknown:
        await client.create_element(VIDEO_CREATION, external_task_id="kmcp-mia")
    assert unknown.value.created == "maybe"


@pytest.mark.anyio
async def test_a_damaged_wrapping_is_as_unreadable_as_a_page_of_a_proxy(clock: VirtualClock) -> None:
    client = kling(PLAIN, clock, **{"content-encoding": "gzip"})
    with pytest.raises(UnexpectedReplyError, match="not in Kling's format"):
        await client.list_elements()
    with pytest.raises(UnknownOutcomeError):
        await client.create_element(VIDEO_CREATION, external_task_id="kmcp-mia")


@pytest.mark.anyio
async def test_a_cookie_that_one_account_is_given_never_reaches_another(clock: VirtualClock) -> None:
    sent: list[httpx.Headers] = []

    def network(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers)
        return httpx.Response(200, json={"code": 0, "data": []}, headers={"Set-Cookie": "session=of-one; Path=/"})

    sender = Sender("https://kling.invalid", clock, make_transport=lambda: httpx.MockTransport(network))
    for key in (API_KEY, "the-key-of-another-account"):
        await KlingClient(sender, ApiKey(key), clock).list_elements()
    assert [headers["accept-encoding"] for headers in sent] == ["gzip", "gzip"]
    assert not any("cookie" in headers for headers in sent)
