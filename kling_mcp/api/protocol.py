"""Turns arguments into requests, and (status, headers, body) into data or an error. Pure: no network.

Kling's code decides, not the HTTP status. facts: errors-code-decides, envelope-http
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import quote as percent_encode

from pydantic import ValidationError

from kling_mcp.api.codes import CODES, UNLISTED, CodeRule
from kling_mcp.api.models import KlingTask
from kling_mcp.errors import (
    ApiError,
    InputError,
    KlingError,
    LostReplyError,
    NotFoundError,
    Problem,
    UnexpectedReplyError,
    UnknownOutcomeError,
)
from kling_mcp.sanitize import clean, quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kling_mcp.api.request_body import Upload
    from kling_mcp.errors import Details

T = TypeVar("T", bound=KlingTask)
Effect = Literal["read", "create", "delete"]

CUSTOM_ELEMENTS = "/v1/general/advanced-custom-elements"  # fact: no-trailing-slash
PRESET_ELEMENTS = "/v1/general/advanced-presets-elements"
DELETE_ELEMENTS = "/v1/general/delete-elements"  # fact: delete-two-paths
CUSTOM_VOICES = "/v1/general/custom-voices"
PRESET_VOICES = "/v1/general/presets-voices"
DELETE_VOICES = "/v1/general/delete-voices"
TASKS = "/tasks"  # fact: tasks-get

READ_HEADERS = ("date", "location", "retry-after")

_SUCCESS_CODES = (0, 200)  # fact: envelope-code-200
_CODE_AS_TEXT = re.compile(r"\s*[0-9]{1,9}\s*")
_NOT_IN_AN_ID = re.compile(r"[^\w.:/+-]")
_KEPT_BODY = 300
# A page of 500 records has some 8,000 objects and 20,000 commas. Each costs far more to read than its bytes.
_MAX_OBJECTS, _MAX_COMMAS = 40_000, 400_000
_MAX_RECORDS = 1000  # of a page; fact: voice-page
_MAX_ID_CHARACTERS = 256  # twice the longest id we accept, and far below the limits of URLs
_CHECK_ID = "Check the id: it must be a task id or an external task id of this account and region."
_ABSENT = re.compile(r"not (be )?found|not exist|no such|unknown (task|id)", re.IGNORECASE)
_GATEWAY_STATUSES = (502, 503, 504)


@dataclass(frozen=True, slots=True)
class Request:
    """One call. `effect` says what a lost reply may leave behind; `external_task_id` identifies a creation.

    `body` is JSON data, with `bytes` for pictures, which `request_body` writes as Base64; `upload` follows its way.
    `is_query` says that it asks for one task by its id.
    """

    method: Literal["GET", "POST"]
    path: str
    effect: Effect = "read"
    params: Mapping[str, int | str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    external_task_id: str = ""
    is_query: bool = False
    upload: Upload | None = field(default=None, compare=False)

    @property
    def operation(self) -> str:
        """The kind of request: `query`, `list`, `create` or `delete`."""
        if self.effect != "read":
            return self.effect
        return "query" if self.is_query else "list"


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A reply as it arrived; of its headers, those in `READ_HEADERS`."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def query_task(route: str, task_or_external_id: str) -> Request:
    """fact: query-takes-task-id; an external id may work too (fact: query-external-id).

    Raises:
        InputError: the id cannot be part of a path.
        NotFoundError: it is too long or not valid text, so no task can have it; nothing is sent.
    """
    if task_or_external_id in {"", ".", ".."}:
        raise InputError(
            [Problem("id", "must be a task id or external task id", quote(task_or_external_id), "give one of them")]
        )
    try:
        in_path = percent_encode(task_or_external_id, safe="")
    except UnicodeEncodeError:  # half of a character
        in_path = ""
    if not in_path or len(task_or_external_id) > _MAX_ID_CHARACTERS:
        raise NotFoundError(f"No task has the id {quote(task_or_external_id, 80)}.", advice=_CHECK_ID)
    return Request("GET", f"{route}/{in_path}", is_query=True)


def page_of(path: str, page_num: int, page_size: int) -> Request:
    """One page of a list. fact: list-range"""
    return Request("GET", path, params={"pageNum": page_num, "pageSize": page_size})


def decode(request: Request, reply: HttpReply) -> Any:
    """The `data` of a successful reply, or None.

    Raises:
        ApiError: Kling answered with a code of its table.
        NotFoundError: the code and text that mean an unknown task.
        UnknownOutcomeError: the reply leaves open whether a change was carried out.
        UnexpectedReplyError: any other reply that is not in Kling's format.
    """
    envelope = _parse_envelope(reply.body)
    if envelope is None:
        raise _unreadable(request, reply)
    code = envelope["code"]
    request_id = _read_request_id(envelope.get("request_id"))
    if code in _SUCCESS_CODES and reply.status < 300:
        return envelope.get("data")
    if code in _SUCCESS_CODES:
        raise _unreadable(request, reply, request_id, was_carried_out=True)
    raise _vendor_error(request, reply, code, envelope, request_id)


def decode_task(request: Request, data: Any, model: type[T]) -> T:
    """One task of this kind from `data`.

    Raises:
        UnknownOutcomeError: a creation was accepted but its answer names no task.
        UnexpectedReplyError: a read whose data is not a task.
    """
    task = _read_task(data, model)
    if task.task_id:
        return task
    if request.effect == "create":
        raise UnknownOutcomeError(
            "Kling accepted the creation, but its answer names no task.",
            external_task_id=request.external_task_id,
            advice=_look_up_advice(request),
        )
    raise UnexpectedReplyError("Kling's answer names no task.", http_status=200, **_A_PROXY)


def decode_tasks(data: Any, model: type[T]) -> list[T]:
    """The records of a list page. fact: list-shape

    An unreadable record becomes an empty task, so that callers can see that the page held more than was understood,
    and that a full page was full.

    Raises:
        UnexpectedReplyError: `data` is not an array; an empty list is valid (fact: list-no-total).
    """
    if not isinstance(data, list):
        raise UnexpectedReplyError("Kling's answer is not a list.", http_status=200, **_A_PROXY)
    return [_read_task(record, model) for record in data[:_MAX_RECORDS]]


def _read_task(data: Any, model: type[T]) -> T:
    try:
        return model.model_validate(data)
    except ValidationError:
        return model()


def _parse_envelope(body: bytes) -> dict[str, Any] | None:
    """The envelope, or None if the body is not one. facts: envelope, envelope-not-json"""
    if body.count(b"{") + body.count(b"[") > _MAX_OBJECTS or body.count(b",") > _MAX_COMMAS:
        return None
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(parsed, dict):
        return None
    code = parsed.get("code")
    if isinstance(code, str) and _CODE_AS_TEXT.fullmatch(code):
        parsed["code"] = code = int(code)
    return parsed if isinstance(code, int) and not isinstance(code, bool) else None


def request_id_of(reply: HttpReply) -> str:
    """Kling's id of the request, or ""; works for successful replies as well."""
    envelope = _parse_envelope(reply.body)
    return _read_request_id(envelope.get("request_id")) if envelope else ""


def _read_request_id(value: Any) -> str:
    """Kling's id of the request as one word, so that it cannot add fields to the line for programs."""
    return _NOT_IN_AN_ID.sub("_", _cleaned(value, 80))


def _cleaned(value: Any, limit: int) -> str:
    """Cleaned text; "" for lists and objects, whose text could be of any length."""
    return clean(str(value), limit) if isinstance(value, str | int) else ""


def _vendor_error(
    request: Request, reply: HttpReply, code: int, envelope: dict[str, Any], request_id: str
) -> KlingError:
    rule = CODES.get(code, UNLISTED)
    vendor_message = _cleaned(envelope.get("message"), 300)
    if request.is_query and _says_absent(code, vendor_message):
        return _task_not_found(code, vendor_message, request_id)
    created = rule.created_on_create if request.effect == "create" else "no"
    if rule is UNLISTED and request.effect == "create" and not 400 <= reply.status < 500:
        created = "maybe"  # the code is unknown; only a 4xx status shows that nothing was done
    said = f" and said {quote(vendor_message, 300)}" if vendor_message else ""
    return rule.error(
        f"Kling answered {code}, {rule.meaning}{said} (HTTP {reply.status}).",
        http_status=reply.status,
        vendor_message=vendor_message,
        retry_after=_retry_after(reply.headers),
        kind=rule.kind,
        created=created,
        retry="later" if created == "maybe" else rule.retry,
        code=code,
        request_id=request_id,
        advice=_advice_for(request, rule, created),
    )


def _advice_for(request: Request, rule: CodeRule, created: str) -> str:
    return _look_up_advice(request) if created == "maybe" else rule.advice


def _says_absent(code: int, vendor_message: str) -> bool:
    """Whether a query's answer means that the task does not exist.

    The wording for elements is a guess (msg-task-not-found), so similar ones count as well.
    """
    return code == 1203 or (code == 1201 and _ABSENT.search(vendor_message) is not None)


def _task_not_found(code: int, vendor_message: str, request_id: str) -> NotFoundError:
    error = NotFoundError(
        f"Kling knows no such task: {quote(vendor_message, 300)}.",
        advice=_CHECK_ID,
    )
    error.code, error.request_id = code, request_id
    return error


_A_PROXY: Details = {
    "advice": "A proxy between this computer and Kling may have answered instead.",
    "pointer": "check_setup shows the address.",
    "topic": "proxies",
}


def _unreadable(
    request: Request, reply: HttpReply, request_id: str = "", *, was_carried_out: bool = False
) -> KlingError:
    """The error for a reply without a usable envelope, by what the HTTP status leaves possible.

    `was_carried_out`: the envelope says so, and the status does not.
    """
    body = clean(reply.body[:_KEPT_BODY].decode("utf-8", "replace"), _KEPT_BODY)
    status = reply.status
    what = f"The answer (HTTP {status}) is not in Kling's format"
    # A gateway refused or redirected it, so it never reached Kling.
    settled = 300 <= status < 500 and not was_carried_out
    if request.effect != "read" and not settled:
        return UnknownOutcomeError(
            f"{what}, so it is unknown whether Kling carried out the request.",
            external_task_id=request.external_task_id,
            still_at_work=status == 504,
            created="maybe" if request.effect == "create" else "no",
            retry="later",
            request_id=request_id,
            advice=_look_up_advice(request),
        )
    details: Details = {**_A_PROXY, "retry": "never" if 300 <= status < 400 else "later"}
    if special := _BY_STATUS.get(status):
        leads = special.error
        details = {"advice": special.advice, "pointer": leads.pointer, "topic": leads.topic}
        details |= {"kind": special.kind, "retry": special.retry}
    details["request_id"] = request_id
    return UnexpectedReplyError(f"{what}{_redirect_target(reply)}.", http_status=status, body=body, **details)


def _redirect_target(reply: HttpReply) -> str:
    if not 300 <= reply.status < 400:
        return ""
    target = quote(reply.headers.get("location", ""), 120)
    return f": it redirects to {target}, and credentials are never sent to another address"


# Statuses of gateways in front of Kling; nothing was done.
_BY_STATUS: dict[int, CodeRule] = {
    401: CODES[1000],
    403: CODES[1103],
    413: CodeRule(
        413,
        "the request is too large",
        ApiError,
        "limit",
        advice="The pictures together are too large; use smaller files or https links.",  # fact: body-40mb
    ),
    429: CODES[1302],
}


def _look_up_advice(request: Request) -> str:
    if request.effect == "create":
        name = quote(request.external_task_id, 128)
        is_element = request.path == CUSTOM_ELEMENTS
        look = f"get_element with id={name}" if is_element else f"wait_for_tasks with ids=[{name}]"
        return (
            f"Check before creating again: call {look} (its external_task_id), or repeat "
            "the same call with the same arguments, which sends the same external_task_id."
        )
    tool = "delete_voice" if request.path == DELETE_VOICES else "delete_element"
    return f"Call {tool} again with the same arguments; deleting twice does no harm."


def lost_reply(request: Request, what: str, *, still_at_work: bool = False) -> KlingError:
    """The error for a request that was sent and whose reply never came. fact: retry-create"""
    if request.effect == "read":
        return LostReplyError(f"{what}; this was only a look-up.")
    return UnknownOutcomeError(
        f"{what}, so it is unknown whether Kling carried out the request.",
        external_task_id=request.external_task_id,
        still_at_work=still_at_work,
        created="maybe" if request.effect == "create" else "no",
        retry="later" if request.effect == "create" else "now",
        advice=_look_up_advice(request),
    )


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, or None. fact: retry-after-unseen; the date form is not worth parsing for a retry."""
    value = headers.get("retry-after", "").strip()
    return float(value) if value.isdecimal() and len(value) < 7 else None


def is_gateway_failure(error: KlingError) -> bool:
    """Whether a proxy in front of Kling answered 502, 503 or 504."""
    return isinstance(error, UnexpectedReplyError) and error.http_status in _GATEWAY_STATUSES
