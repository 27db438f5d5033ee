"""A production plan as callers see it, and as text that says the same."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, ClassVar

from kling_mcp.production.mentions import find_silent_speech, find_unmarked, find_unused
from kling_mcp.production.plan import name_shots
from kling_mcp.sanitize import clean, identifier, quote
from kling_mcp.server.views.planned_shots import PlannedShot, planned_shot, settings_line, shot_lines
from kling_mcp.server.views.view import View
from kling_mcp.tasks.budget import show_units

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kling_mcp.production.decide import CastAction, CastDecision, ShotDecision
    from kling_mcp.production.outcome import EntryOutcome
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


class ShotsView(View):
    """The shots: to be rendered now, made already, and waiting for an element.

    What is `blocked` is rendered in the same run, as soon as its elements are made, unless its action is `left_out`.
    """

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


def plan_view(plan_id: str, plan: Plan, earlier: Sequence[EntryOutcome] = ()) -> PlanView:
    """A plan under its id.

    Args:
        earlier: what was made before, with its files.
    """
    files = {(each.name, each.take): each.files for each in earlier if each.kind == "shot"}
    rows = [(each.action, planned_shot(each, plan, files.get((each.shot_id, each.take), ()))) for each in plan.shots]
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
            render=[row for action, row in rows if action == "render"],
            unchanged=[row for action, row in rows if action == "unchanged"],
            blocked=[row for action, row in rows if action == "blocked"],
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
    """What a person should know before agreeing: on names and speech, on shots, and on elements that are kept."""
    first = [each for each in plan.shot_work if each.take == 1]
    notes = [*_notes_on_texts(plan), *_grouped(first)]
    for kept in plan.kept:
        arguments = f"element_id={quote(kept.element_id, _ID)} element_name={quote(kept.element_name, _NAME)}"
        shots = ", ".join(clean(shot, _NAME) for shot in kept.shots)
        shown = f"shots rendered with it: {shots}" if shots else "no rendered shot shows it"
        notes.append(
            f"{clean(kept.name, _NAME)}: the replaced element is kept ({shown}). "
            f"To remove it: delete_element with {arguments}."
        )
    return notes


def _notes_on_texts(plan: Plan) -> Iterable[str]:
    """Shots that would be paid for and not show or say what they are meant to."""
    if plan.part == "cast":
        return
    work = dict.fromkeys(each.shot_id for each in plan.shot_work if each.costs)
    shots = [plan.sheet.shots[shot_id] for shot_id in work]
    unmarked = find_unmarked(plan.sheet, shots)
    for name, ids in unmarked.items():
        told, verb = clean(name, _NAME), "says" if len(ids) == 1 else "say"
        yield f"{name_shots(ids)} {verb} {told} without @, so that element is not used there: write @{told}."
    if unused := find_unused(plan.sheet):
        told = ", ".join(clean(name, _NAME) for name in unused[:_MOST_ASKED])
        yield f"no shot uses {told}: write @{clean(unused[0], _NAME)} in a prompt to show that element."
    if silent := find_silent_speech(plan.sheet, shots):
        verb = "has" if len(silent) == 1 else "have"
        fix = "audio: native makes them heard, at another price"
        yield f"{name_shots(silent)} {verb} spoken words and no sound: {fix}."


def _grouped(takes: Iterable[ShotDecision]) -> list[str]:
    """The notes on shots, each once with all its shots."""
    shots: dict[str, list[str]] = {}
    for each in takes:
        for note in each.notes:
            shots.setdefault(note, []).append(each.shot_id)
    return [f"{name_shots(ids)}: {note}" for note, ids in shots.items()]


def plan_details(plan: Plan) -> list[str]:
    """What a person is asked about: everything that is made or paid for, with its settings, and every note."""
    made = [clean(each.name, _NAME) for each in plan.cast_work if each.action != "adopt"]
    rows = [planned_shot(each, plan) for each in (*plan.shot_work, *plan.left_out)]
    settings = settings_line(rows)
    notes = plan_notes(plan)
    return [
        f"Sheet: {quote(plan.sheet.path.name, _NAME)}",
        *([f"Elements, which are free: {', '.join(made)}"] if made else []),
        *([f"Settings: {settings}"] if settings else []),
        *shot_lines(rows),
        *(f"Note: {note}" for note in notes[:_MOST_ASKED]),
    ]


def plan_text(view: PlanView) -> str:
    """The facts of a plan, a line each; what is the same for several is said once."""
    shots = [*view.shots.render, *view.shots.blocked, *view.shots.unchanged]
    settings = settings_line(shots)
    lines = [
        f"Plan {view.plan_id} for {quote(view.path, 1000)}: {_counts(view)}. Price: {view.price}.",
        *_entry_lines("create", view.create),
        *_entry_lines("adopt", view.adopt),
        *_entry_lines("replace", view.replace),
        *_entry_lines("unchanged", view.unchanged),
        *(f"missing {identifier(each.name)}: {each.why}" for each in view.missing),
        *(f"orphan: {orphan}, in the lock and not in the sheet" for orphan in view.orphan),
        f"Settings of the shots: {settings}" if settings else "",
        *shot_lines(shots),
        *(f"Problem: {problem}" for problem in view.problems),
        *(f"units {product}={units}" for product, units in view.units.items()),
        *(f"Note: {note}" for note in view.notes),
        view.next_step,
    ]
    return "\n".join(line for line in lines if line)


def _counts(view: PlanView) -> str:
    actions = Counter(row.action for row in (*view.shots.render, *view.shots.blocked))
    counted = {
        "to create": len(view.create),
        "to adopt": len(view.adopt),
        "to replace": len(view.replace),
        "missing": len(view.missing),
        "to render": actions["render"],
        "to reuse without paying again": actions["reuse"],
        "left out": actions["left_out"],
    }
    told = [f"{count} {what}" for what, count in counted.items() if count]
    return ", ".join(told) or "nothing to do"


def _next_step(plan_id: str, plan: Plan) -> str:
    apply = f"call apply_production with plan_id={quote(plan_id)}"
    if told := correction(plan):
        return f"{told} {applying_leaves_out(plan)}: only if the person wants that, {apply}." if plan.has_work else told
    if plan.has_work:
        return f"Show the person this plan with its settings and notes; if they agree, {apply}."
    return ""


def correction(plan: Plan, whole: str = "part=all") -> str:
    """What must be done before a plan can make everything, in a sentence; "" if this one can.

    Args:
        whole: how a plan for elements and shots is asked for.
    """
    if plan.gaps:
        return f"Correct the sheet first ({', '.join(plan.gaps)}), and plan again."
    if plan.left_out:
        return f"This plan makes no elements; plan with {whole} to make those that shots need."
    return ""


def left_out_shots(plan: Plan) -> str:
    """The shots that applying leaves out, in words; "" if there are none."""
    left = list(dict.fromkeys(each.shot_id for each in plan.left_out))
    return name_shots(left) if left else ""


def applying_leaves_out(plan: Plan) -> str:
    """What applying a plan means that cannot make everything, in a sentence without a full stop."""
    left = left_out_shots(plan)
    return f"Applying this one {f'leaves out {left}' if left else 'makes only the rest'}"


def _entries(plan: Plan, action: CastAction) -> list[PlannedEntry]:
    return [_planned(each) for each in plan.cast if each.action == action]


def _planned(each: CastDecision) -> PlannedEntry:
    return PlannedEntry(name=clean(each.name, _NAME), element_id=clean(each.element_id, _ID), why=clean(each.why, _WHY))


def _entry_lines(action: str, rows: Sequence[PlannedEntry]) -> list[str]:
    """A line for each element, and one for all that are made for the same reason."""
    names: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        names.setdefault((row.element_id, row.why), []).append(identifier(row.name, _NAME))
    return [
        f"{action} {', '.join(same)}{f' element_id={element_id}' if element_id else ''}{f': {why}' if why else ''}"
        for (element_id, why), same in names.items()
    ]
