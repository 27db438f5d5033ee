"""A disk that takes its time: the event loop goes on, order is kept, and a caller who leaves takes nothing along.

The disk is held up where SQLite is about to commit, so each transaction has its locks and cannot go back or forth.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest
from callers import WAYS, Caller, Held, Way, turn_the_loop, turn_until
from helpers import requests_to
from never_twice.wishes import draft_of, elements_at
from processes import SOON

from kling_mcp.simulator import Quirks, World
from kling_mcp.store.sqlite import FILE_NAME, SqliteStore
from store.rows import names, put, start_python

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from never_twice.crashable import Process
    from virtual_time import VirtualClock

    from kling_mcp.store import Transaction

pytestmark = pytest.mark.anyio


class Disk(Held):
    """Holds up the n-th commit from now on until it is let go."""

    def __init__(self, store: SqliteStore, number: int = 1) -> None:
        super().__init__()
        self._left = number
        connection = store._connection
        assert connection is not None, "a store that has not been used has no file yet"
        connection.set_trace_callback(self._see)

    def _see(self, statement: str) -> None:
        if statement == "COMMIT":
            self._left -= 1
            if self._left == 0:
                self()


@pytest.fixture
async def store(tmp_path: Path, clock: VirtualClock) -> AsyncIterator[SqliteStore]:
    """A store whose file is open."""
    with closing(SqliteStore(tmp_path, clock)) as opened:
        await opened.run(names, write=False)
        yield opened


async def write(store: SqliteStore, name: str) -> int:
    return await store.run(put(name), write=True)


def names_on_disk(folder: Path) -> list[str]:
    """What another process sees now; it does not wait."""
    with closing(sqlite3.connect(folder / FILE_NAME, timeout=0)) as other:
        return [name for (name,) in other.execute("SELECT name FROM keys ORDER BY name")]


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Another process writes."""
    with closing(sqlite3.connect(folder / FILE_NAME, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


async def test_event_loop_goes_on_while_a_commit_waits_for_the_disk(store: SqliteStore) -> None:
    """If it did not, the disk would never be let go."""
    disk = Disk(store)
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: store.run(put("slow"), write=True))
        await disk.begun()
        await turn_the_loop()
        disk.let_go.set()
    assert await store.run(names, write=False) == ["slow"]


async def test_first_transaction_which_opens_the_file_runs_beside_the_event_loop(
    tmp_path: Path, clock: VirtualClock
) -> None:
    with closing(SqliteStore(tmp_path, clock)) as store:
        assert await store.run(lambda _: threading.get_ident(), write=False) != threading.get_ident()


async def test_store_starts_no_thread_before_the_first_transaction(tmp_path: Path, clock: VirtualClock) -> None:
    before = set(threading.enumerate())
    with closing(SqliteStore(tmp_path, clock)):
        assert set(threading.enumerate()) <= before


async def test_writes_and_reads_happen_in_the_order_of_the_calls(store: SqliteStore) -> None:
    disk = Disk(store)
    seen: list[list[str]] = []

    async def read() -> None:
        seen.append(await store.run(names, write=False))

    async with anyio.create_task_group() as group:
        for name in "abc":
            group.start_soon(write, store, name)
            group.start_soon(read)
        await disk.begun()
        disk.let_go.set()
    assert seen == [["a"], ["a", "b"], ["a", "b", "c"]]


async def test_store_in_memory_serves_many_callers_one_after_the_other(clock: VirtualClock) -> None:
    with closing(SqliteStore(None, clock)) as store:
        await store.run(put("count", "0"), write=True)

        async def count() -> None:
            await store.run(lambda tx: tx.execute("UPDATE keys SET value = value + 1"), write=True)

        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(count)
        assert await store.run(lambda tx: tx.fetch("SELECT value FROM keys"), write=False) == [{"value": "50"}]


@pytest.mark.parametrize("way", WAYS)
async def test_caller_cancelled_while_it_commits_learns_that_it_did(
    store: SqliteStore, tmp_path: Path, way: Way
) -> None:
    disk = Disk(store)
    caller = Caller(lambda: store.run(put("kept"), write=True), way)
    await disk.begun()
    caller.cancel()
    await turn_the_loop()
    assert not caller.task.done()
    disk.let_go.set()
    await caller.end()
    assert caller.heard == [1]
    assert names_on_disk(tmp_path) == ["kept"]


@pytest.mark.parametrize("way", WAYS)
async def test_caller_cancelled_while_others_write_holds_up_none_of_them(
    store: SqliteStore, tmp_path: Path, way: Way
) -> None:
    disk = Disk(store)
    callers = [Caller(partial(write, store, name), way) for name in "abcd"]
    await disk.begun()
    for caller in callers[1:3]:
        caller.cancel()
    await turn_the_loop()
    disk.let_go.set()
    for caller in callers[1:3]:
        await caller.end()
    await turn_until(lambda: bool(callers[3].heard))
    assert names_on_disk(tmp_path) == ["a", "b", "c", "d"]
    for caller in callers:
        caller.cancel()
        await caller.end()


@pytest.mark.parametrize("way", WAYS)
async def test_caller_cancelled_while_another_process_has_the_lock_has_written_nothing(
    store: SqliteStore, tmp_path: Path, clock: VirtualClock, way: Way
) -> None:
    with locked(tmp_path):
        caller = Caller(lambda: store.run(put("not written"), write=True), way)
        await clock.sleep(1)
        caller.cancel()
        await caller.end()
    assert caller.heard == []
    assert names_on_disk(tmp_path) == []
    await store.run(put("the next one"), write=True)
    assert names_on_disk(tmp_path) == ["the next one"]


@pytest.mark.parametrize("way", WAYS)
async def test_failing_transaction_of_a_cancelled_caller_is_rolled_back(
    store: SqliteStore, tmp_path: Path, way: Way
) -> None:
    held = Held()

    def half(tx: Transaction) -> None:
        put("half")(tx)
        held()
        raise LookupError

    caller = Caller(lambda: store.run(half, write=True), way)
    await held.begun()
    caller.cancel()
    await turn_the_loop()
    held.let_go.set()
    with pytest.raises(LookupError):
        await caller.task
    await store.run(put("whole"), write=True)
    assert names_on_disk(tmp_path) == ["whole"]


async def test_store_closed_while_it_writes_is_closed_behind_the_write(store: SqliteStore, tmp_path: Path) -> None:
    disk = Disk(store)
    writers = [Caller(partial(write, store, name)) for name in "ab"]
    await disk.begun()
    store.close()
    assert store._connection is not None
    disk.let_go.set()
    await turn_until(lambda: store._connection is None)
    await turn_until(lambda: all(writer.heard for writer in writers))
    assert names_on_disk(tmp_path) == ["a", "b"]
    assert await store.run(names, write=False) == ["a", "b"], "a later call opens it again"
    for writer in writers:
        writer.cancel()
        await writer.end()


class TestCreationOnASlowDisk:
    """Cancelled while any of its transactions waits for the disk: nothing is made twice, nothing is held."""

    @pytest.fixture
    def quirks(self) -> Quirks:
        return Quirks(refuse_used_external_id=False)  # nothing that is proved here rests on Kling's refusal

    @pytest.mark.parametrize("way", WAYS)
    @pytest.mark.parametrize("number", range(1, 8))
    async def test_creation_repeated_after_a_cancellation_at_any_commit_makes_one_element(
        self, server: Process, world: World, clock: VirtualClock, number: int, way: Way
    ) -> None:
        await server.create(draft_of("Leo"))
        store = server.store
        assert isinstance(store, SqliteStore)
        disk = Disk(store, number)
        caller = Caller(lambda: server.create(draft_of("Mia")), way)
        await turn_until(lambda: disk.has_begun.is_set() or bool(caller.heard))
        caller.cancel()
        await turn_the_loop()
        disk.let_go.set()
        await caller.end()
        began = clock.monotonic()
        again = await server.create(draft_of("Mia"), patience=120)
        assert [task.task_id for task in elements_at(world)].count(again.task.task_id) == 1
        assert len(elements_at(world)) == 2
        assert len(requests_to(world, "create")) == 2
        assert clock.monotonic() == began, "the cancelled call did not release its lease"


WRITES_AT_ITS_END = """
import anyio, asyncio, pathlib, sys
from kling_mcp.concurrency.clock import SystemClock
from kling_mcp.store.sqlite import SqliteStore

def say(word):
    sys.stdout.write(f"{word}\\n")  # in one piece, because two threads do it
    sys.stdout.flush()

def work(tx):
    tx.execute("INSERT INTO keys VALUES ('first half', '')")
    say("writing")
    sys.stdin.readline()  # the disk takes as long as the test wants
    tx.execute("INSERT INTO keys VALUES ('second half', '')")

async def main():
    store = SqliteStore(pathlib.Path(sys.argv[1]), SystemClock())
    await store.run(lambda tx: None, write=True)
    task = asyncio.ensure_future(store.run(work, write=True))
    await asyncio.sleep(0)
    say("ending")

anyio.run(main)
"""


def test_process_that_ends_while_it_writes_has_written_all_of_it(tmp_path: Path) -> None:
    with start_python(WRITES_AT_ITS_END, str(tmp_path)) as process:
        assert process.stdout is not None
        assert {process.stdout.readline().strip() for _ in range(2)} == {"writing", "ending"}
        process.communicate("\n", timeout=SOON)
    assert process.returncode == 0
    assert names_on_disk(tmp_path) == ["first half", "second half"]


def test_process_that_is_killed_while_it_writes_has_written_nothing(tmp_path: Path) -> None:
    with start_python(WRITES_AT_ITS_END, str(tmp_path)) as process:
        assert process.stdout is not None
        assert {process.stdout.readline().strip() for _ in range(2)} == {"writing", "ending"}
        process.kill()
    assert names_on_disk(tmp_path) == []
