"""The file of what can be read again: it may vanish, break or be forbidden, and the work goes on."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import anyio
import pytest
from callers import Caller, Held, turn_the_loop

from kling_mcp.errors import StorageError
from kling_mcp.store.sqlite_cache import OLD_VERSION_SECONDS, SqliteCache

pytestmark = pytest.mark.anyio

SCHEMA = ("CREATE TABLE notes (text TEXT)",)


@pytest.fixture
def made() -> Iterator[list[SqliteCache]]:
    files: list[SqliteCache] = []
    yield files
    for file in files:
        file.close()


@pytest.fixture
def cache(tmp_path: Path, made: list[SqliteCache]) -> SqliteCache:
    return opened(made, tmp_path)


def opened(made: list[SqliteCache], folder: Path | None, version: str = "") -> SqliteCache:
    """As another process, or a later one, would open it."""
    made.append(SqliteCache(folder, "notes", SCHEMA, version=version))
    return made[-1]


async def write(cache: SqliteCache, text: str) -> None:
    await cache.run(lambda db: db.execute("INSERT INTO notes VALUES (?)", (text,)).rowcount, write=True)


async def read(cache: SqliteCache) -> list[str]:
    return await cache.run(lambda db: [row[0] for row in db.execute("SELECT text FROM notes")], write=False)


def only_file(folder: Path) -> Path:
    (path,) = folder.glob("*.sqlite3")
    return path


async def test_cache_keeps_its_rows_after_a_restart(
    tmp_path: Path, cache: SqliteCache, made: list[SqliteCache]
) -> None:
    await write(cache, "kept")
    cache.close()
    assert await read(opened(made, tmp_path)) == await read(cache) == ["kept"]


async def test_memory_keeps_nothing(made: list[SqliteCache]) -> None:
    cache = opened(made, None)
    await write(cache, "for now")
    assert await read(cache) == ["for now"]
    cache.close()
    assert await read(cache) == []


async def test_cache_file_is_readable_by_its_owner_alone(tmp_path: Path, made: list[SqliteCache]) -> None:
    folder = tmp_path / "new"
    await write(opened(made, folder), "mine")
    if os.name == "posix":
        assert folder.stat().st_mode & 0o077 == 0
        assert only_file(folder).stat().st_mode & 0o077 == 0


async def test_a_failed_transaction_leaves_nothing(cache: SqliteCache) -> None:
    def half(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO notes VALUES ('half')")
        raise LookupError

    with pytest.raises(LookupError):
        await cache.run(half, write=True)
    assert await read(cache) == []


async def test_damaged_cache_file_is_replaced(tmp_path: Path, cache: SqliteCache, made: list[SqliteCache]) -> None:
    await write(cache, "lost")
    cache.close()
    only_file(tmp_path).write_bytes(b"this is no database at all " * 500)
    again = opened(made, tmp_path)
    assert await read(again) == []
    await write(again, "new")
    assert await read(again) == ["new"]


async def test_versions_do_not_share_a_file(tmp_path: Path, cache: SqliteCache, made: list[SqliteCache]) -> None:
    await write(cache, "old")
    newer = opened(made, tmp_path, version="2")
    assert await read(newer) == []
    assert await read(cache) == ["old"]


async def test_files_of_forgotten_versions_go_after_a_week(
    tmp_path: Path, cache: SqliteCache, made: list[SqliteCache]
) -> None:
    await write(cache, "old")
    cache.close()
    old = only_file(tmp_path)
    now = old.stat().st_mtime
    await write(opened(made, tmp_path, version="2"), "new")
    assert old.exists()
    os.utime(old, (now, now - OLD_VERSION_SECONDS - 60))
    await write(opened(made, tmp_path, version="3"), "newest")
    assert not old.exists()


async def test_cache_without_a_usable_folder_stays_in_memory(tmp_path: Path, made: list[SqliteCache]) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("no folder")
    cache = opened(made, in_the_way)
    await write(cache, "kept in memory")
    assert await read(cache) == ["kept in memory"]


async def test_two_processes_write_one_after_the_other(
    tmp_path: Path, cache: SqliteCache, made: list[SqliteCache]
) -> None:
    other = opened(made, tmp_path)
    async with anyio.create_task_group() as group:
        for number in range(10):
            group.start_soon(write, (cache, other)[number % 2], str(number))
    assert sorted(await read(other)) == sorted(map(str, range(10)))


async def test_transaction_of_a_cancelled_caller_ends_before_the_next_one_begins(cache: SqliteCache) -> None:
    """`Task.cancel()` does not wait for the thread."""
    held = Held()

    def slow(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO notes VALUES ('first')")
        held()

    caller = Caller(lambda: cache.run(slow, write=True), "by Task.cancel")
    await held.begun()
    caller.cancel()
    await caller.end()
    async with anyio.create_task_group() as group:
        group.start_soon(write, cache, "second")
        for _ in range(50):  # enough for a thread that did not wait to get into the first transaction
            await turn_the_loop()
        held.let_go.set()
    assert await read(cache) == ["first", "second"]


async def test_cache_that_another_process_keeps_locked_goes_on_in_memory(
    tmp_path: Path, made: list[SqliteCache], caplog: pytest.LogCaptureFixture
) -> None:
    cache = SqliteCache(tmp_path, "notes", SCHEMA, lock_patience=0.01)
    made.append(cache)
    await write(cache, "first")
    with closing(sqlite3.connect(only_file(tmp_path), isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        await write(cache, "second")
    assert "the index is in memory" in caplog.text
    await write(cache, "third")
    assert await read(cache) == ["second", "third"]
    assert await read(opened(made, tmp_path)) == ["first"]


async def test_cache_on_a_full_disk_is_an_error(cache: SqliteCache) -> None:
    await write(cache, "first")
    await cache.run(lambda db: db.execute("PRAGMA max_page_count = 4").fetchall(), write=False)
    with pytest.raises(StorageError) as caught:
        await write(cache, "x" * 100_000)
    assert caught.value.kind == "limit"
    assert "disk is full" in caught.value.message


async def test_cache_with_full_memory_is_an_error(made: list[SqliteCache]) -> None:
    cache = opened(made, None)
    await write(cache, "first")
    await cache.run(lambda db: db.execute("PRAGMA max_page_count = 4").fetchall(), write=False)
    with pytest.raises(StorageError):
        await write(cache, "x" * 100_000)
    assert await read(cache) == ["first"]


async def test_a_defect_in_a_statement_is_an_error_not_a_new_file(cache: SqliteCache) -> None:
    await write(cache, "kept")
    with pytest.raises(StorageError, match="cannot be used"):
        await cache.run(lambda db: db.execute("SELECT * FROM nowhere"), write=False)
    assert await read(cache) == ["kept"]
