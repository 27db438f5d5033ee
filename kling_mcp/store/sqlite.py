"""The default store: one SQLite file in the state folder, shared by the processes of one user.

Transactions run in a worker thread, one after the other in call order, because disks can be slow; the event loop
keeps running. If another process holds the lock, the wait is outside of the thread.

It uses a rollback journal rather than a write-ahead log: everything committed is in one file, where damage shows.
A log that lost its end would just look shorter, and a recorded creation would be forgotten.
"""

from __future__ import annotations

import logging
import os
import random
import secrets
import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from kling_mcp.concurrency.serial_executor import SerialExecutor
from kling_mcp.concurrency.shared_files import replace_file
from kling_mcp.guide import guide_to
from kling_mcp.store.sqlite_errors import explained, newer_file
from kling_mcp.store.sqlite_file import (
    connect,
    in_transaction,
    is_damaged,
    is_locked,
    lock_failure,
    make_private_file,
)
from kling_mcp.store.sqlite_tables import bring_up_to_date, check_tasks, is_too_new
from kling_mcp.store.state_mark import StateMark

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.store import Row, Transaction

T = TypeVar("T")
logger = logging.getLogger(__name__)

FILE_NAME = "state.sqlite3"
LOCK_PATIENCE_SECONDS = 5.0
STUCK_SECONDS = 10.0  # so long after a lock that was waited for in vain, reading does not wait for it again
IN_MEMORY = None


class _MayPassError(Exception):
    """A transaction did not happen, but may work on another try."""

    def __init__(self, reason: sqlite3.Error | OSError) -> None:
        super().__init__()
        self.reason = reason


class SqliteStore:
    """State in `folder`, or in memory if `folder` is None (the sandbox, whose simulated Kling ends with it).

    A call that is cancelled while it waits for another process has changed nothing; at any other time it gets its
    result first. Either way it leaves nothing open.
    """

    def __init__(self, folder: Path | None, clock: Clock, rng: random.Random | None = None) -> None:
        self._folder = folder
        self._mark = StateMark(folder) if folder else None
        self._clock = clock
        self._rng = rng or random.Random()  # noqa: S311 - spreads retries, guards nothing
        self._thread = SerialExecutor("kling-mcp state")
        # Used only in that thread, except while it is idle.
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None  # device and inode
        self._was_damaged = self._is_new = False
        self._gave_up_at = -STUCK_SECONDS

    @property
    def was_damaged(self) -> bool:
        """Whether earlier state was lost: a file was damaged and put aside, or emptied, removed or exchanged."""
        return self._was_damaged

    @property
    def is_new(self) -> bool:
        """See `Store.is_new`; memory is not, because nothing is expected to last there."""
        return self._is_new and not self._was_damaged

    async def run(self, work: Callable[[Transaction], T], *, write: bool) -> T:
        """See `Store.run`.

        Raises:
            StorageError: the folder cannot be used, the file is a newer version's, the disk is full, or another
                process holds the lock.
        """
        deadline: float | None = None
        while True:
            try:
                return await self._thread.run(lambda: self._attempt(work, write=write))
            except _MayPassError as refused:
                now = self._clock.monotonic()
                if deadline is None:  # starts with the first refusal: time in our own queue says nothing about the lock
                    deadline = now + self._patience(now, write=write)
                if now >= deadline:
                    self._gave_up_at = now
                    raise explained(refused.reason, self._folder) from None
            await self._clock.sleep(self._rng.uniform(0.005, 0.05))

    def _patience(self, now: float, *, write: bool) -> float:
        """How long to wait for a lock. Look-ups only read, can do without, and read several times."""
        is_stuck = now - self._gave_up_at < STUCK_SECONDS
        return 0.0 if is_stuck and not write else LOCK_PATIENCE_SECONDS

    def close(self) -> None:
        """Close the file after the pending transactions; a later call opens it again.

        This does not wait for them: the thread closes the file when they are done.
        """
        self._thread.finish(self._finish)

    def _finish(self) -> None:
        if self._mark is not None and self._connection is not None:
            with suppress(sqlite3.Error):
                self._mark.keep(self._connection)
        self._disconnect()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _attempt(self, work: Callable[[Transaction], T], *, write: bool) -> T:
        """One try.

        Raises:
            _MayPassError: another try makes sense.
            StorageError: it does not.
        """
        try:
            if self._connection is not None and self._is_replaced():
                self._disconnect()
            connection = self._connection or self._open()
            return in_transaction(connection, lambda opened: work(_SqliteTransaction(opened)), write=write)
        except (sqlite3.Error, OSError) as error:
            if self._may_pass(error):
                raise _MayPassError(error) from None
            raise explained(error, self._folder) from None

    def _open(self) -> sqlite3.Connection:
        path = self._make_file(self._folder) if self._folder else None
        connection = connect(path, lock_timeout=0)
        try:
            _refuse_newer(connection, path)
            connection.row_factory = sqlite3.Row
            # A damaged character in a name is no reason to stop: anything that decides is compared, and would differ.
            connection.text_factory = lambda text: text.decode("utf-8", "replace")
            connection.execute("PRAGMA journal_mode = TRUNCATE")
            # FULL: a creation is on disk before it is sent, even if the power fails.
            connection.execute("PRAGMA synchronous = FULL")
            bring_up_to_date(connection)
            check_tasks(connection)
            self._compare_with_last_start(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _make_file(self, folder: Path) -> Path:
        """The path of the file, which then exists; also detects that an earlier file was lost."""
        path = folder / FILE_NAME
        is_new = not path.exists() and _create(path)
        make_private_file(path)
        is_emptied = not is_new and path.stat().st_size == 0
        self._opened = _identity(path)
        if is_emptied or any(folder.glob(f"{FILE_NAME}.damaged-*")):
            self._was_damaged = True
        self._is_new = self._is_new or is_new
        return path

    def _compare_with_last_start(self, connection: sqlite3.Connection) -> None:
        if self._mark is None:
            return
        if self._mark.compare(connection, is_lost=self._was_damaged) and not self._was_damaged:
            self._was_damaged = True
            told = "The state in %s is not the one of the last start: it was removed, exchanged or restored. Requests "
            told += "that it does not know are looked up at Kling before anything is sent. %s"
            logger.warning(told, self._folder, guide_to("state"))

    def _is_replaced(self) -> bool:
        """Whether the open file is no longer the one at this path: it was put aside, removed or emptied."""
        if self._folder is None:
            return False
        path = self._folder / FILE_NAME
        if _identity(path) == self._opened and path.stat().st_size > 0:
            return False
        self._was_damaged = True
        return True

    def _may_pass(self, error: sqlite3.Error | OSError) -> bool:
        """Whether trying again can help; a damaged file is put aside first."""
        if self._folder is None or not is_damaged(error):
            return is_locked(error) and (self._folder is None or lock_failure(self._folder) is None)
        self._disconnect()
        try:
            self._put_aside(self._folder / FILE_NAME)
        except OSError as failure:
            logger.error("The damaged state file cannot be put aside: %s", failure)  # noqa: TRY400 - says it all
            return False
        return True

    def _put_aside(self, path: Path) -> None:
        """Keep a damaged file for inspection."""
        if _identity(path) != self._opened:
            return  # another process was faster
        aside = path.with_name(f"{FILE_NAME}.damaged-{int(self._clock.wall())}-{os.getpid()}")
        told = "The state file %s is damaged; it is kept as %s, and a new one is started. %s"
        logger.error(told, path, aside.name, guide_to("state"))
        replace_file(lambda: path.replace(aside))
        with suppress(FileNotFoundError):  # the rest of a transaction belongs to the old file
            path.with_name(f"{FILE_NAME}-journal").replace(f"{aside}-journal")


def _create(path: Path) -> bool:
    """Put a file with its tables in place in one step, so that an empty one is always one that was emptied.

    False if another process was faster.
    """
    draft = path.with_name(f".{path.name}-{os.getpid()}-{secrets.token_hex(4)}")
    make_private_file(draft)
    try:
        with closing(connect(draft, lock_timeout=0)) as connection:
            bring_up_to_date(connection)
        os.link(draft, path)
    except FileExistsError:
        return False
    except OSError:
        make_private_file(path)  # a file system without links
    finally:
        draft.unlink(missing_ok=True)
    return True


class _SqliteTransaction:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def fetch(self, sql: str, *parameters: Any) -> list[Row]:
        return [dict(row) for row in self._connection.execute(sql, parameters)]

    def execute(self, sql: str, *parameters: Any) -> int:
        return self._connection.execute(sql, parameters).rowcount


def _refuse_newer(connection: sqlite3.Connection, path: Path | None) -> None:
    if path is not None and is_too_new(connection):
        raise newer_file(path)


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file is at a path; None for no file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
