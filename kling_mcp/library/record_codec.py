"""How a record is stored in the SQLite file: its key, its place in time, and its searchable words. Pure."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass, fields, replace
from typing import Any

from kling_mcp.library.folding import fold, is_dense, name_key, tokens
from kling_mcp.library.records import LibraryElement
from kling_mcp.sanitize import as_shown

# Facets that nearly every record has get no list of their own, which every search would walk. A query for one of
# them excludes the others of its group instead.
COMMON = frozenset({"ocustom", "sready", "vno"})

PLACES_IN_A_MILLISECOND = 4096
_LATEST_MS = 2**50
_FIELDS = [field.name for field in fields(LibraryElement)]
# A mark makes the kind of a token part of it, so that name words and facets have their own lists. No text contains
# these two control characters, because folding turns them into blanks.
NAME_MARK, FACET_MARK = "\x81", "\x82"
# A record must always give the same words, or they could not be removed from the index.
VERSION = f"3 {unicodedata.unidata_version} {' '.join(_FIELDS)}"
_LISTS = ("tags", "image_urls")
_LATER = {"pending": 0, "failed": 1, "ready": 1, "deleted": 2}


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a record in the full-text index."""

    name: str
    text: str
    facets: str

    @property
    def tokens(self) -> str:
        """All of them, in the form of the index."""
        names = [f"{NAME_MARK}{token}" for token in self.name.split()]
        return " ".join([*names, self.text, *(f"{FACET_MARK}{facet}" for facet in self.facets.split())])


def words_of(element: LibraryElement) -> Words:
    """Blank-separated tokens of the name, of all other text, and of the facets."""
    said = " ".join([element.element_description, *element.tags, element.voice_name])
    facets = [facet for facet in facets_of(element).split() if facet not in COMMON]
    return Words(" ".join(tokens(as_shown(element.element_name))), " ".join(tokens(said)), " ".join(facets))


def is_word(token: str) -> bool:
    """Whether a token can complete a prefix: not a number, and not from a script without spaces."""
    return not token.isdecimal() and not is_dense(token)


def facets_of(element: LibraryElement) -> str:
    """Source, status, voice and tags as tokens, with a blank on both sides of each."""
    voiced = voice_facet(is_voiced=bool(element.voice_id))
    tags = sorted(tag_facet(tag) for tag in element.tags)
    return f" {source_facet(element.source)} {status_facet(element.status)} {' '.join([voiced, *tags])} "


def source_facet(source: str) -> str:
    """The token of a source."""
    return f"o{source}"


def status_facet(status: str) -> str:
    """The token of a status."""
    return f"s{status}"


def voice_facet(*, is_voiced: bool) -> str:
    """The token of having a voice, or none."""
    return "vyes" if is_voiced else "vno"


def tag_facet(tag: str) -> str:
    """The token of a tag's name, ignoring case; reversible."""
    return "t" + fold(tag).strip().encode().hex()


def tag_of_facet(facet: str) -> str:
    """The folded name of a tag's token."""
    return bytes.fromhex(facet[1:]).decode()


def tags_of_facets(facets: str) -> list[str]:
    """The folded names of the tags among a record's facets."""
    return [tag_of_facet(token) for token in facets.split()[3:]]


def key_of(element: LibraryElement) -> str:
    """What makes two records the same."""
    if element.element_id:
        return f"{element.source}:e:{element.element_id}"
    return task_key(element)


def task_key(element: LibraryElement) -> str:
    """The key of a task's record while it has no element."""
    return f"{element.source}:t:{element.task_id}"


def first_place(element: LibraryElement) -> int:
    """The lowest place of the moment in which it was created."""
    return min(max(element.created_at_ms, 0), _LATEST_MS) * PLACES_IN_A_MILLISECOND


def pack(element: LibraryElement) -> str:
    """The record as it is stored."""
    return json.dumps([getattr(element, name) for name in _FIELDS], ensure_ascii=False, separators=(",", ":"))


def unpack(packed: str) -> LibraryElement:
    """The record as it was stored."""
    values: dict[str, Any] = dict(zip(_FIELDS, json.loads(packed), strict=True))
    for name in _LISTS:
        values[name] = tuple(values[name])
    return LibraryElement(**values)


def shown_name_of(element: LibraryElement) -> str:
    """The name for comparison with others."""
    return as_shown(element.element_name)


def name_key_of(element: LibraryElement) -> str:
    """The folded name."""
    return name_key(element.element_name)


def merged(new: LibraryElement, old: LibraryElement) -> LibraryElement:
    """The new record with facts that only the old one had. fact: empty-while-running

    An older page of the list may arrive late, so no record goes back to an earlier status.
    """
    if _LATER[new.status] < _LATER[old.status] and new.element_id == old.element_id:
        return old
    known = replace(
        new,
        task_id=new.task_id or old.task_id,
        external_task_id=new.external_task_id or old.external_task_id,
        created_at_ms=new.created_at_ms or old.created_at_ms,
        asked_voice_id=new.asked_voice_id or old.asked_voice_id,
    )
    if new.element_id:
        return known
    return replace(
        known,
        element_name=new.element_name or old.element_name,
        element_description=new.element_description or old.element_description,
        reference_type=new.reference_type or old.reference_type,
        tags=new.tags or old.tags,
    )
