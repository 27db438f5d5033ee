"""What is written into PostgreSQL's tables of records, and when it is dropped; a page of records in a few statements.

Writers of one shelf run one after the other, so what is read here holds until it is written.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from kling_mcp.library import record_codec as rows
from kling_mcp.library.catalogue import SyncProgress
from kling_mcp.library.postgres_rows import COLUMNS, EDITION, Shelf, values_of, words_of
from kling_mcp.store.postgres.database import strip_unstorable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import psycopg

    from kling_mcp.library.records import LibraryElement, Source

    Connection = psycopg.Connection[Any]

MISSED_WALKS = 2
# Nobody has asked for so long that the account may be gone, or the program that cut words this way.
UNUSED_SECONDS = 30 * 86_400.0

_NAMES = ", ".join(COLUMNS)
_ARRAYS = ", ".join(f"%({name})s::{'text' if kind == 'tsvector' else kind}[]" for name, kind in COLUMNS.items())
_PICKED = ", ".join(f"new.{name}::{kind}" for name, kind in COLUMNS.items())
_RENEWED = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name != "key")
_UPSERT = f"""
    INSERT INTO library_elements (shelf, {_NAMES})
    SELECT %(shelf)s, {_PICKED} FROM unnest({_ARRAYS}) AS new ({_NAMES})
    ON CONFLICT (shelf, key) DO UPDATE SET {_RENEWED}
"""  # noqa: S608 - names of ours


def shelf_to_read(db: Connection, account: str) -> Shelf:
    """An account's shelf as it is."""
    sql = "SELECT shelf FROM library_shelves WHERE account = %s AND edition = %s"
    row = db.execute(sql, (account, EDITION)).fetchone()
    return Shelf(db, int(row[0]) if row else 0)


def shelf_to_write(db: Connection, account: str, now: float) -> Shelf:
    """An account's shelf, which exists then and counts as used."""
    row = db.execute(
        "INSERT INTO library_shelves (account, edition, used_at) VALUES (%s, %s, %s) ON CONFLICT (account, edition) "
        "DO UPDATE SET used_at = greatest(library_shelves.used_at, excluded.used_at) RETURNING shelf",
        (account, EDITION, now),
    ).fetchone()
    assert row is not None  # noqa: S101 - the statement always yields a row
    return Shelf(db, int(row[0]))


def remove_unused(db: Connection, now: float) -> None:
    """Take away what no account has used for long."""
    db.execute("DELETE FROM library_shelves WHERE used_at < %s", (now - UNUSED_SECONDS,))


class Writing:
    """Writes one batch of records into the tables."""

    def __init__(self, shelf: Shelf, now: float, walk: float) -> None:
        self._db = shelf.db
        self._shelf = shelf.number
        self._now = now
        self._walk = walk
        self._places = _Places(shelf)
        self._written: dict[str, dict[str, object]] = {}
        self._unchanged: dict[float, list[str]] = {}  # by the walk that saw them, 0 for none
        self._removed: set[str] = set()
        self._spelled: set[str] = set()

    def put(self, records: Sequence[LibraryElement]) -> int:
        """Write all of them; returns how many were new."""
        wanted = {rows.key_of(record): record for record in records}
        stored = self._stored([*wanted, *(rows.task_key(record) for record in records if record.task_id)])
        superseded = self._superseded(wanted.values())
        self._places.look(rows.first_place(record) for record in wanted.values())
        walks = self._latest_walks() if self._walk else {}
        added = 0
        for key, record in wanted.items():
            if not record.element_id and (record.source, strip_unstorable(record.task_id)) in superseded:
                continue  # an older page of the list: the task already has its element
            is_seen = walks.get(record.source) == self._walk
            added += self._put_one(key, record, stored, self._walk if is_seen else 0.0)
        self._write()
        return added

    def _stored(self, keys: Iterable[str]) -> dict[str, _Stored]:
        sql = "SELECT key, place, record, missed, seen_walk FROM library_elements WHERE shelf = %s AND key = ANY(%s)"
        found = self._db.execute(sql, (self._shelf, [strip_unstorable(key) for key in keys]))
        return {key: _Stored(*values) for key, *values in found}

    def _superseded(self, records: Iterable[LibraryElement]) -> set[tuple[str, str]]:
        """Tasks without an element, in these records, whose element is already known."""
        tasks = [strip_unstorable(record.task_id) for record in records if not record.element_id]
        if not tasks:
            return set()
        sql = """
            SELECT source, task_id FROM library_elements
            WHERE shelf = %s AND task_id <> '' AND task_id = ANY(%s) AND key NOT LIKE '%%:t:%%'
        """
        return set(self._db.execute(sql, (self._shelf, tasks)))

    def _latest_walks(self) -> dict[str, float]:
        """Only what the latest walk of a list sees counts: another replica may have begun anew."""
        return dict(self._db.execute("SELECT source, walk FROM library_progress WHERE shelf = %s", (self._shelf,)))

    def _put_one(self, key: str, record: LibraryElement, stored: dict[str, _Stored], walk: float) -> bool:
        """Write one; returns whether it is new. An element's record replaces its task's and keeps its extra facts."""
        known = stored.get(strip_unstorable(key))
        task_key = strip_unstorable(rows.task_key(record))
        forerunner = stored.get(task_key) if record.task_id and record.element_id else None
        for old in (forerunner, known):
            if old is not None:
                record = rows.merged(record, rows.unpack(old.record))
        if forerunner is not None:
            self._removed.add(task_key)
        if known is not None and strip_unstorable(rows.pack(record)) == known.record:
            if known.missed or known.seen_walk != walk:
                self._unchanged.setdefault(walk, []).append(strip_unstorable(key))
            return False
        self._renew(key, record, (known, forerunner), walk)
        return known is None and forerunner is None

    def _renew(self, key: str, record: LibraryElement, before: tuple[_Stored | None, ...], walk: float) -> None:
        """Write one, in the place of what stood for it before, if that is of the same moment."""
        known = before[0]
        first = rows.first_place(record)
        place = self._places.inherit(first, [old.place for old in before if old])
        if place is None:
            place = self._places.take(first)
        values = values_of(self._shelf, key, place, record)
        values |= {"written_at": self._now, "seen_walk": walk or (known.seen_walk if known else 0.0), "missed": 0}
        self._written[str(values["key"])] = values
        for texts in words_of(record):
            self._spelled.update(filter(rows.is_spelled, texts))

    def _write(self) -> None:
        db, shelf = self._db, self._shelf
        for walk, keys in self._unchanged.items():
            sql = """
                UPDATE library_elements SET missed = 0, seen_walk = greatest(seen_walk, %s)
                WHERE shelf = %s AND key = ANY(%s)
            """
            db.execute(sql, (walk, shelf, keys))
        if self._written:
            written = self._written.values()
            db.execute(_UPSERT, {"shelf": shelf, **{name: [row[name] for row in written] for name in COLUMNS}})
        if self._removed:
            sql = "DELETE FROM library_elements WHERE shelf = %s AND key = ANY(%s)"
            db.execute(sql, (shelf, list(self._removed)))
        if self._spelled:
            sql = """
                INSERT INTO library_words SELECT %s, length(word), word, reverse(word) FROM unnest(%s::text[]) AS word
                ON CONFLICT DO NOTHING
            """
            db.execute(sql, (shelf, sorted(self._spelled)))


@dataclass(frozen=True, slots=True)
class _Stored:
    """A record as stored."""

    place: int
    record: str
    missed: int
    seen_walk: float


class _Places:
    """Free places: the moment of creation and a number within that millisecond, or within the following ones."""

    def __init__(self, shelf: Shelf) -> None:
        self._db = shelf.db
        self._shelf = shelf.number
        self._next: dict[int, int] = {}
        self._inherited: set[int] = set()

    def inherit(self, first: int, places: Iterable[int]) -> int | None:
        """One of these places, if it is of this moment and nobody has inherited it yet."""
        for place in places:
            if first <= place < first + rows.PLACES_IN_A_MILLISECOND and place not in self._inherited:
                self._inherited.add(place)
                return place
        return None

    def look(self, moments: Iterable[int]) -> None:
        """Find out what is free at these moments."""
        sql = """
            SELECT first, (
                SELECT max(place) FROM library_elements WHERE shelf = %s AND place BETWEEN first AND first + %s
            ) FROM unnest(%s::bigint[]) AS first
        """
        wanted = sorted(set(moments))
        for first, last in self._db.execute(sql, (self._shelf, rows.PLACES_IN_A_MILLISECOND - 1, wanted)):
            self._next[first] = first if last is None else last + 1

    def take(self, first: int) -> int:
        """The next free place from this moment on."""
        while True:
            if first not in self._next:
                self.look([first])
            place = self._next[first]
            if place < first + rows.PLACES_IN_A_MILLISECOND:
                self._next[first] = place + 1
                return place
            first += rows.PLACES_IN_A_MILLISECOND


def begin_walk(shelf: Shelf, source: Source, progress: SyncProgress) -> None:
    """See `Catalogue.begin_walk`. Sightings bear the number of their walk, so the earlier ones need no removal."""
    write_progress(shelf, source, progress)


def end_walk(shelf: Shelf, source: Source, progress: SyncProgress, walk: float) -> None:
    """See `Catalogue.end_walk`."""
    if read_progress(shelf, source).began_at != walk:
        return
    # Records written since the walk began may not be on any of its pages.
    shelf.db.execute(
        "UPDATE library_elements SET missed = missed + 1 "
        "WHERE shelf = %s AND source = %s AND written_at < %s AND seen_walk <> %s",
        (shelf.number, source, walk, walk),
    )
    sql = "DELETE FROM library_elements WHERE shelf = %s AND source = %s AND missed >= %s"
    shelf.db.execute(sql, (shelf.number, source, MISSED_WALKS))
    write_progress(shelf, source, progress)


def read_progress(shelf: Shelf, source: Source) -> SyncProgress:
    """How far the reading has come; what another version wrote beside is left out."""
    sql = "SELECT state FROM library_progress WHERE shelf = %s AND source = %s"
    row = shelf.db.execute(sql, (shelf.number, source)).fetchone()
    if row is None:
        return SyncProgress()
    state: dict[str, Any] = json.loads(row[0])
    known = {field.name: state[field.name] for field in fields(SyncProgress) if field.name in state}
    return SyncProgress(**{**known, "failed_pages": tuple(known.get("failed_pages", ()))})


def write_progress(shelf: Shelf, source: Source, progress: SyncProgress) -> None:
    """Store how far the sync has come."""
    shelf.db.execute(
        "INSERT INTO library_progress (shelf, source, walk, state) VALUES (%s, %s, %s, %s) "
        "ON CONFLICT (shelf, source) DO UPDATE SET walk = excluded.walk, state = excluded.state",
        (shelf.number, source, progress.began_at, json.dumps(asdict(progress))),
    )
