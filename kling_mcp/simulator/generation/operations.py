"""What the generation routes and `/tasks` do: read the request, ask the world, return the reply's `data`.

facts: gen-two-standards, gen-external-id, gen-slots, tasks-get, tasks-list, old-query, gen-route-bound
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType

from kling_mcp.simulator import rendering
from kling_mcp.simulator.calls import (
    Data,
    Operation,
    body_of,
    claim_slots,
    page,
    query_values,
    require_units,
    shape_task,
)
from kling_mcp.simulator.codes import PARALLEL_EXCEEDED, RefusedError, refuse_value
from kling_mcp.simulator.generation.fields import Fields
from kling_mcp.simulator.generation.listing import fits, read_filters, read_window, refuse_unread
from kling_mcp.simulator.generation.new_standard import read_new
from kling_mcp.simulator.generation.older_images import read_older_image
from kling_mcp.simulator.generation.older_videos import read_older_video
from kling_mcp.simulator.generation.order import Order
from kling_mcp.simulator.generation.rendering import View, new_creation, new_record, new_status, older_record
from kling_mcp.simulator.records import AnyTask, GenerationTask
from kling_mcp.simulator.rendering import Json
from kling_mcp.simulator.routes import NEW_STANDARD, OLDER_PATHS
from kling_mcp.simulator.world import refuse_used

MAX_TASK_IDS = 20
LIST_DAYS_MS = 30 * 24 * 3600 * 1000


def _create_new(call: Operation) -> Data:
    find_element, like = partial(call.world.usable_element, call.account), call.world.quirks.models_like
    order = read_new(call.route, call.item_id, body_of(call), find_element, like.get(call.item_id, ""))
    return new_creation(_accept(call, order), _view(call))


def _create_older(call: Operation) -> Data:
    read = read_older_video if call.route in _VIDEO_ROUTES else read_older_image
    order = read(call.route, body_of(call), partial(call.world.usable_element, call.account))
    task = _accept(call, order)
    return rendering.creation_reply(task, call.world.clock(), call.world.quirks)


def _accept(call: Operation, order: Order) -> GenerationTask:
    """Every refusal comes before anything is kept, and is free (fact: gen-billed-at-end)."""
    world, account, now = call.world, call.account, call.world.clock()
    call.record.picture_sha256 = order.picture_sums
    if world.quirks.video_element_costs_as_video and order.has_video_element:
        order = replace(order, has_video=True)
    refuse_used(account, order.external_task_id)
    require_units(call, order.product, order.units)
    claim_slots(call, order.slots)
    if account.ledger.slots_taken(now, order.model) + order.slots > account.ledger.slots(order.product):
        raise RefusedError(PARALLEL_EXCEEDED)  # facts: gen-slots, slots-refused
    failure, seconds = shape_task(call)
    task = world.create_generation(account, order, call.route, seconds=seconds, failure=failure)
    call.record.committed = True
    call.record.ignored = list(order.ignored)
    return task


def _query(call: Operation) -> Data:
    route = call.route.removesuffix("-query")
    task = call.account.tasks.get(call.item_id)
    # facts: gen-lookup (seen for pictures), query-external-id (only documented for older videos)
    if task is None and (route not in _VIDEO_ROUTES or call.world.quirks.query_by_external_id):
        task = call.account.by_external_id.get(call.item_id)
    if not isinstance(task, GenerationTask) or task.route != route:  # fact: gen-route-bound
        raise refuse_value(f"Task not found by id/external id: {call.item_id}")
    return older_record(task, _view(call))


def _list(call: Operation) -> Data:
    view = _view(call)
    tasks = call.account.generation_list(call.route.removesuffix("-list"))
    return page(call, tasks, lambda task: older_record(task, view), 500)


def _get_tasks(call: Operation) -> Data:
    values = query_values(call, frozenset({"task_ids", "external_task_ids"}))
    if len(values) != 1:
        raise refuse_value("one of task_ids and external_task_ids is required")
    ((name, text),) = values.items()
    ids = [one for one in text.split(",") if one]
    if not 1 <= len(ids) <= MAX_TASK_IDS:  # facts: tasks-20, tasks-get
        raise refuse_value(f"The number of {name} must be between 1 and {MAX_TASK_IDS}")
    where: Mapping[str, AnyTask] = call.account.tasks if name == "task_ids" else call.account.by_external_id
    view = _view(call)
    return [new_record(where[one], view) for one in dict.fromkeys(ids) if one in where]


def _list_tasks(call: Operation) -> Data:
    body = Fields(body_of(call))
    now = call.world.clock()
    window = read_window(body, now, default_span_ms=LIST_DAYS_MS, default_limit=100)
    wanted = read_filters(body, {"status", "product_type"})
    if call.world.strict:
        refuse_unread(body)
    found = [
        task
        for task in sorted(call.account.tasks.values(), key=lambda task: -task.number)
        if window.holds(task.created, task.number)
        and fits(wanted, status=new_status(task, now), product_type=task.product)
    ]
    view = _view(call)
    shown = found[: window.limit]
    more = len(found) > len(shown)
    rows: list[Json] = [new_record(task, view) for task in shown]
    cursor = window.after(shown[-1].number) if more else ""
    return {"result": rows, "count": len(rows), "next_cursor": cursor, "has_more": more}


def _view(call: Operation) -> View:
    return View(call.world.clock(), call.world.quirks, call.world.files_origin or call.origin)


_VIDEO_ROUTES = frozenset(name for name, path in OLDER_PATHS.items() if path.startswith("/v1/videos/"))
GENERATION_OPERATIONS: Mapping[str, Callable[[Operation], Data]] = MappingProxyType(
    {
        **dict.fromkeys(NEW_STANDARD, _create_new),
        **dict.fromkeys(OLDER_PATHS, _create_older),
        **{f"{name}-query": _query for name in OLDER_PATHS},
        **{f"{name}-list": _list for name in OLDER_PATHS},
        "tasks-get": _get_tasks,
        "tasks-list": _list_tasks,
    }
)
