"""Turns query text into expressions for SQLite's full-text index; completes words and corrects typos.

It reads the vocabulary, never a record. Expressions contain only our own tokens in double quotes, so callers cannot
inject the index's query language.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from kling_mcp.library import record_codec as rows
from kling_mcp.library.catalogue import Filters, Spelling
from kling_mcp.library.folding import Run, name_key, pairs, runs
from kling_mcp.library.records import ElementStatus, Source
from kling_mcp.library.small_words import SMALL_WORDS
from kling_mcp.library.spelling import distance, errors_allowed, has_spelling, intact_ends

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

MAX_WORDS = 40
# A prefix with more completions is left to the index, which then collects all matches before it answers.
MAX_COMPLETIONS = 4
MAX_CANDIDATES = 4000  # of all words of a query together, by their beginnings and again by their ends
MAX_CORRECTIONS = 12
MAX_ZEROED = 4  # digits of a number that is also looked for with zeros in front
_LAST = chr(0x10FFFF)


@dataclass(frozen=True, slots=True)
class Term:
    """One part of the query as full-text expressions: in the name, and anywhere."""

    in_name: str
    anywhere: str


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query: all `terms` must match. `beginning` matches names that start with the text.

    `key` is "" if the words were corrected, because then the text is not an exact name.
    """

    text: str
    key: str
    terms: tuple[Term, ...]
    beginning: str
    filters: Filters

    @property
    def in_name(self) -> str:
        """All terms, in the name."""
        return _all(term.in_name for term in self.terms)

    @property
    def anywhere(self) -> str:
        """All terms, anywhere."""
        return _all(term.anywhere for term in self.terms)


def parse(db: sqlite3.Connection, text: str, filters: Filters, spelling: Spelling = "exact") -> Query | None:
    """The query with this spelling; None if it has no numbers to begin with, or some word has no correction.

    Corrections leave small words out: nothing matches with them.
    """
    text = text.strip()
    found = runs(text)[:MAX_WORDS]
    if spelling == "begun" and not any(map(_is_number, found)):
        return None
    if spelling in {"exact", "begun"}:
        begins = spelling == "begun"
        terms = tuple(dict.fromkeys(_term(db, run, begins=begins) for run in found))
        return Query(text, name_key(text), terms, _beginning(db, found, begins=begins), filters)
    telling = [run for run in found if run.text not in SMALL_WORDS] or found  # "barista with apron"
    terms = _corrected(db, telling, closest=spelling == "corrected")
    return Query(text, "", terms, "", filters) if terms else None


def telling_tokens(text: str) -> list[str]:
    """The tokens of a name that make it similar to another: no numbers, and no small words such as "the"."""
    found: dict[str, None] = {}
    for run in runs(text)[:MAX_WORDS]:
        if run.is_dense:
            found.update(dict.fromkeys(pairs(run.text)[: max(1, len(run.text) - 1)]))
        elif not run.text.isdecimal() and run.text not in SMALL_WORDS:
            found[run.text] = None
    return list(found)


def any_in_name(tokens: Iterable[str], filters: Filters) -> str:
    """The expression for names with at least one of these whole tokens."""
    return with_facets(" OR ".join(_phrase([token], rows.NAME_MARK) for token in tokens), filters)


# ---- words


def _is_number(run: Run) -> bool:
    """A number, or a word with one at its end, such as "hero5": "clip 7" must not find "clip 70" beside it."""
    return not run.is_dense and run.text[-1].isdecimal()


def _term(db: sqlite3.Connection, run: Run, *, begins: bool = False) -> Term:
    """Words match by prefix, dense runs as substrings, numbers exactly or, with `begins`, by prefix too."""
    if run.is_dense and len(run.text) > 1:
        return _tokens([pairs(run.text)[:-1]])
    if _is_number(run) and not begins:
        return _tokens([[run.text]])
    if run.text.isdecimal():  # the vocabulary has no numbers
        return _tokens([[run.text]], is_beginning=True)
    if not run.is_dense and (completions := _completions(db, run.text)) is not None:
        return _tokens([[word] for word in completions or [run.text]])
    return _tokens([[run.text]], is_beginning=True)


def _completions(db: sqlite3.Connection, beginning: str) -> list[str] | None:
    """The words with this prefix; None if there are many."""
    sql = "SELECT word FROM vocabulary WHERE word >= ? AND word < ? LIMIT ?"
    found = db.execute(sql, (beginning, beginning + _LAST, MAX_COMPLETIONS + 1)).fetchall()
    return [word for (word,) in found] if len(found) <= MAX_COMPLETIONS else None


def _tokens(phrases: Iterable[Sequence[str]], *, is_beginning: bool = False) -> Term:
    """One of these phrases."""
    star = " *" if is_beginning else ""
    in_name = [_phrase(phrase, rows.NAME_MARK) + star for phrase in phrases]
    return Term(" OR ".join(in_name), " OR ".join([*in_name, *(_phrase(phrase) + star for phrase in phrases)]))


def _phrase(tokens: Iterable[str], mark: str = "") -> str:
    """Tokens hold no double quote: only a-z, 0-9 and characters beyond ASCII."""
    return f'"{" ".join(mark + token for token in tokens)}"'


def _beginning(db: sqlite3.Connection, found: Sequence[Run], *, begins: bool) -> str:
    """All of the query in its order, as the beginning of a name."""
    if begins and any(map(_is_number, found[:-1])):
        return ""  # inside a phrase the index has whole tokens only
    parts: list[str] = []
    for run in found[:-1]:
        parts.extend(pairs(run.text) if run.is_dense else [run.text])
    if not found:
        return ""
    last = found[-1]
    if last.is_dense and len(last.text) > 1:
        return f"^ {_phrase([*parts, *pairs(last.text)[:-1]], rows.NAME_MARK)}"
    if _is_number(last) and not begins:
        return f"^ {_phrase([*parts, last.text], rows.NAME_MARK)}"
    completions = None if last.is_dense or last.text.isdecimal() else _completions(db, last.text)
    if completions is None:
        return f"^ {_phrase([*parts, last.text], rows.NAME_MARK)} *"
    return " OR ".join(f"^ {_phrase([*parts, word], rows.NAME_MARK)}" for word in completions or [last.text])


def _either(options: Sequence[Term]) -> Term:
    return Term(
        " OR ".join(dict.fromkeys(option.in_name for option in options)),
        " OR ".join(dict.fromkeys(option.anywhere for option in options)),
    )


def _all(expressions: Iterable[str]) -> str:
    return " AND ".join(f"({expression})" for expression in expressions)


# ---- corrections


def _corrected(db: sqlite3.Connection, found: Sequence[Run], *, closest: bool) -> tuple[Term, ...]:
    """A term for each word; none at all if some word has no correction."""
    terms: dict[Term, None] = {}
    for run in found:
        options = _options(db, run, MAX_CANDIDATES // len(found), closest=closest)
        if not options:
            return ()
        terms[_either(options)] = None
    return tuple(terms)


def _options(db: sqlite3.Connection, run: Run, most: int, *, closest: bool) -> list[Term]:
    """The word itself if it occurs; with `closest` its nearest corrections only if not, otherwise all of them too.

    Numbers count by their beginning, and with other zeros in front. The word is compared with about `most` others.
    """
    if run.text.isdecimal():
        return [_term(db, run, begins=True), _tokens([[alike] for alike in _of_same_value(run.text)])]
    term = _term(db, run, begins=True)
    occurs = db.execute("SELECT 1 FROM words WHERE words MATCH ? LIMIT 1", (term.anywhere,)).fetchone() is not None
    if run.is_dense or (occurs and closest):
        return [term] if occurs else []
    corrections = _corrections(db, run.text, most, closest=closest)
    return [*([term] if occurs else []), *([_tokens([[word] for word in corrections])] if corrections else [])]


def _of_same_value(number: str) -> list[str]:
    """The number with other zeros in front: "7" is also "07", "007" and "0007"."""
    digits = number.lstrip("0") or "0"
    return list(dict.fromkeys(digits.zfill(width) for width in range(len(digits), max(len(digits), MAX_ZEROED) + 1)))


def _corrections(db: sqlite3.Connection, word: str, most: int, *, closest: bool) -> list[str]:
    """Known words within the allowed number of errors, nearest first."""
    errors = errors_allowed(word)
    if not errors:
        return []
    far = [(distance(word, known, errors), known) for known in _candidates(db, word, errors, most)]
    near = sorted((how_far, known) for how_far, known in far if 0 < how_far <= errors)
    if closest:
        near = [pair for pair in near if pair[0] == near[0][0]]
    return [known for _, known in near[:MAX_CORRECTIONS]]


def _candidates(db: sqlite3.Connection, word: str, errors: int, most: int) -> set[str]:
    """Known words of similar length with the same prefix or suffix, or with two letters swapped in the middle."""
    start, end = intact_ends(word, errors)
    found: set[str] = set()
    for column, part in (("word", start), ("backwards", end[::-1])):
        sql = f"""
            SELECT word FROM vocabulary WHERE {column} >= ? AND {column} < ? AND length(word) BETWEEN ? AND ? LIMIT ?
        """  # noqa: S608 - the names of our two columns
        values = (part, part + _LAST, len(word) - errors, len(word) + errors, most)
        found.update(known for (known,) in db.execute(sql, values))
    cut = len(start)
    swapped = word[: cut - 1] + word[cut : cut + 1] + word[cut - 1] + word[cut + 1 :]
    found.update(known for (known,) in db.execute("SELECT word FROM vocabulary WHERE word = ?", (swapped,)))
    return {known for known in found if has_spelling(known)}


# ---- facets


def facet_groups(filters: Filters) -> Iterator[list[str]]:
    """Groups of facets: one of each group must match."""
    if filters.sources:
        yield [rows.source_facet(source) for source in filters.sources]
    if filters.statuses:
        yield [rows.status_facet(status) for status in filters.statuses]
    if filters.tags:
        yield [rows.tag_facet(tag) for tag in filters.tags]
    if filters.has_voice != "any":
        yield [rows.voice_facet(is_voiced=filters.has_voice == "yes")]


_RIVALS = (
    tuple(rows.source_facet(source) for source in get_args(Source)),
    tuple(rows.status_facet(status) for status in get_args(ElementStatus)),
    tuple(rows.voice_facet(is_voiced=is_voiced) for is_voiced in (True, False)),
)


def rare_facets(filters: Filters) -> list[str]:
    """The filters that have their own lists, each as an expression that must match."""
    groups = facet_groups(filters)
    return [_any_facet(group) for group in groups if not rows.COMMON.intersection(group)]


def with_facets(expression: str, filters: Filters) -> str:
    """The expression narrowed by the filters. Common facets have no list, so their rivals are excluded instead."""
    wanted = " AND ".join(f"({part})" for part in (expression, *rare_facets(filters)) if part)
    unwanted: list[str] = []
    for group in facet_groups(filters):
        if rows.COMMON.intersection(group):
            rivals = next(rivals for rivals in _RIVALS if group[0] in rivals)
            unwanted.extend(facet for facet in rivals if facet not in group)
    return f"({wanted}) NOT ({_any_facet(unwanted)})" if unwanted else wanted


def with_tag(expression: str, tag: str) -> str:
    """The expression narrowed to one tag, given by its folded name."""
    return f"({_any_facet([rows.tag_facet(tag)])}) AND ({expression})"


def _any_facet(facets: Iterable[str]) -> str:
    return " OR ".join(_phrase([facet], rows.FACET_MARK) for facet in facets)
