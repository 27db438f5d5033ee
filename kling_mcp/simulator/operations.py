"""What each route does: reads the request, calls the world, and returns the reply's `data`.

No HTTP and no envelope here; a refusal is a RefusedError.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import parse_qsl

from kling_mcp.simulator import ids, rendering
from kling_mcp.simulator.codes import (
    INVALID_PARAMETERS,
    METHOD_INVALID,
    PARALLEL_EXCEEDED,
    RefusedError,
    refuse_value,
)
from kling_mcp.simulator.fault_actions import Fail, Slots, Slow
from kling_mcp.simulator.faults import Faults
from kling_mcp.simulator.quirks import Quirks
from kling_mcp.simulator.records import SUCCEED, Account, AnyTask, TaskList
from kling_mcp.simulator.rendering import Json
from kling_mcp.simulator.request_log import RequestRecord
from kling_mcp.simulator.validation import read_element, read_id, read_voice
from kling_mcp.simulator.world import World

MAX_PAGE = 1000  # fact: list-range
DEFAULT_PAGE_SIZE = 30
MAX_PAGE_SIZES: Mapping[str, int] = MappingProxyType(
    {"list": 500, "presets": 500, "voice-list": 1000, "voice-presets": 1000}  # fact: voice-page
)
_WITH_QUERY = frozenset(MAX_PAGE_SIZES) | {"costs"}


@dataclass(slots=True, kw_only=True)
class Operation:
    """One admitted request, with its account. `record` is filled in along the way."""

    world: World
    faults: Faults
    account: Account
    item_id: str
    body: bytes
    record: RequestRecord

    @property
    def route(self) -> str:
        """The route's name."""
        return self.record.route


class NoData:
    """Marks a success whose envelope has no `data` at all."""


NO_DATA = NoData()
Data = Json | list[Json] | NoData | None


def perform(call: Operation) -> Data:
    """Carry out a request and return the reply's `data`. Raises RefusedError."""
    operation = _OPERATIONS.get(call.route)
    if operation is None:
        raise RefusedError(METHOD_INVALID)
    if call.route not in _WITH_QUERY:
        _query_values(call, frozenset())
    return operation(call)


def _create(call: Operation) -> Data:
    request = read_element(_body(call), call.world.rules)
    call.record.picture_sha256 = request.picture_sums
    _claim_slot(call)
    failure, seconds = _shape_task(call)
    task = call.world.create_element(call.account, request, seconds=seconds, failure=failure)
    call.record.committed = True
    return rendering.creation_reply(task, call.world.clock(), call.world.quirks)


def _create_voice(call: Operation) -> Data:
    request = read_voice(_body(call), call.world.rules)
    failure, seconds = _shape_task(call)
    task = call.world.create_voice(call.account, request, seconds=seconds, failure=failure)
    call.record.committed = True
    return rendering.creation_reply(task, call.world.clock(), call.world.quirks)


def _query(call: Operation) -> Data:
    task = call.world.find_task(call.account, call.item_id, voices=call.route == "voice-query")
    return rendering.task_record(task, call.world.clock(), call.world.quirks)


def _list(call: Operation) -> Data:
    tasks = call.account.element_tasks if call.route == "list" else call.account.voice_tasks
    return _page(call, tasks, rendering.task_record)


def _list_presets(call: Operation) -> Data:
    tasks = call.world.preset_elements if call.route == "presets" else call.world.preset_voices
    return _page(call, tasks, rendering.preset_record)


def _delete(call: Operation) -> Data:
    field = "element_id" if call.route == "delete" else "voice_id"
    item_id = read_id(_body(call), field, call.world.rules)  # fact: delete-takes-element-id
    delete = call.world.delete_element if call.route == "delete" else call.world.delete_voice
    delete(call.account, item_id)
    call.record.committed = True
    match call.world.quirks.delete_data:
        case "task":  # fact: delete-reply
            return {"task_id": ids.task_id(call.world.next_number()), "task_status": SUCCEED}
        case "null":
            return None
        case _:  # fact: delete-has-no-data
            return NO_DATA


def _costs(call: Operation) -> Data:
    """One pack that is never used up. facts: costs, costs-double-envelope, costs-pack"""
    values = _query_values(call, frozenset({"start_time", "end_time", "resource_pack_name"}))
    since, until = (_whole(values.get(name, ""), name) for name in ("start_time", "end_time"))
    pack: Json = {
        "resource_pack_name": "Simulated pack",
        "resource_pack_id": "509f3fd3d4f644e6b6ec0c0f6fd2a5e1",
        "resource_pack_type": "decreasing_total",
        "total_quantity": 1000.0,
        "remaining_quantity": 1000.0,
        "purchase_time": since,
        "effective_time": since,
        "invalid_time": until,
        "status": "online",
    }
    shown = values.get("resource_pack_name", "Simulated pack") == "Simulated pack"
    return {"code": 0, "msg": "success", "resource_pack_subscribe_infos": [pack] if shown else []}


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
        "voice-delete": _delete,
        "costs": _costs,
    }
)


def _claim_slot(call: Operation) -> None:
    found = call.faults.find(call.route, Slots)
    if found is None:
        return
    fault, slots = found
    if call.account.running(call.world.clock()) >= slots.most:
        call.faults.use(fault, call.record.faults)
        raise RefusedError(PARALLEL_EXCEEDED)  # facts: slots-refused, msg-parallel


def _shape_task(call: Operation) -> tuple[str, float | None]:
    fail = call.faults.take(call.route, Fail, call.record.faults)
    slow = call.faults.take(call.route, Slow, call.record.faults)
    return fail.message if fail else "", slow.seconds if slow else None


def _page(call: Operation, tasks: TaskList, render: Callable[[AnyTask, float, Quirks], Json]) -> Data:
    values = _query_values(call, frozenset({"pageNum", "pageSize"}))
    page_num = _whole(values.get("pageNum", "1"), "pageNum", MAX_PAGE)
    page_size = _whole(values.get("pageSize", str(DEFAULT_PAGE_SIZE)), "pageSize", MAX_PAGE_SIZES[call.route])
    now, quirks = call.world.clock(), call.world.quirks
    return [render(task, now, quirks) for task in call.world.list_tasks(tasks, page_num, page_size)]


def _query_values(call: Operation, known: frozenset[str]) -> dict[str, str]:
    pairs = parse_qsl(call.record.query, keep_blank_values=True)
    unknown = [name for name, _ in pairs if name not in known]
    if unknown and call.world.strict:
        raise refuse_value(f"unknown query parameter: {unknown[0]}")
    if len(pairs) != len(dict(pairs)) and call.world.strict:
        raise refuse_value("query parameter given twice")
    return dict(pairs)


def _whole(text: str, name: str, most: int | None = None) -> int:
    # The facts leave open what pageNum 1001 and pageSize 501 really return; the strict reading refuses them.
    plain = text.isascii() and text.isdigit() and len(text) < 18
    if not plain or int(text) < 1 or (most is not None and int(text) > most):
        raise refuse_value(f"{name} is out of range")
    return int(text)


def _body(call: Operation) -> Json:
    try:
        body = json.loads(call.body, parse_constant=_refuse_constant)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise RefusedError(INVALID_PARAMETERS, "The request body must be a JSON object")
    return body


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
