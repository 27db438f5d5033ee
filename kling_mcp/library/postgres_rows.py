"""How a record lies in PostgreSQL: the tables, and its words as the database's full-text index takes them.

The words are cut and folded here, exactly as for the file on one computer; the database only looks them up, so its
own dictionaries and collations have no say.

Every word carries the number of its shelf in front. So the one index of all accounts holds each account's words
apart: nobody's search reads another's, or grows slow with them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kling_mcp.library import record_codec as rows
from kling_mcp.library.folding import tokens
from kling_mcp.store.postgres.database import SchemaPart, strip_unstorable

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from kling_mcp.library.records import LibraryElement

# A shelf is one account's records in one edition of the rules by which words are cut.
_SHELVES = """
CREATE TABLE library_shelves (
    shelf   BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account TEXT NOT NULL,
    edition TEXT NOT NULL,
    used_at DOUBLE PRECISION NOT NULL,
    UNIQUE (account, edition)
)
"""
_ELEMENTS = """
CREATE TABLE library_elements (
    shelf            BIGINT NOT NULL REFERENCES library_shelves ON DELETE CASCADE,
    key              TEXT COLLATE "C" NOT NULL,
    place            BIGINT NOT NULL,
    source           TEXT NOT NULL,
    status           TEXT NOT NULL,
    name             TEXT NOT NULL,
    name_key         TEXT COLLATE "C" NOT NULL,
    task_id          TEXT COLLATE "C" NOT NULL,
    external_task_id TEXT COLLATE "C" NOT NULL,
    voice_id         TEXT COLLATE "C" NOT NULL,
    facets           TEXT NOT NULL,
    words            TSVECTOR NOT NULL,
    record           TEXT NOT NULL,
    written_at       DOUBLE PRECISION NOT NULL,
    seen_walk        DOUBLE PRECISION NOT NULL DEFAULT 0,
    missed           INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (shelf, key)
)
"""
# Every word once, from both ends, by length: where the right spelling of a wrong word is looked for.
_WORDS = """
CREATE TABLE library_words (
    shelf     BIGINT NOT NULL REFERENCES library_shelves ON DELETE CASCADE,
    size      INTEGER NOT NULL,
    word      TEXT COLLATE "C" NOT NULL,
    backwards TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (shelf, size, word)
)
"""
_PROGRESS = """
CREATE TABLE library_progress (
    shelf  BIGINT NOT NULL REFERENCES library_shelves ON DELETE CASCADE,
    source TEXT NOT NULL,
    walk   DOUBLE PRECISION NOT NULL,
    state  TEXT NOT NULL,
    PRIMARY KEY (shelf, source)
)
"""
LIBRARY = SchemaPart(
    "library",
    (
        (
            _SHELVES,
            _ELEMENTS,
            "CREATE INDEX library_by_place ON library_elements (shelf, place)",
            # The whole of a name may be longer than an index can hold.
            "CREATE INDEX library_by_name ON library_elements (shelf, left(name_key, 64))",
            "CREATE INDEX library_by_task ON library_elements (shelf, task_id) WHERE task_id <> ''",
            (
                "CREATE INDEX library_by_external_id ON library_elements (shelf, external_task_id) "
                "WHERE external_task_id <> ''"
            ),
            "CREATE INDEX library_by_voice ON library_elements (shelf, voice_id) WHERE voice_id <> ''",
            "CREATE INDEX library_by_words ON library_elements USING gin (words)",
            _WORDS,
            "CREATE INDEX library_words_backwards ON library_words (shelf, size, backwards)",
            _PROGRESS,
        ),
    ),
)
# Programs that cut words or pack records differently do not share a shelf; to begin a new one only costs time.
EDITION = hashlib.sha256(f"postgres 1 {rows.VERSION}".encode()).hexdigest()[:8]

NAME, TEXT = "A", "B"  # PostgreSQL's weights, which say where a word stands
ANYWHERE = NAME + TEXT

COLUMNS: dict[str, str] = {
    "key": "text",
    "place": "bigint",
    "source": "text",
    "status": "text",
    "name": "text",
    "name_key": "text",
    "task_id": "text",
    "external_task_id": "text",
    "voice_id": "text",
    "facets": "text",
    "words": "tsvector",
    "record": "text",
    "written_at": "double precision",
    "seen_walk": "double precision",
    "missed": "integer",
}


@dataclass(frozen=True, slots=True)
class Shelf:
    """An account's records, within one transaction. The number is 0 where nothing was ever written."""

    db: psycopg.Connection[Any]
    number: int


def values_of(shelf: int, key: str, place: int, record: LibraryElement) -> dict[str, object]:
    """The columns that follow from the record."""
    name, text = words_of(record)
    return {
        "key": strip_unstorable(key),
        "place": place,
        "source": record.source,
        "status": record.status,
        "name": strip_unstorable(record.element_name),
        "name_key": strip_unstorable(rows.name_key_of(record)),
        "task_id": strip_unstorable(record.task_id),
        "external_task_id": strip_unstorable(record.external_task_id),
        "voice_id": strip_unstorable(record.voice_id),
        "facets": rows.facets_of(record),
        "words": _vector(shelf, name, text),
        "record": strip_unstorable(rows.pack(record)),
    }


def words_of(record: LibraryElement) -> tuple[list[str], list[str]]:
    """The tokens of the name, and of everything else that is said."""
    said = " ".join([record.element_description, *record.tags, record.voice_name])
    return tokens(record.element_name), tokens(said)


def lexeme(shelf: int, token: str) -> str:
    """A token as the index knows it. Tokens hold no quote and no backslash: only a-z, 0-9 and what is beyond ASCII."""
    return f"'{shelf}/{token}'"


def _vector(shelf: int, name: Sequence[str], text: Sequence[str]) -> str:
    """Words with their places; a gap between the two texts, so that no phrase reaches from one into the other."""
    placed = [f"{lexeme(shelf, token)}:{place}{NAME}" for place, token in enumerate(name, start=1)]
    placed += [f"{lexeme(shelf, token)}:{place}{TEXT}" for place, token in enumerate(text, start=len(name) + 2)]
    return " ".join(placed)
