"""Which key was meant by one that a map does not have, and where it belongs. Pure: it suggests and never decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_mcp.choices import nearest
from kling_mcp.production.keys import CAST_KEYS, DEFAULTS_FOR_SHOTS, SHOT_KEYS

if TYPE_CHECKING:
    from collections.abc import Sequence

# What people and models write, and the key that means it; those that the table does not have do not count.
_MEANT = {
    "frontal_image": "front",
    "image": "front",
    "picture": "front",
    "refer_images": "others",
    "pictures": "others",
    "element_description": "description",
    "element_voice_id": "voice",
    "voice_id": "voice",
    "voice_name": "voice",
    "id": "element_id",
    "characters": "cast",
    "elements": "cast",
    "scenes": "shots",
    "videos": "shots",
    "text": "prompt",
    "ratio": "aspect_ratio",
    "format": "aspect_ratio",
    "seconds": "duration",
    "length": "duration",
    "sound": "audio",
    "count": "takes",
    "file": "save_as",
    "output": "save_as",
    "reference_images": "images",
    "cuts": "shots",
}
_OF_CAST = {key.name: key for key in CAST_KEYS}
_OF_SHOT = {key.name: key for key in SHOT_KEYS}
_FOR_ALL = {"voice", "tags"}  # a description that all share is none; above the cast it describes something else


def meant_by(given: str, known: Sequence[str]) -> str:
    """The key of this map that was probably meant, or ""."""
    word = given.strip().lower()
    if (meant := _MEANT.get(word, "")) in known:
        return meant
    if _home_of(word, known):
        return ""
    near = nearest(given, [*known, *(other for other, key in _MEANT.items() if key in known and other not in known)])
    return near if near in known else _MEANT.get(near, "")


def fix_of(given: str, meant: str, known: Sequence[str]) -> str:
    """What to write instead, as the fix of a problem."""
    if meant:
        return f"did you mean {meant}?"
    word = given.strip().lower()
    if home := _home_of(word, known):
        name = _key_of(word)
        return f"put it under {home}{'' if name == word else f', as {name}'}."
    return "leave it out."


def _key_of(word: str) -> str:
    """The key of a cast entry or a shot that a word is or means."""
    meant = _MEANT.get(word, "")
    return word if word in _OF_CAST or word in _OF_SHOT or meant not in _OF_SHOT else meant


def _home_of(word: str, known: Sequence[str]) -> str:
    """Where a key that this map does not have belongs, such as `defaults.shots`; "" if nowhere.

    Args:
        known: the keys of the map: of the sheet, of defaults, of their shots, of a cast entry or of a shot.
    """
    name = _key_of(word)
    if name in known:
        return ""
    is_shared = DEFAULTS_FOR_SHOTS.name in known and "prompt" not in known  # the top of the sheet, or its defaults
    if key := _OF_SHOT.get(name):
        return f"defaults.{DEFAULTS_FOR_SHOTS.name}" if is_shared and key.may_default else "the shot that it is for"
    if name in _OF_CAST:
        is_of_all = name in _FOR_ALL and "prompt" not in known
        return "defaults" if is_of_all else "the cast entry that it is for"
    return ""
