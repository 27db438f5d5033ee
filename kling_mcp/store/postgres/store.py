"""The store of several replicas: one PostgreSQL database instead of a file, behind the same interface.

Writers run one after the other, as SQLite's do, so what is proved of the journal on a file holds here, too.
"""

from __future__ import annotations

import random
import re
import secrets
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from psycopg.rows import dict_row

from kling_mcp.concurrency.clock import boot_id
from kling_mcp.store.postgres.database import PostgresDatabase, strip_unstorable
from kling_mcp.store.postgres.notify import Notifications
from kling_mcp.store.schema import STEPS

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.store import Row, Transaction

T = TypeVar("T")

_MARKS = re.compile(r"'(?:[^']|'')*'|[?%]")


class PostgresStore:
    """See `Store`; and `notifications`, which reach every replica."""

    def __init__(self, url: str, clock: Clock, rng: random.Random | None = None) -> None:
        """Nothing is opened here.

        Raises:
            ConfigurationError: the address cannot be read.
        """
        rng = rng or random.Random()  # noqa: S311 - spreads retries, guards nothing
        self._database = PostgresDatabase(url, clock, STEPS, rng)
        self.notifications = Notifications(self._database, clock, rng)
        # Host names and process numbers may be alike on the computers that share a database.
        self.computer = computer_name()

    @property
    def was_damaged(self) -> bool:
        """Whether the tables were created again while this process used them, as by a restore."""
        return self._database.was_recreated

    @property
    def is_new(self) -> bool:
        """Never: an operator made the database, and knows."""
        return False

    async def run(self, work: Callable[[Transaction], T], *, write: bool) -> T:
        """See `Store.run`."""
        return await self._database.run(
            lambda connection: work(_PostgresTransaction(connection)), lock="state" if write else ""
        )

    def close(self) -> None:
        """Close connections; a later call opens new ones."""
        self._database.close()


class _PostgresTransaction:
    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._cursor = connection.cursor(row_factory=dict_row)

    def fetch(self, sql: str, *parameters: Any) -> list[Row]:
        return list(self._cursor.execute(translated(sql), _storable(parameters)))

    def execute(self, sql: str, *parameters: Any) -> int:
        return self._cursor.execute(translated(sql), _storable(parameters)).rowcount


@lru_cache(maxsize=256)
def translated(sql: str) -> str:
    """SQL with `?` for parameters in the driver's notation; literals between quotes keep their question marks."""

    def mark(found: re.Match[str]) -> str:
        return "%s" if found[0] == "?" else found[0].replace("%", "%%")

    return _MARKS.sub(mark, sql)


def _storable(parameters: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(strip_unstorable(value) if isinstance(value, str) else value for value in parameters)


def computer_name(boot: str | None = None) -> str:
    """Names this computer since it was started; no other one is called so."""
    return (boot_id() if boot is None else boot)[:16] or secrets.token_hex(8)
