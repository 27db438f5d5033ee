"""Each way in which a library can be incomplete is told in a sentence of its own."""

from __future__ import annotations

import pytest

from kling_mcp.errors import KlingError
from kling_mcp.library.catalogue import SyncProgress
from kling_mcp.library.list_sync import SyncStatus
from kling_mcp.server.views.library import sync_notes

WHOLE = SyncProgress(began_at=1.0, completed_at=1.0, first_page_at=1.0)


@pytest.mark.parametrize(
    ("progress", "sentence"),
    [
        (
            SyncProgress(began_at=1.0, next_page=41),
            "Only the first 20000 entries of your list of elements have been read so far",
        ),
        (
            SyncProgress(1.0, 0, 1.0, 1.0, failed_pages=(2,)),
            "Page 2 of your list of elements (500 entries each) could not be read",
        ),
        (SyncProgress(1.0, 0, 1.0, 1.0, failed_pages=(2, 5)), "Pages 2, 5 of your list of elements"),
        (
            SyncProgress(1.0, 0, 1.0, 1.0, is_doubtful=True),
            "New entries arrived while your list of elements was being read",
        ),
        (SyncProgress(1.0, 0, 1.0, 1.0, unreadable=3), "3 entries of your list of elements could not be understood"),
        (SyncProgress(1.0, 0, 1.0, 1.0, is_cut=True), "Kling shows at most 500000 entries of a list"),
    ],
)
def test_incomplete_library_has_a_note_of_missing_elements(progress: SyncProgress, sentence: str) -> None:
    status = SyncStatus("custom", progress)
    (note,) = sync_notes([status])
    assert note.startswith(sentence)
    assert not status.is_complete


def test_a_failure_says_how_old_the_answer_is() -> None:
    (note,) = sync_notes([SyncStatus("preset", WHOLE, KlingError("The network is down."))])
    assert note == (
        "The list of official elements could not be read just now; this is as of 1970-01-01T00:00:01.000Z. "
        "The network is down."
    )


def test_a_failure_over_nothing_says_no_time() -> None:
    (note,) = sync_notes([SyncStatus("preset", SyncProgress(), KlingError("The network is down."))])
    assert note == "The list of official elements could not be read just now. The network is down."


def test_long_list_compared_long_ago_is_noted_as_old_but_not_as_incomplete() -> None:
    status = SyncStatus("custom", WHOLE, told_at=2000.0)
    (note,) = sync_notes([status])
    assert note.startswith("The last full read of your list of elements was at 1970-01-01T00:00:01.000Z")
    assert status.is_complete


def test_a_whole_library_needs_no_note() -> None:
    assert sync_notes([SyncStatus("custom", WHOLE), SyncStatus("preset", WHOLE)]) == []
