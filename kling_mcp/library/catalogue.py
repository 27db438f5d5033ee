"""What the library needs of the place where its records are kept, as an interface; `sqlite.catalogue` is one.

The index is a cache: each replica keeps its own, and what is lost is read from Kling again.
Everything here belongs to one account; two accounts have two catalogues.
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
    """What a record must be, beside its words. Empty tuples let everything pass; of `tags` one is enough."""

    sources: tuple[Source, ...] = ()
    statuses: tuple[ElementStatus, ...] = ()
    tags: tuple[str, ...] = ()
    has_voice: Voiced = "any"


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page of results ends: its layer of likeness, and the place of its last record in time.

    It names a record, not a number of records, so it stays right while the library changes.
    """

    spelling: Spelling
    layer: int
    place: int


@dataclass(frozen=True, slots=True)
class SearchPage:
    """One page of results. `total` counts all pages; `next_position` is None on the last one.

    `spelling` is `corrected` or `similar` where nothing matched as it was written.
    """

    elements: list[LibraryElement]
    total: int
    next_position: Position | None = None
    spelling: Spelling = "exact"


@dataclass(frozen=True, slots=True)
class SyncProgress:
    """How far the reading of one list has come. Times are seconds since 1970, 0 for never.

    `began_at` names a walk through all pages; while one is under way `next_page` is its next page, else 0.
    `completed_at` is when the last complete walk began. `failed_pages` are pages that could not be read. `is_cut` says
    that Kling shows no more pages, `is_doubtful` that the list grew while its pages were read side by side;
    `unreadable` counts the entries of this walk that name neither an element nor a task.
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
    """How many records there are, by source and status, and which tags they carry."""

    counts: dict[tuple[Source, ElementStatus], int] = field(default_factory=dict)
    tags: tuple[str, ...] = ()

    def of(self, source: Source) -> int:
        """All records of a source."""
        return sum(count for (its_source, _), count in self.counts.items() if its_source == source)


class Catalogue(Protocol):
    """The records of one account, searchable. Every method may raise `StorageError`."""

    async def put(self, records: Sequence[LibraryElement], *, now: float, walk: float = 0.0) -> int:
        """Write records down and tell how many of them were not known before.

        What is known and missing in a record (an external id, the name that was asked for) is kept, and no
        record goes back from a later state to an earlier one. `walk` says which walk saw them.
        """
        ...

    async def begin_walk(self, source: Source, progress: SyncProgress) -> None:
        """Forget what earlier walks saw, and keep the progress."""
        ...

    async def end_walk(self, source: Source, progress: SyncProgress, *, walk: float) -> None:
        """Keep the progress; drop what two complete walks on end did not see. Another's walk changes nothing."""
        ...

    async def progress(self, source: Source) -> SyncProgress:
        """How far the reading has come."""
        ...

    async def keep_progress(self, source: Source, progress: SyncProgress) -> None:
        """Write down how far the reading has come."""
        ...

    async def search(self, text: str, filters: Filters, limit: int, after: Position | None = None) -> SearchPage:
        """Records that carry an id or the words of `text`, the best first, then the newest.

        Ids and exact names come first, then names that begin so, then words of names, then other words. Words
        count from their beginning. Only where nothing matches are typing errors forgiven.
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
        """Which of these names several ready records carry."""
        ...

    async def newest_pending_ms(self) -> int:
        """When the newest task that still runs was created; 0 where none runs."""
        ...

    async def census(self) -> Counts:
        """What there is, counted."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...
