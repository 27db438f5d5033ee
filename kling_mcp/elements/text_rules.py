"""The rules for names, descriptions and ids of a creation.

Pure text. Nothing is shortened or normalised here, except that surrounding white space is removed.
"""

from __future__ import annotations

import difflib
import re
import unicodedata

from kling_mcp.api import limits
from kling_mcp.api.ids import is_rounded
from kling_mcp.elements.shorten import suggest_description, suggest_names
from kling_mcp.errors import InputError, Problem
from kling_mcp.sanitize import clean, quote

# A longer text is refused anyway.
_LOOKED_AT_CHARACTERS = 1000
_EXTERNAL_ID = re.compile(r"[!-~]+")
_EXTERNAL_ID_FORBIDDEN = re.compile(r"[/?#%]")
# Words that agents try, and the tag they mean. Suggested, never applied.
_TAG_HINTS = {
    "background": "Scene",
    "boy": "Character",
    "cat": "Animal",
    "clothes": "Costume",
    "clothing": "Costume",
    "dog": "Animal",
    "girl": "Character",
    "human": "Character",
    "location": "Scene",
    "man": "Character",
    "object": "Item",
    "other": "Others",
    "outfit": "Costume",
    "people": "Character",
    "person": "Character",
    "pet": "Animal",
    "place": "Scene",
    "product": "Item",
    "prop": "Item",
    "style": "Effect",
    "woman": "Character",
}


def check_name(text: str, argument: str = "element_name") -> str:
    """The name to send: 1 to 20 code points. Raises InputError, with names that fit. facts: name-20, voice-create"""
    name = _require_plain_text(text, argument)
    limit = limits.MAX_NAME_CHARACTERS
    if len(name) > limit:
        fitting = ", ".join(quote(shorter) for shorter in suggest_names(name, limit))
        fix = f"choose a shorter name, such as {fitting}." if fitting else "choose a shorter name."
        raise _too_long(argument, name, limit, fix)
    return name


def check_description(text: str) -> str:
    """The description to send: 1 to 100 code points. Raises InputError. fact: description-100"""
    description = _require_plain_text(text, "element_description")
    limit = limits.MAX_DESCRIPTION_CHARACTERS
    over = len(description) - limit
    if over > 0:
        shorter = quote(suggest_description(description, limit))
        raise _too_long(
            "element_description",
            description,
            limit,
            f"shorten it by {over} or more, for example to {shorter}.",
        )
    return description


def warn_of_double_count(argument: str, text: str, limit: int) -> str:
    """A warning if the text fits in code points but not in UTF-16 units, otherwise "".

    Kling does not say how it counts; emoji and rare characters take two units.
    """
    units = len(text.encode("utf-16-le")) // 2
    if units <= limit:
        return ""
    return (
        f"{argument} has {len(text)} characters, but {units} if Kling counts emoji and rare characters "
        f"twice; above {limit} it would refuse the request, and nothing would be lost."
    )


def check_voice_id(text: str) -> str:
    """The voice id to send: digits only. Raises InputError. facts: voice-record, voice-catalogues"""
    value = text.strip()
    if is_rounded(value):
        actual = f"{quote(value)}, which was rounded on the way"
        rule = "must be an id with all its digits"
        raise InputError([Problem("element_voice_id", rule, actual, "take it as text from find_voices")])
    if not re.fullmatch(r"[0-9]+", value) or len(value) > limits.MAX_VOICE_ID_DIGITS:
        raise InputError(
            [
                Problem(
                    "element_voice_id",
                    f"must be a text of digits, usually {limits.VOICE_ID_USUAL_DIGITS} of them",
                    quote(value),
                    "give the voice_id of find_voices, not a name and not a speech or lip-sync voice: "
                    "Kling keeps three separate catalogues. Leave it out for no voice.",
                )
            ]
        )
    return value


def check_external_task_id(text: str) -> str:
    """The caller's own id, if it is usable as a path segment. Raises InputError."""
    value = text.strip()
    limit = limits.MAX_EXTERNAL_TASK_ID_CHARACTERS
    is_plain = _EXTERNAL_ID.fullmatch(value) is not None and not _EXTERNAL_ID_FORBIDDEN.search(value)
    if not is_plain or len(value) > limit or value in {".", ".."}:
        rule = f"must have 1 to {limit} letters, digits and signs, no spaces and none of / ? # %"
        raise InputError([Problem("external_task_id", rule, quote(value), "use letters, digits, - and _.")])
    return value


def check_tags(tags: tuple[str, ...]) -> tuple[str, ...]:
    """The tag ids to send, in order, without repeats. Raises InputError with a problem per unknown tag."""
    problems: list[Problem] = []
    ids: list[str] = []
    for place, given in enumerate(tags):
        try:
            ids.append(tag_id(given, f"tags[{place}]"))
        except InputError as error:
            problems.extend(error.problems)
    if problems:
        raise InputError(problems)
    return tuple(dict.fromkeys(ids))


def tag_id(name_or_id: str, argument: str = "tags") -> str:
    """The id of a tag given by name or id, in any case. Raises InputError with the nearest names."""
    wanted = name_or_id.strip().casefold()
    for known_id, name in limits.TAGS.items():
        if wanted in {known_id, name.casefold()}:
            return known_id
    names = {name.casefold(): name for name in limits.TAGS.values()}
    near = [names[key] for key in difflib.get_close_matches(wanted, names, n=2)]
    if hint := _TAG_HINTS.get(wanted) or _TAG_HINTS.get(wanted.removesuffix("s")):
        near.insert(0, hint)
    every = ", ".join(f"{name} ({known_id})" for known_id, name in limits.TAGS.items())
    fix = f"did you mean {' or '.join(dict.fromkeys(near))}?" if near else "choose one of the eight."
    raise InputError([Problem(argument, f"must be one of Kling's tags: {every}", quote(name_or_id), fix)])


def _require_plain_text(text: str, argument: str) -> str:
    """The text without surrounding white space, if it is not empty and fully visible."""
    value = text.strip()
    if not value:
        raise InputError([Problem(argument, "must not be empty", "an empty text", "write it.")])
    for place, character in enumerate(value[:_LOOKED_AT_CHARACTERS], start=1):
        # A name with invisible characters could not be typed again, for example to delete it.
        if character != " " and clean(f"x{character}x") != f"x{character}x" and not _is_wide_space(character):
            rule = "must have no line ends, control, direction-changing or invisible characters"
            actual = f"U+{ord(character):04X} as character {place} of {quote(value)}"
            raise InputError([Problem(argument, rule, actual, "remove it and write one line.")])
    return value


def _is_wide_space(character: str) -> bool:
    """Spaces other than the plain one (as in Japanese) are visible and stay."""
    return unicodedata.category(character) == "Zs"


def _too_long(argument: str, text: str, limit: int, fix: str) -> InputError:
    rule = f"must have at most {limit} characters"
    return InputError([Problem(argument, rule, f"{len(text)} characters, {quote(text)}", fix)])
