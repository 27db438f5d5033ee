"""The elements that a shot names: `@Mia` means the cast's Mia, whichever other elements have that name. Pure.

In its texts and its list, a name of the cast becomes the id of its element, which is never ambiguous.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kling_mcp.generation.prompt import Prompt
from kling_mcp.sanitize import as_shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kling_mcp.generation.draft import VideoDraft


@dataclass(slots=True)
class NamedElements:
    """What a shot names.

    Attributes:
        draft: with an id for each name of the cast whose element exists.
        cast: the names of the cast, as the sheet spells them.
        others: for each other naming, the names that it could be, longest first.
    """

    draft: VideoDraft
    cast: list[str] = field(default_factory=list)
    others: list[tuple[str, ...]] = field(default_factory=list)

    def note(self, name: str) -> None:
        """The shot names this entry of the cast."""
        if name not in self.cast:
            self.cast.append(name)


def find_names(draft: VideoDraft, ids: Mapping[str, str]) -> NamedElements:
    """The elements that the shot names.

    Args:
        ids: the id of each entry of the cast, "" for one that does not exist yet.
    """
    shown = {as_shown(name): name for name in ids}
    named = NamedElements(draft)

    def in_list(text: str) -> str:
        name = shown.get(as_shown(text))
        if name is None:
            named.others.append((text,))
            return text
        named.note(name)
        return ids[name] or text

    def in_text(text: str) -> str:
        return _with_ids(text, shown, ids, named)

    named.draft = replace(
        draft,
        elements=tuple(in_list(text) for text in draft.elements),
        prompt=in_text(draft.prompt),
        shots=tuple(in_text(text) for text in draft.shots),
    )
    return named


def _with_ids(text: str, shown: Mapping[str, str], ids: Mapping[str, str], named: NamedElements) -> str:
    written: list[str] = []
    place = 0
    for mention in Prompt(text).mentions:
        if mention.media or mention.start < place:
            continue
        name, end = _of_cast(mention.names, shown)
        if not name:
            if not mention.may_be_text:
                named.others.append((*(other for other, _ in mention.names), mention.shortest(text)))
            continue
        named.note(name)
        if ids[name]:
            written += [text[place : mention.start], f"@{{{ids[name]}}}"]
            place = end
    return "".join([*written, text[place:]])


def _of_cast(names: Iterable[tuple[str, int]], shown: Mapping[str, str]) -> tuple[str, int]:
    """The longest of these that is a name of the cast, and where it ends."""
    for text, end in names:
        if name := shown.get(as_shown(text)):
            return name, end
    return "", 0
