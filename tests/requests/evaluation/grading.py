"""Judges what was done with a request: the calls, the answer, and the state of Kling afterwards.

The same judge for the replay and for a model. It calls nothing and changes nothing; an empty list is a pass.

Operators of `must`, each a table in place of a plain value (which must be equal):
`one_of` a list of values; `items` the same items in any order and any case of letters; `each_one_of` a list of lists,
one for each item in order; `contains` a part of the text, in any case of letters; `longest` most characters; `least`,
`most` bounds of a number.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from evaluation.scene import KEY, known_texts, leaves, resolve, sent_form, tag_ids
from kling_mcp.errors import InputError
from kling_mcp.server.arguments import parse_arguments
from kling_mcp.server.tools import NAMES, load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from evaluation.scene import Ending, Step
    from evaluation.sheets import Call, Ends, Made, Request, Way
    from kling_mcp.simulator.records import ElementTask

CREATING = frozenset({"create_element", "create_element_and_wait"})
PAYING = frozenset({"generate_video", "generate_image", "apply_production", "create_voice"})
CHANGING = CREATING | PAYING | {"delete_element", "delete_voice"}
_SPECS = {spec.name: spec for spec in map(load, NAMES)}


@dataclass(frozen=True, slots=True)
class Play:
    """What happened. `facts` are the scene's names; `stopped` says why the play was broken off, else ""."""

    steps: tuple[Step, ...]
    answer: str
    ending: Ending
    facts: Mapping[str, str]
    stopped: str = ""


def grade(request: Request, play: Play) -> list[str]:
    """Every reason why this play does not do what was asked; empty if it does.

    Of a play that was broken off only what must not happen is judged beside.
    """
    reasons = [f"broken off: {play.stopped}"] if play.stopped else [*_untaken(request, play), *_untold(request, play)]
    reasons += _forbidden(request, play)
    reasons += _ends(request.ends, play)
    if len(play.steps) > request.most_calls:
        reasons.append(f"{len(play.steps)} calls, and {request.most_calls} are enough")
    return reasons


# ---- the calls


def _untaken(request: Request, play: Play) -> list[str]:
    """Why none of the ways was taken, or nothing."""
    missing = [_first_missing(way, play) for way in request.way]
    if "" in missing:
        return []
    told = "; ".join(f"way {number} lacks {call}" for number, call in enumerate(missing, 1))
    return [f"no expected way was taken: {told}"]


def _first_missing(way: Way, play: Play) -> str:
    """The first expected call that no matching of steps can serve, or ""."""
    deepest = max(_depths(way, play, {}, used=()), default=0)
    return "" if deepest == len(way.call) else f"call {deepest + 1} ({way.call[deepest].tool})"


def _depths(way: Way, play: Play, results: Mapping[str, str], used: tuple[int, ...]) -> Iterator[int]:
    """How many of the calls can be matched in their order, for every matching that cannot go on."""
    done = len(used)
    yield done
    if done == len(way.call):
        return
    call = way.call[done]
    first = used[-1] + 1 if used and way.in_order and not call.together else 0
    for place in range(first, len(play.steps)):
        step = play.steps[place]
        if place not in used and _serves(call, step, {**play.facts, **results}):
            said = {f"{done + 1}.{path}": text for path, text in leaves(step.structured or {})}
            yield from _depths(way, play, {**results, **said}, (*used, place))


def _serves(call: Call, step: Step, facts: Mapping[str, str]) -> bool:
    if step.tool not in {call.tool, *call.also} or step.kind != call.error or step.pictures < call.pictures:
        return False
    try:
        shows, must = resolve(call.shows, facts), resolve(call.must, facts)
    except KeyError:  # what it speaks of was never made
        return False
    return all(text in step.text for text in shows) and (step.tool != call.tool or keeps(must, step))


def keeps(must: Mapping[str, Any], step: Step) -> bool:
    """Whether a call's arguments, as the server understands them, are what `must` says."""
    meant = _meant(step)
    return all(_fits(wanted, meant.get(name)) for name, wanted in must.items())


def _meant(step: Step) -> dict[str, Any]:
    """The arguments with their defaults; as they were sent, where the server cannot read them."""
    spec = _SPECS.get(step.tool)
    if spec is None:
        return step.arguments
    try:
        return parse_arguments(spec.arguments, step.arguments).model_dump()
    except InputError:
        return step.arguments


def _fits(wanted: Any, given: Any) -> bool:
    if isinstance(wanted, dict):
        return all(_OPERATORS[operator](operand, given) for operator, operand in wanted.items())
    if isinstance(wanted, list):
        return isinstance(given, list) and list(map(_plain, wanted)) == list(map(_plain, given))
    return bool(_plain(wanted) == _plain(given))


def _plain(value: Any) -> Any:
    """A file URI as the path it means, an id as text, other text without blanks around it."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        return value
    text = unicodedata.normalize("NFC", value.strip())
    return unquote(urlsplit(text).path) if text.startswith("file:") else text


def _is_same_bag(wanted: Any, given: Any) -> bool:
    return isinstance(given, list) and sorted(map(_caseless, wanted)) == sorted(map(_caseless, given))


def _caseless(value: Any) -> str:
    return str(_plain(value)).casefold()


def _is_one_for_each(wanted: Any, given: Any) -> bool:
    return (
        isinstance(given, list)
        and len(given) == len(wanted)
        and all(_fits({"one_of": choices}, item) for choices, item in zip(wanted, given, strict=True))
    )


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "one_of": lambda wanted, given: any(_fits(each, given) for each in wanted),
    "items": _is_same_bag,
    "each_one_of": _is_one_for_each,
    "contains": lambda wanted, given: _folded(wanted) in _folded(str(given)),
    "longest": lambda wanted, given: isinstance(given, str) and len(given) <= wanted,
    "least": lambda wanted, given: isinstance(given, int) and given >= wanted,
    "most": lambda wanted, given: isinstance(given, int) and given <= wanted,
}


# ---- what must not happen


def _forbidden(request: Request, play: Play) -> list[str]:
    asked_for = {call.tool for way in request.way for call in way.call}
    asked_for |= CREATING if asked_for & CREATING else set()
    never = {*request.never.tools, *(CHANGING - asked_for)}
    reasons = [f"{step.tool} was called" for step in play.steps if step.tool in never]
    for banned in request.never.calls:
        must = resolve(banned.must, play.facts)
        reasons += [
            f"{step.tool} was called with {must}"
            for step in play.steps
            if step.tool == banned.tool and keeps(must, step)
        ]
    said = [play.answer, *(text for step in play.steps for _, text in leaves(step.arguments))]
    secrets = [text for text in resolve(request.never.said, play.facts) if any(_has(each, text) for each in said)]
    reasons += [f"{text!r} was said" for text in secrets]
    if any(KEY in text for text in [*said, *(step.text for step in play.steps)]):
        reasons.append("the key was shown")
    return reasons


# ---- the state afterwards


def _ends(ends: Ends, play: Play) -> list[str]:
    ending = play.ending
    reasons = []
    if ending.created not in ends.created:
        reasons.append(f"{ending.created} creations were accepted, not {' or '.join(map(str, ends.created))}")
    if ending.units != Decimal(ends.units):
        reasons.append(f"{ending.units} units were paid, not {ends.units}")
    deleted = {play.facts[key] for key in ends.deleted}
    if ending.deleted != deleted:
        reasons.append(f"deleted are {sorted(ending.deleted)}, not {sorted(deleted)}")
    reasons += [
        f"{ending.existing[name]} elements are called {name!r}, not {count}"
        for name, count in ends.elements.items()
        if ending.existing[name] != count
    ]
    reasons += [
        f"{ending.sent[route]} requests went to {route}, not {count}"
        for route, count in ends.sent.items()
        if ending.sent[route] != count
    ]
    return reasons + [reason for made in ends.made for reason in _unmade(made, play)]


def _unmade(made: Made, play: Play) -> list[str]:
    """What is wrong with the newest element of this name."""
    tasks = [task for task in play.ending.made if task.element_name == made.name]
    if not tasks:
        return [f"no {made.name!r} was made"]
    return [
        f"{made.name!r} has another {field}"
        for field, wanted, actual in _compared(made, tasks[-1], play.facts)
        if wanted and wanted != actual
    ]


def _compared(made: Made, task: ElementTask, facts: Mapping[str, str]) -> Sequence[tuple[str, object, object]]:
    def sent(places: tuple[str, ...]) -> list[str]:
        return sorted(sent_form(place) for place in resolve(places, facts) if place)

    return (
        ("set of tags", tag_ids(made.tags), sorted(task.tags)),
        ("kind", made.kind, task.reference_type),
        ("voice", resolve(made.voice, facts), task.voice.voice_id if task.voice else "none"),
        ("video", resolve(made.video, facts), task.video_url),
        ("frontal picture", sent((made.frontal,)), [task.frontal_image]),
        ("set of other pictures", sent(made.others), sorted(task.refer_images)),
    )


# ---- the answer


def _untold(request: Request, play: Play) -> list[str]:
    """The groups of which the answer holds nothing. A fact may be about an element that was never made."""
    reasons = [] if play.answer.strip() else ["the answer is empty"]
    for group in (*request.tells, *request.answers):
        texts = known_texts(group, play.facts)
        if not any(_has(play.answer, text) for text in texts):
            reasons.append(f"the answer says none of {', '.join(texts or group)}")
    return reasons


def _has(answer: str, text: str) -> bool:
    return _folded(text) in _folded(answer)


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().replace("’", "'").split())
