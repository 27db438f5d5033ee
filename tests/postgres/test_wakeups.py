"""A word from one replica ends a wait at another within a second; a word that is lost costs a moment."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

import anyio
import anyio.lowlevel
import psycopg
import pytest
from helpers import API_KEY, VIDEO_CREATION
from never_twice.wishes import draft_of

from kling_mcp.api.models import ElementTask
from kling_mcp.runtime import Runtime
from kling_mcp.settings import Settings
from kling_mcp.simulator import Faults, SimulatorTransport, World
from kling_mcp.store.postgres.notify import CHANNEL
from kling_mcp.store.postgres.store import PostgresStore
from kling_mcp.tasks.poller import TaskSnapshot
from postgres.conftest import Database

pytestmark = pytest.mark.anyio

ACCOUNT = "0123456789abcdef0123456789abcdef"
MAX_SECONDS = 20.0  # so that a fault ends the test instead of hanging


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # what the other replica says arrives in real time


@dataclass(slots=True)
class ShiftedClock:
    """Real time, which can be set forward; whoever sleeps only gives way."""

    ahead: float = 0.0
    slept: list[float] = field(default_factory=list)

    def wall(self) -> float:
        return time.time() + self.ahead

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await anyio.lowlevel.checkpoint()


class Listener:
    """Somebody who listens, and what was heard."""

    def __init__(self, store: PostgresStore) -> None:
        self._words = store.listen()

    async def hear(self) -> tuple[str, str]:
        with anyio.fail_after(MAX_SECONDS):
            return await anext(self._words)


@asynccontextmanager
async def listening(store: PostgresStore) -> AsyncIterator[Listener]:
    listener = Listener(store)
    async with aclosing(listener._words):
        assert await listener.hear() == ("", "")
        yield listener


async def test_a_callback_to_one_replica_ends_a_wait_at_another(database: Database) -> None:
    clock, faults = ShiftedClock(), Faults()
    world = World(clock.wall, api_keys=[API_KEY])
    faults.slow_task(seconds=1000)
    settings = Settings(api_key=API_KEY, base_url="https://kling.invalid", state_url=database.url, thumbnails=False)
    here, there = (
        Runtime(settings, clock=clock, make_transport=lambda: SimulatorTransport(world, faults)) for _ in range(2)
    )
    creation = await here.own_account().creator.create(draft_of("Mia"), allow_duplicate_name=False, timeout=30)
    task_id = creation.task.task_id
    clock.ahead = 600.0  # a task that old is looked at every ten seconds
    seen: dict[str, TaskSnapshot[ElementTask]] = {}

    async with anyio.create_task_group() as group:
        await group.start(there.listen_for_notifications)
        done = anyio.Event()

        async def wait() -> None:
            seen.update(await there.own_account().element_tasks.poller.wait([task_id], 60))
            done.set()

        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        clock.ahead = 1200.0
        called = time.monotonic()
        await here.notify(here.own_account().client.account, task_id)
        with anyio.fail_after(MAX_SECONDS):
            await done.wait()
        assert time.monotonic() - called < 1.0
        group.cancel_scope.cancel()
    assert seen[task_id].is_final
    await here.aclose()
    await there.aclose()


async def test_notification_carries_only_the_account_and_the_task(database: Database) -> None:
    store = PostgresStore(database.url, ShiftedClock())
    with psycopg.connect(database.url, autocommit=True) as ear:
        ear.execute(f"LISTEN {CHANNEL}")
        await store.notify(ACCOUNT, "880000000000000001")
        await store.notify(ACCOUNT, "an id\nof two lines")
        await store.notify("Mia's account", "880000000000000001")
        await store.notify(ACCOUNT, "kmcp-mia")
        heard = [notice.payload for notice in ear.notifies(timeout=MAX_SECONDS, stop_after=2)]
    assert heard == [f"{ACCOUNT} 880000000000000001", f"{ACCOUNT} kmcp-mia"]
    store.close()


async def test_notification_reaches_every_listener_and_rubbish_is_ignored(database: Database) -> None:
    one, other = (PostgresStore(database.url, ShiftedClock()) for _ in range(2))
    async with listening(one) as first, listening(other) as second:
        database.say(f"NOTIFY {CHANNEL}, 'rubbish'", f"NOTIFY {CHANNEL}", f"NOTIFY {CHANNEL}, '{ACCOUNT} a b'")
        await one.notify(ACCOUNT, "t1")
        assert await first.hear() == (ACCOUNT, "t1")
        assert await second.hear() == (ACCOUNT, "t1")
    one.close()
    other.close()


async def test_a_lost_connection_is_made_again(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    clock = ShiftedClock()
    store = PostgresStore(database.url, clock)
    async with listening(store) as listener:
        database.say("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
        assert await listener.hear() == ("", "")
        await store.notify(ACCOUNT, "t1")
        assert await listener.hear() == (ACCOUNT, "t1")
    assert "off for a moment" in caplog.text
    assert "CANARY" not in caplog.text
    store.close()


async def test_a_database_that_is_away_is_tried_less_and_less_often(database: Database) -> None:
    clock = ShiftedClock()
    store = PostgresStore(database.server.url("no_such_database"), clock)
    async with anyio.create_task_group() as group:

        async def listen() -> None:
            async for _ in store.listen():
                pytest.fail("there is nothing to hear")

        group.start_soon(listen)
        with anyio.fail_after(MAX_SECONDS):
            while len(clock.slept) < 9:
                await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
    assert 0.25 <= clock.slept[0] <= 0.5
    assert 15 <= clock.slept[8] <= 30


async def test_notification_that_cannot_be_sent_still_wakes_local_waits(database: Database) -> None:
    clock, faults = ShiftedClock(), Faults()
    world = World(clock.wall, api_keys=[API_KEY])
    faults.slow_task(seconds=1000)
    away = database.server.url("no_such_database")
    settings = Settings(api_key=API_KEY, base_url="https://kling.invalid", state_url=away, thumbnails=False)
    runtime = Runtime(settings, clock=clock, make_transport=lambda: SimulatorTransport(world, faults))
    account = runtime.own_account()
    task = await account.client.create_element(VIDEO_CREATION, external_task_id="mia")
    clock.ahead = 600.0  # a task that old is looked at every ten seconds
    snapshots: dict[str, TaskSnapshot[ElementTask]] = {}
    with anyio.fail_after(MAX_SECONDS):
        async with anyio.create_task_group() as group:

            async def wait() -> None:
                known = {task.task_id: task}
                snapshots.update(await account.element_tasks.poller.wait([task.task_id], 60, known=known))

            group.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            clock.ahead = 1200.0
            called = time.monotonic()
            await runtime.notify(account.client.account, task.task_id)
    assert time.monotonic() - called < 5.0
    assert snapshots[task.task_id].is_final
    await runtime.aclose()


async def test_state_that_is_not_shared_hears_nothing() -> None:
    runtime = Runtime(Settings(sandbox=True))
    async with anyio.create_task_group() as group:
        await group.start(runtime.listen_for_notifications)
    await runtime.notify(ACCOUNT, "t1")
    await runtime.aclose()
