"""Replies before they become HTTP: the vendor's envelope, refusals, a proxy's pages, and malformed forms of them.

Pure: must not know the world or a request.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from kling_mcp.simulator.calls import Data, NoData
from kling_mcp.simulator.codes import RefusedError
from kling_mcp.simulator.fault_actions import PROXY_PAGE, Answer, Malform, Shape
from kling_mcp.simulator.quirks import Quirks


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply. `code` is the vendor's, or None if the body is not an envelope."""

    status: int
    body: bytes
    code: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    media_type: str = "application/json"


def success(data: Data, request_id: str, quirks: Quirks) -> Reply:
    """Facts: envelope, envelope-code-200."""
    code = quirks.success_code
    envelope: dict[str, object] = {"code": code, "message": "SUCCEED", "request_id": request_id}
    if not isinstance(data, NoData):
        envelope["data"] = data
    if quirks.extra_fields:
        envelope["x_new_field"] = [1, 2]
    return Reply(200, _dump(envelope), code)


def refusal(error: RefusedError, request_id: str, quirks: Quirks) -> Reply:
    """Facts: envelope-no-data, envelope-http."""
    envelope: dict[str, object] = {"code": error.code, "message": error.message, "request_id": request_id}
    if quirks.error_data == "null":
        envelope["data"] = None
    status = 200 if quirks.refusals_on_http_200 else error.http_status
    return Reply(status, _dump(envelope), error.code)


def proxy_page(status: int) -> Reply:
    """The reply of a proxy in front of the vendor (fact: envelope-not-json)."""
    return Reply(status, PROXY_PAGE.format(status=status).encode(), media_type="text/html")


def armed_answer(answer: Answer, request_id: str, quirks: Quirks) -> Reply:
    """The reply that a fault defines."""
    if not answer.code:
        return Reply(answer.status, answer.body.encode(), None, answer.headers, "text/html")
    error = RefusedError(answer.code, answer.message)
    return replace(refusal(error, request_id, quirks), status=answer.status, headers=answer.headers)


def spoil(reply: Reply, fault: Malform) -> Reply:
    """The real reply in the shape that a fault defines."""
    media_type = "text/html" if fault.shape == "html" else reply.media_type
    return Reply(fault.status, _SPOILERS[fault.shape](reply.body), None, reply.headers, media_type)


def _dump(envelope: object) -> bytes:
    # A lone surrogate in a name must not break the reply.
    return json.dumps(envelope, ensure_ascii=False).encode(errors="replace")


def _changed(change: Callable[[dict[str, object]], object]) -> Callable[[bytes], bytes]:
    def spoiler(body: bytes) -> bytes:
        envelope: dict[str, object] = json.loads(body)
        change(envelope)
        return _dump(envelope)

    return spoiler


def _mistype_fields(envelope: dict[str, object]) -> None:
    wrong = {
        "task_id": {"id": 1},
        "task_status": 7,
        "task_info": "none",
        "task_result": [],
        "created_at": "yesterday",
        "updated_at": None,
    }
    envelope["data"] = [wrong] if isinstance(envelope.get("data"), list) else wrong


_SPOILERS: Mapping[Shape, Callable[[bytes], bytes]] = MappingProxyType(
    {
        "html": lambda _: PROXY_PAGE.format(status=200).encode(),
        "empty": lambda _: b"",
        "truncated": lambda body: body[: len(body) * 2 // 3],
        "array": lambda body: b"[" + body + b"]",
        "no-data": _changed(lambda envelope: envelope.pop("data", None)),
        "null-data": _changed(lambda envelope: envelope.update(data=None)),
        "wrong-data": _changed(lambda envelope: envelope.update(data="see attachment")),
        "wrong-fields": _changed(_mistype_fields),
        "wrong-code": _changed(lambda envelope: envelope.update(code={"value": envelope["code"]})),
        "bad-utf8": lambda body: body.replace(b'"message": "', b'"message": "\xff\xfe', 1),
    }
)
