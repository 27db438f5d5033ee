"""What the library's index is asked and answers: filters, pages of results, counts, the progress of its sync.

`sqlite.catalogue` keeps the records.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from kling_mcp.library.records import ElementStatus, LibraryElement, Source

Voiced = Literal["any", "yes", "no"]
Spelling = Literal["exact", "begun", "corrected", "similar"]


@dataclass(frozen=True, slots=True)
class Filters:
    """What a record must match besides its words. Empty tuples match everything; one of `tags` is enough."""

    sources: tuple[Source, ...] = ()
    statuses: tuple[ElementStatus, ...] = ()
    tags: tuple[str, ...] = ()
    has_voice: Voiced = "any"


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page of results ends: its match layer, and the place of its last record in time.

    It identifies a record, not an offset, so it stays valid while the library changes.
    """

    spelling: Spelling
    layer: int
    place: int


@dataclass(frozen=True, slots=True)
class SearchPage:
    """One page of results. `total` counts all pages; `next_position` is None on the last one.

    `spelling` says how the words match: `exact` is as written, `begun` numbers by their beginning, because no name has
    them, `corrected` and `similar` with typos corrected, because nothing matches otherwise.
    """

    elements: list[LibraryElement]
    total: int
    next_position: Position | None = None
    spelling: Spelling = "exact"


@dataclass(frozen=True, slots=True)
class SyncProgress:
    """How far the sync of one list has come. Times are seconds since 1970, 0 for never.

    `began_at` identifies a walk through all pages; during a walk `next_page` is its next page, otherwise 0.
    `completed_at` is when the last complete walk began. `failed_pages` are pages that could not be read. `is_cut` means
    that Kling shows no more pages, `is_doubtful` that the list grew while pages were read in parallel; `unreadable`
    counts the entries of this walk without an element or a task id.
    """

    began_at: float = 0.0
    next_page: int = 0
    completed_at: float = 0.0
    first_page_at: float = 0.0
    failed_pages: tuple[int, ...] = ()
    failed_at: float = 0.0
    is_cut: bool = False
    is_doubtful: bool = False
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class Counts:
    """How many records there are, by source and status, and all their tags."""

    counts: dict[tuple[Source, ElementStatus], int] = field(default_factory=dict)
    tags: tuple[str, ...] = ()

    def of(self, source: Source) -> int:
        """All records of a source."""
        return sum(count for (its_source, _), count in self.counts.items() if its_source == source)
