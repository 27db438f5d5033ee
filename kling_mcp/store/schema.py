"""The tables, as steps from one version to the next. A step, once released, never changes.

Later versions only add, so that an older program still reads a newer file.
"""

from __future__ import annotations

CREATIONS = """
CREATE TABLE creations (
    account          TEXT NOT NULL,
    external_task_id TEXT NOT NULL,
    intent           TEXT NOT NULL,
    attempt          INTEGER NOT NULL,
    digest           TEXT NOT NULL,
    element_name     TEXT NOT NULL,
    reference_type   TEXT NOT NULL,
    state            TEXT NOT NULL,
    task_id          TEXT NOT NULL DEFAULT '',
    element_ids      TEXT NOT NULL DEFAULT '',
    detail           TEXT NOT NULL DEFAULT '',
    owner            TEXT NOT NULL DEFAULT '',
    lease_until      DOUBLE PRECISION NOT NULL DEFAULT 0,
    sent_at          DOUBLE PRECISION NOT NULL DEFAULT 0,
    settles_at       DOUBLE PRECISION NOT NULL DEFAULT 0,
    created_at       DOUBLE PRECISION NOT NULL,
    updated_at       DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (account, external_task_id)
)
"""

HANDLES = """
CREATE TABLE handles (
    handle_id        TEXT NOT NULL PRIMARY KEY,
    account          TEXT NOT NULL,
    principal        TEXT NOT NULL,
    tool             TEXT NOT NULL,
    names            TEXT NOT NULL DEFAULT '[]',
    owner            TEXT NOT NULL,
    status           TEXT NOT NULL,
    detail           TEXT NOT NULL DEFAULT '',
    created_at       DOUBLE PRECISION NOT NULL,
    updated_at       DOUBLE PRECISION NOT NULL,
    expires_at       DOUBLE PRECISION NOT NULL
)
"""

KEYS = """
CREATE TABLE keys (
    name             TEXT NOT NULL PRIMARY KEY,
    value            TEXT NOT NULL
)
"""

STEPS: tuple[tuple[str, ...], ...] = (
    (
        CREATIONS,
        "CREATE UNIQUE INDEX creations_by_intent ON creations (account, intent, attempt)",
        "CREATE INDEX creations_by_state ON creations (account, state, created_at)",
        "CREATE INDEX creations_by_task ON creations (account, task_id)",
        "CREATE INDEX creations_by_name ON creations (account, element_name)",
    ),
    (
        HANDLES,
        "CREATE INDEX handles_by_account ON handles (account, expires_at)",
    ),
    # How much an account created lately.
    ("CREATE INDEX creations_by_sending ON creations (account, sent_at)",),
    # What callbacks are told by.
    (
        KEYS,
        "CREATE INDEX creations_by_external_id ON creations (external_task_id)",
    ),
)
VERSION = len(STEPS)
