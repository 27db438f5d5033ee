"""A database that is slow, gone, or refuses: nothing is sent, nothing is done twice, and no secret is told."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import anyio
import psycopg
import pytest
from virtual_time import VirtualClock

from kling_mcp.concurrency.clock import SystemClock
from kling_mcp.errors import ConfigurationError, StorageError
from kling_mcp.store import Transaction
from kling_mcp.store.postgres.database import MAX_CONNECTIONS, lock_number
from kling_mcp.store.postgres.store import PostgresStore, computer_name
from postgres.conftest import Database
from postgres.server import OWNER, PASSWORD, Server
from postgres.test_store import handles, put_handle
from postgres.wire import Moment, Wire

pytestmark = pytest.mark.anyio

COMMIT = "COMMIT\0"  # as it stands on the wire, apart from "READ COMMITTED"


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    made = Wire(server.socket)
    yield made
    made.close()


@pytest.fixture
def store(database: Database, wire: Wire, clock: VirtualClock) -> Iterator[PostgresStore]:
    """A store whose connections may break."""
    made = PostgresStore(database.server.url(database.name, host=wire.address) + "?sslmode=disable", clock)
    yield made
    made.close()


async def failure(store: PostgresStore) -> StorageError:
    with pytest.raises(StorageError) as caught:
        await store.run(lambda tx: put_handle(tx, "h1"), write=True)
    assert "CANARY" not in f"{caught.value.for_caller()} {caught.value!r} {caught.value.__cause__!r}"
    assert caught.value.created == "no"
    return caught.value


class TestLoss:
    async def test_connections_that_died_unnoticed_are_replaced(self, store: PostgresStore, wire: Wire) -> None:
        await store.run(lambda tx: put_handle(tx, "h1"), write=True)
        wire.cut_all()
        assert await handles(store) == ["h1"]

    @pytest.mark.parametrize("moment", ["before", "after"])
    @pytest.mark.parametrize("word", ["BEGIN", "INSERT", COMMIT])
    async def test_a_write_happens_once_wherever_the_connection_breaks(
        self, store: PostgresStore, wire: Wire, word: str, moment: Moment
    ) -> None:
        await handles(store)  # the tables are there
        wire.cut(word, moment)
        runs: list[str] = []

        def work(tx: Transaction) -> int:
            runs.append("run")
            return put_handle(tx, f"h{len(runs)}")

        assert await store.run(work, write=True) == 1
        committed_unheard = (word, moment) == (COMMIT, "after")
        assert await handles(store) == [f"h{len(runs)}"]
        assert len(runs) == (1 if committed_unheard or word == "BEGIN" else 2)
        # A server that has not noticed the break yet is asked about the commit once more, on one more connection.
        assert wire.connections == 2 or (word == COMMIT and wire.connections == 3)

    async def test_a_commit_that_is_doubtful_twice_is_asked_for_twice(self, store: PostgresStore, wire: Wire) -> None:
        await handles(store)
        wire.cut(COMMIT, "after")
        wire.cut("pg_xact_status", "before")
        assert await store.run(lambda tx: put_handle(tx, "h1"), write=True) == 1
        assert await handles(store) == ["h1"]

    async def test_a_commit_that_the_server_still_waits_for_is_not_taken_for_lost(
        self, store: PostgresStore, wire: Wire, database: Database
    ) -> None:
        """Its transaction may yet be committed: whoever ran the work again could do it twice."""
        await handles(store)
        wire.cut(COMMIT, "unnoticed")
        assert (await failure(store)).kind == "busy"
        assert database.say("SELECT count(*) FROM kling_mcp.handles") == [(0,)]
        wire.cut_all()
        assert await store.run(lambda tx: put_handle(tx, "h1"), write=True) == 1
        assert await handles(store) == ["h1"]

    async def test_a_connection_that_breaks_unseen_during_work_that_fails_is_not_kept(
        self, store: PostgresStore, wire: Wire
    ) -> None:
        def work(tx: Transaction) -> None:
            put_handle(tx, "h1")
            wire.cut_all()
            raise LookupError

        with pytest.raises(LookupError):
            await store.run(work, write=True)
        assert await handles(store) == []

    async def test_database_that_stays_away_is_reported_within_seconds(
        self, store: PostgresStore, wire: Wire, clock: VirtualClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        await store.run(lambda tx: put_handle(tx, "h0"), write=True)
        wire.close()
        began = clock.monotonic()
        error = await failure(store)
        assert (error.kind, error.retry) == ("busy", "later")
        assert "cannot be reached" in error.message
        assert "Nothing was sent" in error.advice
        assert clock.monotonic() - began < 10
        assert "CANARY" not in caplog.text
        await failure(store)
        assert caplog.text.count("The state database cannot be used: ") == 1, "an outage is one line"

    async def test_log_has_the_reason_of_an_outage_before_callers_give_up(
        self, store: PostgresStore, wire: Wire, clock: VirtualClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        """As whoever asks whether the server is ready does after two seconds."""
        await store.run(lambda tx: put_handle(tx, "h0"), write=True)
        wire.close()
        with anyio.move_on_after(2):
            await store.run(lambda tx: put_handle(tx, "h1"), write=True)
        assert "The state database cannot be used: " in caplog.text

    async def test_break_that_is_mended_at_once_is_no_line_in_the_log(
        self, store: PostgresStore, wire: Wire, caplog: pytest.LogCaptureFixture
    ) -> None:
        await store.run(lambda tx: put_handle(tx, "h1"), write=True)
        wire.cut_all()
        assert await handles(store) == ["h1"]
        assert caplog.text == ""

    async def test_a_server_that_restarts_is_waited_for(self, database: Database, clock: VirtualClock) -> None:
        store = PostgresStore(database.url, clock)
        await store.run(lambda tx: put_handle(tx, "h1"), write=True)
        database.server.stop()
        try:
            error = await failure(store)
            assert error.kind == "busy"
        finally:
            database.server.start()
        assert await handles(store) == ["h1"]
        assert not store.was_damaged
        store.close()

    async def test_session_ended_by_an_operator_is_replaced(self, database: Database, clock: VirtualClock) -> None:
        store = PostgresStore(database.url, clock)
        killed: list[bool] = []

        def work(tx: Transaction) -> None:
            if not killed:
                killed.append(True)
                database.say(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kling-mcp'"
                )
            put_handle(tx, "h1")

        await store.run(work, write=True)
        assert await handles(store) == ["h1"]
        store.close()

    async def test_vanished_tables_are_reported_as_a_loss(
        self, store: PostgresStore, database: Database, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A restored or emptied database knows less than was sent: from then on, look before sending."""
        await store.run(lambda tx: put_handle(tx, "h1"), write=True)
        assert not store.was_damaged
        database.say("DROP SCHEMA kling_mcp CASCADE")
        assert await handles(store) == []
        assert store.was_damaged
        assert "created again" in caplog.text


class TestRefusal:
    @pytest.mark.parametrize(
        ("user", "password", "name"),
        [(OWNER, "wrong-CANARY", ""), ("nobody", PASSWORD, ""), (OWNER, PASSWORD, "no_such_database")],
    )
    async def test_connection_refused_by_postgres_fails_at_once(
        self, database: Database, caplog: pytest.LogCaptureFixture, user: str, password: str, name: str
    ) -> None:
        caplog.set_level(logging.DEBUG)
        clock = VirtualClock()
        store = PostgresStore(database.server.url(name or database.name, user=user, password=password), clock)
        error = await failure(store)
        assert (error.kind, error.retry) == ("read_only", "never")
        assert "KLING_MCP_STATE_URL" in error.message
        assert clock.monotonic() == 0.0
        assert "CANARY" not in caplog.text

    async def test_a_user_without_rights_is_refused(self, database: Database, clock: VirtualClock) -> None:
        database.say(
            f"CREATE ROLE guest_{database.name} LOGIN PASSWORD 'guest-CANARY'",
        )
        url = database.server.url(database.name, user=f"guest_{database.name}", password="guest-CANARY")
        store = PostgresStore(url, clock)
        assert (await failure(store)).kind == "read_only"
        store.close()
        # The owner makes a schema for it: that is enough.
        database.say(f"CREATE SCHEMA kling_mcp AUTHORIZATION guest_{database.name}")
        await store.run(lambda tx: put_handle(tx, "h1"), write=True)
        assert await handles(store) == ["h1"]
        store.close()
        database.say("DROP SCHEMA kling_mcp CASCADE", f"DROP ROLE guest_{database.name}")

    async def test_a_database_without_unicode_is_refused(self, server: Server, clock: VirtualClock) -> None:
        server.say("postgres", "CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
        store = PostgresStore(server.url("latin"), clock)
        error = await failure(store)
        assert (error.kind, error.retry) == ("internal", "never")
        server.drop("latin")

    async def test_a_read_only_server_takes_no_creations(self, database: Database, clock: VirtualClock) -> None:
        """As a standby: of several hosts only one that takes writes is used."""
        database.say(f'ALTER DATABASE "{database.name}" SET default_transaction_read_only = on')
        store = PostgresStore(database.url, clock)
        assert (await failure(store)).kind == "busy"
        database.say("SET default_transaction_read_only = off", f'ALTER DATABASE "{database.name}" RESET ALL')
        await store.run(lambda tx: put_handle(tx, "h1"), write=True)
        store.close()

    async def test_internal_fault_is_reported_without_the_words_of_the_server(
        self, database: Database, clock: VirtualClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        store = PostgresStore(database.url, clock)
        with pytest.raises(StorageError) as caught:
            await store.run(lambda tx: tx.fetch("SELECT no_such_column FROM handles"), write=False)
        assert caught.value.message == "The state database cannot be used (UndefinedColumn 42703)."
        assert "no_such_column" in caplog.text
        assert await handles(store) == []
        store.close()

    @pytest.mark.parametrize("code", ["53100", "53200"])
    async def test_full_disk_of_postgres_is_reported_as_such(
        self, database: Database, clock: VirtualClock, code: str
    ) -> None:
        store = PostgresStore(database.url, clock)

        def work(tx: Transaction) -> None:
            put_handle(tx, "h1")
            tx.execute(f"DO $$ BEGIN RAISE EXCEPTION 'no space' USING ERRCODE = '{code}'; END $$")

        with pytest.raises(StorageError, match="out of room") as caught:
            await store.run(work, write=True)
        assert caught.value.kind == "limit"
        assert await handles(store) == []
        store.close()

    @pytest.mark.parametrize("url", ["postgresql://u:p%zzCANARY@host/db", "postgresql://h/db?no-CANARY=1"])
    def test_an_address_that_cannot_be_read_is_not_shown(self, url: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            PostgresStore(url, SystemClock())
        assert "KLING_MCP_STATE_URL" in caught.value.message
        assert "CANARY" not in f"{caught.value.for_caller()}{caught.value.__cause__!r}"


class TestLockContention:
    async def test_a_lock_that_is_never_freed_ends_in_a_plain_answer(
        self, database: Database, clock: VirtualClock
    ) -> None:
        database.say(f'ALTER DATABASE "{database.name}" SET lock_timeout = 20')  # else ours: five seconds
        store = PostgresStore(database.url, clock)
        await handles(store)
        with psycopg.connect(database.url, autocommit=True) as other:
            other.execute(f"SELECT pg_advisory_lock({lock_number('state')})")
            error = await failure(store)
        assert (error.kind, error.retry) == ("busy", "later")
        assert "busy with other calls" in error.message
        assert await store.run(lambda tx: put_handle(tx, "h1"), write=True) == 1
        store.close()

    async def test_readers_do_not_wait_for_writers(self, database: Database, clock: VirtualClock) -> None:
        store = PostgresStore(database.url, clock)
        await store.run(lambda tx: put_handle(tx, "h1"), write=True)
        with psycopg.connect(database.url, autocommit=True) as other:
            other.execute(f"SELECT pg_advisory_lock({lock_number('state')})")
            assert await handles(store) == ["h1"]
        store.close()

    async def test_readers_cannot_write(self, database: Database, clock: VirtualClock) -> None:
        store = PostgresStore(database.url, clock)
        with pytest.raises(StorageError):
            await store.run(lambda tx: put_handle(tx, "h1"), write=False)
        assert await handles(store) == []
        store.close()

    async def test_many_callers_share_few_connections(self, database: Database, clock: VirtualClock) -> None:
        store = PostgresStore(database.url, clock)
        most = 0

        def work(tx: Transaction) -> None:
            nonlocal most
            [row] = tx.fetch(
                "SELECT count(*) AS many FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name = 'kling-mcp'"
            )
            most = max(most, row["many"])

        async with anyio.create_task_group() as group:
            for _ in range(40):
                group.start_soon(lambda: store.run(work, write=False))
        assert 1 <= most <= MAX_CONNECTIONS
        store.close()


class TestExhaustedPool:
    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"  # threads do not hold up the real clock

    async def test_caller_without_a_free_connection_gets_an_error_in_time(self, database: Database) -> None:
        """All connections are at work, for longer than anybody should wait."""
        hurried = HurriedClock()
        store = PostgresStore(database.url, hurried)
        await handles(store)
        gate = threading.Event()
        errors: list[StorageError] = []

        async def come_late() -> None:
            errors.append(await failure(store))
            gate.set()

        async with anyio.create_task_group() as group:
            for _ in range(MAX_CONNECTIONS):
                group.start_soon(lambda: store.run(lambda _: gate.wait(60), write=False))
            await anyio.wait_all_tasks_blocked()
            hurried.step = 4.9
            group.start_soon(come_late)
        assert [error.kind for error in errors] == ["busy"]
        store.close()


class HurriedClock(SystemClock):
    """A clock of which each look is `step` seconds after the last one."""

    def __init__(self) -> None:
        self.step = 0.0
        self._now = 0.0

    def monotonic(self) -> float:
        self._now += self.step
        return self._now


class TestTime:
    """Leases are moments of the clock: a replica whose clock is wrong must not judge them."""

    @pytest.mark.parametrize(("ahead", "is_refused"), [(0.0, False), (1.0, False), (10.0, True), (-10.0, True)])
    async def test_a_replica_with_a_wrong_clock_writes_nothing(
        self, database: Database, ahead: float, is_refused: bool
    ) -> None:
        class Clock(SystemClock):
            def wall(self) -> float:
                return super().wall() + ahead

        store = PostgresStore(database.url, Clock())
        if is_refused:
            error = await failure(store)
            assert "differs from the state database's by 10 seconds" in error.message
            assert (error.kind, error.retry) == ("busy", "later")
        else:
            await store.run(lambda tx: put_handle(tx, "h1"), write=True)
        assert await handles(store) == ([] if is_refused else ["h1"])
        store.close()


async def test_texts_that_postgresql_cannot_hold_are_held_as_near_as_can_be(
    database: Database, clock: VirtualClock
) -> None:
    store = PostgresStore(database.url, clock)
    await store.run(lambda tx: put_handle(tx, "h1", "a\0b\ud800c"), write=True)
    [row] = await store.run(
        lambda tx: tx.fetch("SELECT error FROM handles WHERE error = ?", "a\0b\ud800c"), write=False
    )
    assert row["error"] == "a\ufffdb?c"
    store.close()


async def test_commit_is_on_the_disk_even_where_the_server_is_set_not_to_wait(
    database: Database, clock: VirtualClock
) -> None:
    database.say(f'ALTER DATABASE "{database.name}" SET synchronous_commit = off')
    store = PostgresStore(database.url, clock)
    [row] = await store.run(lambda tx: tx.fetch("SELECT current_setting('synchronous_commit') AS it"), write=True)
    assert row["it"] == "on"
    database.say(f'ALTER DATABASE "{database.name}" SET synchronous_commit = remote_apply')
    store.close()
    [row] = await store.run(lambda tx: tx.fetch("SELECT current_setting('synchronous_commit') AS it"), write=True)
    assert row["it"] == "remote_apply"
    store.close()


async def test_connections_have_timeouts_unless_the_database_sets_others(
    database: Database, clock: VirtualClock
) -> None:
    database.say(f'ALTER DATABASE "{database.name}" SET statement_timeout = 3000')
    store = PostgresStore(database.url, clock)
    names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
    sql = "SELECT " + ", ".join(f"current_setting('{name}') AS {name}" for name in names)
    [row] = await store.run(lambda tx: tx.fetch(sql), write=False)
    assert [row[name] for name in names] == ["5s", "3s", "10s"]
    store.close()


def test_two_computers_are_called_differently_and_two_processes_of_one_alike() -> None:
    """A process may judge another one dead by its number only if both run on the same computer."""
    url = "postgresql://h/db"
    one, other = PostgresStore(url, SystemClock()), PostgresStore(url, SystemClock())
    assert len(one.computer) == 16
    if Path("/proc/sys/kernel/random/boot_id").exists():
        assert one.computer == other.computer
    assert computer_name("") != computer_name("")
