"""The catalogue in a PostgreSQL database that several replicas share. See `Catalogue` for what every method does."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from kling_mcp.library import postgres_search as finding
from kling_mcp.library import postgres_writing as writing
from kling_mcp.library import record_codec as rows
from kling_mcp.library.catalogue import Counts, Filters, Position, SearchPage, SyncProgress
from kling_mcp.library.folding import name_key
from kling_mcp.library.postgres_rows import EDITION, LIBRARY, Shelf
from kling_mcp.store.postgres.database import strip_unstorable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.library.records import ElementStatus, LibraryElement, Source
    from kling_mcp.store.postgres.database import PostgresDatabase

T = TypeVar("T")
MAX_PER_NAME = 50


class PostgresCatalogue:
    """See `Catalogue`. Accounts have shelves of their own in the same tables."""

    def __init__(self, database: PostgresDatabase, account: str, clock: Clock) -> None:
        """`account` is a fingerprint: it names the records without revealing whose they are."""
        self._database = database
        self._account = account
        self._clock = clock

    async def put(self, records: Sequence[LibraryElement], *, now: float, walk: float = 0.0) -> int:
        return await self._write(lambda shelf: writing.Writing(shelf, now, walk).put(records))

    async def begin_walk(self, source: Source, progress: SyncProgress) -> None:
        now = self._clock.wall()

        def work(shelf: Shelf) -> None:
            writing.begin_walk(shelf, source, progress)
            writing.remove_unused(shelf.db, now)

        await self._write(work)

    async def end_walk(self, source: Source, progress: SyncProgress, *, walk: float) -> None:
        await self._write(lambda shelf: writing.end_walk(shelf, source, progress, walk))

    async def progress(self, source: Source) -> SyncProgress:
        return await self._read(lambda shelf: writing.read_progress(shelf, source))

    async def keep_progress(self, source: Source, progress: SyncProgress) -> None:
        await self._write(lambda shelf: writing.write_progress(shelf, source, progress))

    async def search(self, text: str, filters: Filters, limit: int, after: Position | None = None) -> SearchPage:
        return await self._read(lambda shelf: finding.search(shelf, text, filters, limit, after))

    async def counts(self, text: str, filters: Sequence[Filters]) -> list[int]:
        return await self._read(lambda shelf: [finding.count(shelf, text, each) for each in filters])

    async def near(self, text: str, limit: int) -> list[LibraryElement]:
        return await self._read(lambda shelf: finding.near(shelf, text, limit))

    async def with_id(self, any_id: str) -> list[LibraryElement]:
        sql = """
            SELECT record FROM library_elements
            WHERE shelf = %s AND (key = ANY(%s) OR (task_id <> '' AND task_id = %s)
                OR (external_task_id <> '' AND external_task_id = %s))
            ORDER BY place DESC
        """
        text = strip_unstorable(any_id)
        values = ([f"custom:e:{text}", f"preset:e:{text}"], text, text)
        return await self._read(lambda shelf: _unpacked(shelf.db.execute(sql, (shelf.number, *values))))

    async def with_name(self, name: str) -> list[LibraryElement]:
        sql = """
            SELECT record FROM library_elements
            WHERE shelf = %s AND left(name_key, 64) = left(%s, 64) AND name = %s ORDER BY place DESC LIMIT %s
        """
        values = (strip_unstorable(name_key(name)), strip_unstorable(name), MAX_PER_NAME)
        return await self._read(lambda shelf: _unpacked(shelf.db.execute(sql, (shelf.number, *values))))

    async def shared_names(self, names: Sequence[str]) -> list[str]:
        sql = """
            SELECT name FROM library_elements
            WHERE shelf = %s AND left(name_key, 64) = ANY(%s) AND name = ANY(%s) AND status = 'ready'
            GROUP BY name HAVING count(*) > 1
        """
        asked = [name for name in dict.fromkeys(names) if name]
        keys = [strip_unstorable(name_key(name))[:64] for name in asked]
        texts = [strip_unstorable(name) for name in asked]

        def work(shelf: Shelf) -> list[str]:
            shared = {name for (name,) in shelf.db.execute(sql, (shelf.number, keys, texts))}
            return [name for name in asked if strip_unstorable(name) in shared]

        return await self._read(work)

    async def newest_pending_ms(self) -> int:
        sql = "SELECT max(place) FROM library_elements WHERE shelf = %s AND source = 'custom' AND status = 'pending'"

        def work(shelf: Shelf) -> int:
            row = shelf.db.execute(sql, (shelf.number,)).fetchone()
            return int((row and row[0]) or 0) // rows.PLACES_IN_A_MILLISECOND

        return await self._read(work)

    async def census(self) -> Counts:
        return await self._read(_census)

    def close(self) -> None:
        """Nothing to let go of: the connections belong to the store."""

    async def _read(self, work: Callable[[Shelf], T]) -> T:
        return await self._database.run(lambda db: work(writing.shelf_to_read(db, self._account)), part=LIBRARY)

    async def _write(self, work: Callable[[Shelf], T]) -> T:
        now = self._clock.wall()
        return await self._database.run(
            lambda db: work(writing.shelf_to_write(db, self._account, now)),
            part=LIBRARY,
            lock=f"library {self._account} {EDITION}",
            is_durable=False,  # what is lost is read from Kling again
        )


def _census(shelf: Shelf) -> Counts:
    counts: dict[tuple[Source, ElementStatus], int] = {}
    tags: set[str] = set()
    sql = "SELECT facets, count(*) FROM library_elements WHERE shelf = %s GROUP BY facets"
    for facets, count in shelf.db.execute(sql, (shelf.number,)):
        tokens = facets.split()
        key = cast("tuple[Source, ElementStatus]", (tokens[0][1:], tokens[1][1:]))
        counts[key] = counts.get(key, 0) + count
        tags.update(rows.tag_of_facet(token) for token in tokens[3:])
    return Counts(counts, tuple(sorted(tags)))


def _unpacked(found: Iterable[tuple[str]]) -> list[LibraryElement]:
    return [rows.unpack(packed) for (packed,) in found]
