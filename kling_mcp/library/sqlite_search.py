"""Finding in the SQLite file: layers of likeness, each walked from new to old, none of them held in memory.

    0  an id, exactly          2  the name but for case, accents, width       4  words of the name
    1  the name, exactly       3  the name begins so                          5  words anywhere

A page is filled from the first layer that is not used up. Each layer leaves out what an earlier one holds.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from kling_mcp.library import sqlite_rows as rows
from kling_mcp.library.catalogue import Filters, Hits, Position, Spelling
from kling_mcp.library.folding import Run, name_key, pairs, runs
from kling_mcp.library.records import ElementStatus, Source
from kling_mcp.library.spelling import distance, errors_allowed, intact_ends

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from kling_mcp.library.records import LibraryElement

MOST_WORDS = 40
MOST_CANDIDATES = 4000
MOST_CORRECTIONS = 12
MOST_ID_HITS = 1000
_END_OF_TIME = 2**63 - 1
_SPOKEN = "{name text}"


@dataclass(frozen=True, slots=True)
class _Query:
    """A text as it is looked for. `terms` are full-text expressions, all of which must hold."""

    text: str
    key: str
    terms: tuple[str, ...]
    beginning: str
    filters: Filters


def _facet_groups(filters: Filters) -> Iterator[list[str]]:
    """Groups of facet tokens: of each group one must be there."""
    if filters.sources:
        yield [rows.source_facet(source) for source in filters.sources]
    if filters.statuses:
        yield [rows.status_facet(status) for status in filters.statuses]
    if filters.tags:
        yield [rows.tag_facet(tag) for tag in filters.tags]
    if filters.voiced != "any":
        yield [rows.voice_facet(is_voiced=filters.voiced == "yes")]


_RIVALS = (
    tuple(rows.source_facet(source) for source in get_args(Source)),
    tuple(rows.status_facet(status) for status in get_args(ElementStatus)),
    tuple(rows.voice_facet(is_voiced=is_voiced) for is_voiced in (True, False)),
)


def _facet_expressions(filters: Filters) -> tuple[list[str], list[str]]:
    """The filters as full-text expressions: those that must hold, and those that must not.

    A common facet is in no list, so it is asked for by leaving out its rivals.
    """
    wanted: list[str] = []
    unwanted: list[str] = []
    for group in _facet_groups(filters):
        if not rows.COMMON.intersection(group):
            wanted.append(_any_facet(group))
            continue
        rivals = next(rivals for rivals in _RIVALS if group[0] in rivals)
        if others := [facet for facet in rivals if facet not in group]:
            unwanted.append(_any_facet(others))
    return wanted, unwanted


def _any_facet(facets: Sequence[str]) -> str:
    return f"facets : ({' OR '.join(_quoted(facet) for facet in facets)})"


def _parse(text: str, filters: Filters) -> _Query:
    text = text.strip()
    found = runs(text)[:MOST_WORDS]
    terms = tuple(dict.fromkeys(_term(run) for run in found))
    return _Query(text, name_key(text), terms, _beginning(found), filters)


def _term(run: Run) -> str:
    """A word as a prefix, a number as it is; a dense run as the phrase of its pairs, which is found inside others."""
    if not run.is_dense or len(run.text) == 1:
        return _quoted(run.text) if run.text.isdecimal() else f"{_quoted(run.text)} *"
    return _quoted(" ".join(pairs(run.text)[:-1]))


def _beginning(found: Sequence[Run]) -> str:
    """All of the query in its order, as the beginning of a name."""
    parts: list[str] = []
    for place, run in enumerate(found):
        is_last = place == len(found) - 1
        if not run.is_dense:
            parts.append(run.text)
        elif is_last and len(run.text) > 1:
            return f"^ {_quoted(' '.join([*parts, *pairs(run.text)[:-1]]))}"
        else:
            parts.extend(pairs(run.text))
    if not parts:
        return ""
    return f"^ {_quoted(' '.join(parts))}" + ("" if parts[-1].isdecimal() else " *")


def _quoted(tokens: str) -> str:
    """Tokens hold no double quote: only a-z, 0-9 and characters beyond ASCII."""
    return f'"{tokens}"'


def search(db: sqlite3.Connection, text: str, filters: Filters, limit: int, after: Position | None) -> Hits:
    """See `Catalogue.search`."""
    spelling: Spelling = after.spelling if after else "exact"
    hits = _Search(db, _spelled(db, _parse(text, filters), spelling)).page(spelling, limit, after)
    if hits.total or after is not None:
        return hits
    for other in ("corrected", "similar"):
        query = _spelled(db, _parse(text, filters), other)
        if query.terms:
            hits = _Search(db, query).page(other, limit, None)
            if hits.total:
                return hits
    return Hits([], 0)


def count(db: sqlite3.Connection, text: str, filters: Filters) -> int:
    """See `Catalogue.counts`."""
    return _Search(db, _parse(text, filters)).total()


def near(db: sqlite3.Connection, text: str, limit: int) -> list[LibraryElement]:
    """See `Catalogue.near`: words as they are or corrected, else any one of the words."""
    filters = Filters(statuses=("ready",))
    hits = search(db, text, filters, limit, None)
    if hits.elements:
        return hits.elements
    parsed = _parse(text, filters)
    options = [option for run in runs(text)[:MOST_WORDS] for option in _options(db, run, closest=True)]
    if not options:
        return []
    anything = _Query(parsed.text, "", (" OR ".join(dict.fromkeys(options)),), "", filters)
    return _Search(db, anything).page("similar", limit, None).elements


class _Search:
    """One query against the tables."""

    def __init__(self, db: sqlite3.Connection, query: _Query) -> None:
        self._db = db
        self._query = query
        self._id_hits = self._find_id_hits()

    def total(self) -> int:
        """How many records match."""
        query = self._query
        if not query.text:
            return self._count_by_tally()
        inside = self._count_words() if query.terms else self._count_name()
        return inside + self._count_id_hits_outside()

    def page(self, spelling: Spelling, limit: int, after: Position | None) -> Hits:
        """The records after a position."""
        found: list[tuple[int, int]] = []
        total = self.total()
        if total:
            start = after or Position(spelling, 0, _END_OF_TIME)
            for layer in range(start.layer, 6):
                below = start.place if layer == start.layer else _END_OF_TIME
                found.extend((layer, place) for place in self._layer(layer, below, limit + 1 - len(found)))
                if len(found) > limit or (after is None and len(found) == total):
                    break
        more = len(found) > limit
        del found[limit:]
        elements = self._records([place for _, place in found])
        following = Position(spelling, *found[-1]) if more else None
        return Hits(elements, total, following, spelling)

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
        """What each word layer wants, and what an earlier one holds already."""
        query = self._query
        in_name = f"name : ({_all(query.terms)})"
        anywhere = f"{_SPOKEN} : ({_all(query.terms)})"
        beginning = f"name : {query.beginning}" if query.beginning else ""
        return [(beginning, ""), (in_name, beginning), (anywhere, in_name)]

    def _matching(self, wanted: str, unwanted: str, below: int, limit: int) -> list[int]:
        match = self._with_facets(wanted)
        if unwanted:
            match = f"({match}) NOT ({unwanted})"
        # The full name is a layer of its own; the index cannot say where a name ends.
        sql = """
            SELECT rowid FROM words WHERE words MATCH ? AND rowid < ?
            AND rowid NOT IN (SELECT value FROM json_each(?))
            AND (? = '' OR (SELECT name_key FROM elements WHERE place = words.rowid) <> ?4)
            ORDER BY rowid DESC LIMIT ?
        """
        values = (match, below, json.dumps(self._id_hits), self._query.key, limit)
        return [place for (place,) in self._db.execute(sql, values)]

    def _with_facets(self, expression: str) -> str:
        wanted, unwanted = _facet_expressions(self._query.filters)
        joined = " AND ".join(f"({part})" for part in (expression, *wanted) if part)
        return f"({joined}) NOT ({' OR '.join(f'({part})' for part in unwanted)})" if unwanted else joined

    def _everything(self, below: int, limit: int) -> list[int]:
        """Without words: by rare facets through their lists, by common ones through the table."""
        filters = self._query.filters
        wanted, _ = _facet_expressions(filters)
        if wanted:
            sql = "SELECT rowid FROM words WHERE words MATCH ? AND rowid < ? ORDER BY rowid DESC LIMIT ?"
            return [place for (place,) in self._db.execute(sql, (self._with_facets(""), below, limit))]
        if len(filters.sources) == len(filters.statuses) == 1 and filters.voiced == "any":
            sql = "SELECT place FROM elements WHERE source = ? AND status = ? AND place < ? ORDER BY place DESC LIMIT ?"
            found = self._db.execute(sql, (filters.sources[0], filters.statuses[0], below, limit))
        else:
            allowed, tokens = self._facet_rule()
            sql = f"SELECT place FROM elements WHERE {allowed} AND place < ? ORDER BY place DESC LIMIT ?"  # noqa: S608
            found = self._db.execute(sql, (*tokens, below, limit))
        return [place for (place,) in found]

    def _named(self, rule: str, below: int, limit: int) -> list[int]:
        allowed, tokens = self._facet_rule()
        sql = f"""
            SELECT place FROM elements WHERE name_key = ? AND {rule} AND place < ? AND {allowed}
            AND place NOT IN (SELECT value FROM json_each(?)) ORDER BY place DESC LIMIT ?
        """  # noqa: S608 - text of ours; values are bound
        query = self._query
        values = (query.key, query.text, below, *tokens, json.dumps(self._id_hits), limit)
        return [place for (place,) in self._db.execute(sql, values)] if query.key else []

    def _facet_rule(self) -> tuple[str, list[str]]:
        """The filters as a condition on the table, and its values."""
        groups = list(_facet_groups(self._query.filters))
        rule = " AND ".join(f"({' OR '.join(['instr(facets, ?)'] * len(group))})" for group in groups)
        return rule or "1", [f" {token} " for group in groups for token in group]

    def _find_id_hits(self) -> list[int]:
        """Places of what has this very id; also of what speaks with the voice of this id."""
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
        return [place for (place,) in self._db.execute(sql, (*tokens, *keys, MOST_ID_HITS))]

    def _count_by_tally(self) -> int:
        allowed, tokens = self._facet_rule()
        sql = f"SELECT coalesce(sum(count), 0) FROM tally WHERE {allowed}"  # noqa: S608 - text of ours
        return int(self._db.execute(sql, tokens).fetchone()[0])

    def _everywhere(self) -> str:
        return self._with_facets(f"{_SPOKEN} : ({_all(self._query.terms)})")

    def _count_words(self) -> int:
        sql = "SELECT count(*) FROM words WHERE words MATCH ?"
        return int(self._db.execute(sql, (self._everywhere(),)).fetchone()[0])

    def _count_name(self) -> int:
        """For names of nothing but punctuation, which has no tokens."""
        allowed, tokens = self._facet_rule()
        sql = f"SELECT count(*) FROM elements WHERE name_key = ? AND {allowed}"  # noqa: S608 - text of ours
        return int(self._db.execute(sql, (self._query.key, *tokens)).fetchone()[0])

    def _count_id_hits_outside(self) -> int:
        """Those that do not match by their words as well."""
        if not self._id_hits or not self._query.terms:
            return len(self._id_hits)
        sql = "SELECT count(*) FROM words WHERE words MATCH ? AND rowid IN (SELECT value FROM json_each(?))"
        values = (self._everywhere(), json.dumps(self._id_hits))
        return len(self._id_hits) - int(self._db.execute(sql, values).fetchone()[0])

    def _records(self, places: list[int]) -> list[LibraryElement]:
        sql = "SELECT place, record FROM elements WHERE place IN (SELECT value FROM json_each(?))"
        packed = dict(self._db.execute(sql, (json.dumps(places),)))
        return [rows.unpack(packed[place]) for place in places]


def _all(terms: Sequence[str]) -> str:
    return " AND ".join(f"({term})" for term in terms)


def _spelled(db: sqlite3.Connection, query: _Query, spelling: Spelling) -> _Query:
    """The query with its wrong words corrected, or with everything similar beside each word.

    Without terms where nothing is similar to some word.
    """
    if spelling == "exact":
        return query
    terms: list[str] = []
    for run in runs(query.text)[:MOST_WORDS]:
        options = _options(db, run, closest=spelling == "corrected")
        if not options:
            return _Query(query.text, "", (), "", query.filters)
        terms.append(" OR ".join(options))
    return _Query(query.text, "", tuple(dict.fromkeys(terms)), "", query.filters)


def _options(db: sqlite3.Connection, run: Run, *, closest: bool) -> list[str]:
    """Full-text expressions for a word: as it is where it occurs; corrections where it does not, or all of them."""
    term = _term(run)
    sql = "SELECT 1 FROM words WHERE words MATCH ? LIMIT 1"
    occurs = db.execute(sql, (f"{_SPOKEN} : ({term})",)).fetchone() is not None
    if run.is_dense or (occurs and closest):
        return [term] if occurs else []
    corrections = _corrections(db, run.text, closest=closest)
    return [*([term] if occurs else []), *(_quoted(word) for word in corrections)]


def _corrections(db: sqlite3.Connection, word: str, *, closest: bool) -> list[str]:
    """Known words within the number of errors that the word may have, the nearest first."""
    errors = errors_allowed(word)
    if not errors:
        return []
    far = [(distance(word, known, errors), known) for known in _candidates(db, word, errors)]
    near = sorted((how_far, known) for how_far, known in far if 0 < how_far <= errors)
    if closest:
        near = [pair for pair in near if pair[0] == near[0][0]]
    return [known for _, known in near[:MOST_CORRECTIONS]]


def _candidates(db: sqlite3.Connection, word: str, errors: int) -> set[str]:
    """Known words of about this length that begin or end alike, or have two letters swapped in the middle."""
    start, end = intact_ends(word, errors)
    found: set[str] = set()
    for size in range(len(word) - errors, len(word) + errors + 1):
        for column, part in (("word", start), ("backwards", end[::-1])):
            sql = f"SELECT word FROM vocabulary WHERE size = ? AND {column} >= ? AND {column} < ? LIMIT ?"  # noqa: S608
            values = (size, part, part + chr(0x10FFFF), MOST_CANDIDATES)
            found.update(known for (known,) in db.execute(sql, values))
    cut = len(start)
    swapped = word[: cut - 1] + word[cut : cut + 1] + word[cut - 1] + word[cut + 1 :]
    sql = "SELECT word FROM vocabulary WHERE size = ? AND word = ?"
    found.update(known for (known,) in db.execute(sql, (len(word), swapped)))
    return found
