"""The tables: made by whoever comes first, once, and brought up to date step by step."""

from __future__ import annotations

from functools import partial

import anyio
import pytest
from virtual_time import VirtualClock

from kling_mcp.errors import StorageError
from kling_mcp.store.postgres.database import PostgresDatabase, Steps
from kling_mcp.store.postgres.store import PostgresStore
from kling_mcp.store.schema import VERSION
from postgres.conftest import Database
from postgres.test_store import handles, put_handle

pytestmark = pytest.mark.anyio

FIRST: Steps = (("CREATE TABLE notes (text TEXT NOT NULL)", "INSERT INTO notes VALUES ('one')"),)
SECOND: Steps = (*FIRST, ("ALTER TABLE notes ADD COLUMN at INTEGER NOT NULL DEFAULT 7",))
BROKEN: Steps = (*FIRST, ("UPDATE notes SET text = 'lost'", "CREATE TABLE notes (again TEXT)"))


async def test_replicas_that_start_together_make_the_tables_once(database: Database, clock: VirtualClock) -> None:
    stores = [PostgresStore(database.url, clock) for _ in range(6)]
    async with anyio.create_task_group() as group:
        for number, store in enumerate(stores):
            group.start_soon(partial(store.run, partial(put_handle, name=f"h{number}"), write=True))
    assert await handles(stores[0]) == [f"h{number}" for number in range(6)]
    assert database.say("SELECT version FROM kling_mcp.schema_version") == [(VERSION,)]
    assert not any(store.was_damaged for store in stores)
    for store in stores:
        store.close()


async def test_a_newer_version_adds_what_is_missing_and_keeps_what_is_there(
    database: Database, clock: VirtualClock
) -> None:
    old, new = (PostgresDatabase(database.url, clock, steps) for steps in (FIRST, SECOND))
    read = "SELECT * FROM notes"
    assert await old.run(lambda db: db.execute(read).fetchall()) == [("one",)]
    assert await new.run(lambda db: db.execute(read).fetchall()) == [("one", 7)]
    # The older program, still running or started again, goes on.
    assert await old.run(lambda db: db.execute("SELECT text FROM notes").fetchall()) == [("one",)]
    again = PostgresDatabase(database.url, clock, FIRST)
    assert await again.run(lambda db: db.execute("SELECT text FROM notes").fetchall()) == [("one",)]
    assert database.say("SELECT version FROM kling_mcp.schema_version") == [(2,)]
    for each in (old, new, again):
        each.close()


async def test_a_step_that_fails_leaves_the_tables_as_they_were(database: Database, clock: VirtualClock) -> None:
    old, new = (PostgresDatabase(database.url, clock, steps) for steps in (FIRST, BROKEN))
    await old.run(lambda _: None)
    with pytest.raises(StorageError):
        await new.run(lambda _: None)
    assert database.say("SELECT text FROM kling_mcp.notes") == [("one",)]
    assert database.say("SELECT version FROM kling_mcp.schema_version") == [(1,)]
    old.close()
    new.close()


async def test_tables_of_others_in_the_same_database_are_left_alone(database: Database, clock: VirtualClock) -> None:
    database.say("CREATE TABLE public.handles (x INTEGER)", "CREATE TABLE public.schema_version (x INTEGER)")
    store = PostgresStore(database.url, clock)
    await store.run(partial(put_handle, name="h1"), write=True)
    assert await handles(store) == ["h1"]
    assert database.say("SELECT count(*) FROM public.handles") == [(0,)]
    store.close()
