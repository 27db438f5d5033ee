"""What all SQLite files have in common: they are private, transactions are whole, and errors are told apart."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from kling_mcp.store.sqlite_file import connect, in_transaction, is_damaged, is_full, is_locked, make_private_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "file.sqlite3"


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    make_private_file(path)
    with closing(connect(path, lock_timeout=0)) as opened:
        opened.execute("CREATE TABLE notes (text TEXT)")
        yield opened


def put(text: str) -> Callable[[sqlite3.Connection], int]:
    return lambda db: db.execute("INSERT INTO notes VALUES (?)", (text,)).rowcount


def notes(db: sqlite3.Connection) -> list[str]:
    return [text for (text,) in db.execute("SELECT text FROM notes")]


@pytest.mark.skipif(os.name != "posix", reason="has other permissions")
def test_file_and_folder_are_for_this_user_alone_whatever_the_umask(path: Path) -> None:
    before = os.umask(0)
    try:
        make_private_file(path)
    finally:
        os.umask(before)
    assert (path.parent.stat().st_mode & 0o777, path.stat().st_mode & 0o777) == (0o700, 0o600)


def test_file_that_exists_keeps_its_content(path: Path) -> None:
    make_private_file(path)
    path.write_bytes(b"content")
    make_private_file(path)
    assert path.read_bytes() == b"content"


def test_finished_transaction_is_seen_by_another_connection(connection: sqlite3.Connection, path: Path) -> None:
    assert in_transaction(connection, put("whole"), write=True) == 1
    with closing(connect(path, lock_timeout=0)) as other:
        assert in_transaction(other, notes, write=False) == ["whole"]


def test_failing_transaction_leaves_nothing_written_and_nothing_open(connection: sqlite3.Connection) -> None:
    def half(db: sqlite3.Connection) -> None:
        put("half")(db)
        raise KeyboardInterrupt  # whatever it is

    with pytest.raises(KeyboardInterrupt):
        in_transaction(connection, half, write=True)
    assert not connection.in_transaction
    assert notes(connection) == []


def test_file_that_another_connection_writes_is_locked(connection: sqlite3.Connection, path: Path) -> None:
    with closing(connect(path, lock_timeout=0)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError) as caught:
            in_transaction(connection, put("second"), write=True)
    assert (is_locked(caught.value), is_damaged(caught.value), is_full(caught.value)) == (True, False, False)


def test_file_that_is_no_database_is_damaged(path: Path) -> None:
    make_private_file(path)
    path.write_bytes(b"Dear diary, " * 1000)
    with closing(connect(path, lock_timeout=0)) as opened, pytest.raises(sqlite3.DatabaseError) as caught:
        in_transaction(opened, notes, write=False)
    assert (is_locked(caught.value), is_damaged(caught.value), is_full(caught.value)) == (False, True, False)


def test_file_that_may_not_grow_is_full(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA max_page_count = 2")
    with pytest.raises(sqlite3.OperationalError) as caught:
        in_transaction(connection, put("x" * 100_000), write=True)
    assert (is_locked(caught.value), is_damaged(caught.value), is_full(caught.value)) == (False, False, True)
    assert not connection.in_transaction


def test_error_of_another_kind_is_neither_locked_nor_damaged_nor_full() -> None:
    error = OSError(28, "No space left on device")
    assert (is_locked(error), is_damaged(error), is_full(error)) == (False, False, False)


def test_connection_may_be_closed_in_another_thread_than_it_was_opened_in(connection: sqlite3.Connection) -> None:
    thread = threading.Thread(target=connection.close)
    thread.start()
    thread.join()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")
