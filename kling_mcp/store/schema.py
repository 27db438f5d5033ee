"""The tables, as steps from one version to the next. A step, once released, never changes.

Later versions only add, so that an older program still reads a newer file.
"""

from __future__ import annotations

TASKS = """
CREATE TABLE tasks (
    account          TEXT NOT NULL,
    external_task_id TEXT NOT NULL,
    kind             TEXT NOT NULL,
    key              TEXT NOT NULL,
    attempt          INTEGER NOT NULL,
    content_hash     TEXT NOT NULL,
    label            TEXT NOT NULL,
    state            TEXT NOT NULL,
    task_id          TEXT NOT NULL DEFAULT '',
    result_ids       TEXT NOT NULL DEFAULT '',
    reason           TEXT NOT NULL DEFAULT '',
    error            TEXT NOT NULL DEFAULT '',
    memo             TEXT NOT NULL DEFAULT '',
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
    error            TEXT NOT NULL DEFAULT '',
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

PLANS = """
CREATE TABLE plans (
    account          TEXT NOT NULL,
    plan_id          TEXT NOT NULL,
    path             TEXT NOT NULL,
    decided          TEXT NOT NULL,
    agreed           TEXT NOT NULL DEFAULT '',
    created_at       DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (account, plan_id)
)
"""

STEPS: tuple[tuple[str, ...], ...] = (
    (
        TASKS,
        "CREATE UNIQUE INDEX tasks_by_key ON tasks (account, key, attempt)",
        "CREATE INDEX tasks_by_state ON tasks (account, state, created_at)",
        "CREATE INDEX tasks_by_task ON tasks (account, task_id)",
        "CREATE INDEX tasks_by_label ON tasks (account, kind, label)",
    ),
    (
        HANDLES,
        "CREATE INDEX handles_by_account ON handles (account, expires_at)",
    ),
    # How much an account created recently.
    ("CREATE INDEX tasks_by_sending ON tasks (account, kind, sent_at)",),
    # For matching callbacks to tasks.
    (
        KEYS,
        "CREATE INDEX tasks_by_external_id ON tasks (external_task_id)",
    ),
    # On which timeline the times of a row are counted; "" in rows of versions that only knew the wall clock.
    ("ALTER TABLE tasks ADD COLUMN timeline TEXT NOT NULL DEFAULT ''",),
    # What requests may cost and did cost.
    (
        "ALTER TABLE tasks ADD COLUMN product TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE tasks ADD COLUMN units_estimated TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE tasks ADD COLUMN units_deducted TEXT NOT NULL DEFAULT ''",
        "CREATE INDEX tasks_by_cost ON tasks (account, product, sent_at)",
    ),
    # What holds slots at Kling until it ends.
    (
        "ALTER TABLE tasks ADD COLUMN slot_group TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE tasks ADD COLUMN slots INTEGER NOT NULL DEFAULT 0",
    ),
    # What was decided for a production sheet, to be carried out later.
    (PLANS, "CREATE INDEX plans_by_age ON plans (account, created_at)"),
)
VERSION = len(STEPS)
