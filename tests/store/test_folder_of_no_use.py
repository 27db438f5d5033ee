"""State that cannot be kept: the reason and its cure are told, look-ups go on at once, and nothing is created."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from helpers import API_KEY, Connect, last_line, requests_to, text_of
from no_locks import needs_kernel, refuse_locks, run_without_locks
from virtual_time import VirtualClock, VirtualLoop

from kling_mcp.errors import StorageError
from kling_mcp.simulator import World
from kling_mcp.store.sqlite import FILE_NAME, SqliteStore
from kling_mcp.store.sqlite_cache import SqliteCache
from store.rows import names, put

if TYPE_CHECKING:
    from pathlib import Path

Work = Callable[[], Awaitable[object]]
Run = Callable[[Work], None]

# A share answers one of these; SQLite takes some of them for another process that has the lock.
REFUSALS = [errno.ENOLCK, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS, errno.EACCES, errno.EPERM]


def run(work: Work) -> None:
    """On virtual time, with the locks that this computer has."""
    anyio.run(work, backend_options={"loop_factory": VirtualLoop})


def nothing(_: Path) -> None:
    """Leave the folder as it is."""


def write_newer_file(folder: Path) -> None:
    """As a version of the future may leave it: a column has another name."""
    with closing(SqliteStore(folder, VirtualClock())) as store:
        anyio.run(partial(store.run, put("kept"), write=True))
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        connection.execute("ALTER TABLE tasks RENAME COLUMN label TO caption")
        connection.execute("PRAGMA user_version = 99")
        connection.commit()


def put_a_file_in_the_way(folder: Path) -> None:
    folder.write_text("not a folder")


@dataclass(frozen=True)
class Trouble:
    """What is wrong with the folder, and what is told. `settings` are those of a server that meets it."""

    sentence: str
    cure: str
    prepare: Callable[[Path], None] = nothing
    run: Run = run
    kind: str = "read_only"
    settings: Mapping[str, Any] = field(default_factory=dict)


TROUBLES: dict[str, Trouble] = {
    "has no locks": Trouble(
        "has no file locks",
        "Set KLING_MCP_STATE_DIR to a folder on a disk of this computer",
        run=partial(run_without_locks, errno.ENOLCK),
    ),
    "has a file of a newer version": Trouble(
        "made by a newer version of kling-mcp",
        "Upgrade kling-mcp, or set KLING_MCP_STATE_DIR to another folder",
        prepare=write_newer_file,
    ),
    "cannot be written": Trouble("cannot be written", "set KLING_MCP_STATE_DIR", prepare=put_a_file_in_the_way),
    "has no place": Trouble(
        "has no home folder",
        "set KLING_MCP_STATE_DIR to the full path of a folder",
        kind="bad_input",
        settings={"state_dir": None},
    ),
}


@pytest.fixture(params=[pytest.param(name, marks=needs_kernel if "locks" in name else ()) for name in TROUBLES])
def trouble(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trouble:
    # As containers run under a number that no list of users has.
    for name in ("HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 3_999_999_999)
    chosen = TROUBLES[request.param]
    chosen.prepare(tmp_path / "state")
    return chosen


def look_ups(task_id: str) -> list[tuple[str, dict[str, Any]]]:
    """Every tool that only reads."""
    return [
        ("find_elements", {}),
        ("find_elements", {"query": "zoe", "pictures": True}),
        ("get_element", {"id": "Zoe"}),
        ("get_element", {"id": task_id}),
        ("list_elements", {}),
        ("list_preset_elements", {}),
        ("find_voices", {}),
        ("use_elements", {"elements": ["Zoe"], "target": "omni-video/kling-v3-omni"}),
        ("wait_for_tasks", {"ids": [task_id, "kmcp-unknown-1", "kmcp-unknown-2"]}),
        ("check_setup", {}),
    ]


def test_look_ups_go_on_at_once_and_creations_are_refused_before_anything_is_sent(
    trouble: Trouble, connect: Connect, clock: VirtualClock, world: World, creation: dict[str, Any]
) -> None:
    async def ask() -> None:
        there = world.add_element(world.account_of(API_KEY), "Zoe")
        async with connect(**trouble.settings) as client:
            for name, arguments in look_ups(there.task_id):
                began = clock.monotonic()
                result = await client.call_tool(name, arguments)
                assert not result.is_error, f"{name}: {text_of(result)}"
                assert clock.monotonic() - began < 1, f"{name} waited"
            began = clock.monotonic()
            for again in range(2):
                refused = await client.call_tool("create_element", {**creation, "element_name": f"Mia {again}"})
                fields = last_line(refused)
                assert (fields["kind"], fields["created"], fields["retry"]) == (trouble.kind, "no", "never")
                assert trouble.sentence in text_of(refused)
                assert trouble.cure in text_of(refused)
            assert clock.monotonic() - began < 1
        assert requests_to(world, "create") == []

    trouble.run(ask)


@needs_kernel
@pytest.mark.parametrize("error", REFUSALS)
def test_state_in_a_folder_without_locks_is_refused_by_name_without_a_wait(
    tmp_path: Path, clock: VirtualClock, error: int
) -> None:
    async def use() -> None:
        with closing(SqliteStore(tmp_path, clock)) as store:
            for write in (True, False):
                with pytest.raises(StorageError, match="has no file locks") as caught:
                    await store.run(names, write=write)
                assert str(tmp_path) in str(caught.value)
                assert os.strerror(error) in str(caught.value)
        assert clock.monotonic() == 0

    run_without_locks(error, use)
    assert [path for path in tmp_path.iterdir() if path.name != FILE_NAME] == []


@needs_kernel
def test_state_file_whose_locks_vanish_while_it_is_open_is_refused_by_name(tmp_path: Path, clock: VirtualClock) -> None:
    """As when the lock service of a share ends."""

    async def use() -> None:
        with closing(SqliteStore(tmp_path, clock)) as store:
            await store.run(put("kept"), write=True)
            await store.run(lambda _: refuse_locks(errno.ENOLCK), write=False)  # in the store's own thread
            for write in (True, False):
                with pytest.raises(StorageError, match="has no file locks"):
                    await store.run(names, write=write)
        assert clock.monotonic() == 0

    run(use)


@needs_kernel
@pytest.mark.parametrize("error", REFUSALS)
def test_index_in_a_folder_without_locks_is_kept_in_memory(
    tmp_path: Path, error: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def use() -> None:
        with closing(SqliteCache(tmp_path, "notes", ("CREATE TABLE notes (text TEXT)",))) as cache:
            await cache.run(lambda db: db.execute("INSERT INTO notes VALUES ('kept')").rowcount, write=True)
            assert await cache.run(lambda db: db.execute("SELECT text FROM notes").fetchall(), write=False) == [
                ("kept",)
            ]

    run_without_locks(error, use)
    assert "the index is in memory" in caplog.text
    assert list(tmp_path.iterdir()) == []


def test_file_of_a_newer_version_with_other_columns_is_not_touched(tmp_path: Path, clock: VirtualClock) -> None:
    write_newer_file(tmp_path)
    files, before = sorted(tmp_path.iterdir()), (tmp_path / FILE_NAME).read_bytes()

    async def use() -> None:
        with closing(SqliteStore(tmp_path, clock)) as store, pytest.raises(StorageError, match="newer version"):
            await store.run(put("more"), write=True)
        assert not store.was_damaged

    run(use)
    assert (tmp_path / FILE_NAME).read_bytes() == before
    assert sorted(tmp_path.iterdir()) == files


NEEDS_MORE = {
    "a table of ours is gone": "ALTER TABLE keys RENAME TO secrets",
    "a new column must be filled": "CREATE TABLE more (name TEXT NOT NULL, value TEXT NOT NULL, mood TEXT NOT NULL)",
}


@pytest.mark.parametrize("change", NEEDS_MORE)
def test_file_of_a_newer_version_that_lacks_what_we_write_is_named(
    tmp_path: Path, clock: VirtualClock, change: str
) -> None:
    async def use() -> None:
        with closing(SqliteStore(tmp_path, clock)) as store:
            await store.run(names, write=False)
        with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
            connection.execute(NEEDS_MORE[change])
            if "more" in NEEDS_MORE[change]:
                connection.execute("DROP TABLE keys")
                connection.execute("ALTER TABLE more RENAME TO keys")
            connection.execute("PRAGMA user_version = 99")
            connection.commit()
        with closing(SqliteStore(tmp_path, clock)) as store, pytest.raises(StorageError, match="newer version"):
            await store.run(names, write=False)

    run(use)


@pytest.fixture
def stuck(tmp_path: Path) -> Iterator[None]:
    """Another process holds the file and never lets go."""
    run(partial(SqliteStore(tmp_path, VirtualClock()).run, names, write=False))
    with closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


@pytest.mark.usefixtures("stuck")
def test_lock_that_was_waited_for_in_vain_holds_up_the_next_readings_no_more(
    tmp_path: Path, clock: VirtualClock
) -> None:
    """A look-up can do without the state, and asks it several times."""

    async def use() -> None:
        with closing(SqliteStore(tmp_path, clock)) as store:
            for most in (6.0, 0.1, 0.1):
                began = clock.monotonic()
                with pytest.raises(StorageError, match="holds"):
                    await store.run(names, write=False)
                assert clock.monotonic() - began < most
            with pytest.raises(StorageError, match="holds"):
                await store.run(put("a creation"), write=True)
            assert clock.monotonic() > 10, "a creation waits all the same"

    run(use)
