"""A query of many words costs as much as one of a few, however many words the library has."""

from __future__ import annotations

import itertools
import sqlite3

from work import counted_work

from kling_mcp.library.catalogue import Filters
from kling_mcp.library.sqlite.query import MAX_CANDIDATES, parse

# Sixty thousand words of one length and one beginning, so that each is a candidate for each.
WORDS = ["abcdefgh" + "".join(letters) for letters in itertools.product("uvwxyz", repeat=6)]
CALLS_OF_A_COMPARISON = 150


def vocabulary() -> sqlite3.Connection:
    """The two tables that corrections are looked for in."""
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE vocabulary (word, backwards)")
    db.execute("CREATE VIRTUAL TABLE words USING fts5 (text)")
    db.executemany("INSERT INTO vocabulary VALUES (?, ?)", [(word, word[::-1]) for word in WORDS])
    return db


def test_words_of_a_query_share_one_number_of_comparisons() -> None:
    db = vocabulary()
    # Of each, a neighbour is among the first that are looked at, so that no word ends the search.
    query = " ".join(f"abcdefghuuuuu{letter}" for letter in "abcdefghijklmnopqrst")
    for spelling in ("corrected", "similar"):
        with counted_work() as work:
            assert parse(db, query, Filters(), spelling) is not None
        assert work.calls < 2 * MAX_CANDIDATES * CALLS_OF_A_COMPARISON


def test_word_without_a_correction_ends_the_search() -> None:
    db = vocabulary()
    with counted_work() as work:
        assert parse(db, " ".join(["zzzzzzzzzzzz", *WORDS[::2000]]), Filters(), "similar") is None
    assert work.calls < 10_000
