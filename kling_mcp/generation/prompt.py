"""Prompts with names: `@Mia` means the element of exactly that name, `@image_1` a picture, `@video_1` the video. Pure.

Names may have spaces and any script, so only the library can say where one ends: a mention lists every text that it
could be, longest first, and the caller chooses the first that exists. `@{Mia}` says where the name ends, `@@` is a
plain @. An @ inside a word, as in an e-mail address, is a mention only if what follows is a name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from kling_mcp.api.limits import MAX_NAME_CHARACTERS
from kling_mcp.sanitize import without_invisible

MAX_MENTIONS = 100
# Names are compared as they are shown, so white space and invisible characters may make one longer.
_MAX_RAW_CHARACTERS = 4 * MAX_NAME_CHARACTERS
_BRACES = re.compile(rf"@\{{([^{{}}\n]{{1,{_MAX_RAW_CHARACTERS}}})\}}")
_MEDIA = re.compile(r"@(image|video)_([1-9][0-9]?)(?![0-9A-Za-z_])")
_FIRST_WORD = re.compile(r"@([^\s@,.;:!?()\[\]{}<>\"“”„«»]+)")
# Scripts that write words without spaces between them, and Hangul, whose particles follow a name without one.
_DENSE = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\ua4cf\uac00-\ud7ff\uf900-\ufaff]")
# What Kling's own handles look like: written by hand they would point at something by chance.
_HANDLES = re.compile(r"<<<[^<>\n]{0,40}>>>|<<[a-z]+_[0-9]+>>")


@dataclass(frozen=True, slots=True)
class Mention:
    """An @ in a prompt, and what it may mean.

    Attributes:
        start, end: where it begins and, at the longest, ends.
        names: every name that it could be with where that name ends, longest first; () for pictures and videos.
        media: `image_1` or `video_1`, or "".
        may_be_text: it is plain text unless one of the names exists: inside a word, or before a punctuation mark.
    """

    start: int
    end: int
    names: tuple[tuple[str, int], ...] = ()
    media: str = ""
    may_be_text: bool = False

    def shortest(self, prompt: str) -> str:
        """The first word after the @, to tell an unknown name by."""
        found = _FIRST_WORD.match(prompt, self.start)
        return found[1] if found else self.names[-1][0]


@dataclass(frozen=True)
class Prompt:
    """One text of a request, and the mentions in it."""

    text: str

    @cached_property
    def mentions(self) -> tuple[Mention, ...]:
        """In order; at most MAX_MENTIONS + 1, so that a caller can refuse more."""
        found: list[Mention] = []
        place = self.text.find("@")
        while place >= 0 and len(found) <= MAX_MENTIONS:
            if self.text.startswith("@@", place):
                place = self.text.find("@", place + 2)
                continue
            mention = _mention_at(self.text, place)
            if mention is not None:
                found.append(mention)
            place = self.text.find("@", place + 1)
        return tuple(found)

    @property
    def handles(self) -> tuple[str, ...]:
        """Pieces of text that look like a handle of Kling's."""
        return tuple(_HANDLES.findall(self.text))

    def render(self, handles: Mapping[int, tuple[str, int]]) -> str:
        """The text as it is sent.

        Args:
            handles: for the start of each mention, what to write there and where the mention ends. A mention that
                is missing stays as it is.
        """
        written: list[str] = []
        place = 0
        for mention in self.mentions:
            if mention.start not in handles:
                continue
            handle, end = handles[mention.start]
            written.append(_plain(self.text[place : mention.start]))
            written.append(_set_apart(handle, self.text, mention.start, end))
            place = end
        written.append(_plain(self.text[place:]))
        return "".join(written)


def words_after_at(text: str) -> tuple[str, ...]:
    """The words that follow an @ in a text that is sent: no handle may be part of one. fact: handle-new"""
    return tuple(_FIRST_WORD.findall(text))


def choose(mention: Mention, known: Sequence[str]) -> tuple[str, int] | None:
    """The longest of its names that is known, with where it ends."""
    return next(((name, end) for name, end in mention.names if name in known), None)


def _mention_at(text: str, place: int) -> Mention | None:
    if braced := _BRACES.match(text, place):
        return Mention(place, braced.end(), names=((braced[1].strip(), braced.end()),))
    if media := _MEDIA.match(text, place):
        return Mention(place, media.end(), media=media[0][1:])
    names = _names_at(text, place + 1)
    if not names:
        return None
    before = text[place - 1 : place]
    inside = (before.isalnum() or before in {".", "_", "-", "+"}) and not _DENSE.match(before)
    is_mark = unicodedata.category(text[place + 1]).startswith("P")
    return Mention(place, names[0][1], names=names, may_be_text=inside or is_mark)


def _names_at(text: str, start: int) -> tuple[tuple[str, int], ...]:
    """Every text from here that ends where a name may end, longest first."""
    line = text[start : start + _MAX_RAW_CHARACTERS].split("\n", 1)[0]
    found = []
    for length in range(1, len(line) + 1):
        name = line[:length]
        if len(without_invisible(name)) > MAX_NAME_CHARACTERS:
            break
        if not name[0].isspace() and _may_end(line, length):
            found.append((name, start + length))
    return tuple(reversed(found))


def _may_end(line: str, length: int) -> bool:
    last, rest = line[length - 1], line[length : length + 1]
    if last.isspace() or not without_invisible(last):
        return False
    return not (rest.isalnum() and last.isalnum()) or bool(_DENSE.match(last) or _DENSE.match(rest))


def _plain(text: str) -> str:
    return text.replace("@@", "@")


def _set_apart(handle: str, text: str, start: int, end: int) -> str:
    """The handle, with a space where it would touch a word."""
    before = " " if start and (text[start - 1].isalnum() or text[start - 1] in "_@") else ""
    after = " " if text[end : end + 1].isalnum() or text[end : end + 1] == "_" else ""
    return f"{before}{handle}{after}"
