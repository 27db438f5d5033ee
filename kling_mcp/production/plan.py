"""A plan: what to do for every entry of a sheet, what it costs, and whether it still fits. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from kling_mcp.generation.prices import Estimate
from kling_mcp.production.content import hash_of
from kling_mcp.production.decide import CastDecision, ShotDecision, decide_entry, decide_take
from kling_mcp.production.mentions import NearNames
from kling_mcp.sanitize import as_shown, clean
from kling_mcp.tasks.budget import show_units, units_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kling_mcp.generation.prices import Product
    from kling_mcp.production.model import Lock, Sheet
    from kling_mcp.production.world import CastFacts, World

Part = Literal["all", "cast", "shots"]

_NAME = 40
_MOST_NAMED = 12
_CHANGES_ELEMENTS = ("create", "replace")


@dataclass(frozen=True, slots=True)
class Missing:
    """A name that must exist and does not. `shots` are those whose texts have it."""

    name: str
    why: str
    shots: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KeptElement:
    """An element that was or will be replaced. Nothing deletes it; `shots` still show it."""

    name: str
    element_id: str
    element_name: str
    shots: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do, in the order of the sheet.

    Attributes:
        counted_on: the cast as shots use it; for a plan of shots alone, which makes no element, too.
        cast_facts: what the cast's decisions were made from.
        orphans: what the lock has and the sheet has not.
        kept: elements that are replaced now, and those replaced earlier that still exist.
    """

    sheet: Sheet
    lock: Lock
    part: Part
    require: tuple[str, ...]
    cast: tuple[CastDecision, ...]
    counted_on: tuple[CastDecision, ...]
    cast_facts: Mapping[str, CastFacts]
    shots: tuple[ShotDecision, ...]
    missing: tuple[Missing, ...]
    orphans: tuple[str, ...]
    kept: tuple[KeptElement, ...]

    @property
    def cast_work(self) -> tuple[CastDecision, ...]:
        """The entries that applying changes."""
        return tuple(each for each in self.cast if each.action in {"create", "replace", "adopt"})

    @property
    def shot_work(self) -> tuple[ShotDecision, ...]:
        """The takes that applying renders."""
        return tuple(each for each in self.shots if each.action != "unchanged" and not each.is_stuck)

    @property
    def left_out(self) -> tuple[ShotDecision, ...]:
        """The takes that applying cannot render, whatever comes."""
        return tuple(each for each in self.shots if each.is_stuck)

    @property
    def gaps(self) -> tuple[str, ...]:
        """What the sheet must be corrected for, in words; applying makes the rest."""
        comes = {each.name for each in self.cast if each.comes}
        missing = sum(each.name not in comes for each in self.missing)
        wrong = sum(each.action == "problem" for each in self.cast) + len(
            {each.shot_id for each in self.shots if each.problems}
        )
        said = {f"{missing} missing": missing, f"{wrong} with a problem": wrong}
        return tuple(words for words, count in said.items() if count)

    @property
    def has_work(self) -> bool:
        """Whether applying changes anything."""
        return bool(self.cast_work or self.shot_work)

    @property
    def problems(self) -> tuple[str, ...]:
        """Every problem, each once."""
        cast = [problem for entry in self.cast for problem in entry.problems]
        shots = [problem for take in self.shots for problem in take.problems]
        return tuple(dict.fromkeys([*cast, *shots]))

    def price(self) -> tuple[Estimate, ...]:
        """What applying would cost now, by product type; empty if nothing."""
        return add_up(self.shots)

    def to_json(self) -> dict[str, Any]:
        """What was decided, for `differences`: hashes, ids and names."""
        return {
            "part": self.part,
            "require": list(self.require),
            "cast": {each.name: [each.action, each.content, each.element_id] for each in self.counted_on},
            "shots": {_key(each): [_state(each), each.basis, _most(each)] for each in self.shots},
        }


def make_plan(sheet: Sheet, lock: Lock, world: World, *, part: Part, require: Sequence[str] = ()) -> Plan:
    """What to do for this sheet."""
    decided = decide_cast(sheet, lock, world.cast, has_read_all=world.has_read_all)
    cast = tuple(decided.values()) if part != "shots" else ()
    counted_on = for_shots(decided, part)
    shots = tuple(_decide_shots(sheet, lock, world, counted_on)) if part != "cast" else ()
    return Plan(
        sheet=sheet,
        lock=lock,
        part=part,
        require=tuple(require),
        cast=cast,
        counted_on=tuple(counted_on.values()),
        cast_facts=world.cast,
        shots=shots,
        missing=tuple(_find_missing(decided.values(), world, require, NearNames(sheet.cast), part)),
        orphans=tuple(_find_orphans(sheet, lock)),
        kept=tuple(_find_kept(lock, cast, world)),
    )


def decide_cast(
    sheet: Sheet, lock: Lock, facts: Mapping[str, CastFacts], *, has_read_all: bool
) -> dict[str, CastDecision]:
    """What to do for each entry of the cast."""
    return {
        name: decide_entry(entry, lock.cast.get(name), facts[name], has_read_all=has_read_all)
        for name, entry in sheet.cast.items()
    }


def for_shots(cast: Mapping[str, CastDecision], part: Part) -> dict[str, CastDecision]:
    """What shots can count on: a plan for shots alone makes no element, and uses those that are there."""
    if part != "shots":
        return dict(cast)
    instead: dict[str, Literal["missing", "unchanged"]] = {"create": "missing", "replace": "unchanged"}
    return {name: replace(each, action=instead.get(each.action, each.action)) for name, each in cast.items()}


def add_up(shots: Iterable[ShotDecision]) -> tuple[Estimate, ...]:
    """What these cost, as far as they are not paid, by product type."""
    by_product: dict[Product, list[Estimate]] = {}
    for each in shots:
        if each.costs and each.estimate:
            by_product.setdefault(each.estimate.product, []).append(each.estimate)
    return tuple(_sum_of(product, estimates) for product, estimates in by_product.items())


def _sum_of(product: Product, estimates: Sequence[Estimate]) -> Estimate:
    low = sum((each.low for each in estimates), Decimal(0))
    high = sum((each.high for each in estimates), Decimal(0))
    doubts = dict.fromkeys(each.doubt for each in estimates if each.doubt)
    count = f"{len(estimates)} {product}{'' if len(estimates) == 1 else 's'}"
    unknown = [each for each in estimates if not each.is_known]
    if unknown:
        known = f", the others {show_units(high)} units" if len(unknown) < len(estimates) else ""
        return Estimate(product, low, high, f"{count}, {len(unknown)} at an unknown price{known}", is_known=False)
    return Estimate(product, low, high, count, " and ".join(doubts))


def _decide_shots(sheet: Sheet, lock: Lock, world: World, cast: Mapping[str, CastDecision]) -> Iterable[ShotDecision]:
    seen: dict[str, str] = {}
    for shot_id, shot in sheet.shots.items():
        facts = world.shots[shot_id]
        for take in range(1, shot.takes + 1):
            decision = decide_take(shot, take, lock.shots.get(shot_id, {}).get(take), facts, cast)
            same = seen.setdefault(hash_of(facts.made_from[take]), shot_id) if take in facts.made_from else shot_id
            if decision.costs and same != shot_id:
                note = f"it is the same as shot {clean(same, _NAME)}, so one video serves both and is paid once"
                why = f"the same video as shot {clean(same, _NAME)}"
                decision = replace(decision, why=why, is_paid=True, notes=(*decision.notes, note))
            yield decision


def _find_missing(
    cast: Iterable[CastDecision], world: World, require: Sequence[str], near: NearNames, part: Part
) -> Iterable[Missing]:
    by_name = {as_shown(each.name): each for each in cast}
    told = {each.name: Missing(each.name, each.why) for each in by_name.values() if each.action == "missing"}
    for name in dict.fromkeys(require):
        entry = by_name.get(as_shown(name))
        if entry is None and not world.in_library.get(name):
            told[name] = Missing(name, "it is not in the sheet, and no element has this name")
        elif entry is not None and entry.action not in {"unchanged", "adopt", "replace", "missing"}:
            makes = "applying this plan makes it" if part != "shots" else "a plan for shots alone does not make it"
            why = makes if entry.action == "create" else "its entry has a problem"
            told[entry.name] = Missing(entry.name, why)
    yield from told.values()
    lost: dict[str, list[str]] = {}
    for shot_id, facts in world.shots.items():
        for name in facts.lost:
            lost.setdefault(name, []).append(shot_id)
    for name, shots in lost.items():
        if name not in told:
            verb = "names" if len(shots) == 1 else "name"
            meant = near.to([name])
            fix = f": did you mean @{clean(meant, _NAME)}?" if meant else ""
            yield Missing(name, f"{name_shots(shots)} {verb} it, and no element has this name{fix}", tuple(shots))


def name_shots(ids: Sequence[str]) -> str:
    """Shots in words: `shot s01`, `shots s01, s02 and 3 more`."""
    named = ", ".join(clean(shot_id, _NAME) for shot_id in ids[:_MOST_NAMED])
    more = f" and {len(ids) - _MOST_NAMED} more" if len(ids) > _MOST_NAMED else ""
    return f"shot{'' if len(ids) == 1 else 's'} {named}{more}"


def _find_orphans(sheet: Sheet, lock: Lock) -> Iterable[str]:
    for name, element in lock.cast.items():
        if name not in sheet.cast:
            yield f"cast {clean(name, _NAME)} (element_id {clean(element.element_id, 80) or '-'})"
    for shot_id, takes in lock.shots.items():
        if shot_id not in sheet.shots:
            yield f"shot {clean(shot_id, _NAME)}"
        else:
            most = sheet.shots[shot_id].takes
            yield from (f"shot {clean(shot_id, _NAME)}, take {take}" for take in takes if take > most)


def _find_kept(lock: Lock, cast: Iterable[CastDecision], world: World) -> Iterable[KeptElement]:
    for each in cast:
        if each.action == "replace":
            yield KeptElement(each.name, each.element_id, each.name, _shots_with(lock, each.element_id))
    for name, element in lock.cast.items():
        for old in element.replaced:
            if old.element_id in world.kept:
                yield KeptElement(name, old.element_id, old.element_name or name, _shots_with(lock, old.element_id))


def _shots_with(lock: Lock, element_id: str) -> tuple[str, ...]:
    """The shots that were rendered with this element."""
    return tuple(
        shot_id
        for shot_id, takes in lock.shots.items()
        if any(element_id in take.element_ids.values() for take in takes.values())
    )


# --- whether it still fits


def differences(decided: Mapping[str, Any], now: Plan) -> list[str]:
    """What has changed since a plan was made, a sentence each. What the plan itself has done meanwhile is no change.

    Args:
        decided: what `Plan.to_json` gave then.
    """
    cast, shots = decided["cast"], decided["shots"]
    here = {each.name: each for each in now.counted_on}
    takes = {_key(each): each for each in now.shots}
    told = [f"{clean(name, _NAME)} is new in the sheet" for name in here if name not in cast]
    told += [f"{clean(name, _NAME)} is no longer in the sheet" for name in cast if name not in here]
    told += [_cast_difference(here[name], *was) for name, was in cast.items() if name in here]
    told += [f"shot {key} is new in the sheet" for key in takes if key not in shots]
    told += [f"shot {key} is no longer in the sheet" for key in shots if key not in takes]
    told += [_shot_difference(takes[key], *was) for key, was in shots.items() if key in takes]
    return [sentence for sentence in told if sentence]


def _cast_difference(now: CastDecision, action: str, content: str, element_id: str) -> str:
    name = clean(now.name, _NAME)
    if content != now.content:
        return f"{name} is to be made from something else now"
    if action == now.action and element_id == now.element_id:
        return ""
    if action in _CHANGES_ELEMENTS and (now.action == "unchanged" or (now.action == "adopt" and now.begun)):
        return ""
    if action == "adopt" and now.action == "unchanged" and element_id == now.element_id:
        return ""
    why = f" ({now.why})" if now.why else ""
    return f"{name} was to be {_PAST.get(action, action)}, and now is {_PAST.get(now.action, now.action)}{why}"


_PAST = {
    "create": "created",
    "adopt": "adopted",
    "replace": "replaced",
    "unchanged": "left as it is",
    "problem": "refused",
}


def _shot_difference(now: ShotDecision, state: str, basis: str, most: str) -> str:
    key = _key(now)
    if basis != now.basis:
        return f"shot {key} changed"
    if _ORDER[state] > _ORDER[_state(now)] or (state == "stuck") != (_state(now) == "stuck"):
        return f"shot {key} was {_SHOT_WAS[state]}, and is {_SHOT_WAS[_state(now)]} now ({now.why or 'nothing to do'})"
    if now.costs and now.estimate and now.estimate.high > units_of(most):
        return f"shot {key} costs more now: {now.estimate}"
    return ""


# A plan goes from the first to the last of these, and never back.
_ORDER = {"stuck": 0, "blocked": 0, "render": 1, "unchanged": 2}
_SHOT_WAS = {
    "stuck": "not to be rendered",
    "blocked": "waiting for an element",
    "render": "to be rendered",
    "unchanged": "rendered",
}


def _state(each: ShotDecision) -> str:
    return "stuck" if each.is_stuck else each.action


def _key(each: ShotDecision) -> str:
    return f"{each.shot_id} take {each.take}"


def _most(each: ShotDecision) -> str:
    return show_units(each.estimate.high) if each.estimate else ""
