"""What an account has and what was deducted: its packs and its ledger.

facts: costs, costs-double-envelope, costs-pack, costs-at-once, ledger-package, ledger-row-fields, ledger-cash-fields
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar

from kling_mcp.simulator.calls import Data, Operation, body_of, query_values, whole
from kling_mcp.simulator.codes import RATE_EXCEEDED, RefusedError
from kling_mcp.simulator.generation.fields import Fields
from kling_mcp.simulator.generation.ledger import Billed, Deduction, Payment
from kling_mcp.simulator.generation.listing import MAX_LIMIT, fits, read_filters, read_window, refuse_unread
from kling_mcp.simulator.records import ElementTask, GenerationTask
from kling_mcp.simulator.rendering import Json

R = TypeVar("R", Deduction, Payment)
Filters = Mapping[str, Callable[[R], str]]

COSTS_PAUSE_SECONDS = 1.0  # fact: costs
_PACK_FILTERS: Filters[Deduction] = {
    "package_name": lambda row: row.pack.name,
    "package_id": lambda row: row.pack.pack_id,
}
_KEY_NAME = "simulated key"


def _costs(call: Operation) -> Data:
    """The packs, right at once."""
    values = query_values(call, frozenset({"start_time", "end_time", "resource_pack_name"}))
    for name in ("start_time", "end_time"):
        whole(values.get(name, ""), name)
    ledger, now = call.account.ledger, call.world.clock()
    if now - call.account.costs_read_at < COSTS_PAUSE_SECONDS:
        raise RefusedError(RATE_EXCEEDED)
    call.account.costs_read_at = now
    ledger.settle(now)
    packs: list[Json] = [
        {
            "resource_pack_name": pack.name,
            "resource_pack_id": pack.pack_id,
            "resource_pack_type": "decreasing_total",
            "total_quantity": float(pack.units),
            "remaining_quantity": float(pack.remaining),
            "purchase_time": round(pack.bought * 1000),
            "effective_time": round(pack.bought * 1000),
            "invalid_time": round(pack.ends * 1000),
            "status": pack.status_at(now),
        }
        for pack in ledger.packs
        if values.get("resource_pack_name", pack.name) == pack.name
    ]
    if code := call.world.quirks.costs_code:
        return {"code": code, "msg": "the packs cannot be told", "resource_pack_subscribe_infos": None}
    return {"code": 0, "msg": "success", "resource_pack_subscribe_infos": packs}


def _ledger(call: Operation) -> Data:
    """Deductions from packs of tasks that were created in the window, the newest first."""
    return _page(call, call.account.ledger.rows, _row, _PACK_FILTERS)


def _payments(call: Operation) -> Data:
    """The same for what was paid with money. fact: ledger-cash-fields"""
    return _page(call, call.account.ledger.payments, _payment, {})


def _page(call: Operation, kept: Sequence[R], render: Callable[[R], Json], more_filters: Filters[R]) -> Data:
    body = Fields(body_of(call))
    window = read_window(body, call.world.clock(), default_span_ms=None, default_limit=MAX_LIMIT)
    wanted = read_filters(body, {"api_key_name", "product_type", *more_filters})
    if call.world.strict:
        refuse_unread(body)
    call.account.ledger.settle(call.world.clock())
    found = [
        (number, row)
        for number, row in reversed(list(enumerate(kept)))
        if window.holds(row.task.created, number)
        and fits(
            wanted,
            api_key_name=_KEY_NAME,
            product_type=row.task.product,
            **{name: read(row) for name, read in more_filters.items()},
        )
    ]
    shown = found[: window.limit]
    more = len(found) > len(shown)
    rows = [render(row) for _, row in shown]
    cursor = window.after(shown[-1][0]) if more else ""
    return {"result": {"detail": rows, "count": len(rows)}, "next_cursor": cursor, "has_more": more}


def _row(row: Deduction) -> Json:
    return {
        "package_id": row.pack.pack_id,
        "product_type": row.pack.product_type,
        "task_id": row.task.task_id,
        "api_key_name": _KEY_NAME,
        **_task_fields(row.task),
        "deduction_time": str(round(row.time * 1000)),
        "unit_before_deduction": float(row.before),
        "deduction_amount": float(row.units),
        "unit_after_deduction": float(row.after),
    }


def _payment(row: Payment) -> Json:
    return {
        "product_type": row.task.product,
        "task_id": row.task.task_id,
        "api_key_name": _KEY_NAME,
        **_task_fields(row.task),
        "deduction_time": str(round(row.time * 1000)),
        "currency": "USD",
        "balance_before_deduction": float(row.before),
        "deduction_amount": float(row.amount),
        "balance_after_deduction": float(row.before - row.amount),
    }


def _task_fields(task: Billed) -> Json:
    if not isinstance(task, GenerationTask):  # fact: ledger-lists-elements
        function = "Element" if isinstance(task, ElementTask) else "Voice Clone"
        return {"product_function": function, "model_name": "", "resolution": ""}
    order = task.order
    fields: Json = {"product_function": order.function, "model_name": order.model, "resolution": order.resolution}
    if order.product == "video":
        fields |= {
            "duration": f"{order.seconds}.04",
            "refer_video_input": order.has_video,
            "video_sound": order.sound,
            "voice_control": order.has_voice,
        }
    return fields


ACCOUNT_OPERATIONS: Mapping[str, Callable[[Operation], Data]] = MappingProxyType(
    {"costs": _costs, "ledger": _ledger, "cash-ledger": _payments}
)
