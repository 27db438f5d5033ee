"""What each route does: reads the request, calls the world, and returns the reply's `data`.

No HTTP and no envelope here; a refusal is a RefusedError. What makes videos and pictures is in `generation`.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from kling_mcp.simulator import ids, rendering
from kling_mcp.simulator.calls import (
    NO_DATA,
    Data,
    Operation,
    body_of,
    claim_slots,
    page,
    query_values,
    require_units,
    shape_task,
)
from kling_mcp.simulator.codes import METHOD_INVALID, RefusedError, refuse_value
from kling_mcp.simulator.generation.account_operations import ACCOUNT_OPERATIONS
from kling_mcp.simulator.generation.operations import GENERATION_OPERATIONS
from kling_mcp.simulator.generation.prices import VOICE_UNITS
from kling_mcp.simulator.generation.rendering import clip_id
from kling_mcp.simulator.records import SUCCEED, Made
from kling_mcp.simulator.rendering import Json
from kling_mcp.simulator.validation import read_element, read_id, read_voice

MAX_PAGE_SIZES: Mapping[str, int] = MappingProxyType(
    {"list": 500, "presets": 500, "voice-list": 1000, "voice-presets": 1000}  # fact: voice-page
)
_WITH_QUERY = frozenset(MAX_PAGE_SIZES) | {"costs", "tasks-get"}


def perform(call: Operation) -> Data:
    """Carry out a request and return the reply's `data`. Raises RefusedError."""
    operation = _OPERATIONS.get(call.route)
    if operation is None:
        raise RefusedError(METHOD_INVALID)
    if call.route not in _WITH_QUERY and not call.route.endswith("-list"):
        query_values(call, frozenset())
    return operation(call)


def _create(call: Operation) -> Data:
    request = read_element(body_of(call), call.world.rules)
    call.record.picture_sha256 = request.picture_sums
    claim_slots(call)
    failure, seconds = shape_task(call)
    task = call.world.create_element(call.account, request, seconds=seconds, failure=failure)
    call.record.committed = True
    return rendering.creation_reply(task, call.world.clock(), call.world.quirks)


def _create_voice(call: Operation) -> Data:
    request = read_voice(body_of(call), call.world.rules)
    if request.video_id:
        _require_clip_with_sound(call, request.video_id)
    require_units(call, "video", VOICE_UNITS)
    failure, seconds = shape_task(call)
    task = call.world.create_voice(call.account, request, seconds=seconds, failure=failure)
    call.record.committed = True
    return rendering.creation_reply(task, call.world.clock(), call.world.quirks)


def _require_clip_with_sound(call: Operation, video_id: str) -> None:
    """Refuse what is no finished clip with sound of this account. fact: voice-from; the texts are a guess"""
    clips = [task for tasks in call.account.generation_tasks.values() for task in tasks if task.product == "video"]
    clip = next((task for task in clips if clip_id(task) == video_id), None)
    if clip is None or clip.status_at(call.world.clock()) != SUCCEED:
        raise refuse_value(f"Video id not found: {video_id}")
    if clip.order.sound == "off" and clip.order.family != "turbo":
        raise refuse_value("The video has no sound")


def _query(call: Operation) -> Data:
    task = call.world.find_task(call.account, call.item_id, voices=call.route == "voice-query")
    return rendering.task_record(task, call.world.clock(), call.world.quirks)


def _list(call: Operation) -> Data:
    def render(task: Made) -> Json:
        return rendering.task_record(task, call.world.clock(), call.world.quirks)

    if call.route == "list":
        return page(call, call.account.element_tasks, render, MAX_PAGE_SIZES[call.route])
    return page(call, call.account.voice_tasks, render, MAX_PAGE_SIZES[call.route])


def _list_presets(call: Operation) -> Data:
    def render(task: Made) -> Json:
        return rendering.preset_record(task, call.world.clock(), call.world.quirks)

    if call.route == "presets":
        return page(call, call.world.preset_elements, render, MAX_PAGE_SIZES[call.route])
    return page(call, call.world.preset_voices, render, MAX_PAGE_SIZES[call.route])


def _delete(call: Operation) -> Data:
    item_id = read_id(body_of(call), "element_id", call.world.rules)  # fact: delete-takes-element-id
    call.world.delete_element(call.account, item_id)
    call.record.committed = True
    match call.world.quirks.delete_data:
        case "task":  # fact: delete-reply
            return {"task_id": ids.task_id(call.world.next_number()), "task_status": SUCCEED}
        case "null":
            return None
        case _:  # fact: delete-has-no-data
            return NO_DATA


def _delete_voice(call: Operation) -> Data:
    """The answer is the whole record. fact: voice-lookup"""
    task = call.world.delete_voice(call.account, read_id(body_of(call), "voice_id", call.world.rules))
    call.record.committed = True
    return rendering.task_record(task, call.world.clock(), call.world.quirks)


_OPERATIONS: Mapping[str, Callable[[Operation], Data]] = MappingProxyType(
    {
        "create": _create,
        "query": _query,
        "list": _list,
        "presets": _list_presets,
        "delete": _delete,
        "voice-create": _create_voice,
        "voice-query": _query,
        "voice-list": _list,
        "voice-presets": _list_presets,
        "voice-delete": _delete_voice,
        **ACCOUNT_OPERATIONS,
        **GENERATION_OPERATIONS,
    }
)
