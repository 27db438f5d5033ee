"""What all SQLite files of this package share: private files, locks, whole transactions, error codes.

It decides nothing: how to handle a damaged file or a full disk is up to the caller.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")


def make_private_folder(folder: Path) -> None:
    """Make sure that the folder exists; a new one is accessible only to this user."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def make_private_file(path: Path) -> None:
    """Make sure that the file and its folder exist; new ones are accessible only to this user."""
    make_private_folder(path.parent)
    # Created here, because SQLite would make it readable for all users.
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def lock_failure(folder: Path) -> OSError | None:
    """Why no file in this folder can be locked, as on some network shares; None if it can, or it cannot be found out.

    SQLite itself takes some of these answers for a lock that another process holds.
    """
    with suppress(ImportError, OSError):
        import fcntl  # noqa: PLC0415, TID251 - Windows has none; its shares have locks

        with tempfile.TemporaryFile(dir=folder) as file:  # no other process can know it
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as refused:
                return refused
    return None


def connect(path: Path | None, *, lock_timeout: float) -> sqlite3.Connection:
    """A connection to a file, or to a database in memory if `path` is None; it begins no transaction by itself.

    Any thread may use it, one at a time, which the caller ensures.
    """
    return sqlite3.connect(path or ":memory:", timeout=lock_timeout, isolation_level=None, check_same_thread=False)


def in_transaction(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T], *, write: bool) -> T:
    """Run `work`; commit all of it, or none, and leave nothing open."""
    connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
    try:
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        # After some errors (a full disk) SQLite has already rolled back.
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
    return result


def primary_code(error: Exception) -> int:
    """SQLite's primary result code, or 0 for another error; extended codes contain it in their low byte."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def is_locked(error: Exception) -> bool:
    """Whether another connection is in the way, so that trying again can help."""
    return primary_code(error) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def is_damaged(error: Exception) -> bool:
    """Whether the file is broken, or not a database at all."""
    return primary_code(error) in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def is_full(error: Exception) -> bool:
    """Whether there is no space left."""
    return primary_code(error) == sqlite3.SQLITE_FULL
