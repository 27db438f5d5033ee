"""One admitted request as the operations see it, and how its body, query and pages are read.

No HTTP and no envelope here; a refusal is a RefusedError. Must not know what a route does.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar
from urllib.parse import parse_qsl

from kling_mcp.simulator.codes import (
    BALANCE_NOT_ENOUGH,
    INVALID_PARAMETERS,
    PARALLEL_EXCEEDED,
    RefusedError,
    refuse_value,
)
from kling_mcp.simulator.fault_actions import Fail, Slots, Slow
from kling_mcp.simulator.faults import Faults
from kling_mcp.simulator.records import Account, Task, TaskList
from kling_mcp.simulator.rendering import Json
from kling_mcp.simulator.request_log import RequestRecord
from kling_mcp.simulator.world import World

T = TypeVar("T", bound=Task)

MAX_PAGE = 1000  # fact: list-range
DEFAULT_PAGE_SIZE = 30


@dataclass(slots=True, kw_only=True)
class Operation:
    """One admitted request, with its account. `record` is filled in along the way.

    `origin` is the address that the client called (scheme and host), for links to files.
    """

    world: World
    faults: Faults
    account: Account
    item_id: str
    body: bytes
    record: RequestRecord
    origin: str = ""

    @property
    def route(self) -> str:
        """The route's name."""
        return self.record.route


class NoData:
    """Marks a success whose envelope has no `data` at all."""


NO_DATA = NoData()
Data = Json | list[Json] | NoData | None


def body_of(call: Operation) -> Json:
    """The body as a JSON object. Raises RefusedError (1200)."""
    try:
        body = json.loads(call.body, parse_constant=_refuse_constant)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise RefusedError(INVALID_PARAMETERS, "The request body must be a JSON object")
    return body


def query_values(call: Operation, known: frozenset[str]) -> dict[str, str]:
    """The query parameters. In a strict world, raises RefusedError for unknown ones and for any that comes twice."""
    pairs = parse_qsl(call.record.query, keep_blank_values=True)
    unknown = [name for name, _ in pairs if name not in known]
    if unknown and call.world.strict:
        raise refuse_value(f"unknown query parameter: {unknown[0]}")
    if len(pairs) != len(dict(pairs)) and call.world.strict:
        raise refuse_value("query parameter given twice")
    return dict(pairs)


def whole(text: str, name: str, most: int | None = None) -> int:
    """A number from 1. Raises RefusedError."""
    # The facts leave open what pageNum 1001 and pageSize 501 really return; the strict reading refuses them.
    plain = text.isascii() and text.isdigit() and len(text) < 18
    if not plain or int(text) < 1 or (most is not None and int(text) > most):
        raise refuse_value(f"{name} is out of range")
    return int(text)


def page(call: Operation, tasks: TaskList[T], render: Callable[[T], Json], most: int) -> Data:
    """One page of a list (fact: list-shape); `most` is the largest page. Raises RefusedError."""
    values = query_values(call, frozenset({"pageNum", "pageSize"}))
    page_num = whole(values.get("pageNum", "1"), "pageNum", MAX_PAGE)
    page_size = whole(values.get("pageSize", str(DEFAULT_PAGE_SIZE)), "pageSize", most)
    return [render(task) for task in call.world.list_tasks(tasks, page_num, page_size)]


def require_units(call: Operation, product: str, units: Decimal) -> None:
    """Refuse with 1102 what no pack of this type can pay (fact: msg-no-pack)."""
    if not call.account.ledger.affords(product, units, call.world.clock()):
        raise RefusedError(BALANCE_NOT_ENOUGH)


def claim_slots(call: Operation, needed: int = 1) -> None:
    """Refuse with 1303 if a fault limits what runs at once (facts: slots-refused, msg-parallel)."""
    found = call.faults.find(call.route, Slots)
    if found is None:
        return
    fault, slots = found
    if call.account.running(call.world.clock()) + needed > slots.most:
        call.faults.use(fault, call.record.faults)
        raise RefusedError(PARALLEL_EXCEEDED)


def shape_task(call: Operation) -> tuple[str, float | None]:
    """Why the next task will fail, or "", and how long it takes if a fault says so."""
    fail = call.faults.take(call.route, Fail, call.record.faults)
    slow = call.faults.take(call.route, Slow, call.record.faults)
    return fail.message if fail else "", slow.seconds if slow else None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
