"""The state file: transactions, several processes, and everything that can happen to a file or its folder."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from helpers import API_KEY, last_line, requests_to, structured, text_of
from never_twice.crashable import Process, Processes
from never_twice.wishes import draft_of, elements_at

from kling_mcp.api.client import KlingClient
from kling_mcp.concurrency.clock import SystemClock
from kling_mcp.errors import StorageError
from kling_mcp.simulator import Faults, Quirks, World
from kling_mcp.store import Transaction
from kling_mcp.store.schema import STEPS, VERSION
from kling_mcp.store.sqlite import FILE_NAME, LOCK_PATIENCE_SECONDS, SqliteStore
from kling_mcp.store.state_mark import FILE_NAME as MARK_NAME
from kling_mcp.tasks.send import NOT_RECORDED
from store.rows import names, put, start_python

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from mcp import Client
    from virtual_time import VirtualClock

pytestmark = pytest.mark.anyio

Connect = Callable[..., "AbstractAsyncContextManager[Client]"]
MIA = draft_of("Mia")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "a" / "state"


@pytest.fixture
def store(folder: Path, clock: VirtualClock) -> Iterator[SqliteStore]:
    with closing(SqliteStore(folder, clock)) as opened:
        yield opened


@pytest.fixture
async def processes(folder: Path, world: World, faults: Faults) -> AsyncIterator[Processes]:
    # Nothing of what is proved here may rest on Kling's refusing a used id.
    world.quirks = Quirks(refuse_used_external_id=False)
    async with Processes(folder, world, faults) as started:
        yield started


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Another program holds the file."""
    with closing(sqlite3.connect(folder / FILE_NAME, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


def posts(world: World) -> int:
    return len(requests_to(world, "create"))


def modes(folder: Path) -> tuple[int, dict[str, int]]:
    """Who may do what with a folder, and with the files in it and below it."""
    files = {path.name: path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()}
    return folder.stat().st_mode & 0o777, files


class TestTransactions:
    async def test_transaction_happens_as_a_whole_or_not_at_all(self, store: SqliteStore) -> None:
        def half(tx: Transaction) -> None:
            put("half")(tx)
            raise LookupError

        await store.run(put("whole"), write=True)
        with pytest.raises(LookupError):
            await store.run(half, write=True)
        assert await store.run(names, write=False) == ["whole"]

    async def test_committed_rows_are_seen_by_another_process_at_once(
        self, store: SqliteStore, folder: Path, clock: VirtualClock
    ) -> None:
        with closing(SqliteStore(folder, clock)) as other:
            await store.run(put("mine"), write=True)
            await other.run(put("theirs"), write=True)
            assert await store.run(names, write=False) == ["mine", "theirs"]

    async def test_closed_store_opens_again(self, store: SqliteStore) -> None:
        await store.run(put("kept"), write=True)
        store.close()
        store.close()
        assert await store.run(names, write=False) == ["kept"]

    async def test_in_memory_nothing_is_left(self, clock: VirtualClock, tmp_path: Path) -> None:
        for _ in range(2):
            with closing(SqliteStore(None, clock)) as store:
                await store.run(put("gone"), write=True)
                assert await store.run(names, write=False) == ["gone"]
                assert not store.was_damaged
        assert modes(tmp_path)[1] == {}

    async def test_memory_that_fails_says_so(self, clock: VirtualClock) -> None:
        with closing(SqliteStore(None, clock)) as store, pytest.raises(StorageError, match="Memory cannot be written"):
            await store.run(lambda tx: tx.execute("INSERT INTO nowhere VALUES (1)"), write=True)

    async def test_processes_that_write_at_once_lose_nothing(self, folder: Path, store: SqliteStore) -> None:
        """Real processes on the real clock; each counts to fifty in one row."""
        await store.run(put("count", "0"), write=True)
        count = """
import anyio, pathlib, sys
from kling_mcp.concurrency.clock import SystemClock
from kling_mcp.store.sqlite import SqliteStore
async def main():
    store = SqliteStore(pathlib.Path(sys.argv[1]), SystemClock())
    for _ in range(50):
        await store.run(lambda tx: tx.execute("UPDATE keys SET value = value + 1 WHERE name = 'count'"), write=True)
    store.close()
anyio.run(main)
"""
        started = [start_python(count, str(folder)) for _ in range(3)]
        assert [process.communicate(timeout=30)[0] for process in started] == ["", "", ""]
        rows = await store.run(lambda tx: tx.fetch("SELECT value FROM keys WHERE name = 'count'"), write=False)
        assert rows == [{"value": "150"}]


class TestFilePermissions:
    async def test_state_file_is_readable_by_the_user_alone(self, processes: Processes, folder: Path) -> None:
        await processes.start().create(MIA)
        of_folder, of_files = modes(folder)
        assert of_folder == 0o700
        assert FILE_NAME in of_files
        assert set(of_files.values()) == {0o600}


class TestLockedFile:
    async def test_locked_state_file_is_waited_for(self, store: SqliteStore, folder: Path, clock: VirtualClock) -> None:
        await store.run(put("before"), write=True)
        async with anyio.create_task_group() as group:
            with locked(folder):
                group.start_soon(lambda: store.run(put("after"), write=True))
                await clock.sleep(3)
        assert await store.run(names, write=False) == ["after", "before"]

    async def test_locked_state_file_is_not_waited_for_for_ever(
        self, store: SqliteStore, folder: Path, clock: VirtualClock
    ) -> None:
        await store.run(put("before"), write=True)
        with locked(folder):
            for write in (False, True):
                began = clock.monotonic()
                with pytest.raises(StorageError, match=r"Another process holds .* locked") as caught:
                    await store.run(names, write=write)
                assert (caught.value.kind, caught.value.created, caught.value.retry) == ("busy", "no", "later")
                assert LOCK_PATIENCE_SECONDS <= clock.monotonic() - began <= LOCK_PATIENCE_SECONDS + 0.2
        assert await store.run(names, write=False) == ["before"]

    async def test_locked_state_file_that_is_not_open_yet_is_an_error_in_time(
        self, folder: Path, store: SqliteStore, clock: VirtualClock
    ) -> None:
        await store.run(put("before"), write=True)
        with locked(folder), closing(SqliteStore(folder, clock)) as late, pytest.raises(StorageError, match="locked"):
            await late.run(names, write=False)

    async def test_creation_with_a_locked_state_file_sends_nothing(
        self, processes: Processes, folder: Path, world: World
    ) -> None:
        server = processes.start()
        await server.create(draft_of("Leo"))
        with locked(folder):
            with pytest.raises(StorageError) as caught:
                await server.create(MIA)
            assert "Nothing was sent." in caught.value.for_caller()
        assert posts(world) == 1
        assert (await server.create(MIA)).outcome == "submitted"

    async def test_a_task_that_cannot_be_written_down_is_handed_over_and_found_again(
        self, processes: Processes, folder: Path, world: World, faults: Faults, clock: VirtualClock
    ) -> None:
        server = processes.start()
        faults.delay(3, after_commit=True, route="create")
        made = []

        async def ask() -> None:
            made.append(await server.create(MIA))

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await clock.sleep(1)
            with locked(folder):
                await clock.sleep(3 + LOCK_PATIENCE_SECONDS)
        assert NOT_RECORDED in made[0].warnings
        again = await server.create(MIA, patience=60)
        assert (again.outcome, again.task.task_id) == ("recovered", made[0].task.task_id)
        assert posts(world) == 1

    async def test_a_lost_reply_that_cannot_be_written_down_is_given_its_time_all_the_same(
        self, processes: Processes, folder: Path, world: World, faults: Faults, clock: VirtualClock
    ) -> None:
        server = processes.start()
        faults.delay(9, route="create")
        faults.reply_status(502, after_commit=True, route="create")
        made = []

        async def ask() -> None:
            made.append(await server.create(MIA, allow_duplicate_name=True))

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await clock.sleep(1)
            with locked(folder):
                await clock.sleep(9 + LOCK_PATIENCE_SECONDS)
        assert made[0].outcome == "recovered"
        assert (posts(world), len(elements_at(world))) == (1, 1)


class TestFullDisk:
    def fill(self, process: Process) -> None:
        """SQLite's own limit, met in the same way as the disk's."""
        connection = process.store._connection  # type: ignore[attr-defined] # the file's, not the database server's
        assert connection is not None
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")

    async def test_creation_with_a_full_disk_fails_and_sends_nothing(self, processes: Processes, world: World) -> None:
        server = processes.start()
        await server.create(draft_of("Leo"))
        self.fill(server)
        full = None
        for number in range(200):
            before = posts(world)
            try:
                await server.create(draft_of(f"Ada {number}"), allow_duplicate_name=True)
            except StorageError as error:
                full = error
                break
        assert full is not None
        assert (full.kind, full.created, full.retry) == ("limit", "no", "later")
        assert "is full" in str(full)
        assert posts(world) == before
        assert await server.own_account().journal.unfinished()

    def test_on_a_disk_that_really_ends(self, tmp_path: Path) -> None:
        """A process whose files may not grow past 40 KiB: it stops with a sentence, and with nothing half written."""
        fill = """
import anyio, pathlib, resource, sys
from kling_mcp.concurrency.clock import SystemClock
from kling_mcp.errors import StorageError
from kling_mcp.store.sqlite import SqliteStore
async def main():
    store = SqliteStore(pathlib.Path(sys.argv[1]), SystemClock())
    await store.run(lambda tx: None, write=True)
    size = (pathlib.Path(sys.argv[1]) / "state.sqlite3").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 8192, size + 8192))
    written = 0
    try:
        while True:
            await store.run(lambda tx: tx.execute("INSERT INTO keys VALUES (?, ?)", written, "x" * 500), write=True)
            written += 1
    except StorageError as error:
        print(written, error.created, error)
anyio.run(main)
"""
        said, _ = start_python(fill, str(tmp_path)).communicate(timeout=30)
        written, created, said = said.split(" ", 2)
        assert created == "no"
        assert said.startswith(("The disk of", "The state folder"))
        with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
            assert connection.execute("SELECT COUNT(*) FROM keys").fetchone() == (int(written),)
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


class TestUnwritableFolder:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """Below a plain file nothing can be made, whoever asks; root, who may write everywhere, included."""
        (tmp_path / "a file").write_text("not a folder")
        return tmp_path / "a file" / "state"

    async def test_creations_are_off_and_say_so(self, processes: Processes, world: World) -> None:
        with pytest.raises(StorageError) as caught:
            await processes.start().create(MIA)
        error = caught.value
        assert (error.kind, error.created, error.retry) == ("read_only", "no", "never")
        assert "creations are off; reading works" in str(error)
        assert "KLING_MCP_STATE_DIR" in error.advice
        assert posts(world) == 0

    async def test_unwritable_state_folder_still_allows_reading(self, processes: Processes, world: World) -> None:
        there = world.add_element(world.account_of(API_KEY), "Zoe", status="pending")
        account = processes.start().own_account()
        client: KlingClient = account.client
        assert [task.task_id for task in await client.list_elements()] == [there.task_id]
        (item,) = await account.collector.resolve([there.task_id])
        await account.collector.wait([item], 60)
        await account.record_results([item.snapshot.task] if item.snapshot.task else [])
        assert item.snapshot.is_final

    async def test_a_whole_server_reads_on_and_says_why_it_does_not_create(
        self, connect: Connect, folder: Path, creation: dict[str, Any], world: World
    ) -> None:
        there = world.add_element(world.account_of(API_KEY), "Zoe")
        async with connect(state_dir=folder) as client:
            listed = structured(await client.call_tool("list_elements", {}))
            assert [row["element_name"] for row in listed["elements"]] == ["Zoe"]
            found = structured(await client.call_tool("get_element", {"id": there.task_id}))
            assert found["element_ids"] == [there.element_id]
            waited = structured(await client.call_tool("wait_for_tasks", {"ids": [there.task_id]}))
            assert waited["pending"] == 0
            refused = await client.call_tool("create_element", creation)
            assert last_line(refused)["kind"] == "read_only"
            assert "creations are off; reading works" in text_of(refused)
        assert posts(world) == 0

    async def test_a_folder_without_space_for_files_is_the_same(self, clock: VirtualClock, tmp_path: Path) -> None:
        (tmp_path / FILE_NAME).mkdir()
        with closing(SqliteStore(tmp_path, clock)) as store, pytest.raises(StorageError) as caught:
            await store.run(names, write=False)
        assert caught.value.kind == "read_only"


def garble(path: Path, start: int, length: int) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(b"\xa5" * length)


def put_aside(folder: Path) -> list[Path]:
    """The damaged files that were kept, without what was left of their transactions."""
    return [path for path in folder.glob(f"{FILE_NAME}.damaged-*") if not path.name.endswith("-journal")]


DAMAGE: dict[str, Callable[[Path], object]] = {
    "its head is garbled": lambda path: garble(path, 0, 100),
    "its first page is garbled": lambda path: garble(path, 100, 3996),
    "its second page is garbled": lambda path: garble(path, 4096, 4096),
    "a fragment of a row is lost": lambda path: garble(path, 4096 + 1, 2),
    "everything but its head is garbled": lambda path: garble(path, 100, path.stat().st_size - 100),
    "it ends in the middle of a page": lambda path: os.truncate(path, 3 * 4096 + 1000),
    "it ends after one page": lambda path: os.truncate(path, 4096),
    "it ends in its head": lambda path: os.truncate(path, 50),
    "it is empty": lambda path: os.truncate(path, 0),
    "it is another file": lambda path: path.write_bytes(b"Dear diary, " * 1000),
}


class TestDamagedFile:
    @pytest.mark.parametrize("damage", DAMAGE)
    @pytest.mark.parametrize("how", ["between two runs", "while it is open"])
    async def test_damaged_state_file_makes_no_element_twice(
        self, damage: str, how: str, processes: Processes, folder: Path, world: World
    ) -> None:
        server = processes.start()
        made = await server.create(MIA)
        DAMAGE[damage](folder / FILE_NAME)
        if how == "between two runs":
            server.store.close()
            server = processes.start()
        again = await server.create(MIA)
        assert again.task.task_id == made.task.task_id
        assert posts(world) == 1

    async def test_damaged_state_file_is_kept_aside(
        self, processes: Processes, folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        await processes.start().create(MIA)
        DAMAGE["its head is garbled"](folder / FILE_NAME)
        kept = (folder / FILE_NAME).read_bytes()
        await processes.start().create(MIA)
        (aside,) = put_aside(folder)
        assert aside.read_bytes() == kept
        assert aside.name in caplog.text

    async def test_loss_of_the_state_file_is_remembered_after_the_next_restart(
        self, processes: Processes, folder: Path, world: World
    ) -> None:
        """What the lost file knew is as unknown then as now."""
        made = await processes.start().create(MIA)
        DAMAGE["its head is garbled"](folder / FILE_NAME)
        await processes.start().create(draft_of("Leo"))
        again = await processes.start().create(MIA)
        assert (again.outcome, again.task.task_id) == ("recovered", made.task.task_id)
        assert posts(world) == 2

    async def test_process_with_the_old_state_file_open_follows_to_the_new_file(
        self, processes: Processes, folder: Path, world: World
    ) -> None:
        """It has the old file open, which nobody else will ever read."""
        one, other = processes.start(), processes.start()
        await one.create(MIA)
        await other.create(draft_of("Leo"))
        DAMAGE["its head is garbled"](folder / FILE_NAME)
        one.store.close()
        await one.create(draft_of("Zoe"))
        assert (await other.create(draft_of("Zoe"))).outcome == "already_submitted"
        assert (await other.create(MIA)).outcome == "recovered"
        assert len(put_aside(folder)) == 1
        assert len(elements_at(world)) == 3

    async def test_a_file_that_is_removed_while_it_is_open_is_missed(
        self, processes: Processes, folder: Path, world: World
    ) -> None:
        server = processes.start()
        made = await server.create(MIA)
        (folder / FILE_NAME).unlink()
        again = await server.create(MIA)
        assert (again.outcome, again.task.task_id) == ("recovered", made.task.task_id)
        assert posts(world) == 1

    async def test_the_names_are_guarded_all_the_same(
        self, processes: Processes, folder: Path, world: World, clock: VirtualClock
    ) -> None:
        await processes.start().create(MIA)
        await clock.sleep(60)
        DAMAGE["it is another file"](folder / FILE_NAME)
        with pytest.raises(Exception, match="already exists"):
            await processes.start().create(draft_of("Mia", "another Mia"))
        assert posts(world) == 1

    async def test_damaged_state_file_that_cannot_be_moved_stops_creations(
        self, processes: Processes, folder: Path, world: World, clock: VirtualClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        server = processes.start()
        await server.create(draft_of("Leo"))
        DAMAGE["it is another file"](folder / FILE_NAME)
        server.store.close()
        in_the_way = folder / f"{FILE_NAME}.damaged-{int(clock.wall())}-{os.getpid()}"
        in_the_way.mkdir()
        with pytest.raises(StorageError, match="creations are off"):
            await server.create(MIA)
        assert "cannot be put aside" in caplog.text
        assert posts(world) == 1

    async def test_two_processes_that_find_the_damage_move_the_file_once(
        self, folder: Path, store: SqliteStore
    ) -> None:
        """While this one reads, another one has begun anew already."""

        def find_damage(tx: Transaction) -> list[str]:
            if not put_aside(folder):
                os.rename(folder / FILE_NAME, folder / f"{FILE_NAME}.damaged-by-another")  # noqa: PTH104 - as above
                error = sqlite3.DatabaseError("database disk image is malformed")
                error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
                raise error
            return names(tx)

        assert await store.run(find_damage, write=False) == []
        assert len(put_aside(folder)) == 1
        assert store.was_damaged

    async def test_a_damaged_letter_stops_nothing(self, processes: Processes, folder: Path) -> None:
        server = processes.start()
        made = await server.create(MIA)
        with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
            connection.execute("UPDATE tasks SET label = CAST(x'4dff61' AS TEXT)")
            connection.commit()
        assert (await server.create(MIA)).task.task_id == made.task.task_id

    async def test_a_state_of_no_known_name_is_looked_into(
        self, processes: Processes, folder: Path, world: World
    ) -> None:
        """Damage, or the word of a newer version: whatever it means, it does not mean that nothing was sent."""
        server = processes.start()
        made = await server.create(MIA)
        with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
            connection.execute("UPDATE tasks SET state = 'paused'")
            connection.commit()
        again = await server.create(MIA)
        assert (again.outcome, again.task.task_id) == ("recovered", made.task.task_id)


class TestTornWrite:
    def test_a_transaction_that_the_process_did_not_survive_never_happened(self, tmp_path: Path) -> None:
        """Killed after half of its pages went to the file."""
        tear = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA journal_mode = TRUNCATE")
connection.execute("PRAGMA cache_size = 5")
connection.execute("BEGIN IMMEDIATE")
connection.execute("UPDATE keys SET value = 'torn' || substr(value, 5)")
os._exit(9)
"""
        whole = "x" * 3000

        async def main(work: Callable[[Transaction], object], *, write: bool) -> object:
            with closing(SqliteStore(tmp_path, SystemClock())) as store:
                return await store.run(work, write=write)

        def fill(tx: Transaction) -> None:
            for number in range(60):
                put(f"{number:02}", whole)(tx)

        anyio.run(lambda: main(fill, write=True))
        before = (tmp_path / FILE_NAME).read_bytes()
        start_python(tear, str(tmp_path / FILE_NAME)).communicate(timeout=30)
        assert (tmp_path / FILE_NAME).read_bytes() != before, "half of it reached the file"
        values = anyio.run(lambda: main(lambda tx: tx.fetch("SELECT DISTINCT value FROM keys"), write=False))
        assert values == [{"value": whole}]


class TestOtherVersions:
    @pytest.mark.parametrize("version", range(1, VERSION))
    async def test_a_file_of_an_earlier_version_is_brought_up_to_date(
        self, version: int, processes: Processes, folder: Path
    ) -> None:
        server = processes.start()
        made = await server.create(MIA)
        server.store.close()
        with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
            connection.row_factory = sqlite3.Row
            row = dict(connection.execute("SELECT * FROM tasks").fetchone())
        (folder / FILE_NAME).unlink()
        with closing(sqlite3.connect(folder / FILE_NAME)) as old:
            for step in STEPS[:version]:
                for statement in step:
                    old.execute(statement)
            columns = [column[1] for column in old.execute("PRAGMA table_info(tasks)")]
            values = [row[column] for column in columns]
            marks = ", ".join("?" * len(columns))
            old.execute(f"INSERT INTO tasks ({', '.join(columns)}) VALUES ({marks})", values)  # noqa: S608 - from SQLite itself
            old.execute(f"PRAGMA user_version = {version}")
            old.commit()
        again = await processes.start().create(MIA)
        assert (again.outcome, again.task.task_id) == ("already_submitted", made.task.task_id)
        with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
            assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)

    async def test_a_file_of_a_newer_version_is_used_and_left_as_it_is(
        self, processes: Processes, folder: Path
    ) -> None:
        made = await processes.start().create(MIA)
        with closing(sqlite3.connect(folder / FILE_NAME)) as newer:
            newer.execute("ALTER TABLE tasks ADD COLUMN mood TEXT NOT NULL DEFAULT 'good'")
            newer.execute("CREATE TABLE moods (name TEXT)")
            newer.execute("PRAGMA user_version = 99")
            newer.commit()
        server = processes.start()
        assert (await server.create(MIA)).task.task_id == made.task.task_id
        assert (await server.create(draft_of("Leo"))).outcome == "submitted"
        assert len(await server.own_account().journal.unfinished()) == 2
        with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
            assert connection.execute("PRAGMA user_version").fetchone() == (99,)
            assert connection.execute("SELECT DISTINCT mood FROM tasks").fetchall() == [("good",)]

    async def test_a_file_of_another_program_is_not_touched(
        self, folder: Path, store: SqliteStore, world: World
    ) -> None:
        os.makedirs(folder)  # noqa: PTH103 - the lint would have it awaited
        with closing(sqlite3.connect(folder / FILE_NAME)) as theirs:
            theirs.execute("CREATE TABLE tasks (theirs TEXT)")
            theirs.commit()
        before = (folder / FILE_NAME).read_bytes()
        with pytest.raises(StorageError, match="creations are off"):
            await store.run(names, write=False)
        assert (folder / FILE_NAME).read_bytes() == before


async def test_file_opened_by_many_at_once_is_not_taken_for_emptied(tmp_path: Path, clock: VirtualClock) -> None:
    """It is put in place with its tables, so that no other process ever sees it empty."""
    stores = [SqliteStore(tmp_path / "state", clock) for _ in range(16)]
    async with anyio.create_task_group() as group:
        for store in stores:
            group.start_soon(lambda opened: opened.run(names, write=False), store)
    assert [store.was_damaged for store in stores] == [False] * 16
    for store in stores:
        store.close()
    assert {path.name for path in (tmp_path / "state").iterdir()} - {f"{FILE_NAME}-journal"} == {FILE_NAME, MARK_NAME}
