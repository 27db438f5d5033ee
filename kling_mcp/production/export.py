"""The library as a sheet: a cast of elements that exist, to begin an episode with, or `name -> element_id` as JSON.

The pictures of an element are not on this disk, so an exported entry is adopted by its id, with what the library knows
of it. Of several elements with one name the newest gets it, because only one can be meant by `@Name`; the others stand
beside it in comments, with their ids.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from kling_mcp.api.limits import MAX_DESCRIPTION_CHARACTERS, TAGS
from kling_mcp.concurrency.clock import iso_utc
from kling_mcp.library.catalogue import Filters
from kling_mcp.production.check_cast import ELEMENT_ID, MAX_ALIAS_CHARACTERS
from kling_mcp.production.keys import MAX_CAST, VERSION
from kling_mcp.production.model import Lock, LockedElement
from kling_mcp.production.schema import SCHEMA_URL
from kling_mcp.production.sheet_file import MAX_SHEET_BYTES
from kling_mcp.production.tree import MAX_NODES
from kling_mcp.sanitize import as_shown, clean, quote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kling_mcp.library.index import Library
    from kling_mcp.library.records import LibraryElement, Source

_PAGE_SIZE = 200
# Beyond these only names and ids fit into a sheet: an entry with all that is known has up to 18 values.
_LARGEST_BYTES = MAX_SHEET_BYTES - 10_000
_MAX_DESCRIBED = MAX_NODES // 20
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_-]*(?: [A-Za-z0-9_-]+)*", re.ASCII)
# What some reader of YAML takes for something else than text.
_NOT_PLAIN = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
# JSON leaves these as they are, and YAML allows none of them.
_UNPRINTABLE = re.compile("[\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryExport:
    """A library as files.

    Attributes:
        sheet: the text of a sheet in YAML.
        lock: what lies beside it.
        element_ids: the same cast as `name -> element_id`, in the order of the names.
        missing: names that were asked for and that no ready element has.
        doubles: names that several elements have.
        is_complete: whether everything that Kling showed was looked at.
    """

    sheet: str
    lock: Lock
    element_ids: Mapping[str, str]
    missing: tuple[str, ...] = ()
    doubles: tuple[str, ...] = ()
    is_complete: bool = True

    def element_ids_text(self) -> str:
        """`name -> element_id` as a JSON file, which is a sheet by itself."""
        return json.dumps(dict(self.element_ids), ensure_ascii=False, indent=2) + "\n"


async def export_library(
    library: Library,
    *,
    query: str = "",
    tags: Sequence[str] = (),
    names: Sequence[str] = (),
    sources: tuple[Source, ...] = ("custom",),
) -> LibraryExport:
    """The ready elements that match all that is given.

    Args:
        query: words to search for; "" is everything.
        tags: names of tags; one of them is enough.
        names: exact names, as they are shown; () is every name.

    Raises:
        KlingError: no list could be read.
    """
    filters = Filters(sources=sources, statuses=("ready",), tags=tuple(tags))
    answer = await library.search(query, filters, _PAGE_SIZE)
    found, page = list(answer.page.elements), answer.page
    while page.next_position is not None:
        page = (await library.search(query, filters, _PAGE_SIZE, page.next_position)).page
        found += page.elements
    wanted = {as_shown(name): name for name in names}
    chosen = [element for element in found if not wanted or as_shown(element.element_name) in wanted]
    has = {as_shown(element.element_name) for element in chosen}
    missing = tuple(name for shown, name in wanted.items() if shown not in has)
    return export_elements(chosen, missing=missing, is_complete=answer.is_complete)


def export_elements(
    elements: Sequence[LibraryElement], *, missing: tuple[str, ...] = (), is_complete: bool = True
) -> LibraryExport:
    """The files for these elements. Those without an id or a name that a prompt could use are left out."""
    by_name: dict[str, dict[str, LibraryElement]] = {}
    for element in sorted(elements, key=lambda element: (-element.created_at_ms, element.element_id)):
        name = as_shown(element.element_name)
        if ELEMENT_ID.fullmatch(element.element_id) and 0 < len(name) <= MAX_ALIAS_CHARACTERS:
            by_name.setdefault(name, {}).setdefault(element.element_id, element)
    cast = {name: list(by_name[name].values()) for name in sorted(by_name, key=lambda name: (name.casefold(), name))}
    return LibraryExport(
        sheet=_sheet(cast, missing, is_complete=is_complete),
        lock=Lock(cast=MappingProxyType({name: _locked(same[0]) for name, same in cast.items()})),
        element_ids=MappingProxyType({name: same[0].element_id for name, same in cast.items()}),
        missing=missing,
        doubles=tuple(name for name, same in cast.items() if len(same) > 1),
        is_complete=is_complete,
    )


def _locked(element: LibraryElement) -> LockedElement:
    return LockedElement(
        element_id=element.element_id,
        element_name=as_shown(element.element_name),
        task_id=element.task_id,
        external_task_id=element.external_task_id,
        made_at=iso_utc(element.created_at_ms) if element.created_at_ms else "",
    )


def _sheet(cast: Mapping[str, list[LibraryElement]], missing: tuple[str, ...], *, is_complete: bool) -> str:
    lines = [
        f"# yaml-language-server: $schema={SCHEMA_URL}",
        f"# {len(cast)} elements of the library, by name. Each exists already and is used by its id;",
        "# to make another one, put description, front and others in place of the id.",
    ]
    if not is_complete:
        lines.append("# The library could not be read in full: some elements may be missing.")
    if len(cast) > MAX_CAST:
        lines.append(f"# A sheet may hold {MAX_CAST} entries: keep those that the episode needs.")
    lines += [f"# No ready element has the name {quote(name, 60)}." for name in missing]
    lines += [f"version: {VERSION}", "cast:" if cast else "cast: {}"]
    entries = [line for name, (newest, *others) in cast.items() for line in _entry(name, newest, others)]
    if len(cast) > _MAX_DESCRIBED or sum(len(line.encode()) + 1 for line in entries) > _LARGEST_BYTES:
        entries = [f"  {_key(name)}: {_quoted(newest.element_id)}" for name, (newest, *_) in cast.items()]
    return "\n".join([*lines, *entries]) + "\n"


def _entry(name: str, element: LibraryElement, others: list[LibraryElement]) -> list[str]:
    lines = [f"  # another {clean(name, 60)}, older: {_told(other)}" for other in others]
    lines += [f"  {_key(name)}:", f"    element_id: {_quoted(element.element_id)}"]
    if element.element_description:
        description = clean(element.element_description, MAX_DESCRIPTION_CHARACTERS)
        lines.append(f"    description: {_quoted(description)}")
    if tags := [tag for tag in element.tags if tag in TAGS.values()]:
        lines.append(f"    tags: [{', '.join(tags)}]")
    if element.voice_id:
        told = f"  # {clean(element.voice_name, 60)}" if element.voice_name else ""
        lines.append(f"    voice: {_quoted(element.voice_id)}{told}")
    return lines


def _told(element: LibraryElement) -> str:
    date = iso_utc(element.created_at_ms)[:10] if element.created_at_ms else ""
    description = quote(element.element_description, 60) if element.element_description else ""
    return ", ".join(filter(None, (clean(element.element_id, 40), date, description)))


def _key(name: str) -> str:
    return name if _PLAIN.fullmatch(name) and name.lower() not in _NOT_PLAIN else _quoted(name)


def _quoted(text: str) -> str:
    """A double-quoted text is the same in JSON and in YAML, but for what YAML wants escaped."""
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04X}", json.dumps(text, ensure_ascii=False))
