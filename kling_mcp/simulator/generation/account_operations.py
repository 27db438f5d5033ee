"""What an account has and what was deducted: its packs and its ledger.

facts: costs, costs-double-envelope, costs-pack, costs-at-once, ledger-package, ledger-row-fields
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from kling_mcp.simulator.calls import Data, Operation, body_of, query_values, whole
from kling_mcp.simulator.generation.fields import Fields
from kling_mcp.simulator.generation.ledger import Deduction
from kling_mcp.simulator.generation.listing import MAX_LIMIT, fits, read_filters, read_window, refuse_unread
from kling_mcp.simulator.records import ElementTask, GenerationTask
from kling_mcp.simulator.rendering import Json

_FILTERS = {"api_key_name", "product_type", "package_name", "package_id"}
_KEY_NAME = "simulated key"


def _costs(call: Operation) -> Data:
    """The packs, right at once."""
    values = query_values(call, frozenset({"start_time", "end_time", "resource_pack_name"}))
    since, until = (whole(values.get(name, ""), name) for name in ("start_time", "end_time"))
    ledger = call.account.ledger
    ledger.settle(call.world.clock())
    packs: list[Json] = [
        {
            "resource_pack_name": pack.name,
            "resource_pack_id": pack.pack_id,
            "resource_pack_type": "decreasing_total",
            "total_quantity": float(pack.units),
            "remaining_quantity": float(pack.remaining),
            "purchase_time": since,
            "effective_time": since,
            "invalid_time": until,
            "status": "online" if pack.remaining > 0 else "runOut",
        }
        for pack in ledger.packs
        if values.get("resource_pack_name", pack.name) == pack.name
    ]
    return {"code": 0, "msg": "success", "resource_pack_subscribe_infos": packs}


def _ledger(call: Operation) -> Data:
    """Deductions of tasks that were created in the window, the newest first."""
    body = Fields(body_of(call))
    window = read_window(body, call.world.clock(), default_span_ms=None, default_limit=MAX_LIMIT)
    wanted = read_filters(body, _FILTERS)
    if call.world.strict:
        refuse_unread(body)
    call.account.ledger.settle(call.world.clock())
    found = [
        (number, row)
        for number, row in reversed(list(enumerate(call.account.ledger.rows)))
        if window.holds(row.task.created, number)
        and fits(
            wanted,
            api_key_name=_KEY_NAME,
            product_type=row.pack.product_type,
            package_name=row.pack.name,
            package_id=row.pack.pack_id,
        )
    ]
    shown = found[: window.limit]
    more = len(found) > len(shown)
    rows = [_row(row) for _, row in shown]
    cursor = window.after(shown[-1][0]) if more else ""
    return {"result": {"detail": rows, "count": len(rows)}, "next_cursor": cursor, "has_more": more}


def _row(row: Deduction) -> Json:
    return {
        "package_id": row.pack.pack_id,
        "product_type": row.pack.product_type,
        "task_id": row.task.task_id,
        "api_key_name": _KEY_NAME,
        **_task_fields(row),
        "deduction_time": str(round(row.time * 1000)),
        "unit_before_deduction": float(row.before),
        "deduction_amount": float(row.units),
        "unit_after_deduction": float(row.after),
    }


def _task_fields(row: Deduction) -> Json:
    task = row.task
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


ACCOUNT_OPERATIONS: Mapping[str, Callable[[Operation], Data]] = MappingProxyType({"costs": _costs, "ledger": _ledger})
