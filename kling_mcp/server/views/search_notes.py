"""Sentences about an answer of `find_elements`: what a caller would otherwise have to guess."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kling_mcp.library.catalogue import Filters
from kling_mcp.sanitize import clean, identifier, quote
from kling_mcp.tasks.entry import ASK_FIRST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.account import Account
    from kling_mcp.library.catalogue import SearchPage
    from kling_mcp.library.records import ElementStatus, LibraryElement, Source
    from kling_mcp.library.sqlite.catalogue import SqliteCatalogue

_UNREADY: tuple[ElementStatus, ...] = ("pending", "failed", "deleted")
_NAMELESS: tuple[ElementStatus, ...] = ("pending", "failed")
_CLOSEST = 5
_EXPLAINED = 5
_OTHERS = "get_element tells the reason of each other failed one."
_MUCH_ROOM, _FRAME = 100_000, 10  # bytes; those around a note
_SHOWN = 60
# What is reported of the two libraries is the fact library-web-separate.
_EMPTY = (
    "This account's API library is empty; elements made on Kling's web site are reported not to appear here. "
    "source=preset shows the official elements, which every account can use."
)


async def notes_on_hits(
    catalogue: SqliteCatalogue, query: str, filters: Filters, hits: SearchPage, *, is_last: bool, is_complete: bool
) -> list[str]:
    """Notes on a first page: how the words matched, what the filters hide, and what no text can find.

    Args:
        is_last: whether the page holds all hits.
        is_complete: whether the library was read to its end.
    """
    notes = [_spelling_note(query, hits)] if hits.spelling != "exact" else []
    if query and (not hits.total or hits.spelling != "exact"):
        notes += await _elsewhere_notes(catalogue, query, filters)
    if is_last:
        hidden = await _hidden_notes(catalogue, query, filters)
        notes += hidden
        if query and not hits.total and not hidden:
            notes += await _closest_notes(catalogue, query, filters)
        notes += await _nameless_notes(catalogue, query, filters, has_hits=bool(hits.total))
        if not notes and not hits.total and len(query.split()) > 1:
            notes.append("An element is found only if it has all of these words; search for fewer.")
    if "custom" in filters.sources and is_complete and not (await catalogue.census()).of("custom"):
        notes.append(_EMPTY)
    return notes


def _spelling_note(query: str, hits: SearchPage) -> str:
    if hits.spelling == "begun":
        return f"No name has exactly the number in {quote(query, _SHOWN)}; these have numbers that begin with it."
    return f"Nothing matches {quote(query, _SHOWN)} as written; these are similar."


async def _hidden_notes(catalogue: SqliteCatalogue, query: str, filters: Filters) -> list[str]:
    if filters.statuses != ("ready",):
        return []
    counts = await catalogue.counts(query, [replace(filters, statuses=(status,)) for status in _UNREADY])
    told = [f"{count} {status}" for status, count in zip(_UNREADY, counts, strict=True) if count]
    if told and query:
        return [f"Not shown, because only ready elements were requested: {', '.join(told)} (use status=any)."]
    return [f"{counts[0]} still being created (status=pending)."] if counts[0] else []


async def _elsewhere_notes(catalogue: SqliteCatalogue, query: str, filters: Filters) -> list[str]:
    """What the other list has, if only one was searched."""
    if len(filters.sources) != 1:
        return []
    other: Source = "preset" if filters.sources == ("custom",) else "custom"
    (count,) = await catalogue.counts(query, [replace(filters, sources=(other,))])
    return [f"Matches with source={other}: {count}."] if count else []


async def _closest_notes(catalogue: SqliteCatalogue, query: str, filters: Filters) -> list[str]:
    """Names that are close for real, whatever their status; nothing if none is."""
    living = Filters(sources=filters.sources, statuses=("ready", "pending", "failed"))
    told = [_named(record) for record in await catalogue.near(query, living, _CLOSEST)]
    return [f"The closest names: {', '.join(told)}."] if told else []


def _named(record: LibraryElement) -> str:
    name = quote(record.element_name, _SHOWN)
    return name if record.status == "ready" else f"{name} ({record.status})"


async def _nameless_notes(catalogue: SqliteCatalogue, query: str, filters: Filters, *, has_hits: bool) -> list[str]:
    """How many tasks no text can find: Kling shows no name before the element, and they were not made from here.

    fact: empty-while-running
    """
    if not query or "custom" not in filters.sources or (has_hits and filters.statuses == ("ready",)):
        return []
    # What was asked for as ready may be one that is still being created.
    wanted = {"ready": "pending"}
    statuses = {wanted.get(status, status) for status in filters.statuses or _NAMELESS}
    counts = await catalogue.nameless("custom")
    open_counts = {status: counts[status] for status in _NAMELESS if status in statuses and counts.get(status)}
    if not open_counts:
        return []
    told = " and ".join(f"{count} {status}" for status, count in open_counts.items())
    what = "task made elsewhere, so it" if sum(open_counts.values()) == 1 else "tasks made elsewhere, so these"
    return [f"Kling shows no name for {told} {what} could not be matched."]


async def refusal_notes(account: Account, records: Sequence[LibraryElement], room: int = _MUCH_ROOM) -> list[str]:
    """Why the failed ones among these were refused, what else is known of them, and what to do.

    Args:
        room: bytes that the reasons may have in all; what does not fit is left to get_element.
    """
    failed = [record for record in records if record.status == "failed"]
    notes: list[str] = []
    room -= len(ASK_FIRST) + len(_OTHERS) + _FRAME
    for record in failed[:_EXPLAINED]:
        named = clean(record.element_name, _SHOWN)
        who = quote(named) if named else f"Task {identifier(record.task_id)}"
        why = f": {quote(record.failure_reason, 300)}" if record.failure_reason else " and gave no reason"
        known = await account.refusals.facts(record.task_id)
        told = " ".join([f"{who} was refused by Kling{why}.", *known])
        room -= len(told.encode()) + _FRAME
        if room < 0:
            break
        notes.append(told)
    if len(failed) > len(notes):
        notes.append(_OTHERS if notes else _OTHERS.replace("other ", ""))
    if failed:
        notes.append(ASK_FIRST)
    return notes
