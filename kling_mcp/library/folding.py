"""Text for comparison: folded for case, accents and width, and split into tokens. Pure.

Scripts without spaces between words (Chinese, Japanese, Thai and others) and pictographs are split into overlapping
pairs, so that any substring can be found: a pair is a token, a longer substring is a phrase of pairs, and a single
character is the prefix of a pair.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from kling_mcp.sanitize import as_shown

MAX_TOKEN_CHARACTERS = 48
# No name, description, query or id is longer. Unicode's normal forms take quadratic time on a run of marks.
MAX_FOLDED_CHARACTERS = 2000

# Letters that Unicode does not decompose into a letter and a mark.
_PLAIN = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "ŧ": "t", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"}
)
# Written without spaces: Thai to Myanmar, Khmer, Hangul, kana, Han with its extensions.
_DENSE_RANGES = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1100, 0x11FF),
    (0x1780, 0x17FF),
    (0x2E80, 0x2FDF),
    (0x3005, 0x3007),
    (0x3040, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0xA4CF),
    (0xAC00, 0xD7FF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
_DENSE = "".join(f"{chr(low)}-{chr(high)}" for low, high in _DENSE_RANGES)
_ASCII_WORDS = re.compile(r"[a-z0-9]+")
_SPLIT_DENSE = re.compile(f"([{_DENSE}]+)")
_VARIATION_SELECTORS = dict.fromkeys([*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)])


@dataclass(frozen=True, slots=True)
class Run:
    """A word, or a run of characters written without spaces. `is_dense` says which."""

    text: str
    is_dense: bool


def fold(text: str) -> str:
    """Folded for width (NFKC), case and accents. Marks that change a vowel or a consonant stay, as letters.

    Only the first `MAX_FOLDED_CHARACTERS` count.
    """
    text = text[:MAX_FOLDED_CHARACTERS]
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKC", text).casefold().translate(_PLAIN)
    apart = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", "".join(c for c in apart if not _is_accent(c)))


def _is_accent(character: str) -> bool:
    """Accents, Hebrew points and Arabic vowels, by combining class; not viramas, voicing marks or Thai vowels."""
    place = unicodedata.combining(character)
    return 10 <= place <= 36 or place >= 200


def runs(text: str) -> list[Run]:
    """The words and dense runs of a text, in order, folded. Invisible characters separate nothing."""
    folded = fold(text if text.isascii() else as_shown(text))
    if folded.isascii():
        return [Run(word[:MAX_TOKEN_CHARACTERS], False) for word in _ASCII_WORDS.findall(folded)]
    found: list[Run] = []
    for place, part in enumerate(_SPLIT_DENSE.split(folded.translate(_VARIATION_SELECTORS))):
        if place % 2:
            found.append(Run(part, True))
        else:
            found.extend(_words_and_symbols(part))
    return found


def _words_and_symbols(text: str) -> list[Run]:
    found: list[Run] = []
    for is_symbol, start, end in _stretches(text):
        piece = text[start:end]
        found.append(Run(piece, True) if is_symbol else Run(piece[:MAX_TOKEN_CHARACTERS], False))
    return found


def _stretches(text: str) -> list[tuple[bool, int, int]]:
    """The positions of words and pictographs: (is pictographs, start, end)."""
    found: list[tuple[bool, int, int]] = []
    start, kind = 0, ""
    for place, character in enumerate(f"{text} "):
        now = _kind(character)
        if now == kind:
            continue
        if kind:
            found.append((kind == "S", start, place))
        start, kind = place, now
    return found


def _kind(character: str) -> str:
    """`W` for word characters, `S` for pictographs and other non-ASCII symbols, "" for separators."""
    if character.isalnum():
        return "W"
    category = unicodedata.category(character)
    if category[0] == "M" or category == "Co":
        return "W"
    return "S" if category[0] == "S" and not character.isascii() else ""


def tokens(text: str) -> list[str]:
    """The index tokens of a text. Each has only a-z, 0-9 and non-ASCII characters."""
    found: list[str] = []
    for run in runs(text):
        found.extend(pairs(run.text) if run.is_dense else [run.text])
    return found


def is_dense(token: str) -> bool:
    """Whether a token comes from a script without spaces, or is a pictograph."""
    return not token.isascii() and runs(token)[0].is_dense


def pairs(dense: str) -> list[str]:
    """Each character with the next one; the last one by itself."""
    return [dense[place : place + 2] for place in range(len(dense))]


def name_key(name: str) -> str:
    """A key that ignores case, accents, width and punctuation; "" only for a name that shows nothing."""
    shown = as_shown(name)
    return " ".join(tokens(shown)) or " ".join(fold(shown).split())
