"""What to do for each entry of a sheet, and why. Pure: the lock and the world are given as data."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from kling_mcp.library.resolve import describe_candidate
from kling_mcp.production.content import changes_between, hash_of, without_elements
from kling_mcp.production.model import SheetProblem
from kling_mcp.sanitize import clean, quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kling_mcp.generation.prices import Estimate
    from kling_mcp.library.records import LibraryElement
    from kling_mcp.production.content import Parts
    from kling_mcp.production.model import CastEntry, LockedElement, LockedShot, Shot
    from kling_mcp.production.world import CastFacts, ShotFacts

CastAction = Literal["create", "adopt", "replace", "unchanged", "missing", "problem"]
ShotAction = Literal["render", "unchanged", "blocked"]

_NAME = 40
_REUSED = "it was made before, and paid"
_FETCHED = "it was sent before, and paid; its video is fetched"
_NO_ELEMENT = "has neither pictures nor a clip, and no element has its name"


@dataclass(frozen=True, slots=True, kw_only=True)
class CastDecision:
    """What to do for one entry of the cast.

    Attributes:
        why: a reason in words, without a full stop; "" if there is nothing to say.
        element_id: the element to use or to adopt; for `replace`, the one that is there now.
        problems: sentences for the person; also of an entry that is made all the same.
        begun: whether the same material was sent before, so that it is found again and not made twice.
    """

    name: str
    action: CastAction
    why: str = ""
    element_id: str = ""
    made_from: Parts = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    begun: bool = False

    @property
    def content(self) -> str:
        """A hash of what it is made from; "" if nothing is known of that."""
        return hash_of(self.made_from) if self.made_from else ""

    @property
    def usable_id(self) -> str:
        """The element that shots can use now, or ""."""
        return self.element_id if self.action in {"adopt", "unchanged"} else ""

    @property
    def comes(self) -> bool:
        """Whether there is or will be an element."""
        return self.action not in {"missing", "problem"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotDecision:
    """What to do for one take of a shot.

    Attributes:
        waits_for: names of the cast whose elements come first.
        basis: a hash of what it is made from, whichever elements the cast's names turn out to be.
        estimate: None if it cannot be made.
        is_paid: it was sent before, so that rendering it costs nothing more.
        is_stuck: it cannot be rendered by this plan, whatever comes.
    """

    shot_id: str
    take: int
    action: ShotAction
    why: str = ""
    waits_for: tuple[str, ...] = ()
    basis: str = ""
    estimate: Estimate | None = None
    is_paid: bool = False
    is_stuck: bool = False
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def costs(self) -> bool:
        """Whether this plan would pay for it."""
        return self.action != "unchanged" and not self.is_stuck and not self.is_paid


def decide_entry(
    entry: CastEntry, locked: LockedElement | None, facts: CastFacts, *, has_read_all: bool
) -> CastDecision:
    """What to do for this entry."""
    blank = CastDecision(name=entry.name, action="problem", made_from=facts.made_from)
    if entry.is_adopted:
        return _adopt_by_id(entry, locked, facts, blank, has_read_all=has_read_all)
    if facts.problems:
        return replace(blank, problems=facts.problems)
    if locked is not None and locked.element_id:
        return _decide_locked(entry, locked, facts, blank, has_read_all=has_read_all)
    return _decide_new(entry, facts, blank)


def _adopt_by_id(
    entry: CastEntry, locked: LockedElement | None, facts: CastFacts, blank: CastDecision, *, has_read_all: bool
) -> CastDecision:
    record = facts.adopted
    if record is None or record.status != "ready":
        fix = "name an element that is ready, or give pictures to make one from."
        told = _unusable(entry, entry.element_id, record, fix, argument="element_id", has_read_all=has_read_all)
        return replace(blank, problems=(told,))
    if locked is not None and locked.element_id == entry.element_id:
        return replace(blank, action="unchanged", element_id=entry.element_id)
    why = f"the sheet names {entry.element_id}: {describe_candidate(record)}"
    if locked is not None and locked.element_id:
        why = f"{why}, instead of {locked.element_id}"
    return replace(blank, action="adopt", element_id=entry.element_id, why=why)


def _decide_locked(
    entry: CastEntry, locked: LockedElement, facts: CastFacts, blank: CastDecision, *, has_read_all: bool
) -> CastDecision:
    record, begun = facts.locked, facts.earlier is not None
    if record is None or record.status != "ready":
        is_deleted = record is not None and record.status == "deleted"
        fix = "nothing to do: this plan makes it again." if is_deleted and facts.draft else _FIX_LOCK
        told = _unusable(entry, locked.element_id, record, fix, argument="lock", has_read_all=has_read_all)
        if is_deleted and facts.draft:
            why = f"its element {locked.element_id} was deleted"
            return replace(blank, action="create", why=why, problems=(told,), begun=begun)
        return replace(blank, problems=(told,))
    same = replace(blank, element_id=locked.element_id)
    if facts.draft is None or locked.content == hash_of(facts.made_from):
        return replace(same, action="unchanged", made_from=facts.made_from or dict(locked.made_from))
    if locked.content:
        why = ", ".join(changes_between(locked.made_from, facts.made_from)) or "it is made from something else"
    else:
        why = "it was adopted, and the sheet has material for it now"
    return replace(same, action="replace", why=why, begun=begun)


def _decide_new(entry: CastEntry, facts: CastFacts, blank: CastDecision) -> CastDecision:
    earlier = facts.earlier
    if earlier is not None and earlier.element_id:
        why = "it was made before from the same material"
        return replace(blank, action="adopt", element_id=earlier.element_id, why=why, begun=True)
    if earlier is not None:
        why = f"it is on its way already (external_task_id {clean(earlier.external_task_id, 80)})"
        return replace(blank, action="create", why=why, begun=True)
    if len(facts.namesakes) > 1:
        told = "; ".join(map(describe_candidate, facts.namesakes[:5]))
        problem = _problem(
            entry,
            "",
            "must mean one element",
            f"a name that {len(facts.namesakes)} elements have: {told}",
            "give element_id for the one that is meant.",
        )
        return replace(blank, problems=(problem,))
    if facts.namesakes:
        (record,) = facts.namesakes
        return replace(blank, action="adopt", element_id=record.element_id, why=_of_the_name(entry, record))
    if facts.draft is None:
        return replace(blank, action="missing", why=_NO_ELEMENT)
    return replace(blank, action="create", why="no element has this name")


def _of_the_name(entry: CastEntry, record: LibraryElement) -> str:
    why = f"an element has this name: {describe_candidate(record)}"
    if entry.front or entry.video:
        return f"{why}; whether it was made from the same material is not known"
    return why


_FIX_LOCK = "if it is gone for good, take the entry out of the lock file, and it is made again."


def _unusable(
    entry: CastEntry,
    element_id: str,
    record: LibraryElement | None,
    fix: str,
    *,
    argument: str,
    has_read_all: bool,
) -> str:
    if record is None:
        actual = f"{clean(element_id, 80)}, an id that is unknown in this account"
        fix = f"{fix[:-1]}; check that this is the right account." if fix else ""
        if not has_read_all:
            actual += " (the library could not be read in full, so it may exist)"
    else:
        said = {"deleted": "was deleted", "pending": "is not ready yet", "failed": "was never created"}
        actual = f"{clean(element_id, 80)}, an element that {said.get(record.status, record.status)}"
    return _problem(entry, argument, "must be an element that is ready", actual, fix)


def _problem(entry: CastEntry, argument: str, rule: str, actual: str, fix: str) -> str:
    where = f"cast.{clean(entry.name, _NAME)}{f'.{argument}' if argument else ''}"
    return str(SheetProblem(where, rule, actual, fix, entry.place))


def decide_take(
    shot: Shot, take: int, locked: LockedShot | None, facts: ShotFacts, cast: Mapping[str, CastDecision]
) -> ShotDecision:
    """What to do for this take.

    Args:
        cast: what is decided for each entry that the plan may make; those that it may not are `missing`.
    """
    parts = facts.made_from.get(take, {})
    of_cast = [name for name in facts.elements if name in cast]
    blank = ShotDecision(
        shot_id=shot.id,
        take=take,
        action="blocked",
        basis=hash_of(without_elements(parts, of_cast)) if parts else "",
        estimate=facts.estimate,
        is_paid=take in facts.paid,
        is_stuck=True,
        problems=facts.problems,
        notes=facts.notes,
    )
    if facts.problems:
        return replace(blank, why="it has a problem")
    if facts.lost:
        return replace(blank, why=f"no element is named {', '.join(quote(name, _NAME) for name in facts.lost)}")
    waits_for = tuple(name for name, element_id in facts.elements.items() if not element_id)
    stuck = [name for name in waits_for if not cast[name].comes]
    if stuck:
        return replace(blank, waits_for=waits_for, why=f"there is no element for {_names(stuck)}")
    free = replace(blank, is_stuck=False)
    if waits_for:
        why = f"after {_names(waits_for)} {'is' if len(waits_for) == 1 else 'are'} made"
        return replace(
            free, waits_for=waits_for, why=f"{why}; {changed}" if (changed := _change(locked, parts)) else why
        )
    if locked is not None and locked.task_id and locked.content == hash_of(parts):
        return replace(free, action="unchanged")
    told = [_change(locked, parts), _REUSED if take in facts.made else _FETCHED if take in facts.paid else ""]
    why = "; ".join(filter(None, told))
    return replace(free, action="render", why=why)


def _change(locked: LockedShot | None, parts: Parts) -> str:
    if locked is None or not locked.content:
        return ""
    return ", ".join(changes_between(locked.made_from, parts))


def _names(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(clean(name, _NAME) for name in names)
