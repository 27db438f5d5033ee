"""Finding in PostgreSQL: the same layers of likeness as in the file on one computer, in one statement.

    0  an id, exactly          2  the name, ignoring case, accents, width     4  words of the name
    1  the name, exactly       3  a prefix of the name                        5  words anywhere

A record stands in the first layer that it fits.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kling_mcp.library import record_codec as rows
from kling_mcp.library.catalogue import Filters, Position, SearchPage, Spelling
from kling_mcp.library.folding import Run, name_key, pairs, runs
from kling_mcp.library.postgres_rows import ANYWHERE, NAME, Shelf, lexeme
from kling_mcp.library.spelling import distance, errors_allowed, intact_ends
from kling_mcp.store.postgres.database import strip_unstorable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.library.records import LibraryElement

MAX_WORDS = 40
MAX_CANDIDATES = 4000
MAX_CORRECTIONS = 12
_END_OF_TIME = 2**63 - 1

_IDS = """(key = ANY(%(keys)s) OR (task_id <> '' AND task_id = %(text)s)
    OR (external_task_id <> '' AND external_task_id = %(text)s) OR (voice_id <> '' AND voice_id = %(text)s))"""
_NAMED = "(left(name_key, 64) = left(%(key)s, 64) AND name_key = %(key)s)"


@dataclass(frozen=True, slots=True)
class _Query:
    """A text as it is looked for. Of each of `terms` one option must be there; options are in the index's notation.

    An option has no weight yet: `{}` stands where it says which texts count.
    """

    shelf: int
    text: str
    key: str
    terms: tuple[tuple[str, ...], ...]
    beginning: str
    filters: Filters

    def words(self, weights: str) -> str:
        """All terms as one condition on the words of these texts."""
        return " & ".join(f"({' | '.join(options)})" for options in self.terms).replace("{}", weights)


def search(shelf: Shelf, text: str, filters: Filters, limit: int, after: Position | None) -> SearchPage:
    """See `Catalogue.search`."""
    spelling: Spelling = after.spelling if after else "exact"
    query = _parse(shelf.number, text, filters)
    hits = _page(shelf, _spelled(shelf, query, spelling), spelling, limit, after)
    if hits.total or after is not None:
        return hits
    for other in ("corrected", "similar"):
        respelled = _spelled(shelf, query, other)
        if respelled.terms:
            hits = _page(shelf, respelled, other, limit, None)
            if hits.total:
                return hits
    return SearchPage([], 0)


def count(shelf: Shelf, text: str, filters: Filters) -> int:
    """See `Catalogue.counts`."""
    condition, values = _condition(_parse(shelf.number, text, filters))
    return _count(shelf, condition, values)


def near(shelf: Shelf, text: str, limit: int) -> list[LibraryElement]:
    """See `Catalogue.near`: words as written or corrected, otherwise any one of the words."""
    filters = Filters(statuses=("ready",))
    hits = search(shelf, text, filters, limit, None)
    if hits.elements:
        return hits.elements
    query = _parse(shelf.number, text, filters)
    options = [option for run in _runs(text) for option in _options(shelf, run, closest=True)]
    if not options:
        return []
    anything = replace(query, key="", terms=(tuple(dict.fromkeys(options)),), beginning="")
    return _page(shelf, anything, "similar", limit, None).elements


def _parse(shelf: int, text: str, filters: Filters) -> _Query:
    text = text.strip()
    found = _runs(text)
    terms = tuple(dict.fromkeys((_term(shelf, run),) for run in found))
    return _Query(shelf, text, strip_unstorable(name_key(text)), terms, _beginning(found), filters)


def _runs(text: str) -> list[Run]:
    return runs(strip_unstorable(text.strip()))[:MAX_WORDS]


def _term(shelf: int, run: Run) -> str:
    """A word as a prefix, a number as it is; a dense run as the phrase of its pairs, which is found inside others."""
    if not run.is_dense or len(run.text) == 1:
        return f"{lexeme(shelf, run.text)}:{'' if run.text.isdecimal() else '*'}{{}}"
    return f"({' <-> '.join(f'{lexeme(shelf, pair)}:{{}}' for pair in pairs(run.text)[:-1])})"


def _beginning(found: Sequence[Run]) -> str:
    """All of the query in its order, as the beginning of a name's key and a blank."""
    parts: list[str] = []
    for place, run in enumerate(found):
        is_last = place == len(found) - 1
        if not run.is_dense:
            parts.append(run.text)
        elif is_last and len(run.text) > 1:
            return " ".join([*parts, *pairs(run.text)[:-1], ""])
        else:
            parts.extend(pairs(run.text))
    return " ".join(parts) + (" " if parts and parts[-1].isdecimal() else "")


@dataclass(slots=True)
class _Values:
    """Values of a statement by the names that stand for them."""

    by_name: dict[str, object] = field(default_factory=dict)

    def add(self, value: object) -> str:
        name = f"v{len(self.by_name)}"
        self.by_name[name] = value
        return f"%({name})s"


def _condition(query: _Query) -> tuple[str, dict[str, object]]:
    """What a record must fulfil to be found at all, and the values of every statement about the query."""
    values = _Values()
    parts = ["shelf = %(shelf)s"]
    for tokens in _facet_groups(query.filters):
        options = " OR ".join(f"strpos(facets, {values.add(f' {token} ')}) > 0" for token in tokens)
        parts.append(f"({options})")
    text = strip_unstorable(query.text)
    values.by_name |= {
        "shelf": query.shelf,
        "text": text,
        "key": query.key,
        "keys": [f"custom:e:{text}", f"preset:e:{text}"] if _may_be_id(query) else [],
        "anywhere": query.words(ANYWHERE),
        "in_name": query.words(NAME),
        "beginning": query.beginning,
    }
    if query.text:
        ways = [_IDS] if _may_be_id(query) else []
        ways += [_NAMED] if query.key else []
        ways += ["words @@ %(anywhere)s::tsquery"] if query.terms else []
        parts.append(f"({' OR '.join(ways) or 'false'})")
    return " AND ".join(parts), values.by_name


def _may_be_id(query: _Query) -> bool:
    """Also what speaks with the voice of this id is meant by it."""
    return bool(query.text) and " " not in query.text


def _facet_groups(filters: Filters) -> list[list[str]]:
    """Groups of facet tokens: of each group one must be there."""
    groups = [
        [rows.source_facet(source) for source in filters.sources],
        [rows.status_facet(status) for status in filters.statuses],
        [rows.tag_facet(tag) for tag in filters.tags],
        [] if filters.has_voice == "any" else [rows.voice_facet(is_voiced=filters.has_voice == "yes")],
    ]
    return [group for group in groups if group]


def _layer(query: _Query) -> str:
    """The number of the first layer that a found record fits."""
    cases = [(0, _IDS)] if _may_be_id(query) else []
    if query.key:
        cases += [(1, f"{_NAMED} AND name = %(text)s"), (2, _NAMED)]
    if query.beginning:
        cases.append((3, "starts_with(name_key || ' ', %(beginning)s)"))
    if query.terms:
        cases.append((4, "words @@ %(in_name)s::tsquery"))
    whens = " ".join(f"WHEN {rule} THEN {layer}" for layer, rule in cases)
    return f"CASE {whens} ELSE 5 END" if query.text and whens else "0"


def _count(shelf: Shelf, condition: str, values: dict[str, object]) -> int:
    row = shelf.db.execute(f"SELECT count(*) FROM library_elements WHERE {condition}", values).fetchone()  # noqa: S608 - names of ours
    return int(row[0]) if row else 0


def _page(shelf: Shelf, query: _Query, spelling: Spelling, limit: int, after: Position | None) -> SearchPage:
    """The records after a position."""
    condition, values = _condition(query)
    values |= {"layer": after.layer if after else 0, "place": after.place if after else _END_OF_TIME}
    # The words are compared with each record found, so that is done once, for the count and for the page.
    sql = f"""
        WITH hits AS MATERIALIZED (
            SELECT key, place, {_layer(query)} AS layer FROM library_elements WHERE {condition}
        ), page AS (
            SELECT * FROM hits WHERE layer > %(layer)s OR layer = %(layer)s AND place < %(place)s
            ORDER BY layer, place DESC LIMIT %(limit)s
        )
        SELECT page.layer, page.place, record, (SELECT count(*) FROM hits)
        FROM page JOIN library_elements AS e ON e.shelf = %(shelf)s AND e.key = page.key
        ORDER BY page.layer, page.place DESC
    """  # noqa: S608 - names of ours; values are bound
    found = shelf.db.execute(sql, {**values, "limit": limit + 1}).fetchall()
    total = int(found[0][3]) if found else _count(shelf, condition, values)
    more = len(found) > limit
    del found[limit:]
    following = Position(spelling, found[-1][0], found[-1][1]) if more else None
    return SearchPage([rows.unpack(record) for _, _, record, _ in found], total, following, spelling)


def _spelled(shelf: Shelf, query: _Query, spelling: Spelling) -> _Query:
    """The query with its wrong words corrected, or with everything similar beside each word.

    Without terms where nothing is similar to some word.
    """
    if spelling == "exact":
        return query
    terms: list[tuple[str, ...]] = []
    for run in _runs(query.text):
        options = _options(shelf, run, closest=spelling == "corrected")
        if not options:
            return replace(query, key="", terms=(), beginning="")
        terms.append(tuple(options))
    return replace(query, key="", terms=tuple(dict.fromkeys(terms)), beginning="")


def _options(shelf: Shelf, run: Run, *, closest: bool) -> list[str]:
    """What to look for: a word as it is where it occurs; corrections where it does not, or all of them."""
    term = _term(shelf.number, run)
    sql = "SELECT 1 FROM library_elements WHERE shelf = %s AND words @@ %s::tsquery LIMIT 1"
    occurs = shelf.db.execute(sql, (shelf.number, term.replace("{}", ANYWHERE))).fetchone() is not None
    if run.is_dense or (occurs and closest):
        return [term] if occurs else []
    corrections = _corrections(shelf, run.text, closest=closest)
    return [*([term] if occurs else []), *(f"{lexeme(shelf.number, word)}:{{}}" for word in corrections)]


def _corrections(shelf: Shelf, word: str, *, closest: bool) -> list[str]:
    """Known words within the allowed number of errors, nearest first."""
    errors = errors_allowed(word)
    if not errors:
        return []
    far = [(distance(word, known, errors), known) for known in _candidates(shelf, word, errors)]
    near = sorted((how_far, known) for how_far, known in far if 0 < how_far <= errors)
    if closest:
        near = [pair for pair in near if pair[0] == near[0][0]]
    return [known for _, known in near[:MAX_CORRECTIONS]]


def _candidates(shelf: Shelf, word: str, errors: int) -> set[str]:
    """Known words of similar length with the same prefix or suffix, or with two letters swapped in the middle."""
    start, end = intact_ends(word, errors)
    cut = len(start)
    swapped = word[: cut - 1] + word[cut : cut + 1] + word[cut - 1] + word[cut + 1 :]
    sql = """
        SELECT near.word FROM generate_series(%(least)s::int, %(most)s::int) AS length, LATERAL (
            (SELECT word FROM library_words WHERE shelf = %(shelf)s AND size = length
                AND word >= %(start)s AND word < %(after_start)s ORDER BY word LIMIT %(limit)s)
            UNION
            (SELECT word FROM library_words WHERE shelf = %(shelf)s AND size = length
                AND backwards >= %(end)s AND backwards < %(after_end)s ORDER BY backwards LIMIT %(limit)s)
        ) AS near
        UNION SELECT word FROM library_words WHERE shelf = %(shelf)s AND size = %(size)s AND word = %(swapped)s
    """
    last = chr(0x10FFFF)  # in the order of code points nothing comes after it
    values = {
        "shelf": shelf.number,
        "size": len(word),
        "least": len(word) - errors,
        "most": len(word) + errors,
        "start": start,
        "after_start": start + last,
        "end": end[::-1],
        "after_end": end[::-1] + last,
        "swapped": swapped,
        "limit": MAX_CANDIDATES,
    }
    return {known for (known,) in shelf.db.execute(sql, values)}
