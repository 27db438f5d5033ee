"""What became of a production plan, entry by entry, and as text that says the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from kling_mcp.production.outcome import EntryKind, OutcomeStatus
from kling_mcp.sanitize import clean, identifier, quote
from kling_mcp.server.views.generations import file_warnings
from kling_mcp.server.views.view import View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.production.outcome import EntryOutcome
    from kling_mcp.results.saver import SavedFile

_NAME, _REASON, _ID, _LINK = 60, 600, 128, 2048


class ProducedEntry(View):
    """An element or one take of a shot. `take` is 0 for an element; `files` are paths, or links where none is saved."""

    kind: EntryKind
    name: str
    take: int
    status: OutcomeStatus
    reason: str
    element_id: str
    task_id: str
    files: list[str]
    units_deducted: str
    warnings: list[str]


class ProductionView(View):
    """What became of a plan: how many entries are in which status, and each of them."""

    SHOWN: ClassVar[tuple[str, ...]] = ("pending",)

    plan_id: str
    entries: list[ProducedEntry]
    ready: int
    pending: int
    failed: int
    not_started: int
    waited_seconds: float
    next_step: str


def production_view(plan_id: str, outcomes: Sequence[EntryOutcome], waited_seconds: float) -> ProductionView:
    """The outcomes of one run."""
    statuses = [each.status for each in outcomes]
    return ProductionView(
        plan_id=plan_id,
        entries=[_row(each) for each in outcomes],
        ready=statuses.count("ready"),
        pending=statuses.count("pending"),
        failed=statuses.count("failed"),
        not_started=statuses.count("not_started"),
        waited_seconds=round(waited_seconds, 1),
        next_step=_next_step(plan_id, outcomes),
    )


def production_text(view: ProductionView, *, nothing_more: bool = True) -> str:
    """The facts of a run, a line each.

    Args:
        nothing_more: whether everything of the sheet is done if there is no next step.
    """
    counts = f"ready={view.ready} pending={view.pending} failed={view.failed} not_started={view.not_started}"
    lines = [
        f"Plan {view.plan_id}: {counts} waited_seconds={view.waited_seconds}",
        *(_line(row) for row in view.entries),
        view.next_step or ("Everything is done." if nothing_more and not view.failed else ""),
    ]
    return "\n".join(line for line in lines if line)


def goes_on(outcomes: Sequence[EntryOutcome]) -> bool:
    """Whether something is still being made, or was not begun, and a repeat can help."""
    return any(each.status in {"pending", "not_started"} and each.can_repeat for each in outcomes)


def _next_step(plan_id: str, outcomes: Sequence[EntryOutcome]) -> str:
    again = f"apply_production with plan_id={quote(plan_id)}"
    if goes_on(outcomes):
        return f"Call {again} again: it goes on where it was, and nothing is made or paid twice."
    if any(each.status == "failed" for each in outcomes):
        return f"Correct the sheet and plan again; if the cause may have passed, call {again} again."
    return ""


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
        files=[_where(file) for file in each.files],
        units_deducted=clean(each.units, 20),
        warnings=[clean(warning, _REASON) for warning in warnings],
    )


def _where(file: SavedFile) -> str:
    return clean(file.path or file.url, _LINK)


def _line(row: ProducedEntry) -> str:
    facts = [
        f"{row.kind} {identifier(row.name, _NAME)}{f' take {row.take}' if row.take else ''}: {row.status}",
        row.element_id and f"element_id={row.element_id}",
        row.task_id and f"task_id={identifier(row.task_id, _ID)}",
        row.units_deducted and f"units_deducted={row.units_deducted}",
        *row.files,
        row.reason,
        *(f"Note: {warning}" for warning in row.warnings),
    ]
    return "- " + "; ".join(fact for fact in facts if fact)
