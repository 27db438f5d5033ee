"""A reply costs a bounded amount of work, whatever an upstream, or what stands in for it, packs into its bytes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from work import counted_work

from kling_mcp.api.models import ElementTask, VoiceTask
from kling_mcp.api.protocol import HttpReply, decode, decode_tasks, page_of
from kling_mcp.errors import ApiError, UnexpectedReplyError

if TYPE_CHECKING:
    from collections.abc import Callable

N = 500_000
MOST_CALLS = 200_000
PAGE = page_of("/list", 1, 500)


def reply(data: Any, **fields: Any) -> HttpReply:
    return HttpReply(200, {}, json.dumps({"code": 0, "request_id": "r", "data": data, **fields}).encode())


def task(**element: Any) -> dict[str, Any]:
    elements = [{"element_id": "1", "element_name": "Mia", **element}]
    return {"task_id": "8", "task_status": "succeed", "task_result": {"elements": elements}}


# Made when they are needed: they are large.
TOO_MANY: dict[str, Callable[[], Any]] = {
    "empty records": lambda: [{}] * N,
    "numbers": lambda: [1] * N,
    "lists": lambda: [[]] * N,
    "tags": lambda: [task(tag_list=["o_102"] * N)],
    "tags with names": lambda: [task(tag_list=[{}] * N)],
    "pictures": lambda: [task(element_image_list={"refer_images": [{}] * N})],
    "clips": lambda: [task(element_video_list={"refer_videos": [{}] * N})],
    "elements": lambda: [{"task_id": "8", "task_result": {"elements": [{}] * N}}],
    "voices": lambda: [{"task_id": "8", "task_result": {"voices": [{"voice_id": "1"}] * N}}],
    "fields": lambda: [dict.fromkeys(map(str, range(N)))],
}


@pytest.mark.parametrize("parts", TOO_MANY)
def test_reply_of_too_many_parts_is_not_read(parts: str) -> None:
    large = reply(TOO_MANY[parts]())
    with counted_work() as work, pytest.raises(UnexpectedReplyError, match="not in Kling's format"):
        decode(PAGE, large)
    assert work.calls < 1000


@pytest.mark.parametrize(
    ("data", "records"),
    [
        ([1] * 300_000, 1000),
        ([{}] * 30_000, 1000),
        ([task(tag_list=["o_102"] * 300_000)], 1),
        ([task(element_image_list={"refer_images": [{}] * 30_000})], 1),
        ([{"task_id": "8", "task_result": {"elements": [{}] * 30_000, "voices": [{}] * 9_000}}], 1),
    ],
)
def test_list_that_may_be_read_is_read_in_part(data: Any, records: int) -> None:
    large = reply(data)
    for model in (ElementTask, VoiceTask):
        with counted_work() as work:
            assert len(decode_tasks(decode(PAGE, large), model)) == records
        assert work.calls < MOST_CALLS


def test_largest_page_that_was_ever_seen_is_read_completely() -> None:
    row = task(
        element_description="Barista, short red hair, green apron, and eight, more, commas, in, her, long, text, here",
        element_image_list={"frontal_image": "https://x", "refer_images": [{"image_url": "https://x"}] * 3},
        element_voice_info={"voice_id": "1", "voice_name": "Calm"},
        tag_list=[{"id": f"o_10{number}", "name": "Item"} for number in range(1, 9)],
    )
    tasks = decode_tasks(decode(PAGE, reply([row] * 500)), ElementTask)
    assert [len(read.elements[0].tag_list) for read in tasks] == [8] * 500


@pytest.mark.parametrize("message", [["x"] * N, {"a": ["x"] * N}])
def test_message_that_is_no_text_is_left_out(message: Any) -> None:
    few = message[:1000] if isinstance(message, list) else {"a": ["x"] * 1000}
    with pytest.raises(ApiError) as caught:
        decode(PAGE, reply(None, code=1201, message=few, request_id=few))
    assert (caught.value.vendor_message, caught.value.request_id) == ("", "")
    with pytest.raises(UnexpectedReplyError):
        decode(PAGE, reply(None, code=1201, message=message))


@pytest.mark.parametrize("text", ["é" * N, "\u0301\u0323" * N, "\u200b" * N, " " * N])
def test_texts_of_megabytes_in_a_record_are_shown_in_part(text: str) -> None:
    large = reply([task(element_name=text, status=text, element_voice_info={"voice_name": text})])
    with counted_work() as work:
        (read,) = decode_tasks(decode(PAGE, large), ElementTask)
        assert not read.is_deleted
    assert work.calls < 5000
