"""Searches the SQLite file: match layers, each walked from new to old, none held in memory.

    0  an id, exactly          2  the name, ignoring case, accents, width       4  words of the name
    1  the name, exactly       3  a prefix of the name                        5  words anywhere

A page is filled from the first layer that is not exhausted. Each layer excludes the records of earlier ones.
"""

from __future__ import annotations

import json
from collections import Counter
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from kling_mcp.library import record_codec as rows
from kling_mcp.library.catalogue import Position, SearchPage
from kling_mcp.library.folding import name_key, tokens
from kling_mcp.library.sqlite.query import (
    Query,
    any_in_name,
    facet_groups,
    parse,
    rare_facets,
    telling_tokens,
    with_facets,
    with_tag,
)
from kling_mcp.sanitize import as_shown

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from kling_mcp.library.catalogue import Filters, Spelling
    from kling_mcp.library.records import LibraryElement

MAX_ID_HITS = 1000
_END_OF_TIME = 2**63 - 1
_LAST_NAME_LAYER, _LAST_LAYER = 4, 5
_NEAR_CANDIDATES = 50
_MIN_SHARE = 0.5  # of the telling words, for a name to count as near


def search(db: sqlite3.Connection, text: str, filters: Filters, limit: int, after: Position | None) -> SearchPage:
    """See `SqliteCatalogue.search`."""
    if after is not None:
        query = parse(db, text, filters, after.spelling)
        return _Search(db, query).page(after.spelling, limit, after) if query else SearchPage([], 0)
    for spelling, found in _attempts(db, text, filters):
        hits = found.page(spelling, limit, None)
        if hits.total:
            return hits
    return SearchPage([], 0)


def _attempts(db: sqlite3.Connection, text: str, filters: Filters) -> Iterator[tuple[Spelling, _Search]]:
    """The searches with each spelling, in the order in which one with hits is the answer."""
    spellings: tuple[Spelling, ...] = ("exact", "begun")
    written = [
        (spelling, _Search(db, query)) for spelling in spellings if (query := parse(db, text, filters, spelling))
    ]
    if len(written) > 1:
        # A number. Names come first: "Hero 5" is Hero 500 rather than Leo, whose description is "a hero of 5".
        yield from (attempt for attempt in written if attempt[1].is_in_a_name())
    yield from written
    corrections: tuple[Spelling, ...] = ("corrected", "similar")
    for spelling in corrections:
        if query := parse(db, text, filters, spelling):
            yield spelling, _Search(db, query)


def count(db: sqlite3.Connection, text: str, filters: Filters) -> int:
    """See `SqliteCatalogue.counts`."""
    query = parse(db, text, filters)
    return _Search(db, query).total() if query else 0


def tag_counts(db: sqlite3.Connection, text: str, filters: Filters, spelling: Spelling) -> dict[str, int]:
    """See `SqliteCatalogue.tag_counts`."""
    query = parse(db, text, filters, spelling)
    return _Search(db, query).tag_counts() if query else {}


def near(db: sqlite3.Connection, text: str, filters: Filters, limit: int) -> list[LibraryElement]:
    """See `SqliteCatalogue.near`."""
    for spelling, attempt in _attempts(db, text, filters):
        hits = attempt.page(spelling, _NEAR_CANDIDATES, None, last_layer=_LAST_NAME_LAYER)
        if hits.elements:
            return _of_different_names(hits.elements)[:limit]
    wanted = telling_tokens(text)
    if not wanted:
        return []
    sql = "SELECT rowid FROM words WHERE words MATCH ? ORDER BY rank LIMIT ?"
    places = [place for (place,) in db.execute(sql, (any_in_name(wanted, filters), _NEAR_CANDIDATES))]
    scored = [(_similarity(text, wanted, record.element_name), record) for record in _read_records(db, places)]
    close = [pair for pair in scored if pair[0] >= (_MIN_SHARE, 0.0)]
    return _of_different_names([record for _, record in sorted(close, key=lambda pair: pair[0], reverse=True)])[:limit]


def _similarity(text: str, wanted: Sequence[str], name: str) -> tuple[float, float]:
    """The share of the wanted tokens that a name has, and how alike both are as a whole."""
    known = set(tokens(name))
    share = sum(token in known for token in wanted) / len(wanted)
    return share, SequenceMatcher(None, name_key(text), name_key(name)).ratio()


def _of_different_names(records: Sequence[LibraryElement]) -> list[LibraryElement]:
    """The first record of each name."""
    first: dict[str, LibraryElement] = {}
    for record in records:
        first.setdefault(as_shown(record.element_name), record)
    return list(first.values())


def _read_records(db: sqlite3.Connection, places: Sequence[int]) -> list[LibraryElement]:
    sql = "SELECT place, record FROM elements WHERE place IN (SELECT value FROM json_each(?))"
    packed = dict(db.execute(sql, (json.dumps(places),)))
    return [rows.unpack(packed[place]) for place in places]


class _Search:
    """One query against the tables."""

    def __init__(self, db: sqlite3.Connection, query: Query) -> None:
        self._db = db
        self._query = query
        self._id_hits = self._find_id_hits()

    def total(self) -> int:
        """How many records match."""
        query = self._query
        if not query.text:
            return self._count_by_tally()
        inside = self._count_words() if query.terms else self._count_name()
        return inside + len(self._id_hits_outside())

    def tag_counts(self) -> dict[str, int]:
        """How many of the matching records have each tag, by its folded name."""
        counts: Counter[str] = Counter()
        if not self._query.text or not self._query.terms:
            for facets, count in self._facets_of_matches():
                counts.update(dict.fromkeys(rows.tags_of_facets(facets), count))
            return dict(counts)
        # Few tags exist, and intersecting their lists with the matches reads no record.
        everything = self._db.execute("SELECT facets FROM tally")
        for tag in {tag for (facets,) in everything for tag in rows.tags_of_facets(facets)}:
            counts[tag] = self._count_words(tag)
        sql = "SELECT facets FROM elements WHERE place IN (SELECT value FROM json_each(?))"
        for (facets,) in self._db.execute(sql, (json.dumps(self._id_hits_outside()),)):
            counts.update(rows.tags_of_facets(facets))
        return {tag: count for tag, count in counts.items() if count}

    def is_in_a_name(self) -> bool:
        """Whether a name has all the words, or an id is the text."""
        sql = "SELECT 1 FROM words WHERE words MATCH ? LIMIT 1"
        match = with_facets(self._query.in_name, self._query.filters)
        return bool(self._id_hits) or self._db.execute(sql, (match,)).fetchone() is not None

    def page(
        self, spelling: Spelling, limit: int, after: Position | None, *, last_layer: int = _LAST_LAYER
    ) -> SearchPage:
        """The records after a position."""
        found: list[tuple[int, int]] = []
        total = self.total()
        if total:
            start = after or Position(spelling, 0, _END_OF_TIME)
            for layer in range(start.layer, last_layer + 1):
                below = start.place if layer == start.layer else _END_OF_TIME
                found.extend((layer, place) for place in self._layer(layer, below, limit + 1 - len(found)))
                if len(found) > limit or (after is None and len(found) == total):
                    break
        more = len(found) > limit
        del found[limit:]
        elements = _read_records(self._db, [place for _, place in found])
        next_position = Position(spelling, *found[-1]) if more else None
        return SearchPage(elements, total, next_position, spelling)

    def _layer(self, layer: int, below: int, limit: int) -> list[int]:
        """Places of a layer below a place, newest first."""
        query = self._query
        if not query.text:
            return self._everything(below, limit) if layer == 0 else []
        match layer:
            case 0:
                return [place for place in self._id_hits if place < below][:limit]
            case 1:
                return self._named("name = ?", below, limit)
            case 2:
                return self._named("name <> ?", below, limit)
        if not query.terms:
            return []
        wanted, unwanted = self._word_layers()[layer - 3]
        return self._matching(wanted, unwanted, below, limit) if wanted else []

    def _word_layers(self) -> list[tuple[str, str]]:
        """What each word layer matches, and what an earlier one already has."""
        query = self._query
        return [(query.beginning, ""), (query.in_name, query.beginning), (query.anywhere, query.in_name)]

    def _matching(self, wanted: str, unwanted: str, below: int, limit: int) -> list[int]:
        match = with_facets(wanted, self._query.filters)
        if unwanted:
            match = f"({match}) NOT ({unwanted})"
        # The full name is its own layer; the index does not know where a name ends.
        sql = """
            SELECT rowid FROM words WHERE words MATCH ? AND rowid < ?
            AND rowid NOT IN (SELECT value FROM json_each(?))
            AND (? = '' OR (SELECT name_key FROM elements WHERE place = words.rowid) <> ?4)
            ORDER BY rowid DESC LIMIT ?
        """
        values = (match, below, json.dumps(self._id_hits), self._query.key, limit)
        return [place for (place,) in self._db.execute(sql, values)]

    def _everything(self, below: int, limit: int) -> list[int]:
        """Without words: rare facets through their lists, common ones through the table."""
        filters = self._query.filters
        if rare_facets(filters):
            sql = "SELECT rowid FROM words WHERE words MATCH ? AND rowid < ? ORDER BY rowid DESC LIMIT ?"
            return [place for (place,) in self._db.execute(sql, (with_facets("", filters), below, limit))]
        if len(filters.sources) == len(filters.statuses) == 1 and filters.has_voice == "any":
            sql = "SELECT place FROM elements WHERE source = ? AND status = ? AND place < ? ORDER BY place DESC LIMIT ?"
            found = self._db.execute(sql, (filters.sources[0], filters.statuses[0], below, limit))
        else:
            allowed, tokens = self._facet_rule()
            sql = f"SELECT place FROM elements WHERE {allowed} AND place < ? ORDER BY place DESC LIMIT ?"  # noqa: S608 - ours
            found = self._db.execute(sql, (*tokens, below, limit))
        return [place for (place,) in found]

    def _named(self, rule: str, below: int, limit: int) -> list[int]:
        allowed, tokens = self._facet_rule()
        sql = f"""
            SELECT place FROM elements WHERE name_key = ? AND {rule} AND place < ? AND {allowed}
            AND place NOT IN (SELECT value FROM json_each(?)) ORDER BY place DESC LIMIT ?
        """  # noqa: S608 - text of ours; values are bound
        query = self._query
        values = (query.key, as_shown(query.text), below, *tokens, json.dumps(self._id_hits), limit)
        return [place for (place,) in self._db.execute(sql, values)] if query.key else []

    def _facet_rule(self) -> tuple[str, list[str]]:
        """The filters as a condition on the table, and its values."""
        groups = list(facet_groups(self._query.filters))
        rule = " AND ".join(f"({' OR '.join(['instr(facets, ?)'] * len(group))})" for group in groups)
        return rule or "1", [f" {token} " for group in groups for token in group]

    def _find_id_hits(self) -> list[int]:
        """Places of records with exactly this id, or with this voice id."""
        text = self._query.text
        if not text or " " in text:
            return []
        allowed, tokens = self._facet_rule()
        sql = f"""
            SELECT place FROM elements WHERE {allowed} AND (key IN (?, ?) OR (task_id <> '' AND task_id = ?)
            OR (external_task_id <> '' AND external_task_id = ?) OR (voice_id <> '' AND voice_id = ?))
            ORDER BY place DESC LIMIT ?
        """  # noqa: S608 - text of ours; values are bound
        keys = (f"custom:e:{text}", f"preset:e:{text}", text, text, text)
        return [place for (place,) in self._db.execute(sql, (*tokens, *keys, MAX_ID_HITS))]

    def _count_by_tally(self) -> int:
        allowed, tokens = self._facet_rule()
        sql = f"SELECT coalesce(sum(count), 0) FROM tally WHERE {allowed}"  # noqa: S608 - text of ours
        return int(self._db.execute(sql, tokens).fetchone()[0])

    def _facets_of_matches(self) -> Iterator[tuple[str, int]]:
        """Facets and how many records have exactly these; for queries without words."""
        allowed, tokens = self._facet_rule()
        sql = f"SELECT facets, count FROM tally WHERE {allowed}"  # noqa: S608 - text of ours
        if self._query.text:
            sql = f"SELECT facets, count(*) FROM elements WHERE {allowed} AND name_key = ? GROUP BY facets"  # noqa: S608 - text of ours
            tokens.append(self._query.key)
        yield from self._db.execute(sql, tokens)

    def _everywhere(self) -> str:
        return with_facets(self._query.anywhere, self._query.filters)

    def _count_words(self, tag: str = "") -> int:
        match = with_tag(self._everywhere(), tag) if tag else self._everywhere()
        return int(self._db.execute("SELECT count(*) FROM words WHERE words MATCH ?", (match,)).fetchone()[0])

    def _count_name(self) -> int:
        """For names of only punctuation, which has no tokens."""
        if not self._query.key:  # the text is empty after folding
            return 0
        allowed, tokens = self._facet_rule()
        sql = f"SELECT count(*) FROM elements WHERE name_key = ? AND {allowed}"  # noqa: S608 - text of ours
        return int(self._db.execute(sql, (self._query.key, *tokens)).fetchone()[0])

    def _id_hits_outside(self) -> list[int]:
        """Places of id hits that do not also match by words."""
        if not self._id_hits or not self._query.terms:
            return self._id_hits
        sql = "SELECT rowid FROM words WHERE words MATCH ? AND rowid IN (SELECT value FROM json_each(?))"
        inside = {place for (place,) in self._db.execute(sql, (self._everywhere(), json.dumps(self._id_hits)))}
        return [place for place in self._id_hits if place not in inside]
