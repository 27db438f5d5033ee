"""Replies that are not what the page promises: pages of a proxy, cut bodies, wrong types, odd envelopes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from helpers import API_KEY, ATTEMPTS, SENDS, VIDEO_CREATION, failure_of, requests_to
from hypothesis import given
from hypothesis import strategies as st

from kling_mcp.account import Account
from kling_mcp.api.models import ElementTask, VoiceTask
from kling_mcp.api.protocol import HttpReply, Request, decode, decode_task, decode_tasks
from kling_mcp.errors import (
    ApiError,
    KlingError,
    UnexpectedReplyError,
    UnknownOutcomeError,
)
from kling_mcp.simulator import Faults, Quirks, World

READ = Request("GET", "/v1/general/advanced-custom-elements/880")
CREATE = Request("POST", "/v1/general/advanced-custom-elements", "create", body={}, external_task_id="kmcp-mia")
DELETE = Request("POST", "/v1/general/delete-elements", "delete", body={})


class End(NamedTuple):
    """How a request ends: class, kind, created, retry, and how often it was sent."""

    error: type[KlingError]
    kind: str
    created: str
    retry: str
    requests: int = 1


UNREADABLE = End(UnexpectedReplyError, "vendor_fault", "no", "later")
PASSING = End(UnexpectedReplyError, "vendor_fault", "no", "later", ATTEMPTS)
CREATED_MAYBE = End(UnknownOutcomeError, "unknown_outcome", "maybe", "later")
DELETED_MAYBE = End(UnknownOutcomeError, "unknown_outcome", "no", "later")

Arm = Callable[[Faults], object]
SPOILT: dict[str, Arm] = {
    "html": lambda faults: faults.malformed("html", times=None),
    "empty": lambda faults: faults.malformed("empty", times=None),
    "truncated": lambda faults: faults.malformed("truncated", times=None),
    "array": lambda faults: faults.malformed("array", times=None),
    "wrong-code": lambda faults: faults.malformed("wrong-code", times=None),
    "bad-utf8": lambda faults: faults.malformed("bad-utf8", times=None),
    "http-500": lambda faults: faults.reply_status(500, times=None),
}
GATEWAYS: dict[str, Arm] = {
    "html-502": lambda faults: faults.reply_status(502, times=None),
    "html-503": lambda faults: faults.reply_status(503, times=None),
    "html-504": lambda faults: faults.reply_status(504, times=None),
    "empty-502": lambda faults: faults.reply_status(502, body="", times=None),
}
DATA_LESS: dict[str, Arm] = {
    "no-data": lambda faults: faults.malformed("no-data", times=None),
    "null-data": lambda faults: faults.malformed("null-data", times=None),
    "wrong-data": lambda faults: faults.malformed("wrong-data", times=None),
}


CASES = [
    *((arm, (route, UNREADABLE)) for arm in SPOILT.values() for route in ("query", "list", "presets")),
    *((arm, ("create", CREATED_MAYBE)) for arm in SPOILT.values()),
    *((arm, ("delete", DELETED_MAYBE)) for arm in SPOILT.values()),
    *((arm, ("query", PASSING)) for arm in GATEWAYS.values()),
    *((arm, ("create", CREATED_MAYBE)) for arm in GATEWAYS.values()),
    *((arm, ("delete", DELETED_MAYBE)) for arm in GATEWAYS.values()),
    *((arm, (route, UNREADABLE)) for arm in DATA_LESS.values() for route in ("list", "presets")),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("arm", "expected"), CASES)
async def test_a_reply_that_cannot_be_read(
    account: Account, world: World, faults: Faults, arm: Arm, expected: tuple[str, End]
) -> None:
    """facts: envelope-not-json, retry-create, retry-reads"""
    route, end = expected
    arm(faults)
    error = await failure_of(account.client, route)
    assert End(type(error), error.kind, error.created, error.retry, len(requests_to(world, route))) == end
    assert error.advice


@pytest.mark.anyio
@pytest.mark.parametrize("arm", DATA_LESS.values(), ids=DATA_LESS)
async def test_a_success_that_names_no_task_leaves_a_creation_open(
    account: Account, world: World, faults: Faults, arm: Arm
) -> None:
    """fact: retry-create. The task exists; only its name is missing."""
    arm(faults)
    with pytest.raises(UnknownOutcomeError) as caught:
        await account.client.create_element(VIDEO_CREATION, external_task_id="kmcp-mia")
    assert (caught.value.created, caught.value.external_task_id) == ("maybe", "kmcp-mia")
    assert world.accepted_creations() == {"kmcp-mia": 1}


@pytest.mark.anyio
@pytest.mark.parametrize("arm", DATA_LESS.values(), ids=DATA_LESS)
async def test_a_task_without_data_is_an_error_of_the_read(account: Account, faults: Faults, arm: Arm) -> None:
    task = await account.client.create_element(VIDEO_CREATION, external_task_id="kmcp-mia")
    arm(faults)
    with pytest.raises(UnexpectedReplyError, match="names no task"):
        await account.client.get_task(task.task_id)


@pytest.mark.anyio
@pytest.mark.parametrize("data", ["absent", "null", "task"])
async def test_a_deletion_needs_no_data(account: Account, world: World, data: Any) -> None:
    """facts: delete-has-no-data, delete-reply"""
    world.quirks = Quirks(delete_data=data)
    mia = world.add_element(world.account_of(API_KEY), "Mia")
    await account.client.delete_element(mia.element_id)
    assert requests_to(world, "delete")[0].committed


@pytest.mark.anyio
async def test_fields_of_wrong_types_are_left_out_and_the_rest_is_read(account: Account, faults: Faults) -> None:
    faults.malformed("wrong-fields", route="list")
    await account.client.create_element(VIDEO_CREATION, external_task_id="kmcp-mia")
    (task,) = await account.client.list_elements()
    assert (task.task_id, task.task_status, task.created_at, task.elements) == ("", "unknown", 0, [])


class TestEnvelopes:
    """`decode` alone, with replies that no simulator sends."""

    def test_code_200_is_success(self) -> None:
        """fact: envelope-code-200"""
        assert decode(READ, reply({"code": 200, "data": {"task_id": "1"}})) == {"task_id": "1"}

    @pytest.mark.parametrize("code", ["0", " 0 ", "200"])
    def test_a_code_as_text_is_read(self, code: str) -> None:
        assert decode(READ, reply({"code": code, "data": []})) == []

    def test_a_failure_code_as_text_is_read(self) -> None:
        error = failure(READ, reply({"code": "1102", "message": "m", "request_id": "Cl6x"}, status=429))
        assert (error.kind, error.code) == ("balance", 1102)

    @pytest.mark.parametrize("code", [None, True, 0.0, "", "zero", "-1", "1" * 5000, [0], {"value": 0}])
    def test_code_of_another_type_is_an_unexpected_reply(self, code: object) -> None:
        assert isinstance(failure(READ, reply({"code": code, "data": []})), UnexpectedReplyError)

    def test_error_data_may_be_missing_or_null(self) -> None:
        """fact: envelope-no-data"""
        for body in ({"code": 1000}, {"code": 1000, "data": None, "message": None, "request_id": None}):
            error = failure(READ, reply(body, status=401))
            assert error.last_line() == "kind=auth created=no retry=never code=1000 request_id=-"

    @pytest.mark.parametrize(
        ("status", "created", "retry"),
        [(200, "maybe", "later"), (500, "maybe", "later"), (400, "no", "never"), (429, "no", "never")],
    )
    def test_an_unknown_code_is_a_refusal_only_where_the_status_says_so(
        self, status: int, created: str, retry: str
    ) -> None:
        error = failure(CREATE, reply({"code": 7777, "message": "quota of moons"}, status=status))
        assert type(error) is ApiError
        assert (error.kind, error.code, error.created, error.retry) == ("vendor_fault", 7777, created, retry)
        assert '"quota of moons"' in error.message

    def test_an_unknown_code_of_a_read_created_nothing(self) -> None:
        error = failure(READ, reply({"code": 7777}, status=500))
        assert (error.created, error.retry) == ("no", "never")

    @pytest.mark.parametrize("status", [300, 404, 500])
    def test_success_with_the_status_of_a_failure_leaves_a_creation_open(self, status: int) -> None:
        """fact: envelope-http ("check both")"""
        said = reply({"code": 0, "data": {"task_id": "1"}, "request_id": "Cl6y"}, status=status)
        error = failure(CREATE, said)
        assert (error.kind, error.created, error.request_id) == ("unknown_outcome", "maybe", "Cl6y")
        assert isinstance(failure(READ, said), UnexpectedReplyError)

    def test_the_request_id_stays_one_word(self) -> None:
        said = {"code": 1200, "request_id": "Cl6 created=yes kind=auth\n" + "x" * 200}
        line = failure(READ, reply(said, status=400)).last_line()
        assert line.count("=") == 5
        assert line.split(" request_id=")[1].startswith("Cl6_created_yes_kind_auth")
        assert len(line) < 200

    @pytest.mark.parametrize(
        ("status", "kind", "retry"),
        [
            (401, "auth", "never"),
            (403, "permission", "never"),
            (404, "vendor_fault", "later"),
            (413, "limit", "never"),  # fact: body-40mb
            (429, "rate_limited", "later"),
        ],
    )
    def test_a_gateways_refusal_did_nothing(self, status: int, kind: str, retry: str) -> None:
        for request in (READ, CREATE, DELETE):
            error = failure(request, HttpReply(status, {}, b"<html>no</html>"))
            assert isinstance(error, UnexpectedReplyError)
            assert (error.kind, error.created, error.retry, error.http_status) == (kind, "no", retry, status)

    def test_the_body_is_kept_short_and_clean(self) -> None:
        error = failure(READ, HttpReply(200, {}, b"\x1b[31m<html>\xff\r\n" + b"A" * 5000))
        assert isinstance(error, UnexpectedReplyError)
        assert len(error.body) <= 300
        assert error.body.startswith("[31m<html>")
        assert error.body.isprintable()

    def test_deeply_nested_json_is_unreadable_not_fatal(self) -> None:
        assert isinstance(failure(READ, HttpReply(200, {}, b"[" * 200_000)), UnexpectedReplyError)


class TestLists:
    def test_a_record_that_cannot_be_read_keeps_its_place(self) -> None:
        """A full page must stay full, or whoever pages through would stop too early."""
        tasks = decode_tasks([{"task_id": "1"}, None, "text", 7, {"task_id": "2"}], ElementTask)
        assert [task.task_id for task in tasks] == ["1", "", "", "", "2"]

    @pytest.mark.parametrize("data", [None, {}, {"list": []}, "none", 0])
    def test_list_that_is_no_array_is_an_unexpected_reply(self, data: object) -> None:
        """fact: list-no-total: an empty account gives []"""
        for model in (ElementTask, VoiceTask):
            assert decode_tasks([], model) == []
            with pytest.raises(UnexpectedReplyError):
                decode_tasks(data, model)

    def test_unreadable_voice_keeps_its_place_in_the_list(self) -> None:
        """fact: voice-page"""
        tasks = decode_tasks([None, {"voice_id": 7}, "text"], VoiceTask)
        assert [[voice.voice_id for voice in task.voices] for task in tasks] == [[], ["7"], []]


FIELDS = """task_id task_status task_info task_result elements element_id element_name tag_list id status created_at
element_image_list refer_images element_voice_info voice_id external_task_id owned_by code data"""
NAMES = st.sampled_from(FIELDS.split())
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=12,
)


@given(st.dictionaries(NAMES, anything, max_size=8) | anything)
def test_reader_survives_any_json(data: Any) -> None:
    """It is read, or refused with an error of ours; and what was read is text where text is promised."""
    for request in (READ, CREATE):
        try:
            task = decode_task(request, data, ElementTask)
        except KlingError:
            continue
        assert task.task_id
        assert all(type(element_id) is str for element_id in task.element_ids)
    if isinstance(data, list):
        assert len(decode_tasks(data, ElementTask)) == len(data)


@given(st.binary(max_size=200), st.integers(200, 599))
def test_arbitrary_bytes_are_never_a_success(body: bytes, status: int) -> None:
    error = failure(CREATE, HttpReply(status, {}, body))
    assert error.created == ("no" if 300 <= status < 500 else "maybe")


def reply(envelope: dict[str, Any], status: int = 200) -> HttpReply:
    """A reply with this envelope."""
    return HttpReply(status, {}, json.dumps(envelope).encode())


def failure(request: Request, answer: HttpReply) -> KlingError:
    """The error that the reply stands for."""
    with pytest.raises(KlingError) as caught:
        decode(request, answer)
    return caught.value


def test_every_route_is_in_the_table() -> None:
    assert set(SENDS) == {"query", "list", "presets", "create", "delete"}
