"""Shorter versions of a text that is too long, for a person to choose from.

Pure text. Nothing is ever shortened for the caller: these are only suggestions in an error. A suggested name is one
that a person might choose: whole words, none of them dangling, and every number that tells it from its like.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kling_mcp.library.small_words import ARTICLES, NOUN_FIRST, SMALL_WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_MAX_SUGGESTIONS = 3
_JOINERS = frozenset("'’‘")
_ZERO_WIDTH_JOINER = "\u200d"
# Thai to Myanmar, Khmer, kana and Han: scripts without spaces between words.
_DENSE = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3005-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]"
)
_NUMBER = re.compile(r"\d+")
_MARK = re.compile("[IVX]+|[A-Z]")  # "Hero II", "Hero B"
_LAST_EUROPEAN = "\u052f"  # Latin, Greek and Cyrillic letters are not beyond it
# Where a phrase ends; a hyphen does so only between blanks.
_PHRASE_END = re.compile(r"[,;:!?()\[\]{}|/&+–—«»“”„\"、，。・：；！？（）［］【】「」『』〜～]|\s-+\s")
_PAIRS = (("(", ")"), ("[", "]"), ("{", "}"), ("«", "»"), ("“", "”"))


@dataclass(frozen=True, slots=True)
class _Word:
    """A word at a place in a name.

    A phrase ends at punctuation, or before a small word that is no article: then the next one hangs on it.
    A variant tells a name from its like: it has a number, or is one letter at the end.
    """

    text: str
    start: int
    end: int
    phrase: int
    is_small: bool
    is_article: bool
    is_variant: bool

    @property
    def is_bare(self) -> bool:
        """Whether it is nothing but a number or a letter, which says little without the word before it."""
        return bool(_NUMBER.fullmatch(self.text) or _MARK.fullmatch(self.text))


def suggest_names(name: str, limit: int) -> tuple[str, ...]:
    """Up to three different names of at most `limit` code points, the most natural first; empty if there is none."""
    name = " ".join(name.split())
    found = _dense_names(name, limit) if _DENSE.search(name) else _spaced_names(name, limit)
    return tuple(dict.fromkeys(found))[:_MAX_SUGGESTIONS]


def _dense_names(name: str, limit: int) -> Iterator[str]:
    """The longest beginning and the longest end that are whole phrases: within one, nothing shows where a word ends."""
    numbers = set(_NUMBER.findall(name))
    gaps = [found.span() for found in re.finditer(rf"{_PHRASE_END.pattern}|\s", name)]
    for parts in ([name[:start] for start, _ in reversed(gaps)], [name[end:] for _, end in gaps]):
        whole = (_trim(part) for part in parts)
        yield from [text for text in whole if 0 < len(text) <= limit and numbers <= set(_NUMBER.findall(text))][:1]


def _spaced_names(name: str, limit: int) -> Iterator[str]:
    """Of each way to choose among the words, the longest name that fits."""
    blank = " " if " " in name else next((mark for mark in "_-." if mark in name), " ")
    words = _words(name, blank)
    if all(word.is_small for word in words):
        return
    variants = {place for place, word in enumerate(words) if word.is_variant}

    def longest(choices: Iterable[Iterable[int]]) -> list[str]:
        names = (_name_of(words, variants.union(choice), name, blank) for choice in choices)
        return [text for text in names if 0 < len(text) <= limit][:1]

    heads = longest(_telling_heads(words))
    yield from heads or longest(_within_first_phrase(words, name))
    yield from longest(_beginnings(words, name))


def _words(name: str, blank: str) -> list[_Word]:
    words: list[_Word] = []
    phrase, place = 0, 0
    for part in _PHRASE_END.split(name):
        texts = [text for text in map(_trim, part.split(blank)) if any(map(str.isalnum, text))]
        for text in texts:
            is_mark = bool(words) and _MARK.fullmatch(text) is not None
            is_small = text.lower() in SMALL_WORDS and not is_mark
            is_article = is_small and text.lower() in ARTICLES
            phrase += is_small and not is_article
            is_variant = _NUMBER.search(text) is not None or (is_mark and text is texts[-1])
            start = name.index(text, place)
            place = start + len(text)
            words.append(_Word(text, start, place, phrase, is_small, is_article, is_variant))
        phrase += 1
    return words


def _telling_heads(words: Sequence[_Word]) -> Iterator[list[int]]:
    """The telling words of the first phrase and of those beside it, not of those that hang on one before."""
    first = next(place for place, word in enumerate(words) if not word.is_small)
    hanging = (place for place, word in enumerate(words) if place > first and word.is_small and not word.is_article)
    free = [place for place in range(next(hanging, len(words))) if not words[place].is_small]
    for last in sorted({words[place].phrase for place in free}, reverse=True):
        yield [place for place in free if words[place].phrase <= last]


def _within_first_phrase(words: Sequence[_Word], name: str) -> Iterator[list[int]]:
    """For a first phrase that is too long: its ends, or its beginning in languages that put the noun first."""
    *_, first = _telling_heads(words)
    if any(word.text.lower() in NOUN_FIRST for word in words):
        yield from (first[:count] for count in range(len(first), 0, -1))
    elif _is_european(name):
        plain = [place for place in first if not words[place].is_variant]
        yield [*plain[:1], *plain[-1:]]


def _is_european(name: str) -> bool:
    """Whether its scripts are those whose languages are known here."""
    return all(not character.isalpha() or character <= _LAST_EUROPEAN for character in name)


def _beginnings(words: Sequence[_Word], name: str) -> Iterator[range]:
    """As written: to the end of a phrase, or inside the first one where no article waits for its noun."""
    last = len(words) - 1
    ends = [place for place in range(last) if words[place].phrase < words[place + 1].phrase]
    start = next(place for place, word in enumerate(words) if not word.is_small)
    first = range(start, ends[0] if ends else last) if _is_european(name) and not start else ()
    inside = itertools.takewhile(lambda place: not words[place].is_article, first)
    for place in sorted({*ends, *inside}, reverse=True):
        is_dangling = words[place].is_small or (words[place].is_bare and not words[place].is_variant)
        if not is_dangling:
            yield range(place + 1)


def _name_of(words: Sequence[_Word], places: Iterable[int], name: str, blank: str) -> str:
    """The name of these words; "" if a number would stand behind a word that it does not number."""
    runs: list[list[_Word]] = []
    before = -1
    for place in sorted(places):
        if place == before + 1 and runs:
            runs[-1].append(words[place])
        elif runs and words[place].is_bare and place < len(words) - 1:
            return ""
        else:
            runs.append([words[place]])
        before = place
    return blank.join(_run_text(run, name, blank) for run in runs)


def _run_text(run: Sequence[_Word], name: str, blank: str) -> str:
    """Words beside each other as they are written, unless that would tear a bracket or a quotation from its end."""
    written = name[run[0].start : run[-1].end]
    is_torn = written.count('"') % 2 or any(written.count(left) != written.count(right) for left, right in _PAIRS)
    return blank.join(word.text for word in run) if is_torn else written


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
    while len(words) > 1 and _trim(words[-1]).lower() in SMALL_WORDS:
        words.pop()
    return _trim(" ".join(words))


def _cut(text: str, limit: int) -> str:
    """The longest beginning that fits and splits no visible character."""
    end = min(limit, len(text))
    while 0 < end < len(text) and _is_inside_character(text, end):
        end -= 1
    return text[:end].rstrip()


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
    """The text without punctuation and spaces at its ends."""
    end = len(text)
    while end > 0 and _is_boundary(text[end - 1]):
        end -= 1
    start = 0
    while start < end and _is_boundary(text[start]):
        start += 1
    return text[start:end]
