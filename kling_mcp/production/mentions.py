"""How the shots of a sheet name its cast: names without an @, names that are misspelled, entries that no shot uses.

Pure. Kling would render a shot without its elements and bill it, so a person should know before paying.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from kling_mcp.generation.models import VIDEO_ROUTES
from kling_mcp.generation.unmarked import WORD, NameInText, find_plain
from kling_mcp.production.check_shots import draft_of
from kling_mcp.production.names import find_names
from kling_mcp.sanitize import as_shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kling_mcp.production.model import Sheet, Shot

ALWAYS_WITH_SOUND = {route.model for route in VIDEO_ROUTES if not route.audio}
_LIKENESS = 0.6
_MAX_COMPARED = 200  # a hostile sheet has thousands of names on both sides
_SHORTEST_PART = 3
# Words between quotes that are more than a sign on a wall, and verbs of speech before a colon, a comma or a quote.
_QUOTED = re.compile(r"[\"“„«]([^\"“”„«»\n]*)[\"”“»]")
_IS_SENTENCE = re.compile(r"[\s.,!?…]")
_SAYS = re.compile(
    r"\b(?:says?|said|asks?|shouts?|whispers?|replies|answers?|sings?|yells?|cries|mutters?|murmurs?|calls out)"
    r"\s*(?:[:,]\s|[\"“„«])",
    re.IGNORECASE,
)


class NearNames:
    """Which name of the cast was probably meant by one that it does not have."""

    def __init__(self, cast: Iterable[str]) -> None:
        self._by_fold: dict[str, str] = {}
        for name in cast:
            self._by_fold.setdefault(_fold(name), name)
        self._known: dict[str, str] = {}

    def to(self, names: Sequence[str]) -> str:
        """The entry that one of these spellings is nearest to, or ""; the last one is a single word."""
        for name in names:
            if found := self._by_fold.get(_fold(name)):
                return found
        word = _fold(names[-1]) if names else ""
        if word not in self._known:
            self._known[word] = self._like(word) if len(self._known) < _MAX_COMPARED else ""
        return self._known[word]

    def _like(self, word: str) -> str:
        if len(word) >= _SHORTEST_PART:
            longer = [fold for fold in self._by_fold if fold.startswith(f"{word} ")]
            if longer:
                return self._by_fold[min(longer, key=len)]
        near = difflib.get_close_matches(word, list(self._by_fold)[:_MAX_COMPARED], n=1, cutoff=_LIKENESS)
        return self._by_fold[near[0]] if near else ""


def find_unmarked(sheet: Sheet, shots: Iterable[Shot]) -> dict[str, list[str]]:
    """The names of the cast that shots say without an @ and do not use: for each, the ids of those shots."""
    by_start: dict[str, list[NameInText]] = {}
    for name in sheet.cast:
        word = NameInText(name)
        by_start.setdefault(word.start, []).append(word)
    found: dict[str, list[str]] = {}
    for shot in shots:
        used = _used_by(shot, sheet.cast)
        text = text_of(shot)
        # A sheet may have thousands of names; those that can be in a text begin with one of its words.
        starts = {"", *map(str.lower, WORD.findall(text))}
        for word in find_plain(text, (word for start in starts for word in by_start.get(start, ()))):
            if word.name not in used:
                found.setdefault(word.name, []).append(shot.id)
    return {name: found[name] for name in sheet.cast if name in found}


def find_unused(sheet: Sheet) -> list[str]:
    """The names of the cast that no shot uses; none where the sheet has no shots."""
    used = {name for shot in sheet.shots.values() for name in _used_by(shot, sheet.cast)}
    return [name for name in sheet.cast if name not in used] if sheet.shots else []


def find_silent_speech(sheet: Sheet, shots: Iterable[Shot]) -> list[str]:
    """The ids of shots in whose texts somebody speaks, and that have no sound."""
    speakers = "|".join(re.escape(name) for name in sheet.cast)
    line = re.compile(rf"(?:^|[\s@])(?:{speakers}):\s", re.IGNORECASE) if speakers else None
    return [
        shot.id
        for shot in shots
        if shot.audio == "off"
        and shot.model not in ALWAYS_WITH_SOUND
        and (_is_quoted(text := text_of(shot)) or _SAYS.search(text) or (line and line.search(text)))
    ]


def text_of(shot: Shot) -> str:
    """The prompt, or the cuts in its place."""
    return shot.prompt or "\n".join(shot.shots)


def _is_quoted(text: str) -> bool:
    return any(_IS_SENTENCE.search(quoted[1].strip()) for quoted in _QUOTED.finditer(text))


def _used_by(shot: Shot, cast: Mapping[str, object]) -> list[str]:
    return find_names(draft_of(shot), dict.fromkeys(cast, "")).cast


def _fold(name: str) -> str:
    return as_shown(name).casefold()
