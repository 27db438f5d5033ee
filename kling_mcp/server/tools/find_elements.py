"""`find_elements`: search the whole library, own and official elements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from kling_mcp.api.limits import TAGS
from kling_mcp.errors import InputError
from kling_mcp.library.catalogue import Filters, Position
from kling_mcp.library.folding import fold
from kling_mcp.sanitize import clean, identifier, quote
from kling_mcp.server.arguments import ToolArguments
from kling_mcp.server.gallery import GALLERY_URI, page_data
from kling_mcp.server.tool import READS, Answer, tool
from kling_mcp.server.tool_context import ToolContext
from kling_mcp.server.tools._cursor import bad_cursor, make_cursor, read_cursor
from kling_mcp.server.views.elements import ElementRow, element_row, rows_text
from kling_mcp.server.views.library import sync_notes
from kling_mcp.server.views.search_notes import notes_on_hits, refusal_notes
from kling_mcp.server.views.view import View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.library.catalogue import SearchPage, Spelling
    from kling_mcp.library.index import Library
    from kling_mcp.library.records import LibraryElement, Source
    from kling_mcp.server.views.pictures import RenderedPictures

_SOURCES: dict[str, tuple[Source, ...]] = {"custom": ("custom",), "preset": ("preset",), "all": ("custom", "preset")}
_SPELLINGS: dict[str, Spelling] = {"e": "exact", "b": "begun", "c": "corrected", "s": "similar"}
_MAX_TAGS = 20  # Kling's page has eight


class FindElementsArguments(ToolArguments):
    """What to search for, and how much to return."""

    query: str = Field("", max_length=200, description="Words of name or description, or an id")
    tags: list[str] = Field(default_factory=list, description="Such as Character or Item")
    source: Literal["custom", "preset", "all"] = Field("custom", description="custom: your own, preset: official")
    status: Literal["ready", "pending", "failed", "deleted", "any"] = "ready"
    has_voice: Literal["any", "yes", "no"] = "any"
    limit: int = Field(20, ge=1, le=100)
    cursor: str = Field("", description="Previous next_cursor; all else unchanged")
    pictures: bool = Field(False, description="With thumbnails")


class FoundView(View):
    """One page of results."""

    SHOWN = ("elements", "next_cursor", "complete")

    elements: list[ElementRow]
    total: int
    by_tag: dict[str, int]
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
    is_long=True,
)
async def find_elements(arguments: FindElementsArguments, call: ToolContext) -> Answer:
    """Search your library by words, tags, voice or id; tolerates typos. No query: newest first.
    Check here before creating. Known id or exact name: get_element."""
    account = call.account
    library = account.library
    filters = await _filters(arguments, library)
    after = _position(arguments) if arguments.cursor.strip() else None
    found = await library.search(arguments.query, filters, arguments.limit, after)
    shared = await library.catalogue.shared_names([record.element_name for record in found.page.elements])
    shown = await _pictures(call, found.page.elements) if arguments.pictures else None
    notes = [*sync_notes(found.sync), *(shown.notes if shown else ())]
    next_position = found.page.next_position
    query = arguments.query.strip()
    if after is None:
        notes += await notes_on_hits(
            library.catalogue,
            query,
            filters,
            found.page,
            is_last=next_position is None,
            is_complete=found.is_complete,
        )
    notes += await refusal_notes(account, found.page.elements)
    view = FoundView(
        elements=[element_row(record) for record in found.page.elements],
        total=found.page.total,
        by_tag=await _by_tag(library, query, filters, found.page),
        next_cursor=make_cursor(_as_values(next_position), _bound(arguments)) if next_position else "",
        duplicate_names=[clean(name, 60) for name in shared],
        complete=found.is_complete,
        notes=notes,
    )
    for_page = await page_data(account.thumbnails, found.page.elements) if call.caller.shows_pages else None
    return Answer(view, _text(view, arguments), shown.blocks if shown else (), for_page)


async def _pictures(call: ToolContext, elements: Sequence[LibraryElement]) -> RenderedPictures | None:
    """Of these elements, where the caller can show them."""
    from kling_mcp.server.views.pictures import render_pictures  # noqa: PLC0415 - most searches show none

    return await render_pictures(call.account.thumbnails, elements) if call.caller.shows_pictures else None


async def _filters(arguments: FindElementsArguments, library: Library) -> Filters:
    """Raises InputError for a tag that neither Kling's page nor the library knows."""
    return Filters(
        sources=_SOURCES[arguments.source],
        statuses=() if arguments.status == "any" else (arguments.status,),
        tags=tuple([await _tag(tag, place, library) for place, tag in enumerate(arguments.tags)]),
        has_voice=arguments.has_voice,
    )


async def _tag(given: str, place: int, library: Library) -> str:
    from kling_mcp.elements.text_rules import tag_id  # noqa: PLC0415 - most searches name no tag

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


async def _by_tag(library: Library, query: str, filters: Filters, page: SearchPage) -> dict[str, int]:
    """How many of all hits have each tag, by the name that Kling's page gives it; most first."""
    counts = await library.catalogue.tag_counts(query, filters, page.spelling) if page.total else {}
    names = {fold(name): name for name in TAGS.values()}
    most_first = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return {names.get(tag, clean(tag, 40)): count for tag, count in most_first[:_MAX_TAGS]}


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
    by_tag = ", ".join(f"{identifier(tag)} {count}" for tag, count in view.by_tag.items())
    lines = [
        f"{of} element{'' if of == '1' else 's'} ({what}); total={view.total} complete={str(view.complete).lower()}",
        f"by_tag: {by_tag}" if by_tag else "",
        *rows_text(view.elements),
        f"duplicate_names: {names}; use element_id to tell them apart." if names else "",
        *(f"Note: {note}" for note in view.notes),
        f"More: call again with cursor={view.next_cursor}" if view.next_cursor else "",
    ]
    return "\n".join(line for line in lines if line)
