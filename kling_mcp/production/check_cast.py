"""One cast entry: whether its values fit together, in the words of a sheet.

Kling's rules for texts and pictures are those of `elements`; here they get the place in the sheet.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kling_mcp.api import limits
from kling_mcp.elements.text_rules import check_description, check_name, check_tags
from kling_mcp.errors import InputError
from kling_mcp.media.inputs import check_video_link
from kling_mcp.production.fields import split_index, way
from kling_mcp.production.model import CastEntry
from kling_mcp.sanitize import as_shown, quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kling_mcp.production.fields import Problems, Slot
    from kling_mcp.production.model import Place
    from kling_mcp.production.sheet_media import SheetMedia

MAX_ALIAS_CHARACTERS = 100
ELEMENT_ID = re.compile(r"[0-9]{1,20}")
MATERIAL = ("front", "others", "video")


def check_entry(name: str, place: Place, slots: Mapping[str, Slot], media: SheetMedia, problems: Problems) -> CastEntry:
    """The entry, as far as its values can be read; whatever is wrong with it is among the problems."""
    path = way("cast", name)
    adopted = _has(slots, "element_id", path, problems)
    made = not adopted and any(_has(slots, key, path, problems) for key in MATERIAL)
    _check_name(name, path, place, problems, made=made)
    front = media.picture(slots["front"]) if "front" in slots else None
    others = media.pictures(slots["others"]) if "others" in slots else ()
    if adopted:
        _check_adopted(slots, path, problems)
    elif made:
        _check_description(slots, path, place, problems)
        _check_material(slots, path, place, problems)
    _check_tags(slots, path, problems)
    return CastEntry(
        name=name,
        place=place,
        description=_text(slots, "description"),
        front=front,
        others=others,
        video=_text(slots, "video"),
        voice=_text(slots, "voice"),
        tags=slots["tags"].texts if "tags" in slots else (),
        element_id=_text(slots, "element_id"),
    )


def check_alias(name: str, path: str, place: Place, problems: Problems) -> None:
    """A name that only the sheet uses: visible, and not long."""
    if as_shown(name) != name or len(name) > MAX_ALIAS_CHARACTERS:
        rule = f"must have at most {MAX_ALIAS_CHARACTERS} visible characters in one line, without quotes"
        problems.refuse(path, rule, quote(name, 60), f"write {quote(as_shown(name)[:MAX_ALIAS_CHARACTERS])}.", place)


def _has(slots: Mapping[str, Slot], key: str, path: str, problems: Problems) -> bool:
    """Whether the key is there, even if its value could not be read."""
    return key in slots or problems.is_set_aside(way(path, key))


def _check_name(name: str, path: str, place: Place, problems: Problems, *, made: bool) -> None:
    if not made:
        check_alias(name, path, place, problems)
        return
    try:
        check_name(name)
    except InputError as error:
        problems.relay_all(error, path, place)


def _check_adopted(slots: Mapping[str, Slot], path: str, problems: Problems) -> None:
    slot = slots.get("element_id")
    if slot and not ELEMENT_ID.fullmatch(slot.text.strip()):
        fix = "take it from find_elements; an entry that is to be made has description, front and others."
        problems.refuse(
            slot.path, "must be the id of an element, digits in quotes", quote(slot.text, 60), fix, slot.place
        )
    for key in MATERIAL:
        if key in slots:
            fix = f"leave {key} out to adopt the element, or element_id to make another one."
            rule = "must be left out beside element_id, with which nothing is made"
            problems.refuse(way(path, key), rule, key, fix, slots[key].place)


def _check_description(slots: Mapping[str, Slot], path: str, place: Place, problems: Problems) -> None:
    """Required by Kling. fact: create-fields"""
    slot = slots.get("description")
    if slot is None:
        fix = "say how it looks, in at most 100 characters."
        problems.refuse(way(path, "description"), "must be given", "none", fix, place)
        return
    try:
        check_description(slot.text)
    except InputError as error:
        problems.relay_all(error, slot.path, slot.place)


def _check_material(slots: Mapping[str, Slot], path: str, place: Place, problems: Problems) -> None:
    """Pictures or a clip. facts: image-count, frontal-may-repeat, video-count"""
    if problems.is_set_aside(way(path, "video")):
        return
    if "video" in slots:
        _check_video(slots, path, problems)
        return
    if "front" not in slots:
        rule = "must be a picture from the front"
        fix = "give the one that shows it best; others are further pictures beside it."
        problems.refuse(way(path, "front"), rule, "none", fix, place)
    others = slots.get("others")
    if others is None or not others.texts:
        rule = f"must be {limits.REFER_IMAGES_MIN} to {limits.REFER_IMAGES_MAX} more pictures"
        fix = "add another angle; if there is none, repeat the front picture, which makes a weaker element."
        problems.refuse(way(path, "others"), rule, "none", fix, others.place if others else place)


def _check_video(slots: Mapping[str, Slot], path: str, problems: Problems) -> None:
    for key in ("front", "others"):
        if key in slots:
            fix = f"leave {key} or the video out."
            problems.refuse(way(path, key), "must be left out beside a video", key, fix, slots[key].place)
    slot = slots["video"]
    try:
        check_video_link(slot.text, limits.VIDEO_RULE)
    except InputError as error:
        problems.relay_all(error, slot.path, slot.place)


def _check_tags(slots: Mapping[str, Slot], path: str, problems: Problems) -> None:
    slot = slots.get("tags")
    if slot is None:
        return
    try:
        check_tags(slot.texts)
    except InputError as error:
        for problem in error.problems:
            _, index = split_index(problem.argument)
            place = slot.items[index] if index is not None else slot.place
            problems.relay(problem, f"{slot.path}[{index or 0}]", place)


def _text(slots: Mapping[str, Slot], key: str) -> str:
    return slots[key].text.strip() if key in slots else ""
