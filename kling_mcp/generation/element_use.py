"""What to paste into a generation request for some elements, and which other inputs still fit.

Pure: elements and a target in; ids, handles, JSON text, notes and warnings out. It reads no library and sends nothing.
Kling ignores a wrong handle or field without an error, and bills the result (handle-wrong-is-billed), so nothing here
is guessed or shortened.
"""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kling_mcp.api.ids import MAX_SAFE_INTEGER
from kling_mcp.api.limits import MAX_NAME_CHARACTERS
from kling_mcp.errors import InputError, Problem
from kling_mcp.generation.targets import TARGETS
from kling_mcp.sanitize import clean, quote

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from kling_mcp.generation.targets import Case, InputLimit, Kinds, Target
    from kling_mcp.library.records import LibraryElement

# Integers of 64 bits for the older standard, plain ASCII for the 3.0 standard. facts: legacy-id-type, new-id-string
_IDS = {
    "older": (re.compile(r"[1-9][0-9]{0,18}"), "an id that is a whole number"),
    "3.0": (re.compile(r"[0-9A-Za-z_-]{1,80}"), "an id of letters and digits"),
}
_VARIATION_SELECTORS = re.compile("[\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_NAMELESS = "element"
_SHOWN = 60
_KIND_WORDS = {"image_refer": "image", "video_refer": "video"}


@dataclass(frozen=True, slots=True)
class ElementUse:
    """How to use the elements: ids, handles and fragment in the order in which they were given.

    `notes` hold for every use of the target; `warnings` are about these elements or this account.
    """

    element_ids: tuple[str, ...]
    prompt_handles: tuple[str, ...]
    request_fragment: str
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ElementCount:
    """How many elements of each kind."""

    images: int
    videos: int

    @property
    def kinds(self) -> Kinds:
        """Which rows of the matrix apply."""
        if not self.videos:
            return "image"
        return "both" if self.images else "video"

    def __str__(self) -> str:
        parts = [(self.images, "image"), (self.videos, "video")]
        said = [f"{count} {kind} element{_s(count)}" for count, kind in parts if count]
        return " and ".join(said)


def prepare_use(target: Target, elements: Sequence[LibraryElement], *, has_api_key: bool) -> ElementUse:
    """The ids, handles, fragment, notes and warnings for ready elements in this order.

    Raises:
        InputError: `find_problems` finds some.
    """
    if problems := find_problems(target, elements):
        raise InputError(problems)
    handles = make_handles(target, [element.element_name for element in elements])
    return ElementUse(
        element_ids=tuple(element.element_id for element in elements),
        prompt_handles=handles,
        request_fragment=_fragment(target, elements, handles),
        notes=(
            _handle_note(target, elements, handles),
            describe_remaining_inputs(target, elements),
            *target.notes,
        ),
        warnings=(*_element_warnings(target, elements), *_credential_warnings(target, has_api_key)),
    )


def find_problems(target: Target, elements: Sequence[LibraryElement | None]) -> list[Problem]:
    """Everything that no request to this target allows; limits of only some requests become warnings.

    None is an element that could not be resolved: the others are still checked, but not counted.
    """
    if not elements:
        fix = "give exact names or element ids"
        return [Problem("elements", "must name at least one element", "an empty list", fix)]
    problems: list[Problem] = []
    seen: dict[str, int] = {}
    for place, element in enumerate(elements):
        if element is not None:
            problems.extend(_problems_of_one(target, element, place))
            first = seen.setdefault(element.element_id, place)
            if first != place:
                problems.append(_repeated(element, place, first))
    if not problems and None not in elements:
        problems.extend(_count_problems(target, [element for element in elements if element is not None]))
    return problems


def refuse_too_many(target: Target, count: int) -> None:
    """Refuse a list that is too long for any elements, before anything is looked up.

    Raises:
        InputError: with the most that any case of this target allows.
    """
    if count > target.most:
        raise InputError([_too_many(target, f"{target.most} element{_s(target.most)}", str(count))])


def describe_remaining_inputs(target: Target, elements: Sequence[LibraryElement]) -> str:
    """Which other inputs still fit with these elements, case by case."""
    tally = _count(target, elements)
    said = [_outcome(limit, tally) for limit in target.limits if limit.kinds == tally.kinds]
    return f"Other inputs allowed with {tally} in {target.name}: {'; '.join(said)}."


def find_misfit(
    target: Target, elements: Sequence[LibraryElement], cases: Collection[Case], pictures: int
) -> Problem | None:
    """What is wrong with these elements beside the other inputs of one request. fact: omni-counts

    Args:
        cases: those that hold for the request.
        pictures: how many it has, a first frame included.
    """
    tally = _count(target, elements)
    for limit in target.limits:
        if limit.kinds != tally.kinds or limit.case not in {"any", *cases}:
            continue
        if not _fits(limit, tally) or (limit.shared is not None and tally.images + pictures > limit.shared):
            actual = str(tally) + (f" and {pictures} picture{_s(pictures)}" if pictures else "")
            where = f" {limit.beside}" if limit.beside else ""
            return Problem("elements", f"must fit{where}: {_capacity(limit)}", actual, "leave some out.")
    return None


def make_handles(target: Target, names: Sequence[str], taken: Sequence[str] = ()) -> tuple[str, ...]:
    """The prompt handle of each element, in order.

    The older standard counts positions in `element_list` (handle-legacy). The 3.0 standard uses names that must be
    unique and not part of each other (handle-new): the letters and digits of each name, and if one is part of another,
    ignoring case, `_` and its position in the list. `_` occurs nowhere else and positions are equally long, so a
    numbered handle is never part of another one. No handle is like a word in `taken`, which the prompt has after an @.
    """
    if target.standard == "older":
        return tuple(f"<<<element_{place}>>>" for place in range(1, len(names) + 1))
    bases = [_letters_and_digits(name) for name in names]
    width = len(str(len(names)))
    handles = bases
    mark = "_"
    while clashing := _parts_of_others(handles, taken):
        handles = [f"{bases[i]}{mark}{i + 1:0{width}}" if i in clashing else handle for i, handle in enumerate(handles)]
        mark += "x" if taken else ""  # a taken word may have the same number
    return tuple(f"@{handle}" for handle in handles)


def _fragment(target: Target, elements: Sequence[LibraryElement], handles: Sequence[str]) -> str:
    """JSON text. Ids are written by Python's exact integers or as text, never as floats. fact: id-as-string"""
    if target.standard == "older":
        body: object = {"element_list": [{"element_id": int(element.element_id)} for element in elements]}
    else:
        contents = [
            {"type": "element", "element_id": element.element_id, "id": handle.removeprefix("@")}
            for element, handle in zip(elements, handles, strict=True)
        ]
        body = {"contents": contents}
    return json.dumps(body, ensure_ascii=False)


def _problems_of_one(target: Target, element: LibraryElement, place: int) -> list[Problem]:
    problems = []
    name = quote(element.element_name, _SHOWN)
    if element.reference_type == "video_refer" and not target.takes_videos:
        others = ", ".join(other.name for other in TARGETS.values() if other.takes_videos and other.states_kinds)
        rule = f"must be an image element for {target.name}"
        fix = f"use an image element, or one of {others}"
        problems.append(Problem(f"elements[{place}]", rule, f"{name}, made from a video", fix))
    pattern, wanted = _IDS[target.standard]
    if not pattern.fullmatch(element.element_id):
        rule = f"must have {wanted} for {target.name}"
        fix = "check it with find_elements; this target cannot use the id that Kling gave it"
        problems.append(Problem(f"elements[{place}]", rule, f"{name} with another kind of id", fix))
    return problems


def _repeated(element: LibraryElement, place: int, first: int) -> Problem:
    rule = "must not name an element again"
    actual = f"{quote(element.element_name, _SHOWN)}, which is elements[{first}] already"
    return Problem(f"elements[{place}]", rule, actual, "leave it out")


def _count_problems(target: Target, elements: Sequence[LibraryElement]) -> list[Problem]:
    tally = _count(target, elements)
    rows = [limit for limit in target.limits if limit.kinds == tally.kinds]
    if any(_fits(limit, tally) for limit in rows):
        return []
    if len(elements) > target.most:
        return [_too_many(target, f"{target.most} element{_s(target.most)}", str(tally))]
    # The remaining case: too many video elements, alone or with image elements.
    roomiest = max(rows, key=lambda limit: limit.most)
    return [_too_many(target, str(ElementCount(roomiest.shared or 0, roomiest.most_videos)), str(tally))]


def _too_many(target: Target, most: str, actual: str) -> Problem:
    fix = "leave some out, or split the work into more requests"
    return Problem("elements", f"must hold at most {most} in one request to {target.name}", actual, fix)


def _count(target: Target, elements: Sequence[LibraryElement]) -> ElementCount:
    """The counts; elements of unknown kind count as whatever fits, preferably as image elements.

    fact: reference-type-null. Only combinations that can never be valid are refused.
    """
    kinds = [_KIND_WORDS.get(element.reference_type, "") for element in elements]
    images, videos, unknown = kinds.count("image"), kinds.count("video"), kinds.count("")
    readings = [ElementCount(images + unknown - more, videos + more) for more in range(unknown + 1)]
    for tally in readings:
        if any(limit.kinds == tally.kinds and _fits(limit, tally) for limit in target.limits):
            return tally
    return readings[0]


def _fits(limit: InputLimit, tally: ElementCount) -> bool:
    fits_sum = limit.shared is None or tally.images <= limit.shared
    return tally.images + tally.videos <= limit.most and tally.videos <= limit.most_videos and fits_sum


def _outcome(limit: InputLimit, tally: ElementCount) -> str:
    if not _fits(limit, tally):
        said = "not possible"
    elif limit.shared is None:
        said = limit.unstated or "possible"
    else:
        room = limit.shared - tally.images
        said = f"up to {room} picture{_s(room)}" if room else "no pictures"
    return f"{limit.beside}: {said}" if limit.beside else said


def _capacity(limit: InputLimit) -> str:
    """How much a row allows, in words."""
    if not limit.most:
        return "no such elements"
    said = f"{limit.most} element{_s(limit.most)}"
    if limit.most_videos and limit.kinds == "both":
        said += f", {limit.most_videos} of them from videos"
    return said if limit.shared is None else f"{said}, image elements and pictures together {limit.shared}"


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _handle_note(target: Target, elements: Sequence[LibraryElement], handles: Sequence[str]) -> str:
    """fact: handle-wrong-is-billed"""
    pairs = ", ".join(
        f"{handle} for {quote(element.element_name, _SHOWN)}" for element, handle in zip(elements, handles, strict=True)
    )
    why = "Kling ignores a wrong handle without an error and bills the result."
    if target.standard == "older":
        return (
            f"Write each handle in the prompt exactly like this: {pairs}. {why} The numbers are positions in "
            "element_list: keep its order and insert nothing before these entries."
        )
    return f"Write each handle in the prompt exactly like this, with spaces around it: {pairs}. {why}"


def _element_warnings(target: Target, elements: Sequence[LibraryElement]) -> list[str]:
    warnings = []
    voiced = [element for element in elements if element.voice_id]
    if voiced and target.voice:
        warnings.append(f"The voice of {_names(voiced)} {target.voice}.")
    silent = [element for element in elements if element.asked_voice_id and not element.voice_id]
    if silent and target.voice:
        warnings.append(f"{_names(silent)}: a voice was requested at creation, but Kling shows none.")
    unknown = [element for element in elements if element.reference_type not in _KIND_WORDS]
    if unknown:
        warnings.append(
            f"{_names(unknown)}: Kling does not say whether this is an image or a video element; the limits above "
            f"assume {_count(target, elements)}."
            + ("" if target.takes_videos else f" {target.name} takes image elements only.")
        )
    long = [element.element_id for element in elements if _is_rounded_by_others(element)]
    if long and target.standard == "older":
        warnings.append(
            f"Paste the fragment as text and do not re-serialise it: {', '.join(long)} is above {MAX_SAFE_INTEGER}, "
            "and programs that read JSON numbers as floats, such as JavaScript, change its last digits."
        )
    return warnings


def _is_rounded_by_others(element: LibraryElement) -> bool:
    """facts: id-as-string, legacy-id-type"""
    return element.element_id.isdecimal() and int(element.element_id) > MAX_SAFE_INTEGER


def _credential_warnings(target: Target, has_api_key: bool) -> list[str]:
    """fact: auth-pair-legacy-only"""
    if has_api_key or target.standard == "older":
        return []
    instead = f"; use {target.twin} instead" if target.twin else ""
    return [f"This target needs an API key, but this account uses a key pair{instead}."]


def _names(elements: Sequence[LibraryElement]) -> str:
    return ", ".join(quote(element.element_name, _SHOWN) for element in elements)


def _letters_and_digits(name: str) -> str:
    """The name as one word that survives copying: letters with accents and digits of any script.

    Later words start with a capital letter, so that "red fox" stays readable as "redFox".
    """
    visible = _VARIATION_SELECTORS.sub("", clean(unicodedata.normalize("NFKC", name)))
    # Again, because a removed character may have separated a letter from its accent.
    text = unicodedata.normalize("NFKC", visible)
    words: list[str] = []
    inside = False
    for character in text:
        if character.isalnum():
            words.append(character if inside or not words else character.upper())
            inside = True
        elif inside and unicodedata.category(character).startswith("M"):
            words.append(character)
        else:
            inside = False
    # fact: name-20; Kling would not accept longer names.
    return unicodedata.normalize("NFC", "".join(words))[:MAX_NAME_CHARACTERS] or _NAMELESS


def _parts_of_others(handles: Sequence[str], taken: Sequence[str]) -> set[int]:
    """The positions whose handle is part of another one or of a taken word, or equal to it, ignoring case."""
    folded = [handle.casefold() for handle in handles]
    words = [word.casefold() for word in taken]
    return {
        i
        for i, part in enumerate(folded)
        if any(i != j and part in whole for j, whole in enumerate(folded)) or any(part in word for word in words)
    }
