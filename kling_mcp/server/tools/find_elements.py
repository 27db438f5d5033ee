"""`find_elements`: search the whole library, own and official elements."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from kling_mcp.api.limits import TAGS
from kling_mcp.elements.text_rules import tag_id
from kling_mcp.errors import InputError
from kling_mcp.library.catalogue import Filters, Position
from kling_mcp.library.folding import fold
from kling_mcp.sanitize import clean, quote
from kling_mcp.server.arguments import ToolArguments
from kling_mcp.server.gallery import GALLERY_URI, page_data
from kling_mcp.server.tool import READS, Answer, tool
from kling_mcp.server.tool_context import ToolContext
from kling_mcp.server.tools._cursor import bad_cursor, make_cursor, read_cursor
from kling_mcp.server.views.elements import ElementRow, element_row, rows_text
from kling_mcp.server.views.library import sync_notes
from kling_mcp.server.views.pictures import RenderedPictures, render_pictures
from kling_mcp.server.views.view import View

if TYPE_CHECKING:
    from kling_mcp.library.catalogue import Spelling
    from kling_mcp.library.index import Library, SearchAnswer
    from kling_mcp.library.records import ElementStatus, Source

_STATUSES: tuple[ElementStatus, ...] = ("pending", "failed", "deleted")
_SOURCES: dict[str, tuple[Source, ...]] = {"custom": ("custom",), "preset": ("preset",), "all": ("custom", "preset")}
_SPELLINGS: dict[str, Spelling] = {"e": "exact", "c": "corrected", "s": "similar"}
# What is reported of the two libraries is the fact library-web-separate.
_EMPTY = (
    "This account's API library is empty; elements made on Kling's web site are reported not to appear here. "
    "source=preset shows the official elements, which every account can use."
)


class FindElementsArguments(ToolArguments):
    """What to search for, and how much to return."""

    query: str = Field("", max_length=200, description="Words of the name or description, or an id")
    tags: list[str] = Field(default_factory=list, description=f"Any of {', '.join(TAGS.values())}")
    source: Literal["custom", "preset", "all"] = Field("custom", description="custom = your own, preset = official")
    status: Literal["ready", "pending", "failed", "deleted", "any"] = "ready"
    has_voice: Literal["any", "yes", "no"] = "any"
    limit: int = Field(20, ge=1, le=100)
    cursor: str = Field("", description="Previous next_cursor, other arguments unchanged")
    pictures: bool = Field(False, description="Also return thumbnails")


class FoundView(View):
    """One page of results."""

    SHOWN = ("elements", "total", "next_cursor", "complete")

    elements: list[ElementRow]
    total: int
    next_cursor: str
    duplicate_names: list[str]
    complete: bool
    notes: list[str]


@tool(
    "find_elements",
    title="Find elements",
    annotations=READS,
    arguments=FindElementsArguments,
    view=FoundView,
    page_uri=GALLERY_URI,
)
async def find_elements(arguments: FindElementsArguments, call: ToolContext) -> Answer:
    """Search your library by words, tags, voice or id; tolerates typos, best match first. No query: newest first.
    Check here before creating. For a known id or exact name: get_element."""
    account = call.account
    library = account.library
    filters = await _filters(arguments, library)
    after = _position(arguments) if arguments.cursor.strip() else None
    found = await library.search(arguments.query, filters, arguments.limit, after)
    shared = await library.catalogue.shared_names([record.element_name for record in found.page.elements])
    shown = await render_pictures(account.thumbnails, found.page.elements) if arguments.pictures else RenderedPictures()
    notes = [*sync_notes(found.sync), *shown.notes]
    if after is None:
        notes += await _notes_on_hits(arguments, filters, found, library)
    next_position = found.page.next_position
    view = FoundView(
        elements=[element_row(record) for record in found.page.elements],
        total=found.page.total,
        next_cursor=make_cursor(_as_values(next_position), _bound(arguments)) if next_position else "",
        duplicate_names=[clean(name, 60) for name in shared],
        complete=found.is_complete,
        notes=notes,
    )
    for_page = await page_data(account.thumbnails, found.page.elements) if call.shows_pages else None
    return Answer(view, _text(view, arguments), shown.blocks, for_page)


async def _filters(arguments: FindElementsArguments, library: Library) -> Filters:
    """Raises InputError for a tag that neither Kling's page nor the library knows."""
    return Filters(
        sources=_SOURCES[arguments.source],
        statuses=() if arguments.status == "any" else (arguments.status,),
        tags=tuple([await _tag(tag, place, library) for place, tag in enumerate(arguments.tags)]),
        has_voice=arguments.has_voice,
    )


async def _tag(given: str, place: int, library: Library) -> str:
    try:
        return TAGS[tag_id(given, f"tags[{place}]")]
    except InputError:
        if fold(given).strip() not in (await library.catalogue.census()).tags:
            raise
    return given


def _bound(arguments: FindElementsArguments) -> dict[str, object]:
    """What a cursor belongs to: all that decides which elements there are, and in which order."""
    return arguments.model_dump(include={"query", "tags", "source", "status", "has_voice"})


def _as_values(position: Position) -> dict[str, str | int]:
    return {"s": position.spelling[0], "l": position.layer, "p": position.place}


def _position(arguments: FindElementsArguments) -> Position:
    cursor = arguments.cursor.strip()
    values = read_cursor(cursor, _bound(arguments))
    match values:
        case {"s": str(spelling), "l": int(layer), "p": int(place)} if (
            spelling in _SPELLINGS and 0 <= layer < 10 and 0 <= place < 2**63
        ):
            return Position(_SPELLINGS[spelling], layer, place)
    raise InputError([bad_cursor(cursor, "must be the next_cursor of an earlier answer")])


async def _notes_on_hits(
    arguments: FindElementsArguments, filters: Filters, found: SearchAnswer, library: Library
) -> list[str]:
    """What a caller would otherwise have to guess: a corrected typo, and what the filters hide."""
    notes: list[str] = []
    hits, query = found.page, arguments.query.strip()
    if hits.spelling != "exact":
        notes.append(f"Nothing matches {quote(query, 60)} as written; these are similar.")
    if len(hits.elements) == arguments.limit:
        return notes
    hidden = [replace(filters, statuses=(status,)) for status in _STATUSES] if arguments.status == "ready" else []
    elsewhere: Source = "preset" if arguments.source == "custom" else "custom"
    official = replace(filters, sources=(elsewhere,))
    *hidden_counts, there = await library.catalogue.counts(query, [*hidden, official])
    told = [f"{count} {status}" for status, count in zip(_STATUSES, hidden_counts, strict=False) if count]
    if told and query:
        notes.append(f"Not shown, because only ready elements were requested: {', '.join(told)} (use status=any).")
    elif told and hidden_counts[0]:
        notes.append(f"{hidden_counts[0]} still being created (status=pending).")
    if there and query and not hits.total and arguments.source != "all":
        notes.append(f"Matches with source={elsewhere}: {there}.")
    if arguments.source != "preset" and found.is_complete and not (await library.catalogue.census()).of("custom"):
        notes.append(_EMPTY)
    return notes


def _text(view: FoundView, arguments: FindElementsArguments) -> str:
    shown = len(view.elements)
    of = f"{shown} of {view.total}" if shown != view.total else str(view.total)
    what = " ".join(
        fact
        for fact in (
            f"source={arguments.source} status={arguments.status}",
            arguments.tags and f"tags={clean(', '.join(arguments.tags), 60)}",
            arguments.has_voice != "any" and f"has_voice={arguments.has_voice}",
            arguments.query.strip() and f"query={quote(arguments.query, 60)}",
        )
        if fact
    )
    names = ", ".join(quote(name, 60) for name in view.duplicate_names)
    lines = [
        f"{of} elements ({what}); total={view.total} complete={str(view.complete).lower()}",
        *rows_text(view.elements),
        f"duplicate_names: {names}; use element_id to tell them apart." if names else "",
        *(f"Note: {note}" for note in view.notes),
        f"More: call again with cursor={view.next_cursor}" if view.next_cursor else "",
    ]
    return "\n".join(line for line in lines if line)
