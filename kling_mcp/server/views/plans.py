"""A production plan as callers see it, and as text that says the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from kling_mcp.sanitize import clean, identifier, quote
from kling_mcp.server.views.view import View
from kling_mcp.tasks.budget import show_units

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kling_mcp.production.decide import CastAction, CastDecision, ShotDecision
    from kling_mcp.production.plan import Plan

_NAME, _WHY, _PROBLEM, _ID = 60, 400, 600, 80
_MOST_ASKED = 40


class PlannedEntry(View):
    """One entry of the cast. `element_id` is the one to use or, where it is replaced, the one that is kept."""

    name: str
    element_id: str
    why: str


class MissingEntry(View):
    """A name that must exist and does not."""

    name: str
    why: str


class PlannedShot(View):
    """One take of a shot. `units` is text such as `3` or `3 to 4.5`; "" if nothing is paid for it."""

    shot: str
    take: int
    units: str
    why: str


class ShotsView(View):
    """The shots: to be rendered now, made already, and waiting for an element."""

    render: list[PlannedShot]
    unchanged: list[PlannedShot]
    blocked: list[PlannedShot]


class PlanView(View):
    """A plan. `units` is the most that it may cost, as text, by product type."""

    SHOWN: ClassVar[tuple[str, ...]] = ("plan_id",)

    plan_id: str
    path: str
    create: list[PlannedEntry]
    adopt: list[PlannedEntry]
    replace: list[PlannedEntry]
    unchanged: list[PlannedEntry]
    missing: list[MissingEntry]
    orphan: list[str]
    problems: list[str]
    shots: ShotsView
    units: dict[str, str]
    price: str
    notes: list[str]
    next_step: str


def plan_view(plan_id: str, plan: Plan) -> PlanView:
    """A plan under its id."""
    return PlanView(
        plan_id=plan_id,
        path=clean(str(plan.sheet.path), 1000),
        create=_entries(plan, "create"),
        adopt=_entries(plan, "adopt"),
        replace=_entries(plan, "replace"),
        unchanged=_entries(plan, "unchanged"),
        missing=[MissingEntry(name=clean(each.name, _NAME), why=clean(each.why, _WHY)) for each in plan.missing],
        orphan=[clean(orphan, _WHY) for orphan in plan.orphans],
        problems=[clean(problem, _PROBLEM) for problem in plan.problems],
        shots=ShotsView(
            render=_shots(each for each in plan.shots if each.action == "render"),
            unchanged=_shots(each for each in plan.shots if each.action == "unchanged"),
            blocked=_shots(each for each in plan.shots if each.action == "blocked"),
        ),
        units={each.product: show_units(each.high) if each.is_known else "unknown" for each in plan.price()},
        price=price_text(plan),
        notes=[clean(note, _PROBLEM) for note in plan_notes(plan)],
        next_step=_next_step(plan_id, plan),
    )


def price_text(plan: Plan) -> str:
    """What applying costs, in words."""
    return "; ".join(str(each) for each in plan.price()) or "nothing is paid"


def plan_notes(plan: Plan) -> list[str]:
    """What a person should know before agreeing: notes on shots, and elements that are kept."""
    first = [each for each in plan.shot_work if each.take == 1]
    notes = [f"Shot {clean(each.shot_id, _NAME)}: {note}" for each in first for note in each.notes]
    for kept in plan.kept:
        arguments = f"element_id={quote(kept.element_id, _ID)} element_name={quote(kept.element_name, _NAME)}"
        shots = ", ".join(clean(shot, _NAME) for shot in kept.shots)
        shown = f"shots rendered with it: {shots}" if shots else "no rendered shot shows it"
        notes.append(
            f"{clean(kept.name, _NAME)}: the replaced element is kept ({shown}). "
            f"To remove it: delete_element with {arguments}."
        )
    return notes


def plan_details(plan: Plan) -> list[str]:
    """What a person is asked about: each thing that is made or paid for, and every note, a line each."""
    made = [clean(each.name, _NAME) for each in plan.cast_work if each.action != "adopt"]
    shots = [_shot(_planned_shot(each)) for each in plan.shot_work if each.costs]
    more = len(shots) - _MOST_ASKED
    notes = plan_notes(plan)
    return [
        f"Sheet: {quote(plan.sheet.path.name, _NAME)}",
        *([f"Elements, which are free: {', '.join(made)}"] if made else []),
        *shots[:_MOST_ASKED],
        *([f"and {more} more"] if more > 0 else []),
        *(f"Note: {note}" for note in notes[:_MOST_ASKED]),
    ]


def plan_text(view: PlanView) -> str:
    """The facts of a plan, a line each."""
    shots = view.shots
    lines = [
        f"Plan {view.plan_id} for {quote(view.path, 1000)}: {_counts(view)}. Price: {view.price}.",
        *(f"create {_entry(each)}" for each in view.create),
        *(f"adopt {_entry(each)}" for each in view.adopt),
        *(f"replace {_entry(each)}" for each in view.replace),
        *(f"unchanged {_entry(each)}" for each in view.unchanged),
        *(f"missing {identifier(each.name)}: {each.why}" for each in view.missing),
        *(f"orphan: {orphan}, in the lock and not in the sheet" for orphan in view.orphan),
        *(f"render {_shot(each)}" for each in shots.render),
        *(f"unchanged {_shot(each)}" for each in shots.unchanged),
        *(f"blocked {_shot(each)}" for each in shots.blocked),
        *(f"Problem: {problem}" for problem in view.problems),
        *(f"units {product}={units}" for product, units in view.units.items()),
        *(f"Note: {note}" for note in view.notes),
        view.next_step,
    ]
    return "\n".join(line for line in lines if line)


def _counts(view: PlanView) -> str:
    counted: dict[str, Sequence[View]] = {
        "to create": view.create,
        "to adopt": view.adopt,
        "to replace": view.replace,
        "missing": view.missing,
        "to render": [*view.shots.render, *(each for each in view.shots.blocked if each.units)],
    }
    told = [f"{len(rows)} {what}" for what, rows in counted.items() if rows]
    return ", ".join(told) or "nothing to do"


def _next_step(plan_id: str, plan: Plan) -> str:
    if not plan.has_work:
        return ""
    return f"Show the person this plan; if they agree, call apply_production with plan_id={quote(plan_id)}."


def _entries(plan: Plan, action: CastAction) -> list[PlannedEntry]:
    return [_planned(each) for each in plan.cast if each.action == action]


def _planned(each: CastDecision) -> PlannedEntry:
    return PlannedEntry(name=clean(each.name, _NAME), element_id=clean(each.element_id, _ID), why=clean(each.why, _WHY))


def _shots(shots: Iterable[ShotDecision]) -> list[PlannedShot]:
    return [_planned_shot(each) for each in shots]


def _planned_shot(each: ShotDecision) -> PlannedShot:
    return PlannedShot(
        shot=clean(each.shot_id, _NAME), take=each.take, units=_units_text(each), why=clean(each.why, _WHY)
    )


def _units_text(each: ShotDecision) -> str:
    """What a take costs, in short."""
    if not each.costs or each.estimate is None:
        return ""
    return each.estimate.units


def _entry(row: PlannedEntry) -> str:
    facts = [identifier(row.name, _NAME), row.element_id and f"element_id={row.element_id}"]
    told = " ".join(fact for fact in facts if fact)
    return f"{told}: {row.why}" if row.why else told


def _shot(row: PlannedShot) -> str:
    told = f"shot {identifier(row.shot, _NAME)} take {row.take}"
    return "; ".join(filter(None, [told, row.units and f"{row.units} units", row.why]))
