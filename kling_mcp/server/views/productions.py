"""What became of a production plan, entry by entry, and as text that says the same."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar, Literal

from kling_mcp.production.left_out import outcomes_of_left_out
from kling_mcp.production.outcome import EntryKind, OutcomeStatus
from kling_mcp.sanitize import clean, identifier, quote
from kling_mcp.server.views.files import FileRow, file_row, file_warnings
from kling_mcp.server.views.planned_shots import file_lines
from kling_mcp.server.views.plans import correction, left_out_shots
from kling_mcp.server.views.view import View
from kling_mcp.tasks.budget import show_units, units_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.production.outcome import EntryOutcome
    from kling_mcp.production.plan import Plan

Paid = Literal["", "now", "before"]

_NAME, _REASON, _ID = 60, 600, 128
_MOST_NAMED = 100


class ProducedEntry(View):
    """An element or one take of a shot. `take` is 0 for an element.

    `units_deducted` is what this call paid; "0" where `paid` is "before", because it was sent by an earlier call.
    """

    kind: EntryKind
    name: str
    take: int
    status: OutcomeStatus
    reason: str
    element_id: str
    task_id: str
    files: list[FileRow]
    units_deducted: str
    paid: Paid
    warnings: list[str]


class ProductionView(View):
    """What became of a plan: how many entries are in which status, and each of them.

    As soon as nothing is under way any more, the entries are those of the whole plan, with all files. What the plan
    leaves out, because the sheet must be corrected first, is always among them, as not started.
    `units_paid` is what this call spent, by product type; what is still being made counts as estimated.
    """

    SHOWN: ClassVar[tuple[str, ...]] = ("pending",)

    plan_id: str
    entries: list[ProducedEntry]
    ready: int
    pending: int
    failed: int
    not_started: int
    units_paid: dict[str, str]
    waited_seconds: float
    next_step: str


def production_view(
    plan_id: str,
    plan: Plan,
    outcomes: Sequence[EntryOutcome],
    waited_seconds: float,
    earlier: Sequence[EntryOutcome] = (),
) -> ProductionView:
    """The outcomes of one run, and what its plan left out.

    Args:
        earlier: what was made before; shown with the rest as soon as nothing is under way.
    """
    shown = [*([] if goes_on(outcomes) else earlier), *outcomes, *outcomes_of_left_out(plan)]
    statuses = [each.status for each in shown]
    return ProductionView(
        plan_id=plan_id,
        entries=[_row(each) for each in shown],
        ready=statuses.count("ready"),
        pending=statuses.count("pending"),
        failed=statuses.count("failed"),
        not_started=statuses.count("not_started"),
        units_paid=_paid(outcomes),
        waited_seconds=round(waited_seconds, 1),
        next_step=_next_step(plan_id, plan, outcomes),
    )


def production_text(view: ProductionView) -> str:
    """The facts of a run, a line each; files that were there before by folder."""
    counts = f"ready={view.ready} pending={view.pending} failed={view.failed} not_started={view.not_started}"
    there = [row for row in view.entries if _was_there(row)]
    lines = [
        f"Plan {view.plan_id}: {counts} waited_seconds={view.waited_seconds}",
        f"Paid by this call: {_units(view) or 'nothing'}.",
        *(_line(row) for row in view.entries if not _was_there(row)),
        f"Made before: {', '.join(map(_named, there[:_MOST_NAMED]))}{_more(there)}." if there else "",
        *file_lines([file for row in there for file in row.files]),
        *(f"- {_named(row)}: {row.reason}" for row in there if row.reason),
        view.next_step or "Everything is done.",
    ]
    return "\n".join(line for line in lines if line)


def _was_there(row: ProducedEntry) -> bool:
    """Whether the run only found it: nothing is to be said of it but where it is."""
    return row.paid == "before" and row.status == "ready" and not row.warnings


def _units(view: ProductionView) -> str:
    return ", ".join(f"{units} {product} units" for product, units in view.units_paid.items())


def _named(row: ProducedEntry) -> str:
    name = identifier(row.name, _NAME)
    told = f"{name} take {row.take}" if row.take > 1 else name
    return f"{told} (element_id={row.element_id})" if row.element_id else told


def _more(rows: Sequence[ProducedEntry]) -> str:
    return f" and {len(rows) - _MOST_NAMED} more" if len(rows) > _MOST_NAMED else ""


def _paid(outcomes: Sequence[EntryOutcome]) -> dict[str, str]:
    """What these cost, by product type: what Kling says, else the most that was estimated."""
    sums: dict[str, Decimal] = {}
    for each in outcomes:
        if each.estimate is not None:
            units = units_of(each.units) if each.units else each.estimate.high
            sums[each.estimate.product] = sums.get(each.estimate.product, Decimal(0)) + units
    return {product: show_units(units) for product, units in sums.items()}


def goes_on(outcomes: Sequence[EntryOutcome]) -> bool:
    """Whether something is still being made, or was not begun, and a repeat can help."""
    return any(each.status in {"pending", "not_started"} and each.can_repeat for each in outcomes)


def has_failed(plan: Plan, outcomes: Sequence[EntryOutcome]) -> bool:
    """Whether an entry failed, or all is over and something was left out."""
    return any(each.status == "failed" for each in outcomes) or (
        not goes_on(outcomes) and bool(outcomes_of_left_out(plan))
    )


def what_is_left(plan: Plan, whole: str = "part=all") -> str:
    """What was left out and what to do about it, after a run; "" if nothing was."""
    left = left_out_shots(plan)
    return " ".join(filter(None, [f"Left out: {left}." if left else "", correction(plan, whole)]))


def _next_step(plan_id: str, plan: Plan, outcomes: Sequence[EntryOutcome]) -> str:
    again = f"apply_production with plan_id={quote(plan_id)}"
    if goes_on(outcomes):
        return f"Call {again} again: it goes on where it was, and nothing is made or paid twice."
    if any(each.status == "failed" for each in outcomes):
        return f"Correct the sheet and plan again; if the cause may have passed, call {again} again."
    return what_is_left(plan)


def _row(each: EntryOutcome) -> ProducedEntry:
    warnings = [*each.warnings, *file_warnings(each.files)]
    return ProducedEntry(
        kind=each.kind,
        name=clean(each.name, _NAME),
        take=each.take,
        status=each.status,
        reason=clean(each.reason, _REASON),
        element_id=clean(each.element_id, _ID),
        task_id=clean(each.task_id, _ID),
        files=[file_row(file) for file in each.files],
        units_deducted=clean(each.units, 20),
        paid="before" if each.was_paid else "now" if each.estimate is not None else "",
        warnings=[clean(warning, _REASON) for warning in warnings],
    )


def _line(row: ProducedEntry) -> str:
    facts = [
        f"{row.kind} {identifier(row.name, _NAME)}{f' take {row.take}' if row.take else ''}: {row.status}",
        row.element_id and f"element_id={row.element_id}",
        row.task_id and f"task_id={identifier(row.task_id, _ID)}",
        row.units_deducted and f"units_deducted={row.units_deducted}",
        row.paid and f"paid {row.paid}",
        *(file.path or file.url for file in row.files),
        row.reason,
        *(f"Note: {warning}" for warning in row.warnings),
    ]
    return "- " + "; ".join(fact for fact in facts if fact)
