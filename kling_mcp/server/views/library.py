"""How callers see the library: rows, and sentences about what may be missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_mcp.concurrency.clock import iso_utc
from kling_mcp.library.list_sync import PAGE_SIZE
from kling_mcp.sanitize import clean
from kling_mcp.server.views.elements import ElementRow, TaskView, row_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.library.list_sync import SyncStatus
    from kling_mcp.library.records import LibraryElement, Source

WHOSE: dict[Source, str] = {"custom": "your list of elements", "preset": "the list of official elements"}
BYTES_A_ROW = 370  # twenty rows with their frame stay below 8 kB
_MAX_TAGS = 8
# How long descriptions and other texts may be, from generous to what always fits.
_SQUEEZES = ((120, 60), (60, 60), (30, 40), (12, 20))


def element_row_of(record: LibraryElement) -> ElementRow:
    """A record as a row; its texts cleaned and capped."""
    return ElementRow(
        element_id=clean(record.element_id, 80),
        element_name=clean(record.element_name, 60),
        element_description=clean(record.element_description, 120),
        reference_type=record.reference_type,
        tags=[tag for tag in (clean(tag, 40) for tag in record.tags[:_MAX_TAGS]) if tag],
        voice_id=clean(record.voice_id, 80),
        voice_name=clean(record.voice_name, 60),
        owned_by=clean(record.owned_by, 40),
        status=record.status,
        task_id=clean(record.task_id, 80),
        created_at=iso_utc(record.created_at_ms),
    )


def record_view(record: LibraryElement, *, warnings: Sequence[str] = ()) -> TaskView:
    """A record with an element, shown like the task that created it."""
    return TaskView(
        task_id=clean(record.task_id, 80),
        external_task_id=clean(record.external_task_id, 128),
        task_status="succeed",
        task_status_msg="",
        outcome="",
        element_ids=[clean(record.element_id, 80)],
        elements=[element_row_of(record)],
        waited_seconds=0.0,
        units_deducted="",
        created_at=iso_utc(record.created_at_ms),
        updated_at="",
        warnings=list(warnings),
        next_step="",
    )


def rows_text(rows: Sequence[ElementRow]) -> list[str]:
    """One line per row; texts are shortened if all lines together would be too long."""
    lines: list[str] = []
    for description, other in _SQUEEZES:
        lines = [row_text(_squeezed(row, description, other)) for row in rows]
        if sum(len(line.encode()) + 1 for line in lines) <= BYTES_A_ROW * len(rows):
            break
    return lines


def _squeezed(row: ElementRow, description: int, other: int) -> ElementRow:
    return row.model_copy(
        update={
            "element_description": clean(row.element_description, description),
            "element_name": clean(row.element_name, other),
            "voice_name": clean(row.voice_name, other),
            "owned_by": clean(row.owned_by, other),
            "tags": [clean(tag, other) for tag in row.tags],
        }
    )


def condition_notes(conditions: Sequence[SyncStatus]) -> list[str]:
    """Why something may be missing, and what to do about it; empty if nothing is."""
    return [note for condition in conditions for note in _notes_on(condition)]


def _notes_on(condition: SyncStatus) -> list[str]:
    state, whose = condition.progress, WHOSE[condition.source]
    notes: list[str] = []
    if condition.is_first_reading and state.next_page > 1:
        entries = (state.next_page - 1) * PAGE_SIZE
        notes.append(
            f"Only the first {entries} entries of {whose} have been read so far; repeat the same call to continue."
        )
    if state.failed_pages:
        pages = ", ".join(map(str, state.failed_pages[:10]))
        what = f"Page {pages}" if len(state.failed_pages) == 1 else f"Pages {pages}"
        notes.append(f"{what} of {whose} ({PAGE_SIZE} entries each) could not be read; call again later.")
    if condition.failure is not None:
        known = f"; this is as of {iso_utc(int(state.first_page_at * 1000))}" if state.first_page_at else ""
        notes.append(f"{whose[0].upper()}{whose[1:]} could not be read just now{known}. {condition.failure.message}")
    elif condition.is_behind:
        moment = iso_utc(int(state.completed_at * 1000))
        notes.append(f"{whose[0].upper()}{whose[1:]} was last fully read at {moment}; newer entries are included.")
    if state.is_doubtful:
        notes.append(
            f"{whose[0].upper()}{whose[1:]} grew while it was being read; repeat the same call to read it again."
        )
    if state.unreadable:
        notes.append(f"{state.unreadable} entries of {whose} could not be understood and were left out.")
    if state.is_cut:
        notes.append(f"Kling shows at most {PAGE_SIZE * 1000} entries of a list; the others are unknown here.")
    return notes
