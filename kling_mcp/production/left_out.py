"""What a plan cannot make until the sheet is corrected, as what became of it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_mcp.production.outcome import EntryOutcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kling_mcp.production.plan import Plan


def outcomes_of_left_out(plan: Plan) -> list[EntryOutcome]:
    """Names that are missing, entries of the cast with a problem, and takes that cannot be rendered: not started.

    Carrying the same plan out again does not help any of them.
    """
    cast = [
        EntryOutcome(kind="element", name=name, status="not_started", reason=reason, can_repeat=False)
        for name, reason in _elements(plan)
    ]
    takes = [
        EntryOutcome(
            kind="shot",
            name=each.shot_id,
            take=each.take,
            status="not_started",
            reason="; ".join(each.problems) or f"It is left out: {each.why}.",
            can_repeat=False,
        )
        for each in plan.left_out
    ]
    return cast + takes


def _elements(plan: Plan) -> Iterator[tuple[str, str]]:
    """Names and reasons. A required name that this plan makes is not left out."""
    known = {each.name for each in plan.cast}
    for each in plan.cast:
        if not each.comes:
            yield each.name, "; ".join(each.problems) or f"It is missing: {each.why}."
    for missing in plan.missing:
        if missing.name not in known:
            yield missing.name, f"It is missing: {missing.why}."
