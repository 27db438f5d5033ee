"""What goes out of a request's body: to the letter what JSON and Base64 say, counted beforehand, in small pieces."""

from __future__ import annotations

import base64
import gc
import hashlib
import json
import sys
from contextlib import suppress
from typing import Any

import httpx
import pytest
from helpers import ACCESS_KEY, API_KEY, SECRET_KEY, requests_to
from hypothesis import given
from hypothesis import strategies as st
from media import pictures
from virtual_time import VirtualClock

from kling_mcp.api.auth import ApiKey, KeyPair
from kling_mcp.api.client import KlingClient
from kling_mcp.api.request_body import PIECE_BYTES, RequestBody, Upload
from kling_mcp.api.sender import Sender
from kling_mcp.errors import ApiError, UnexpectedReplyError
from kling_mcp.simulator import Faults, SimulatorTransport, World

LARGE = bytes(range(256)) * 4096  # a megabyte, so several pieces

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = st.recursive(
    LEAVES | st.binary(max_size=20), lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=12
)


def picture_creation(front: bytes, side: bytes) -> dict[str, Any]:
    """A creation as `media` prepares it."""
    return {
        "element_name": "小红帽",
        "element_description": 'Says "hi" \\ and waves',
        "reference_type": "image_refer",
        "element_image_list": {"frontal_image": front, "refer_images": [{"image_url": side}]},
    }


def written_out(value: Any) -> Any:
    """The same with Base64 text in place of bytes."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {name: written_out(inner) for name, inner in value.items()}
    return [written_out(inner) for inner in value] if isinstance(value, list) else value


def sent(body: RequestBody) -> bytes:
    return b"".join(body.chunks())


class TestPieces:
    @given(body=st.dictionaries(TEXTS, VALUES))
    def test_chunks_of_a_body_join_to_its_json_with_base64(self, body: dict[str, Any]) -> None:
        outgoing = RequestBody(body)
        whole = json.dumps(written_out(body), ensure_ascii=False, separators=(",", ":")).encode()
        assert sent(outgoing) == whole
        assert len(outgoing) == len(whole)
        assert sent(outgoing) == whole  # as often as it is sent

    @pytest.mark.parametrize("more", [-1, 0, 1, 2, PIECE_BYTES - 1, PIECE_BYTES])
    def test_a_picture_is_one_text_wherever_its_pieces_end(self, more: int) -> None:
        picture = LARGE[: PIECE_BYTES + more]
        outgoing = RequestBody({"picture": picture})
        assert base64.b64decode(json.loads(sent(outgoing))["picture"], validate=True) == picture
        assert len(outgoing) == len(sent(outgoing))

    def test_chunks_of_a_body_are_small(self) -> None:
        assert max(map(len, RequestBody({"one": LARGE, "two": LARGE}).chunks())) == PIECE_BYTES // 3 * 4

    def test_chunks_of_a_picture_that_is_text_already_are_small(self) -> None:
        outgoing = RequestBody({"picture": base64.b64encode(LARGE).decode()})
        assert max(map(len, outgoing.chunks())) <= PIECE_BYTES // 3 * 4
        assert len(outgoing) == len(sent(outgoing))

    @pytest.mark.parametrize(
        ("upload", "told"),
        [
            (Upload(), ""),
            (Upload(3_100_000, 6_500_000), "3.1 of 6.5 MB"),
            (Upload(0, 100_000), "0.0 of 0.1 MB"),
            (Upload(400, 99_999), ""),
        ],
    )
    def test_upload_reads_like_a_sentence(self, upload: Upload, told: str) -> None:
        assert str(upload) == told

    @pytest.mark.parametrize("value", [float("nan"), object(), {1, 2}, "\ud800"])
    def test_value_that_json_cannot_hold_is_refused_before_sending(self, value: object) -> None:
        with pytest.raises((TypeError, ValueError)):
            RequestBody({"value": value})


@pytest.mark.anyio
class TestTransmission:
    async def test_content_length_is_sent_with_the_body(self, clock: VirtualClock) -> None:
        """Gateways refuse a body that comes in chunks of unknown number."""
        seen: list[httpx.Request] = []

        def network(request: httpx.Request) -> httpx.Response:
            seen.append(request)
            return httpx.Response(200, json={"code": 0, "data": [] if request.method == "GET" else {"task_id": "1"}})

        sender = Sender("https://kling.example", clock, make_transport=lambda: httpx.MockTransport(network))
        client = KlingClient(sender, ApiKey(API_KEY), clock)
        body = picture_creation(LARGE, b"side")
        await client.create_element(body, external_task_id="kmcp-red")
        await client.delete_element("320000000000007")
        await client.list_elements()

        creation, deletion, listing = seen
        assert creation.headers["Content-Type"] == "application/json"
        assert json.loads(creation.content) == written_out({**body, "external_task_id": "kmcp-red"})
        assert deletion.content == b'{"element_id":"320000000000007"}'
        for request in (creation, deletion):
            assert request.headers["Content-Length"] == str(len(request.content))
            assert "Transfer-Encoding" not in request.headers
        assert "Content-Length" not in listing.headers

    async def test_upload_follows_the_body_and_begins_again_with_it(self) -> None:
        outgoing, upload = RequestBody({"picture": LARGE}), Upload()
        for _ in range(2):
            passed = 0
            async for chunk in outgoing.stream(upload):
                assert (upload.sent, upload.total) == (passed, len(outgoing))
                passed += len(chunk)
            assert upload.sent == upload.total

    async def test_second_attempt_sends_the_whole_body(self, clock: VirtualClock, world: World, faults: Faults) -> None:
        """Two connections fail, then Kling refuses the token for its time: the third body is no left-over."""
        front, side = pictures.jpeg(1200, 1200), pictures.png(1000, 1000)
        faults.refuse_connection(times=2)
        world.skew_seconds = -3600
        sender = Sender("https://kling.example", clock, make_transport=lambda: SimulatorTransport(world, faults))
        client = KlingClient(sender, KeyPair(ACCESS_KEY, SECRET_KEY), clock)

        await client.create_element(picture_creation(front, side), external_task_id="kmcp-red")

        refused, accepted = requests_to(world, "create")
        assert refused.body_sha256 == accepted.body_sha256
        assert accepted.picture_sha256 == tuple(hashlib.sha256(one).hexdigest() for one in (front, side))

    async def test_a_refusal_that_comes_early_leaves_nothing_behind(self, clock: VirtualClock) -> None:
        """Whoever refuses a body for its size stops reading; httpx keeps what is left of such a request."""

        class Unread(httpx.AsyncBaseTransport):
            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                assert isinstance(request.stream, httpx.AsyncByteStream)
                await anext(aiter(request.stream))
                return httpx.Response(413)

        client = KlingClient(Sender("https://kling.example", clock, make_transport=Unread), ApiKey(API_KEY), clock)
        body = picture_creation(bytes(1_000_000), b"side")
        front = body["element_image_list"]["frontal_image"]
        before = sys.getrefcount(front)
        gc.disable()  # so that no circle of references is forgiven
        try:
            with suppress(ApiError, UnexpectedReplyError):
                await client.create_element(body, external_task_id="kmcp-red")
            assert sys.getrefcount(front) == before
        finally:
            gc.enable()
