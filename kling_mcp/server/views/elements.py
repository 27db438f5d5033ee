"""Elements as callers see them: rows and pages, each with a short text with the same facts.

Text that comes from Kling is cleaned and capped here, once, for both forms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from kling_mcp.concurrency.clock import iso_utc
from kling_mcp.library.records import ElementStatus
from kling_mcp.sanitize import clean, identifier, quote
from kling_mcp.server.views.view import View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.library.records import LibraryElement

LAST_PAGE_NUM = 1000  # fact: list-range
BYTES_A_ROW, FEW_ROWS = 215, 20  # twenty rows with their frame stay below 5 kB
BYTES_OF_NOTES = 600
_NAME, _DESCRIPTION, _ID, _OWNER, _TAG = 60, 120, 80, 40, 40
_DATE = len("2026-11-27")
_MAX_TAGS = 8
# How long descriptions and other texts of rows that are too long as they are may be, down to what always fits.
_SQUEEZES = ((80, 60), (60, 60), (40, 60), (25, 40), (8, 20))
_ENOUGH_FOR_A_VOICE = 60  # where descriptions are shorter than that, a voice is its id


class ElementRow(View):
    """One element, or a task that has none yet."""

    element_id: str
    element_name: str
    element_description: str
    reference_type: str
    tags: list[str]
    voice_id: str
    voice_name: str
    owned_by: str
    status: ElementStatus
    task_id: str
    created_at: str


class ElementPage(View):
    """One page of a list. `notes` say why Kling refused what has failed."""

    SHOWN: ClassVar[tuple[str, ...]] = ("elements", "has_more")

    elements: list[ElementRow]
    page_num: int
    page_size: int
    has_more: bool
    notes: list[str]


def element_row(record: LibraryElement) -> ElementRow:
    """A record as a row; its texts cleaned and capped."""
    return ElementRow(
        element_id=clean(record.element_id, _ID),
        element_name=clean(record.element_name, _NAME),
        element_description=clean(record.element_description, _DESCRIPTION),
        reference_type=record.reference_type,
        tags=[tag for tag in (clean(tag, _TAG) for tag in record.tags[:_MAX_TAGS]) if tag],
        voice_id=clean(record.voice_id, _ID),
        voice_name=clean(record.voice_name, _NAME),
        owned_by=clean(record.owned_by, _OWNER),
        status=record.status,
        task_id=clean(record.task_id, _ID),
        created_at=iso_utc(record.created_at_ms),
    )


def row_text(row: ElementRow, *, task_id: str = "", created_at: str = "") -> str:
    """One line with every fact of the row that is not empty, without the task and time that are told beside it."""
    facts = [
        row.element_id and f"element_id={identifier(row.element_id)}",
        row.element_name and f"name={quote(row.element_name, _NAME)}",
        f"status={row.status}",
        row.reference_type,
        row.tags and f"tags={', '.join(map(identifier, row.tags))}",
        row.voice_id and f"voice={identifier(row.voice_id)}",
        row.element_id and not row.voice_id and "voice=none",
        row.voice_name and f"voice_name={quote(row.voice_name, _NAME)}",
        row.owned_by and f"owned_by={identifier(row.owned_by)}",
        row.task_id not in {"", task_id} and f"task={identifier(row.task_id)}",
        row.created_at not in {"", created_at} and f"created={row.created_at}",
        row.element_description and f"description={quote(row.element_description, _DESCRIPTION)}",
    ]
    return "- " + "; ".join(fact for fact in facts if fact)


def _short_text(row: ElementRow) -> str:
    """One line with what tells a row of a list from others; get_element has the rest."""
    is_made = bool(row.element_id)
    facts = [
        f"element_id={identifier(row.element_id)}" if is_made else f"task_id={identifier(row.task_id)}",
        row.element_name and f"name={quote(row.element_name, _NAME)}",
        f"status={row.status}",
        row.reference_type,
        row.tags and f"tags={', '.join(map(identifier, row.tags))}",
        is_made and f"voice={_voice(row)}",
        row.created_at and f"created={row.created_at[:_DATE]}",
        row.element_description and f"description={quote(row.element_description, _DESCRIPTION)}",
    ]
    return "- " + "; ".join(fact for fact in facts if fact)


def _voice(row: ElementRow) -> str:
    """Its id, and its name if that is known: a person knows no ids."""
    named = f" {quote(row.voice_name, _NAME)}" if row.voice_name else ""
    return f"{identifier(row.voice_id)}{named}" if row.voice_id else "none"


def rows_text(rows: Sequence[ElementRow]) -> list[str]:
    """One short line per row; texts are shortened if all lines together would be too long."""
    lines = [_short_text(row) for row in rows]
    for description, other in _SQUEEZES:
        if sum(len(line.encode()) + 1 for line in lines) <= BYTES_A_ROW * max(len(rows), FEW_ROWS):
            break
        lines = [_short_text(_squeezed(row, description, other)) for row in rows]
    return lines


def _squeezed(row: ElementRow, description: int, other: int) -> ElementRow:
    return row.model_copy(
        update={
            "element_description": clean(row.element_description, description),
            "element_name": clean(row.element_name, other),
            "voice_name": row.voice_name if description > _ENOUGH_FOR_A_VOICE else "",
            "tags": [clean(tag, other) for tag in row.tags],
        }
    )


def page_view(records: Sequence[LibraryElement], page_num: int, page_size: int, *, is_full: bool) -> ElementPage:
    """One page, never more than was asked for. There is no total; a full one may have a next. fact: list-no-total"""
    return ElementPage(
        elements=[element_row(record) for record in records[:page_size]],
        page_num=page_num,
        page_size=page_size,
        has_more=is_full and page_num < LAST_PAGE_NUM,
        notes=[],
    )


def page_text(view: ElementPage, what: str) -> str:
    """The rows of a page, and how to get the next."""
    head = f"{len(view.elements)} {what} on page_num={view.page_num} (page_size={view.page_size})."
    more = (
        f"has_more=true: call again with page_num={view.page_num + 1}."
        if view.has_more
        else "has_more=false: this is the last page."
    )
    return "\n".join([head, *rows_text(view.elements), *(f"Note: {note}" for note in view.notes), more])


def room_for_notes(text: str, rows: int) -> int:
    """How many bytes notes may have below a page of so many rows, so that twenty rows stay below 5 kB."""
    return BYTES_OF_NOTES + BYTES_A_ROW * max(rows, FEW_ROWS) - len(text.encode())
