"""The catalogue in a SQLite file: writes and drops records. `sqlite.search` finds them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, cast

from kling_mcp.library import record_codec as rows
from kling_mcp.library.catalogue import Counts, Filters, Position, SearchPage, Spelling, SyncProgress
from kling_mcp.library.folding import name_key
from kling_mcp.library.sqlite import search
from kling_mcp.library.sqlite.schema import SCHEMA
from kling_mcp.sanitize import as_shown
from kling_mcp.store.sqlite_cache import SqliteCache

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from kling_mcp.library.records import ElementStatus, LibraryElement, Source

MISSED_WALKS = 2
MAX_PER_NAME = 50

_INSERT = """
INSERT INTO elements (place, key, source, status, name, name_key, task_id, external_task_id, voice_id, facets,
    record, written_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_INSERT_WORDS = "INSERT INTO words (rowid, tokens) VALUES (?, ?)"
_REMOVE_WORDS = "INSERT INTO words (words, rowid, tokens) VALUES ('delete', ?, ?)"


class SqliteCatalogue:
    """The records of one account, searchable. Every method may raise `StorageError`.

    One file per account, so that the accounts of a shared server cannot mix. The index is a cache: each replica has
    its own, and lost records are read from Kling again.
    """

    def __init__(self, folder: Path | None, account: str) -> None:
        self._file = SqliteCache(folder, f"library-{account}", SCHEMA, version=rows.VERSION)

    async def put(self, records: Sequence[LibraryElement], *, now: float, walk: float = 0.0) -> int:
        """Store records and return how many of them are new.

        Known facts that a new record lacks (an external id, the requested name) are kept, and no record goes back to
        an earlier state. `walk` is the walk that saw them.
        """
        return await self._file.run(lambda db: _Writing(db, now, walk).put(records), write=True)

    async def begin_walk(self, source: Source, progress: SyncProgress) -> None:
        """Forget what earlier walks saw, and store the progress."""

        def work(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM sightings WHERE source = ?", (source,))
            _write_progress(db, source, progress)

        await self._file.run(work, write=True)

    async def end_walk(self, source: Source, progress: SyncProgress, *, walk: float) -> None:
        """Store the progress; drop records that two complete walks in a row did not see. Ignores outdated walks."""
        await self._file.run(lambda db: _end_walk(db, source, progress, walk), write=True)

    async def progress(self, source: Source) -> SyncProgress:
        """How far the sync has come."""
        return await self._file.run(lambda db: _read_progress(db, source), write=False)

    async def keep_progress(self, source: Source, progress: SyncProgress) -> None:
        """Store how far the sync has come."""
        await self._file.run(lambda db: _write_progress(db, source, progress), write=True)

    async def search(self, text: str, filters: Filters, limit: int, after: Position | None = None) -> SearchPage:
        """Records with an id or the words of `text`, best first, then newest first.

        Ids and exact names come first, then names that start with the text, then words of names, then other words.
        Words match by prefix, numbers exactly or, if no name has them, by prefix too. Typos are corrected only if
        nothing matches.
        """
        return await self._file.run(lambda db: search.search(db, text, filters, limit, after), write=False)

    async def counts(self, text: str, filters: Sequence[Filters]) -> list[int]:
        """How many records match as written, for each of several filters."""
        return await self._file.run(lambda db: [search.count(db, text, each) for each in filters], write=False)

    async def tag_counts(self, text: str, filters: Filters, spelling: Spelling) -> dict[str, int]:
        """How many of the records that a search finds have each tag, by its folded name."""
        return await self._file.run(lambda db: search.tag_counts(db, text, filters, spelling), write=False)

    async def nameless(self, source: Source) -> dict[ElementStatus, int]:
        """How many records of this source have no known name, so that no text can find them, by status."""
        sql = "SELECT status, count(*) FROM elements WHERE name_key = '' AND name = '' AND source = ? GROUP BY status"
        return await self._file.run(lambda db: dict(db.execute(sql, (source,)).fetchall()), write=False)

    async def near(self, text: str, filters: Filters, limit: int) -> list[LibraryElement]:
        """Records whose names resemble `text`, nearest first: for "did you mean".

        A name has all words of the text, each as written, by its beginning or with a typo, or at least half of the
        telling ones exactly; a number or a small word alone makes no name similar.
        """
        return await self._file.run(lambda db: search.near(db, text, filters, limit), write=False)

    async def with_id(self, any_id: str) -> list[LibraryElement]:
        """The records with this element id, task id or external task id, newest first."""
        sql = """
            SELECT record FROM elements
            WHERE key IN (?, ?) OR (task_id <> '' AND task_id = ?) OR (external_task_id <> '' AND external_task_id = ?)
            ORDER BY place DESC
        """
        keys = (f"custom:e:{any_id}", f"preset:e:{any_id}", any_id, any_id)
        return await self._file.run(lambda db: _unpacked(db.execute(sql, keys)), write=False)

    async def with_name(self, name: str) -> list[LibraryElement]:
        """The records with this name as it is shown, newest first; at most 50."""
        sql = "SELECT record FROM elements WHERE name_key = ? AND name = ? ORDER BY place DESC LIMIT ?"
        values = (name_key(name), as_shown(name), MAX_PER_NAME)
        if not as_shown(name):  # tasks whose name is unknown have none
            return []
        return await self._file.run(lambda db: _unpacked(db.execute(sql, values)), write=False)

    async def own_names_among(self, texts: Sequence[str]) -> list[str]:
        """The names of ready elements of one's own that are like one of these texts, by letters and digits."""
        sql = """
            SELECT DISTINCT name FROM elements
            WHERE name_key IN (SELECT value FROM json_each(?)) AND source = 'custom' AND status = 'ready' LIMIT ?
        """
        keys = json.dumps(sorted({name_key(text) for text in texts} - {""}))
        return await self._file.run(lambda db: [name for (name,) in db.execute(sql, (keys, MAX_PER_NAME))], write=False)

    async def shared_names(self, names: Sequence[str]) -> list[str]:
        """Which of these names belong to several ready records, compared as they are shown."""
        sql = "SELECT count(*) FROM elements WHERE name_key = ? AND name = ? AND status = 'ready'"

        def work(db: sqlite3.Connection) -> list[str]:
            asked: dict[str, str] = {}
            for name in names:
                asked.setdefault(as_shown(name), name)
            asked.pop("", None)
            return [name for shown, name in asked.items() if db.execute(sql, (name_key(name), shown)).fetchone()[0] > 1]

        return await self._file.run(work, write=False)

    async def newest_pending_ms(self) -> int:
        """When the newest running task was created; 0 if none is running."""

        def work(db: sqlite3.Connection) -> int:
            sql = "SELECT max(place) FROM elements WHERE source = 'custom' AND status = 'pending'"
            place = db.execute(sql).fetchone()[0]
            return int(place or 0) // rows.PLACES_IN_A_MILLISECOND

        return await self._file.run(work, write=False)

    async def census(self) -> Counts:
        """Counts of all records."""
        return await self._file.run(_census, write=False)

    def close(self) -> None:
        """Close files and connections."""
        self._file.close()


class _Writing:
    """Writes one batch of records into the tables."""

    def __init__(self, db: sqlite3.Connection, now: float, walk: float) -> None:
        self._db = db
        self._now = now
        self._walk = walk
        self._new: dict[int, tuple[str, LibraryElement]] = {}
        self._seen: list[tuple[str, int, float]] = []

    def put(self, records: Sequence[LibraryElement]) -> int:
        """Write all of them; returns how many were new."""
        wanted = {rows.key_of(record): record for record in records}
        stored = self._stored([*wanted, *(rows.task_key(record) for record in records if record.task_id)])
        superseded = self._superseded(wanted.values())
        added = 0
        for key, record in wanted.items():
            if not record.element_id and (record.source, record.task_id) in superseded:
                continue  # an older page of the list: the task already has its element
            added += self._put_one(key, record, stored)
        self._insert()
        self._note_sightings()
        return added

    def _stored(self, keys: Iterable[str]) -> dict[str, _Stored]:
        sql = "SELECT key, place, record, missed FROM elements WHERE key IN (SELECT value FROM json_each(?))"
        found = self._db.execute(sql, (json.dumps(list(keys)),))
        return {key: _Stored(place, packed, missed) for key, place, packed, missed in found}

    def _superseded(self, records: Iterable[LibraryElement]) -> set[tuple[str, str]]:
        """Tasks without an element, in these records, whose element is already known."""
        tasks = [record.task_id for record in records if not record.element_id]
        if not tasks:
            return set()
        sql = """
            SELECT source, task_id FROM elements
            WHERE task_id <> '' AND task_id IN (SELECT value FROM json_each(?)) AND key NOT LIKE '%:t:%'
        """
        return set(self._db.execute(sql, (json.dumps(tasks),)))

    def _put_one(self, key: str, record: LibraryElement, stored: dict[str, _Stored]) -> bool:
        """Write one; returns whether it is new. An element's record replaces its task's and keeps its extra facts."""
        known = stored.get(key)
        forerunner = stored.get(rows.task_key(record)) if record.task_id and record.element_id else None
        for old in (forerunner, known):
            if old is not None:
                record = rows.merged(record, old.record)
        if forerunner is not None and not forerunner.is_removed:
            self._remove(forerunner)
        if known is None:
            self._add(key, record)
            return forerunner is None
        self._renew(key, record, known)
        return False

    def _renew(self, key: str, record: LibraryElement, known: _Stored) -> None:
        packed = rows.pack(record)
        if packed == known.packed:
            if known.missed:
                self._db.execute("UPDATE elements SET missed = 0 WHERE place = ?", (known.place,))
        elif _is_found_alike(record, known.record):
            self._replace(known.place, record, packed)
        else:
            self._remove(known)
            self._add(key, record)
            return
        self._seen.append((record.source, known.place, self._walk))

    def _add(self, key: str, record: LibraryElement) -> None:
        place = self._free_place(rows.first_place(record))
        self._new[place] = (key, record)
        self._seen.append((record.source, place, self._walk))

    def _free_place(self, first: int) -> int:
        """The next free place: in the same millisecond first, then in the following ones."""
        while True:
            window = (first, first + rows.PLACES_IN_A_MILLISECOND - 1)
            sql = "SELECT max(place) FROM elements WHERE place BETWEEN ? AND ?"
            (last,) = self._db.execute(sql, window).fetchone()
            place = first if last is None else int(last) + 1
            while place in self._new:
                place += 1
            if place <= window[1]:
                return place
            first += rows.PLACES_IN_A_MILLISECOND

    def _insert(self) -> None:
        """Insert all new records at once, oldest first: in any other order the full-text index writes on every row."""
        known_words: set[str] = set()
        table: list[tuple[object, ...]] = []
        index: list[tuple[int, str]] = []
        for place, (key, record) in sorted(self._new.items()):
            words = rows.words_of(record)
            known_words.update(words.name.split(), words.text.split())
            index.append((place, words.tokens))
            table.append(
                (
                    place,
                    key,
                    record.source,
                    record.status,
                    rows.shown_name_of(record),
                    rows.name_key_of(record),
                    record.task_id,
                    record.external_task_id,
                    record.voice_id,
                    rows.facets_of(record),
                    rows.pack(record),
                    self._now,
                )
            )
        self._db.executemany(_INSERT, table)
        self._db.executemany(_INSERT_WORDS, index)
        words_only = [(word, word[::-1]) for word in known_words if rows.is_word(word)]
        self._db.executemany("INSERT OR IGNORE INTO vocabulary (word, backwards) VALUES (?, ?)", words_only)

    def _replace(self, place: int, record: LibraryElement, packed: str) -> None:
        """Same words and same time, so the full-text index does not change."""
        sql = """
            UPDATE elements SET name = ?, task_id = ?, external_task_id = ?, voice_id = ?, record = ?,
                written_at = ?, missed = 0 WHERE place = ?
        """
        ids = (rows.shown_name_of(record), record.task_id, record.external_task_id, record.voice_id)
        self._db.execute(sql, (*ids, packed, self._now, place))

    def _remove(self, stored: _Stored) -> None:
        stored.is_removed = True
        remove(self._db, stored.place, stored.record)

    def _note_sightings(self) -> None:
        """Only for the latest walk: another process may have started a new one."""
        if self._walk:
            sql = """
                INSERT OR IGNORE INTO sightings (source, place)
                SELECT ?, ? FROM progress WHERE source = ?1 AND walk = ?
            """
            self._db.executemany(sql, self._seen)


@dataclass(slots=True)
class _Stored:
    """A record as stored."""

    place: int
    packed: str
    missed: int
    is_removed: bool = False

    @property
    def record(self) -> LibraryElement:
        """Unpacked on demand: most records of a page have not changed."""
        return rows.unpack(self.packed)


def _is_found_alike(one: LibraryElement, other: LibraryElement) -> bool:
    """Whether the full-text index and the order stay the same."""
    return one.created_at_ms == other.created_at_ms and rows.words_of(one) == rows.words_of(other)


def remove(db: sqlite3.Connection, place: int, record: LibraryElement) -> None:
    """Remove a record from the table and, with the same words it was added with, from the index."""
    db.execute(_REMOVE_WORDS, (place, rows.words_of(record).tokens))
    db.execute("DELETE FROM elements WHERE place = ?", (place,))


def _end_walk(db: sqlite3.Connection, source: Source, progress: SyncProgress, walk: float) -> None:
    if _read_progress(db, source).began_at != walk:
        return
    # Records written since the walk began may not be on any of its pages.
    unseen = "source = ? AND written_at < ? AND place NOT IN (SELECT place FROM sightings WHERE source = ?1)"
    db.execute(f"UPDATE elements SET missed = missed + 1 WHERE {unseen}", (source, walk))  # noqa: S608 - text of ours
    sql = "SELECT place, record FROM elements WHERE source = ? AND missed >= ?"
    for place, packed in db.execute(sql, (source, MISSED_WALKS)).fetchall():
        remove(db, place, rows.unpack(packed))
    db.execute("DELETE FROM sightings WHERE source = ?", (source,))
    _write_progress(db, source, progress)


def _read_progress(db: sqlite3.Connection, source: Source) -> SyncProgress:
    found = db.execute("SELECT state FROM progress WHERE source = ?", (source,)).fetchone()
    if found is None:
        return SyncProgress()
    state: dict[str, Any] = json.loads(found[0])
    return SyncProgress(**{**state, "failed_pages": tuple(state["failed_pages"])})


def _write_progress(db: sqlite3.Connection, source: Source, progress: SyncProgress) -> None:
    sql = "INSERT OR REPLACE INTO progress (source, walk, state) VALUES (?, ?, ?)"
    db.execute(sql, (source, progress.began_at, json.dumps(asdict(progress))))


def _census(db: sqlite3.Connection) -> Counts:
    counts: dict[tuple[Source, ElementStatus], int] = {}
    tags: set[str] = set()
    for facets, count in db.execute("SELECT facets, count FROM tally"):
        tokens = facets.split()
        key = cast("tuple[Source, ElementStatus]", (tokens[0][1:], tokens[1][1:]))
        counts[key] = counts.get(key, 0) + count
        tags.update(rows.tags_of_facets(facets))
    return Counts(counts, tuple(sorted(tags)))


def _unpacked(found: Iterable[tuple[str]]) -> list[LibraryElement]:
    return [rows.unpack(packed) for (packed,) in found]
