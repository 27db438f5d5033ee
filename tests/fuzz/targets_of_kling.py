"""What Kling says: replies about elements, voices, generations and bills, callbacks, and links to results."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import httpx
from virtual_time import VirtualClock, VirtualLoop

from fuzz.doors import JSON_WORDS, Door, refusals, text_of
from kling_mcp.api import protocol
from kling_mcp.api.billing import PACKAGE_LEDGER, BillingApi
from kling_mcp.api.generation_models import GenerationTask
from kling_mcp.api.generations import GenerationApi
from kling_mcp.api.models import ElementTask, VoiceTask
from kling_mcp.api.protocol import HttpReply, Request
from kling_mcp.api.response_body import GzipError, GzipReader
from kling_mcp.api.webhooks import check_signature, read_task_id, signing_keys
from kling_mcp.library.from_kling import records_of
from kling_mcp.library.record_codec import pack, unpack, words_of
from kling_mcp.library.voices import voices_of
from kling_mcp.results.links import LinkRules, ends_at, without_signature
from kling_mcp.sanitize import clean

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

CREATE = Request("POST", "/v1/general/advanced-custom-elements", "create", external_task_id="kmcp-mia")
QUERY = Request("GET", "/v1/general/advanced-custom-elements/1", is_query=True)
KEYS = signing_keys(["whsec_dGVzdHNlY3JldHRlc3RzZWNyZXR0ZXN0c2VjcmV0MTI="])
RULES = LinkRules("http://127.0.0.1:8000")
ROOM = 100_000
_LOOP = VirtualLoop()


class Replied:
    """The client's side of one exchange: whatever is asked, this came back."""

    credential_kind = "api_key"

    def __init__(self, body: bytes) -> None:
        self._body = body

    def ahead_of(self, _: object) -> float:
        return 0.0

    async def send(self, request: Request) -> Any:
        return protocol.decode(request, HttpReply(200, {}, self._body))


def _take(work: Awaitable[object]) -> None:
    async def run() -> None:
        with refusals():
            await work

    _LOOP.run_until_complete(run())


def envelopes(data: bytes) -> None:
    """The first byte chooses the HTTP status, the rest is the body of a reply about an element or a voice."""
    status, body = (200, 200, 200, 302, 400, 404, 429, 500, 503, 504)[(data[0] if data else 0) % 10], data[1:]
    reply = HttpReply(status, {"retry-after": text_of(body[:8])}, body)
    for request in (CREATE, QUERY):
        with refusals():
            said = protocol.decode(request, reply)
            for task in [protocol.decode_task(request, said, ElementTask), *_listed(said, ElementTask)]:
                _take_in(task)
    with refusals():
        for voice in _listed(protocol.decode(QUERY, reply), VoiceTask):
            voices_of(voice, "custom")
            _ = voice.result_ids, voice.is_final, voice.units_deducted
    clean(protocol.request_id_of(reply))


def _listed(said: Any, model: Any) -> list[Any]:
    return protocol.decode_tasks(said if isinstance(said, list) else [said], model)


def _take_in(task: ElementTask) -> None:
    _ = task.result_ids, task.result_names, task.is_final, task.is_deleted, task.units_deducted
    for record in records_of(task, "custom"):
        words_of(record)
        assert unpack(pack(record)) == record


def generations(data: bytes) -> None:
    """A reply about videos or pictures, of either standard."""
    api: Any = Replied(data)
    with refusals():
        for task in _listed(protocol.decode(QUERY, HttpReply(200, {}, data)), GenerationTask):
            _ = task.results, task.product, task.units_deducted, task.result_ids, task.result_names, task.is_deleted
    _take(GenerationApi(api).recent(limit=20))
    _take(GenerationApi(api).get_many(["870000000000000001"]))
    _take(GenerationApi(api).create("/omni-video/kling-3.0-omni", {}, external_task_id="kmcp-mia"))


def bills(data: bytes) -> None:
    """A reply about packs or deductions."""
    api: Any = Replied(data)
    _take(BillingApi(api, VirtualClock()).packs(0, 1))
    _take(BillingApi(api, VirtualClock()).deductions(PACKAGE_LEDGER, 0, 1))


def packed(data: bytes) -> None:
    """A body that calls itself gzip, in pieces; never more comes out than there is room."""
    reader, room = GzipReader("gzip"), ROOM
    try:
        for start in range(0, len(data), 64):
            piece = reader.take(data[start : start + 64], room)
            assert len(piece) <= room
            room -= len(piece)
            if not room:
                return
        reader.finish()
    except GzipError:
        return


def callbacks(data: bytes) -> None:
    """Headers in the first line, the body behind it."""
    head, _, body = data.partition(b"\n")
    fields = text_of(head).split("\t")
    names = ("Webhook-Id", "webhook-timestamp", "WEBHOOK-SIGNATURE")
    headers = dict(zip(names, fields, strict=False))
    with refusals():
        check_signature(headers, body, KEYS, 1_800_000_000.0)
    with refusals():
        read_task_id(body)


def result_links(data: bytes) -> None:
    """A link to a result and a redirect of it: only the vendor's hosts are followed."""
    link, _, location = text_of(data).partition("\n")
    with refusals():
        _require_kling(RULES.require(link))
    with refusals():
        _require_kling(RULES.follow("https://v1.klingai.com/a", location))
    assert ends_at(link, 0) >= 0
    without_signature(link)


def _require_kling(link: str) -> None:
    """As the client reads it that opens it."""
    read = httpx.URL(link)
    is_kling = f".{read.host}".endswith((".klingai.com", ".kechuangai.com"))
    where = (read.scheme, read.host, read.port)
    assert where == ("http", "127.0.0.1", 8000) or (is_kling and where[::2] == ("https", None)), where


def _reply(data: object, **more: object) -> bytes:
    return json.dumps({"code": 0, "message": "SUCCEED", "request_id": "r-1", "data": data, **more}).encode()


ELEMENT = {
    "task_id": "870000000000000001",
    "task_status": "succeed",
    "task_status_msg": "",
    "task_info": {"external_task_id": "kmcp-mia"},
    "created_at": 1780000000000,
    "updated_at": 1780000005000,
    "final_unit_deduction": "0",
    "task_result": {
        "elements": [
            {
                "element_id": 320000000000007,
                "element_name": "Mia",
                "element_description": "Barista",
                "reference_type": "image_refer",
                "element_image_list": {"frontal_image": "https://e.com/a.png", "refer_images": [{"image_url": "x"}]},
                "element_voice_info": {"voice_id": "1", "voice_name": "Rosa"},
                "tag_list": [{"id": "o_102", "name": "Character"}],
                "owned_by": "kling",
                "status": "succeed",
            }
        ],
        "voices": [{"voice_id": "1", "voice_name": "Rosa", "trial_url": "https://e.com/a.mp3", "owned_by": "kling"}],
        "videos": [{"id": "1", "url": "https://v1.klingai.com/a.mp4", "duration": "5"}],
        "images": [{"index": 0, "url": "https://v1.klingai.com/a.png"}],
    },
}
NEW_TASK = {
    "id": "870000000000000001",
    "status": "succeeded",
    "message": "",
    "external_id": "kmcp-mia",
    "create_time": 1780000000000,
    "update_time": 1780000005000,
    "outputs": [{"type": "video", "id": "1", "url": "https://v1.klingai.com/a.mp4", "duration": "5"}],
    "billing": [{"charge": "points", "amount": "3", "package_type": "video"}],
}
PACK = {
    "resource_pack_name": "Video-1000Units-20Con-365Days",
    "resource_pack_id": "1",
    "resource_pack_type": "decreasing_total",
    "total_quantity": 1000.0,
    "remaining_quantity": 997.0,
    "purchase_time": 1780000000000,
    "effective_time": 1780000000000,
    "invalid_time": 1790000000000,
    "status": "online",
}
ROW = {"task_id": "1", "external_id": "kmcp-mia", "model": "kling-3.0-omni", "amount": "3", "time": 1780000000000}


def _element_seeds() -> Sequence[bytes]:
    refused = json.dumps({"code": 1201, "message": "Element name already exists", "request_id": "r-1"}).encode()
    return [b"\0" + _reply(ELEMENT), b"\0" + _reply([ELEMENT]), b"\4" + refused, b"\7<html>502</html>"]


def _bill_seeds() -> Sequence[bytes]:
    inner = {"code": 0, "msg": "ok", "resource_pack_subscribe_infos": [PACK]}
    ledger = {"result": {"detail": [ROW], "total": 1}, "has_more": True, "next_cursor": "x"}
    return [_reply(inner), _reply(ledger)]


def _generation_seeds() -> Sequence[bytes]:
    listed = {"result": [NEW_TASK], "has_more": True, "next_cursor": "x"}
    return [_reply(NEW_TASK), _reply(ELEMENT), _reply([NEW_TASK, ELEMENT]), _reply(listed)]


WORDS = [*JSON_WORDS, *(f'"{name}":'.encode() for name in [*ELEMENT, *NEW_TASK, *PACK, "code", "data", "result"])]
TARGETS: dict[str, Door] = {
    "replies on elements": Door(envelopes, _element_seeds, WORDS, json_at=1),
    "replies on generations": Door(generations, _generation_seeds, WORDS, json_at=0),
    "replies on bills": Door(bills, _bill_seeds, WORDS, json_at=0),
    "packed replies": Door(packed, lambda: [gzip.compress(b"{}" * 300), gzip.compress(bytes(300_000))], []),
    "callbacks": Door(
        callbacks,
        lambda: [
            b'msg-1\t1800000000\tv1,AAAA v2,BBBB\n{"task_id":"870000000000000001"}',
            b'a\t1\tv1,=\n{"data":{"id":7}}',
        ],
        [*JSON_WORDS, b"1800000000", b"v1,", b"\t", b'"task_id"', b'"data"'],
    ),
    "links of results": Door(
        result_links,
        lambda: [
            b"https://v1.klingai.com/a.mp4?Expires=1800000000\n/b.mp4",
            b"http://127.0.0.1:8000/a\nhttps://e.com/",
        ],
        [b"klingai.com", b"https://", b"Expires=", b"ksTime=", b"@", b":443", b"\\", b"//"],
    ),
}
