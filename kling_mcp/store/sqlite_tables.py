"""The tables in a SQLite file: made, brought up to date, checked. Files of newer versions are only looked at."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from kling_mcp.store.schema import STEPS, VERSION
from kling_mcp.store.sqlite_file import connect, in_transaction


def bring_up_to_date(connection: sqlite3.Connection) -> None:
    """Apply the steps that this file lacks; a file from a newer version is left as it is."""
    if _version(connection) >= VERSION:
        return

    def take_steps(connection: sqlite3.Connection) -> None:
        # Read again under the lock: another process may have applied the steps meanwhile.
        seen = _version(connection)
        for step in STEPS[seen:]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {max(seen, VERSION)}")

    in_transaction(connection, take_steps, write=True)


def is_too_new(connection: sqlite3.Connection) -> bool:
    """Whether a newer version has changed the tables so that this one could not read or fill them."""
    if _version(connection) <= VERSION:
        return False
    with closing(connect(None, lock_timeout=0)) as ours:
        bring_up_to_date(ours)
        tables = [name for (name,) in ours.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return not all(_can_stand_in(_columns(connection, table), _columns(ours, table)) for table in tables)


def check_tasks(connection: sqlite3.Connection) -> None:
    """Find damage before it is trusted. Only this table: it is small and cannot be restored.

    Raises:
        sqlite3.DatabaseError: with SQLite's code for a damaged file.
    """
    (found,) = connection.execute("PRAGMA quick_check(tasks)").fetchone()
    if found != "ok":
        error = sqlite3.DatabaseError(found)
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _columns(connection: sqlite3.Connection, table: str) -> dict[str, bool]:
    """The columns of a table, and for each whether a new row must give it a value."""
    rows = connection.execute('SELECT name, "notnull", dflt_value FROM pragma_table_info(?)', (table,))
    return {name: bool(filled) and default is None for name, filled, default in rows}


def _can_stand_in(theirs: dict[str, bool], ours: dict[str, bool]) -> bool:
    """Whether a table has every column of ours, and no other that we would have to fill."""
    return theirs.keys() >= ours.keys() and not any(theirs[name] for name in theirs.keys() - ours.keys())
