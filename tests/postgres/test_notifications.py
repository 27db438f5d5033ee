"""What replicas say to each other: heard within a second, never believed, and never waited for."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import anyio
import anyio.lowlevel
import psycopg
import pytest
from helpers import API_KEY, dice
from never_twice.wishes import draft_of

from kling_mcp.api.models import ElementTask
from kling_mcp.runtime import Runtime
from kling_mcp.settings import Settings
from kling_mcp.simulator import Faults, SimulatorTransport, World
from kling_mcp.store.change import Change
from kling_mcp.store.postgres.notify import CHANNEL, MAX_UNSENT, Notifications
from kling_mcp.store.postgres.store import PostgresStore
from kling_mcp.tasks.rounds import TaskSnapshot
from postgres.clocks import StandingClock
from postgres.conftest import Database
from postgres.server import Server

pytestmark = pytest.mark.anyio

ACCOUNT = "0123456789abcdef0123456789abcdef"
BEGUN = Change(ACCOUNT, "task", "880000000000000001")
MAX_SECONDS = 20.0  # so that a fault ends the test instead of hanging


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # what the other replica says arrives in real time


class Replica:
    """One that says and hears."""

    def __init__(self, notifications: Notifications) -> None:
        self.say = notifications.say
        self._changes = notifications.listen()

    async def hear(self) -> Change | None:
        with anyio.fail_after(MAX_SECONDS):
            return await anext(self._changes)


@asynccontextmanager
async def replica(url: str, clock: StandingClock | None = None) -> AsyncIterator[Replica]:
    store = PostgresStore(url, clock or StandingClock())
    made = Replica(store.notifications)
    async with anyio.create_task_group() as group, aclosing(made._changes):
        assert await made.hear() is None
        group.start_soon(store.notifications.send)
        yield made
        group.cancel_scope.cancel()
    store.close()


@asynccontextmanager
async def replica_with_a_thread(url: str) -> AsyncIterator[Replica]:
    """One that listens as on Windows."""
    store = PostgresStore(url, StandingClock())
    notifications = Notifications(store._database, StandingClock(), dice(7), in_thread=True)
    made = Replica(notifications)
    async with anyio.create_task_group() as group, aclosing(made._changes):
        assert await made.hear() is None
        group.start_soon(notifications.send)
        yield made
        group.cancel_scope.cancel()
    store.close()


async def test_replica_that_listens_in_a_thread_hears_and_is_heard(database: Database) -> None:
    """As on Windows, where the driver cannot wait on the event loop."""
    changes = [Change(ACCOUNT, "task", f"88000000000000000{number}") for number in range(5)]
    async with replica(database.url) as one, replica_with_a_thread(database.url) as other:
        for change in changes:
            one.say(change)
        assert [await other.hear() for _ in changes] == changes
        other.say(BEGUN)
        assert await one.hear() == BEGUN


async def test_replica_that_listens_in_a_thread_connects_again(database: Database) -> None:
    async with replica_with_a_thread(database.url) as made, replica(database.url) as other:
        with psycopg.connect(database.url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND query LIKE 'LISTEN%' AND pid <> pg_backend_pid()"
            )
        assert await made.hear() is None
        assert await other.hear() is None
        other.say(BEGUN)
        assert await made.hear() == BEGUN


async def test_a_callback_to_one_replica_ends_a_wait_at_another(database: Database, tmp_path: Path) -> None:
    clock, faults = StandingClock(), Faults()
    world = World(clock.wall, api_keys=[API_KEY])
    faults.slow_task(seconds=1000)
    settings = Settings(
        api_key=API_KEY, base_url="https://kling.invalid", state_url=database.url, state_dir=tmp_path, thumbnails=False
    )
    here, there = (
        Runtime(settings, clock=clock, make_transport=lambda: SimulatorTransport(world, faults)) for _ in range(2)
    )
    creation = await here.own_account().creator.create(draft_of("Mia"), allow_duplicate_name=False, timeout=30)
    task_id = creation.task.task_id
    clock.now += 600.0  # a task that old is looked at every ten seconds
    seen: dict[str, TaskSnapshot[ElementTask]] = {}

    async with anyio.create_task_group() as group:
        await group.start(here.listen_for_notifications)
        await group.start(there.listen_for_notifications)
        done = anyio.Event()

        async def wait() -> None:
            seen.update(await there.own_account().element_tasks.poller.wait([task_id], 60))
            done.set()

        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        clock.now += 600.0
        called = time.monotonic()
        here.notify(here.own_account().client.account, task_id)
        with anyio.fail_after(MAX_SECONDS):
            await done.wait()
        assert time.monotonic() - called < 1.0
        group.cancel_scope.cancel()
    assert seen[task_id].is_final
    await here.aclose()
    await there.aclose()


async def test_only_the_account_the_kind_and_the_id_travel(database: Database) -> None:
    async with replica(database.url) as one:
        with psycopg.connect(database.url, autocommit=True) as ear:
            ear.execute(f"LISTEN {CHANNEL}")
            one.say(BEGUN)
            one.say(Change(ACCOUNT, "task", "an id\nof two lines"))
            one.say(Change("Mia's account", "task", "880000000000000001"))
            one.say(Change(ACCOUNT, "callback", "kmcp-mia"))
            await anyio.wait_all_tasks_blocked()
            heard = [notice.payload.split(" ", 1) for notice in ear.notifies(timeout=MAX_SECONDS, stop_after=2)]
    [[sender, first], [same, second]] = heard
    assert (first, second) == (f"{ACCOUNT} task 880000000000000001", f"{ACCOUNT} callback kmcp-mia")
    assert sender == same
    assert len(sender) == 16


async def test_all_others_hear_it_and_rubbish_is_not_heard(database: Database) -> None:
    async with replica(database.url) as one, replica(database.url) as other, replica(database.url) as third:
        rubbish = f"NOTIFY {CHANNEL}, '{'0' * 16} {ACCOUNT} rumour 7'"
        database.say(f"NOTIFY {CHANNEL}, 'rubbish'", f"NOTIFY {CHANNEL}", rubbish)
        one.say(BEGUN)
        assert await other.hear() == BEGUN
        assert await third.hear() == BEGUN
        # What a replica said itself is no news to it.
        other.say(BEGUN._replace(kind="deletion"))
        assert await one.hear() == BEGUN._replace(kind="deletion")


async def test_change_announced_twice_before_sending_is_heard_once(database: Database) -> None:
    async with replica(database.url) as one, replica(database.url) as other:
        for _ in range(3):
            one.say(BEGUN)
        assert await other.hear() == BEGUN
        one.say(Change(ACCOUNT, "task", "last"))
        assert await other.hear() == Change(ACCOUNT, "task", "last")


async def test_a_lost_connection_is_made_again(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    async with replica(database.url) as one, replica(database.url_to_cut) as other:
        database.cut_listener()
        assert await other.hear() is None
        one.say(BEGUN)
        assert await other.hear() == BEGUN
    assert "off for a moment" in caplog.text
    assert "CANARY" not in caplog.text


async def test_a_database_that_is_away_is_tried_less_and_less_often(database: Database) -> None:
    clock = StandingClock()
    store = PostgresStore(database.server.url("no_such_database"), clock)
    async with anyio.create_task_group() as group:

        async def listen() -> None:
            async for _ in store.notifications.listen():
                pytest.fail("there is nothing to hear")

        group.start_soon(listen)
        with anyio.fail_after(MAX_SECONDS):
            while len(clock.slept) < 9:
                await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
    assert 0.25 <= clock.slept[0] <= 0.5
    assert 15 <= clock.slept[8] <= 30


async def test_unsent_changes_are_sent_when_the_database_is_back(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    name, clock = server.new_database(), StandingClock()
    server.drop(name)
    store = PostgresStore(server.url(name), clock)
    async with anyio.create_task_group() as group:
        clock.hold()
        store.notifications.say(BEGUN)
        group.start_soon(store.notifications.send)
        with anyio.fail_after(MAX_SECONDS):
            while not clock.slept:
                await anyio.lowlevel.checkpoint()
        assert "cannot be used" in caplog.text
        server.say("postgres", f'CREATE DATABASE "{name}"')
        async with replica(server.url(name)) as other:
            clock.release()
            assert await other.hear() == BEGUN
        group.cancel_scope.cancel()
    store.close()
    server.drop(name)


async def test_oldest_unsent_changes_are_forgotten_beyond_the_limit(database: Database) -> None:
    store = PostgresStore(database.url, StandingClock())
    for number in range(MAX_UNSENT + 1):
        store.notifications.say(Change(ACCOUNT, "task", str(number)))
    async with replica(database.url) as other, anyio.create_task_group() as group:
        group.start_soon(store.notifications.send)
        assert [(await other.hear() or BEGUN).subject_id for _ in range(2)] == ["1", "2"]
        group.cancel_scope.cancel()
    store.close()


async def test_a_callback_that_cannot_be_passed_on_wakes_here_all_the_same(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(
        api_key=API_KEY, state_url=database.server.url("no_such_database"), state_dir=tmp_path, thumbnails=False
    )
    runtime = Runtime(settings, clock=StandingClock())
    with caplog.at_level(logging.WARNING):
        runtime.notify(runtime.own_account().client.account, "t1")
    assert runtime.own_account().element_tasks.poller._rounds._is_notified
    assert caplog.text == ""
    await runtime.aclose()


async def test_state_that_is_not_shared_hears_nothing() -> None:
    runtime = Runtime(Settings(sandbox=True))
    async with anyio.create_task_group() as group:
        await group.start(runtime.listen_for_notifications)
    runtime.notify(ACCOUNT, "t1")
    await runtime.aclose()
