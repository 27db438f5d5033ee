"""Sentences about what may be missing in an answer from the library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_mcp.concurrency.clock import iso_utc
from kling_mcp.library.list_sync import PAGE_SIZE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.library.list_sync import SyncStatus
    from kling_mcp.library.records import Source

WHOSE: dict[Source, str] = {"custom": "your list of elements", "preset": "the list of official elements"}


def sync_notes(statuses: Sequence[SyncStatus]) -> list[str]:
    """Why something may be missing, and what to do about it; empty if nothing is."""
    return [note for status in statuses for note in _notes_on(status)]


def _notes_on(status: SyncStatus) -> list[str]:
    state, whose = status.progress, WHOSE[status.source]
    notes: list[str] = []
    if status.is_first_reading and state.next_page > 1:
        entries = (state.next_page - 1) * PAGE_SIZE
        notes.append(
            f"Only the first {entries} entries of {whose} have been read so far; repeat the same call to continue."
        )
    if state.failed_pages:
        pages = ", ".join(map(str, state.failed_pages[:10]))
        what = f"Page {pages}" if len(state.failed_pages) == 1 else f"Pages {pages}"
        notes.append(f"{what} of {whose} ({PAGE_SIZE} entries each) could not be read; call again later.")
    if status.failure is not None:
        known = f"; this is as of {iso_utc(int(state.first_page_at * 1000))}" if state.first_page_at else ""
        notes.append(f"{whose[0].upper()}{whose[1:]} could not be read just now{known}. {status.failure.message}")
    elif status.is_behind:
        moment = iso_utc(int(state.completed_at * 1000))
        notes.append(f"The last full read of {whose} was at {moment}; newer entries are included.")
    if state.is_doubtful:
        notes.append(f"New entries arrived while {whose} was being read; repeat the same call to read it again.")
    if state.unreadable:
        notes.append(f"{state.unreadable} entries of {whose} could not be understood and were left out.")
    if state.is_cut:
        notes.append(f"Kling shows at most {PAGE_SIZE * 1000} entries of a list; the others are unknown here.")
    return notes
