"""Names of elements that a text says without an @: Kling would make the result without them, and bill it.

It reads the local index, and sends nothing.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from kling_mcp.api.limits import MAX_NAME_CHARACTERS
from kling_mcp.errors import StorageError
from kling_mcp.generation.draft import VideoDraft
from kling_mcp.sanitize import clean, quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kling_mcp.generation.draft import ImageDraft
    from kling_mcp.library.index import Library
    from kling_mcp.library.records import LibraryElement

WORD = re.compile(r"\w+")
OTHER_MENTION = re.compile(r"@(?:\{[^{}\n]*\}|\w+)")
_SHORTEST_NAME = 3
_MAX_NOTES = 3
_MAX_CHARACTERS = 8000
_SHOWN = 60


class NameInText:
    """A name as a text says it: as it is written, in capitals as screenplays have it, or in `any_case`.

    In lower case it may be a plain word: a kitchen is not always the Kitchen. Scripts without letter case may have no
    spaces between words, either. `start` is its first word in lower case; "" where that may be a part of another word.
    """

    def __init__(self, name: str, *, any_case: bool = False) -> None:
        self.name = name
        is_word = name.lower() != name.upper() or len(name) == 1
        first = WORD.match(name)
        self.start = first[0].lower() if first and is_word else ""
        any_form = "|".join(map(re.escape, dict.fromkeys([name, name.upper()])))
        flags = re.IGNORECASE if any_case else 0
        self.plain = re.compile(rf"(?<!\w)(?:{any_form})(?!\w)" if is_word else any_form, flags)
        self.marked = re.compile(rf"@\{{?\s*(?:{any_form})", flags)


def find_plain(text: str, names: Iterable[NameInText]) -> list[NameInText]:
    """Those of these names that a text says without an @, longest first; a shorter name inside one is not meant."""
    longest_first = sorted(names, key=lambda name: -len(name.name))
    for name in longest_first:
        text = name.marked.sub(" ", text)
    text = OTHER_MENTION.sub(" ", text)
    found = []
    for name in longest_first:
        if name.plain.search(text):
            text = name.plain.sub(" ", text)
            found.append(name)
    return found


async def unmarked_notes(library: Library, draft: VideoDraft | ImageDraft, used: Sequence[LibraryElement]) -> list[str]:
    """A note for each element of one's own whose name a text says without an @, up to a few; never an error."""
    shots = draft.shots if isinstance(draft, VideoDraft) else ()
    text = "\n".join([draft.prompt, *shots])[:_MAX_CHARACTERS]
    known: Sequence[str] = ()
    with suppress(StorageError):
        known = await library.catalogue.own_names_among(_phrases(text))
    its_own = [element.element_name for element in used]
    names = [NameInText(name, any_case=True) for name in dict.fromkeys([*known, *its_own])]
    told = [
        name.name
        for name in find_plain(text, names)
        if name.name not in its_own and len(name.name.strip()) >= _SHORTEST_NAME
    ]
    told.sort(key=lambda name: text.lower().find(name.lower()))
    return [
        f"The text says {quote(name, _SHOWN)} without @, so the element of that name is not used: write "
        f"@{clean(name, _SHOWN)} if it is meant."
        for name in told[:_MAX_NOTES]
    ]


def _phrases(text: str) -> list[str]:
    """Every run of whole words that is as short as a name."""
    words = [word.span() for word in WORD.finditer(text)]
    phrases: dict[str, None] = {}
    for place, (start, _) in enumerate(words):
        for _, end in words[place:]:
            if end - start > MAX_NAME_CHARACTERS:
                break
            if end - start >= _SHORTEST_NAME:
                phrases[text[start:end]] = None
    return list(phrases)
