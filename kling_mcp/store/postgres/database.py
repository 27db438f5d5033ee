"""A PostgreSQL database that several replicas share: a few connections, and transactions that are tried again.

It knows nothing of what is stored. Work runs in worker threads, because a database may be far away.

Writers that name the same lock run one after the other, on all replicas: what the first one wrote is what the next
one reads. That is what SQLite gives the writers of one file, and it needs no luck.
"""

from __future__ import annotations

import hashlib
import logging
import random
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import anyio
import psycopg
from anyio import to_thread
from psycopg.conninfo import conninfo_to_dict

from kling_mcp.concurrency.backoff import Backoff
from kling_mcp.concurrency.clock import SystemClock
from kling_mcp.store.postgres.errors import (
    all_places_taken,
    explained,
    is_gone,
    logged,
    may_pass,
    not_an_address,
    wrong_time,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kling_mcp.concurrency.clock import Clock

T = TypeVar("T")
logger = logging.getLogger(__name__)

SCHEMA = "kling_mcp"
OLDEST_SERVER = 130_000  # PostgreSQL 13 was the first to say what became of a transaction by its 64-bit number
MAX_CONNECTIONS = 4
PATIENCE_SECONDS = 5.0
INITIAL_DELAY, MAX_DELAY = 0.02, 0.5
MAX_SKEW_SECONDS = 2.5  # two replicas are then at most 5 apart, half a lease

# What is silent for longer than this is gone. Whatever the address itself says comes first.
_DEFAULTS: Mapping[str, str] = {
    "application_name": "kling-mcp",
    "client_encoding": "UTF8",
    "connect_timeout": "5",
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
    "target_session_attrs": "read-write",  # of several hosts the one that takes writes
}
# Limits where the database sets none: no caller waits for ever, nor makes others wait for ever. And a commit that
# only might survive a crash would let a creation be sent and then forgotten.
_SESSION = """
    SELECT set_config(name, ours, false)
    FROM (VALUES
        ('search_path', current_setting('search_path'), 'kling_mcp'),
        ('lock_timeout', '0', '5s'),
        ('statement_timeout', '0', '10s'),
        ('idle_in_transaction_session_timeout', '0', '10s'),
        ('synchronous_commit', 'off', 'on')
    ) AS setting (name, unfit, ours)
    WHERE current_setting(name) = unfit
"""
# One row. The identity shows a process that its tables were dropped and created again, as by a restore.
_MAKE_VERSION = """
    CREATE TABLE IF NOT EXISTS schema_version (
        only_row BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_row), version INTEGER NOT NULL, identity TEXT NOT NULL
    );
    INSERT INTO schema_version (version, identity) VALUES (0, gen_random_uuid()::text) ON CONFLICT DO NOTHING
"""
# From one version of the tables to the next; a step, once released, never changes.
Steps = tuple[tuple[str, ...], ...]


@dataclass(slots=True)
class PooledConnection:
    """One connection, and whether it has seen the tables to be there."""

    connection: psycopg.Connection[Any]
    has_tables: bool = False


@dataclass(slots=True)
class _Job(Generic[T]):
    """Work to do. `uncertain_commit` is a transaction whose commit was never confirmed, with its result."""

    work: Callable[[psycopg.Connection[Any]], T]
    lock: str
    uncertain_commit: tuple[str, T] | None = None


class PostgresDatabase:
    """See the module. Safe to use from one event loop; every method may raise `StorageError`."""

    def __init__(self, url: str, clock: Clock, steps: Steps, rng: random.Random | None = None) -> None:
        """Nothing is opened here. `steps` lead to the tables, which are made or brought up to date when first needed.

        Raises:
            ConfigurationError: the address cannot be read.
        """
        try:
            self.parameters: dict[str, Any] = {**_DEFAULTS, **conninfo_to_dict(url)}
        except psycopg.Error:
            raise not_an_address() from None
        self._clock = clock
        # A clock that a test made has its own time.
        self._checks_time = isinstance(clock, SystemClock)
        self._rng = rng or random.Random()  # noqa: S311 - spreads retries, guards nothing
        self._idle: deque[PooledConnection] = deque()
        self._places = anyio.Semaphore(MAX_CONNECTIONS)
        self._steps = steps
        self._identity = ""
        self._was_recreated = False
        self._is_gone = False

    @property
    def was_recreated(self) -> bool:
        """Whether tables that this process had used were created again meanwhile, so that their content is lost."""
        return self._was_recreated

    async def run(self, work: Callable[[psycopg.Connection[Any]], T], *, lock: str = "") -> T:
        """Run `work` in one transaction, which happens as a whole, once, or not at all.

        `work` may run again after a conflict or a lost connection, and must have no other effect.

        Args:
            lock: whose holders write one after the other; "" reads one unchanging state and cannot write.
        """
        deadline = self._clock.monotonic() + PATIENCE_SECONDS
        job = _Job(work, lock)
        backoff, is_repeated = Backoff(INITIAL_DELAY, MAX_DELAY, self._rng), False
        while True:
            try:
                await self._enter(deadline)
                try:
                    result = await to_thread.run_sync(self._attempt, job)
                finally:
                    self._places.release()
            except psycopg.Error as error:
                is_over = self._clock.monotonic() >= deadline or not may_pass(error)
                if is_over or (is_gone(error) and is_repeated):
                    self._note_trouble(error)
                if is_over:
                    raise explained(error) from None
            else:
                self._is_gone = False
                return result
            await self._clock.sleep(backoff.next_delay())
            is_repeated = True

    def close(self) -> None:
        """Close the unused connections; a later call opens new ones."""
        while self._idle:
            self._idle.pop().connection.close()

    def _note_trouble(self, error: psycopg.Error) -> None:
        """Say it as soon as one repetition has failed, as callers may give up before this does; once for an outage."""
        if not self._is_gone:
            logger.warning("The state database cannot be used: %s", logged(error))
        self._is_gone = is_gone(error)

    async def _enter(self, deadline: float) -> None:
        """Wait for one of the places at the database, but not for ever."""
        try:
            self._places.acquire_nowait()
        except anyio.WouldBlock:
            with anyio.move_on_after(max(0.0, deadline - self._clock.monotonic())) as scope:
                await self._places.acquire()
            if scope.cancelled_caught:
                raise all_places_taken() from None

    def _attempt(self, job: _Job[T]) -> T:
        pooled = self._take()
        try:
            result = self._transact(pooled, job)
        except BaseException as error:
            pooled.has_tables = False  # missing tables may be why the work failed
            if isinstance(error, psycopg.Error) and is_gone(error):
                pooled.connection.close()
                self.close()  # what broke one connection broke its neighbours
            else:
                self._give_back(pooled)
            raise
        self._give_back(pooled)
        return result

    def _take(self) -> PooledConnection:
        try:
            return self._idle.pop()
        except IndexError:
            return PooledConnection(self.connect())

    def _give_back(self, pooled: PooledConnection) -> None:
        """Keep the connection for the next one, with nothing begun on it."""
        try:
            if pooled.connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                pooled.connection.execute("ROLLBACK")
        except psycopg.Error:
            pooled.connection.close()
        else:
            self._idle.append(pooled)

    def connect(self) -> psycopg.Connection[Any]:
        """A new connection, on which every statement is a transaction of its own."""
        # Nothing is prepared: prepared statements break when another replica's newer version changes a table.
        connection = psycopg.connect("", **self.parameters, autocommit=True, prepare_threshold=None)
        try:
            _refuse_unfit(connection.info)
            connection.execute(_SESSION)
        except BaseException:
            connection.close()
            raise
        return connection

    def _transact(self, pooled: PooledConnection, job: _Job[T]) -> T:
        connection = pooled.connection
        if job.uncertain_commit is not None:
            number, result = job.uncertain_commit
            if _was_committed(connection, number):
                return result
            job.uncertain_commit = None
        if not pooled.has_tables:
            self._note_identity(migrate(connection, self._steps))
            pooled.has_tables = True
        number = self._begin(connection, job)
        result = job.work(connection)
        if number:
            job.uncertain_commit = number, result
        connection.execute("COMMIT")
        return result

    def _begin(self, connection: psycopg.Connection[Any], job: _Job[T]) -> str:
        """Begin, take the lock and check the time, in one request; the transaction's number if it may write."""
        if not job.lock:
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            return ""
        before = self._clock.wall() if self._checks_time else 0.0
        # READ COMMITTED: each statement sees what was committed before it, so also what the lock was waited for.
        statements = (
            "BEGIN ISOLATION LEVEL READ COMMITTED",
            f"SELECT pg_advisory_xact_lock({lock_number(job.lock)})",
            "SELECT pg_current_xact_id()::text, extract(epoch FROM clock_timestamp())::float8",
        )
        cursor = connection.execute("; ".join(statements))
        while cursor.nextset():
            pass
        [number, now] = cursor.fetchone() or ("", 0.0)
        if self._checks_time:
            skew = max(before - now, now - self._clock.wall())
            if skew > MAX_SKEW_SECONDS:
                raise wrong_time(skew)
        return str(number)

    def _note_identity(self, identity: str) -> None:
        if self._identity not in {"", identity}:
            logger.error("The tables in the state database were created again; what they held is lost.")
            self._was_recreated = True
        self._identity = identity


def _refuse_unfit(info: psycopg.ConnectionInfo) -> None:
    if info.server_version < OLDEST_SERVER or info.parameter_status("server_encoding") != "UTF8":
        raise psycopg.NotSupportedError("PostgreSQL 13 or later is needed, and a database in UTF8")


def lock_number(name: str) -> int:
    """The number of an advisory lock, which all replicas agree on."""
    return int.from_bytes(hashlib.sha256(f"kling-mcp lock {name}".encode()).digest()[:8], signed=True)


def strip_unstorable(text: str) -> str:
    """A text as PostgreSQL can hold it: without NUL and without halves of characters."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def migrate(connection: psycopg.Connection[Any], steps: Steps) -> str:
    """Take the steps that this database has not seen, and return the identity of the tables.

    Tables of a newer version are left as they are: later versions only add. Two replicas that start together take
    the steps one after the other.
    """
    version, identity = _version_of(connection)
    if version >= len(steps):
        return identity
    connection.execute(f"BEGIN; SELECT pg_advisory_xact_lock({lock_number('schema')})")
    try:
        if connection.execute("SELECT to_regnamespace(%s)", (SCHEMA,)).fetchone() == (None,):
            connection.execute(f"CREATE SCHEMA {SCHEMA}")  # asked for only then: an operator may have made it for us
        connection.execute(_MAKE_VERSION)
        version, identity = _version_of(connection)
        for step in steps[version:]:
            for statement in step:
                connection.execute(statement)
        connection.execute("UPDATE schema_version SET version = greatest(version, %s)", (len(steps),))
        connection.execute("COMMIT")
    except BaseException:
        with suppress(psycopg.Error):
            connection.execute("ROLLBACK")
        raise
    return identity


def _version_of(connection: psycopg.Connection[Any]) -> tuple[int, str]:
    try:
        row = connection.execute("SELECT version, identity FROM schema_version").fetchone()
    except psycopg.errors.UndefinedTable:
        row = None
    return (int(row[0]), str(row[1])) if row else (0, "")


def _was_committed(connection: psycopg.Connection[Any], number: str) -> bool:
    """What became of a transaction whose commit was sent and never confirmed.

    Raises:
        psycopg.OperationalError: the server has not finished it yet.
    """
    row = connection.execute("SELECT pg_xact_status(%s::xid8)", (number,)).fetchone()
    status = row[0] if row else None
    if status == "in progress":
        raise psycopg.OperationalError("an earlier transaction is not over yet")
    return bool(status == "committed")
