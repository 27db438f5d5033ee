"""The tables of the index file.

`place` is the row id everywhere: the time of creation, then a number within that millisecond. So "newest first" is
the order of row ids, which SQLite's full-text index walks without sorting.
"""

from __future__ import annotations

SCHEMA = (
    """
    CREATE TABLE elements (
        place            INTEGER PRIMARY KEY,
        key              TEXT NOT NULL UNIQUE,
        source           TEXT NOT NULL,
        status           TEXT NOT NULL,
        name             TEXT NOT NULL,  -- as shown; the record has it as Kling gave it
        name_key         TEXT NOT NULL,
        task_id          TEXT NOT NULL,
        external_task_id TEXT NOT NULL,
        voice_id         TEXT NOT NULL,
        facets           TEXT NOT NULL,
        record           TEXT NOT NULL,
        written_at       REAL NOT NULL,
        missed           INTEGER NOT NULL DEFAULT 0
    )
    """,
    "CREATE INDEX elements_by_name ON elements (name_key, place)",
    "CREATE INDEX elements_by_task ON elements (task_id) WHERE task_id <> ''",
    "CREATE INDEX elements_by_external_id ON elements (external_task_id) WHERE external_task_id <> ''",
    "CREATE INDEX elements_by_voice ON elements (voice_id, place) WHERE voice_id <> ''",
    "CREATE INDEX elements_by_status ON elements (source, status, place)",
    # It gets our own tokens, separated by blanks, so its tokenizer must split only there, whatever its Unicode version.
    "CREATE VIRTUAL TABLE words USING fts5 (tokens, content='', tokenize='ascii', prefix='2 3')",
    # Every word once, in both directions: for completing a prefix and for correcting typos.
    "CREATE TABLE vocabulary (word TEXT PRIMARY KEY, backwards TEXT NOT NULL) WITHOUT ROWID",
    "CREATE INDEX vocabulary_backwards ON vocabulary (backwards)",
    # Maintained by triggers, so that totals without words are free.
    "CREATE TABLE tally (facets TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID",
    """
    CREATE TRIGGER elements_added AFTER INSERT ON elements BEGIN
        INSERT INTO tally VALUES (new.facets, 1) ON CONFLICT (facets) DO UPDATE SET count = count + 1;
    END
    """,
    """
    CREATE TRIGGER elements_removed AFTER DELETE ON elements BEGIN
        UPDATE tally SET count = count - 1 WHERE facets = old.facets;
        DELETE FROM tally WHERE facets = old.facets AND count = 0;
    END
    """,
    "CREATE TABLE sightings (source TEXT NOT NULL, place INTEGER NOT NULL, PRIMARY KEY (source, place)) WITHOUT ROWID",
    "CREATE TABLE progress (source TEXT PRIMARY KEY, walk REAL NOT NULL, state TEXT NOT NULL) WITHOUT ROWID",
)
