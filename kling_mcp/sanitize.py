"""Makes text from outside (Kling, a library entry, a file name) safe to show.

Such text is data: control and direction-changing characters are removed, its length is capped and it is
quoted, so that it can neither break a line, nor hide, nor pass for our own words.
"""

from __future__ import annotations

import re
import unicodedata

_PLAIN_WORD = re.compile(r"[\w.:@+-]+")

# Direction overrides and isolates, zero-width and invisible characters, tags block, BOM, interlinear marks.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufeff\uffa0\ufff9-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f]"
)
# Joiners and variation selectors change how many scripts and emoji look, but show nothing beside plain letters.
_JOINS_NOTHING = re.compile(
    "(?:(?<=[\x00-\x7f])|\\A)[\u200c\u200d\ufe00-\ufe0f]+|(?<![\u200c\u200d])[\u200c\u200d]++(?=[\x00-\x7f]|\\Z)"
)
# All of Unicode's control characters, line and paragraph separators, and lone surrogates (Cc, Zl, Zp, Cs); these
# categories are closed. A pattern, because a list of rows has thousands of characters, and checking each is slow.
_BREAKING = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def clean(text: str, limit: int = 200) -> str:
    """One line of at most `limit` characters, without control, direction or invisible characters.

    The zero-width joiner and non-joiner stay: emoji and several scripts need them.
    """
    if len(text) <= limit and _is_plain(text):
        return text  # nearly every text, and a list of rows has hundreds of them
    # Nothing beyond this point can survive the cap, so a huge text costs little.
    text = _visible(text[: limit * 4 + 64])
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def as_shown(text: str) -> str:
    """What a reader sees of a text: two texts that look the same give the same.

    Composed (NFC), white space as single blanks, nothing invisible. Letters that only resemble each other stay apart.
    """
    if _is_plain(text):
        return text
    text = unicodedata.normalize("NFC", _visible(text))
    # Again, because a removed character may have stood between two blanks, or between a letter and its accent.
    return unicodedata.normalize("NFC", " ".join(_JOINS_NOTHING.sub("", text).split()))


def _is_plain(text: str) -> bool:
    """Whether nothing in the text needs to be changed."""
    return text.isascii() and text.isprintable() and "  " not in text and text == text.strip()


def _visible(text: str) -> str:
    return " ".join(_BREAKING.sub(" ", _INVISIBLE.sub("", text)).split())


def without_invisible(text: str) -> str:
    """The text without direction marks and other invisible characters."""
    return _INVISIBLE.sub("", text)


def trim(text: str) -> str:
    """The text without white space and invisible characters at both ends, as copying a path may add them."""
    begin, end = 0, len(text)
    while begin < end and (text[begin].isspace() or _INVISIBLE.match(text[begin])):
        begin += 1
    while begin < end and (text[end - 1].isspace() or _INVISIBLE.match(text[end - 1])):
        end -= 1
    return text[begin:end]


def quote(text: str, limit: int = 200) -> str:
    """`clean` text between double quotes; inner double quotes become typographic ones."""
    return '"' + clean(text, limit).replace('"', "”") + '"'


def identifier(text: str, limit: int = 80) -> str:
    """An id or other single word as it is; anything else in quotes."""
    text = clean(text, limit)
    return text if _PLAIN_WORD.fullmatch(text) else quote(text, limit)
