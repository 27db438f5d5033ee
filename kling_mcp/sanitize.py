"""Makes text from outside (Kling, a library entry, a file name) safe to show.

Such text is data: control and direction-changing characters are removed, its length is capped and it is
quoted, so that it can neither break a line, nor hide, nor pass for our own words.
"""

from __future__ import annotations

import re
import unicodedata

_MAX_TRIMMED = 1000
_PLAIN_WORD = re.compile(r"[\w.:@+-]+")

# Direction overrides and isolates, zero-width and invisible characters, tags block, BOM, interlinear marks.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f]"
)
# All of Unicode's control characters, line and paragraph separators, and lone surrogates (Cc, Zl, Zp, Cs); these
# categories are closed. A pattern, because a list of rows has thousands of characters, and checking each is slow.
# Blank although they are no white space: Hangul fillers and the empty Braille pattern.
_BREAKING = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u2800\u3164\uffa0\ud800-\udfff]")
_QUOTE, _OPENS = re.compile('"'), re.compile(r'(?:(?<=[\s(\[{:—–-])|\A)"')
_MAX_PASSES = 8
_MAX_COMPARED = 2000
_JOINERS = re.compile("[\u200c\u200d]")
# Joiners and variation selectors show nothing after plain letters, nor at the beginning.
_ADDS_NOTHING = re.compile("(?:(?<=[\x00-\x7f])|\\A)[\u200c\u200d\ufe00-\ufe0f]+")


def clean(text: str, limit: int = 200) -> str:
    """One line of at most `limit` characters, without control, direction or invisible characters.

    The zero-width joiner and non-joiner stay: emoji and several scripts need them.
    """
    if len(text) <= limit and text.isascii() and text.isprintable() and "  " not in text and text == text.strip():
        return text  # nearly every text, and a list of rows has hundreds of them
    # Nothing beyond this point can survive the cap, so a huge text costs little.
    text = text[: limit * 4 + 64]
    text = " ".join(_BREAKING.sub(" ", _INVISIBLE.sub("", text)).split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def as_shown(name: str) -> str:
    """A name as a person sees it, for comparing: composed (NFC), white space folded, without invisible characters.

    Names that look the same are equal here. A name that an answer showed is equal to the one that it stands for,
    whose double quotes became typographic. Only the first `_MAX_COMPARED` characters count, far more than a name has:
    composing a long run of accents takes quadratic time.
    """
    name = name[:_MAX_COMPARED]
    if name.isascii() and name.isprintable() and "  " not in name and name == name.strip():
        return name.replace('"', "”")
    text, before = name, ""
    for _ in range(_MAX_PASSES):  # what is removed may bring neighbours together that then look like less
        if text == before:
            break
        text, before = _visible_only(text), text
    return text.replace('"', "”")


def _visible_only(text: str) -> str:
    text = unicodedata.normalize("NFC", " ".join(_BREAKING.sub(" ", _INVISIBLE.sub("", text)).split()))
    text = _ADDS_NOTHING.sub("", text)
    return _JOINERS.sub(lambda found: found[0] if _joins(text, found.start()) else "", text)


def _joins(text: str, place: int) -> bool:
    """Whether the joiner at this place changes how its neighbours look: emoji, Arabic, Indic and related scripts."""
    return 0 < place < len(text) - 1 and _can_join(text[place - 1]) and _can_join(text[place + 1])


def _can_join(character: str) -> bool:
    kind = unicodedata.category(character)
    return kind[0] in "MS" or (kind == "Lo" and unicodedata.east_asian_width(character) not in "WF")


def without_invisible(text: str) -> str:
    """The text without direction marks and other invisible characters."""
    return _INVISIBLE.sub("", text)


def trim(text: str) -> str:
    """The text without white space and invisible characters at both ends, as copying a path may add them.

    Copying adds a few: of more than `_MAX_TRIMMED`, the rest stays.
    """
    text = text.strip()
    begin, end = 0, len(text)
    while begin < min(end, _MAX_TRIMMED) and (text[begin].isspace() or _INVISIBLE.match(text[begin])):
        begin += 1
    least = max(begin, len(text) - _MAX_TRIMMED)
    while end > least and (text[end - 1].isspace() or _INVISIBLE.match(text[end - 1])):
        end -= 1
    return text[begin:end]


def quote(text: str, limit: int = 200) -> str:
    """`clean` text between double quotes; inner double quotes become typographic ones."""
    return '"' + clean(text, limit).replace('"', "”") + '"'


def quote_prose(text: str, limit: int = 200) -> str:
    """The same for sentences, whose inner quotes open and close; a name is never shown so, because it may come back."""
    return '"' + _QUOTE.sub("”", _OPENS.sub("“", clean(text, limit))) + '"'


def identifier(text: str, limit: int = 80) -> str:
    """An id or other single word as it is; anything else in quotes."""
    text = clean(text, limit)
    return text if _PLAIN_WORD.fullmatch(text) else quote(text, limit)
