"""The interface of the library's index; `sqlite.catalogue` keeps it in a file on this computer.

The index is a cache: each replica has its own, and lost records are read from Kling again.
A catalogue belongs to one account.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.library.records import ElementStatus, LibraryElement, Source

Voiced = Literal["any", "yes", "no"]
Spelling = Literal["exact", "corrected", "similar"]


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

    `spelling` is `corrected` or `similar` if nothing matched as written.
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


class Catalogue(Protocol):
    """The records of one account, searchable. Every method may raise `StorageError`."""

    async def put(self, records: Sequence[LibraryElement], *, now: float, walk: float = 0.0) -> int:
        """Store records and return how many of them are new.

        Known facts that a new record lacks (an external id, the requested name) are kept, and no record goes back to
        an earlier state. `walk` is the walk that saw them.
        """
        ...

    async def begin_walk(self, source: Source, progress: SyncProgress) -> None:
        """Forget what earlier walks saw, and store the progress."""
        ...

    async def end_walk(self, source: Source, progress: SyncProgress, *, walk: float) -> None:
        """Store the progress; drop records that two complete walks in a row did not see. Ignores outdated walks."""
        ...

    async def progress(self, source: Source) -> SyncProgress:
        """How far the sync has come."""
        ...

    async def keep_progress(self, source: Source, progress: SyncProgress) -> None:
        """Store how far the sync has come."""
        ...

    async def search(self, text: str, filters: Filters, limit: int, after: Position | None = None) -> SearchPage:
        """Records with an id or the words of `text`, best first, then newest first.

        Ids and exact names come first, then names that start with the text, then words of names, then other words.
        Words match by prefix. Typos are corrected only if nothing matches.
        """
        ...

    async def counts(self, text: str, filters: Sequence[Filters]) -> list[int]:
        """How many records match as written, for each of several filters."""
        ...

    async def near(self, text: str, limit: int) -> list[LibraryElement]:
        """Ready records that resemble `text`: for "did you mean"."""
        ...

    async def with_id(self, any_id: str) -> list[LibraryElement]:
        """The records with this element id, task id or external task id, newest first."""
        ...

    async def with_name(self, name: str) -> list[LibraryElement]:
        """The records with exactly this name, newest first; at most 50."""
        ...

    async def shared_names(self, names: Sequence[str]) -> list[str]:
        """Which of these names belong to several ready records."""
        ...

    async def newest_pending_ms(self) -> int:
        """When the newest running task was created; 0 if none is running."""
        ...

    async def census(self) -> Counts:
        """Counts of all records."""
        ...

    def close(self) -> None:
        """Close files and connections."""
        ...
