"""Shorter versions of a text that is too long, for a person to choose from.

Pure text. Nothing is ever shortened for the caller: these are only suggestions in an error.
"""

from __future__ import annotations

import re
import unicodedata

_MAX_SUGGESTIONS = 3
# Words that matter little in a name, in the languages of most names with spaces.
_SMALL_WORD = re.compile(
    "&|an?|and|at|by|for|from|in|of|on|the|to|with"
    "|da|das|de|del|der|des|di|die|do|dos|du|e|el|en|et|i|la|las|le|les|los|u|und|van|von|y",
    re.IGNORECASE,
)
_JOINERS = frozenset("'’‘")
_ZERO_WIDTH_JOINER = "\u200d"


def suggest_names(name: str, limit: int) -> tuple[str, ...]:
    """Up to three different names of at most `limit` code points, the most natural first."""
    words = name.split()
    telling = [word for word in words if not _SMALL_WORD.fullmatch(word)]
    candidates = [
        cut_at_word(name, limit),
        cut_at_word(" ".join(telling), limit),
        _with_initials(telling, limit),
        _cut(name, limit),
    ]
    end = _cut_front(name, limit)
    if len(words) == 1 and end and unicodedata.category(end[0]) == "Lo":
        # Chinese and Japanese have no spaces and put the noun last, so the end matters most.
        candidates.append(end)
    fitting = [candidate for candidate in candidates if candidate]
    return tuple(dict.fromkeys(fitting))[:_MAX_SUGGESTIONS]


def suggest_description(text: str, limit: int) -> str:
    """The longest beginning of at most `limit` code points that ends with a word."""
    whole = cut_at_word(text, limit)
    # One very long word near the start would leave almost nothing.
    return whole if len(whole) * 2 >= limit else _cut(text, limit)


def cut_at_word(text: str, limit: int) -> str:
    """The longest beginning that fits and ends with a whole word, without a dangling small one; or ""."""
    end = min(limit, len(text))
    while end > 0 and end < len(text) and not _is_boundary(text[end]) and not _is_boundary(text[end - 1]):
        end -= 1
    words = _trim(text[:end]).split(" ")
    while len(words) > 1 and _SMALL_WORD.fullmatch(_trim(words[-1])):
        words.pop()
    return _trim(" ".join(words))


def _with_initials(words: list[str], limit: int) -> str:
    """First and last word whole with initials between them, or as much of that as fits."""
    if len(words) < 2 or not all(word[0].isalpha() and word[0].lower() != word[0].upper() for word in words):
        return ""
    short = [f"{word[0].upper()}." for word in words]
    forms = (
        [words[0], *short[1:-1], words[-1]],
        [*short[:-1], words[-1]],
        [words[0], *short[1:]],
    )
    return next((form for parts in forms if len(form := " ".join(parts)) <= limit), "")


def _cut(text: str, limit: int) -> str:
    """The longest beginning that fits and splits no visible character."""
    end = min(limit, len(text))
    while 0 < end < len(text) and _is_inside_character(text, end):
        end -= 1
    return text[:end].rstrip()


def _cut_front(text: str, limit: int) -> str:
    """The longest ending that fits and splits no visible character."""
    start = max(0, len(text) - limit)
    while 0 < start < len(text) and _is_inside_character(text, start):
        start += 1
    return _trim(text[start:])


def _is_inside_character(text: str, place: int) -> bool:
    """Whether a cut at `place` would take accents, emoji parts or half a flag off a character."""
    before, after = text[place - 1], text[place]
    if _ZERO_WIDTH_JOINER in (before, after) or "\U0001f3fb" <= after <= "\U0001f3ff":
        return True
    if unicodedata.category(after) in {"Mn", "Mc", "Me"}:
        return True
    flags = 0
    while flags < place and _is_flag_letter(text[place - 1 - flags]):
        flags += 1
    return _is_flag_letter(after) and flags % 2 == 1


def _is_flag_letter(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _is_boundary(character: str) -> bool:
    """Whether a word ends at this character: spaces and punctuation of any script, but no apostrophe."""
    return unicodedata.category(character)[0] in "ZP" and character not in _JOINERS


def _trim(text: str) -> str:
    """The text without punctuation and spaces at its ends; closing brackets go with their opening ones."""
    end = len(text)
    while end > 0 and _is_boundary(text[end - 1]):
        end -= 1
    start = 0
    while start < end and _is_boundary(text[start]):
        start += 1
    return text[start:end]
