"""A SQLite file for data that can be read again: losing it only costs time.

It is separate from the state file, so that a large index can neither delay nor damage the journal of creations.
Statements run in worker threads, one at a time, because a large library takes a while.
A damaged file, or one of another version, is replaced by a new one; if no file can be used, memory is.
Reading does not create the file; the first write does.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sqlite3
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import anyio
from anyio import to_thread

from kling_mcp.errors import StorageError
from kling_mcp.guide import guide_to
from kling_mcp.store.sqlite_file import (
    connect,
    in_transaction,
    is_damaged,
    is_full,
    is_locked,
    lock_failure,
    make_private_file,
    make_private_folder,
    primary_code,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

T = TypeVar("T")
logger = logging.getLogger(__name__)

LOCK_PATIENCE_SECONDS = 5.0  # a transaction takes milliseconds; a process that is stopped in one holds it for ever
CACHE_KIB = 16_000
OLD_VERSION_SECONDS = 7 * 86_400.0
_NO_USABLE_FILE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_PROTOCOL,  # locks that do not work
    sqlite3.SQLITE_READONLY,
}


class SqliteCache:
    """`<folder>/<name>-<version>.sqlite3`, or memory if `folder` is None or cannot be used.

    The version follows from `schema`, so programs of different versions never share a file.
    """

    def __init__(
        self,
        folder: Path | None,
        name: str,
        schema: Sequence[str],
        *,
        version: str = "",
        lock_patience: float = LOCK_PATIENCE_SECONDS,
    ) -> None:
        self._folder = folder
        self._lock_patience = lock_patience
        self._name = name
        self._schema = tuple(schema)
        self._version = hashlib.sha256("\0".join([*self._schema, version]).encode()).hexdigest()[:8]
        self._connection: sqlite3.Connection | None = None
        self._blank: sqlite3.Connection | None = None  # for reads while there is no file
        self._turn = anyio.Lock()
        # `cancel` ends a caller's turn while its thread still works; the next thread waits here.
        self._in_use = threading.Lock()

    async def run(self, work: Callable[[sqlite3.Connection], T], *, write: bool) -> T:
        """Run `work` in one transaction, in a worker thread. It may run twice, on a new and empty file.

        Raises:
            StorageError: the disk is full, or `work` has a defect.
        """
        async with self._turn:
            return await to_thread.run_sync(self._run_alone, work, write)

    def close(self) -> None:
        """Close the file, while nothing runs; a later call opens it again."""
        for connection in (self._connection, self._blank):
            if connection is not None:
                connection.close()
        self._connection = self._blank = None

    def _run_alone(self, work: Callable[[sqlite3.Connection], T], write: bool) -> T:
        with self._in_use:
            return self._run(work, write)

    def _run(self, work: Callable[[sqlite3.Connection], T], write: bool) -> T:
        deadline = time.monotonic() + self._lock_patience
        tries = 3
        while True:
            try:
                connection = self._connection or (self._open() if write or self._has_file() else self._open_blank())
                return in_transaction(connection, work, write=write)
            except (sqlite3.Error, OSError) as error:
                if is_locked(error) and time.monotonic() < deadline:
                    time.sleep(0.01)  # SQLite does not wait for every lock by itself: not for two that open a file
                    continue
                tries -= 1
                if not tries or not self._mend(error):
                    raise _explained(error) from None

    def _mend(self, error: sqlite3.Error | OSError) -> bool:
        """Whether a second try makes sense, after starting over."""
        if self._folder is None:
            return False
        if is_damaged(error):
            logger.warning("The index file %s is damaged; a new one is started.", self._path(self._folder).name)
            self.close()
            with suppress(OSError):
                _remove(self._path(self._folder))
                return True
        elif isinstance(error, sqlite3.Error) and primary_code(error) not in _NO_USABLE_FILE:
            return False
        more = guide_to("state")
        logger.warning("No index file can be kept in %s (%s); the index is in memory. %s", self._folder, error, more)
        self.close()
        self._folder = None
        return True

    def _path(self, folder: Path) -> Path:
        return folder / f"{self._name}-{self._version}.sqlite3"

    def _has_file(self) -> bool:
        return self._folder is None or self._path(self._folder).exists()

    def _open_blank(self) -> sqlite3.Connection:
        if self._blank is None:
            self._blank = self._connect(None)
        return self._blank

    def _open(self) -> sqlite3.Connection:
        path = None
        if self._folder is not None:
            path = self._path(self._folder)
            make_private_folder(self._folder)
            # Found out first: SQLite would wait for a lock that it never gets.
            if refused := lock_failure(self._folder):
                raise refused
            make_private_file(path)
            os.utime(path)
            _remove_old_versions(self._folder, self._name, path)
        self._connection = self._connect(path)
        return self._connection

    def _connect(self, path: Path | None) -> sqlite3.Connection:
        connection = connect(path, lock_timeout=self._lock_patience)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            # A power failure may lose the last writes, but never the file's consistency.
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            self._make_tables(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _make_tables(self, connection: sqlite3.Connection) -> None:
        def make(connection: sqlite3.Connection) -> None:
            if connection.execute("PRAGMA user_version").fetchone()[0]:
                return
            for statement in self._schema:
                connection.execute(statement)
            connection.execute("PRAGMA user_version = 1")

        in_transaction(connection, make, write=True)


def _remove_old_versions(folder: Path, name: str, path: Path) -> None:
    """Remove files of other versions that were not opened for a week before this one."""
    now = path.stat().st_mtime
    for other in folder.glob(f"{name}-*.sqlite3"):
        with suppress(OSError):
            if other != path and now - other.stat().st_mtime > OLD_VERSION_SECONDS:
                _remove(other)


def _remove(path: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)


def _explained(error: sqlite3.Error | OSError) -> StorageError:
    if is_full(error):
        return StorageError(
            "The disk is full, so the library's index cannot be kept.", kind="limit", advice="Free some space."
        )
    return StorageError(
        f"The library's index cannot be used ({error}).",
        retry="never",
        advice="list_elements and list_preset_elements work without it.",
    )
