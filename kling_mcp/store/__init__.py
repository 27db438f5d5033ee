"""Where state lives: a small transactional store that several processes may share.

`Store` is an interface with two implementations: a file for one computer, a database server for several.
Callers pass a function that runs inside one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
Row = Mapping[str, Any]


class Transaction(Protocol):
    """One transaction. SQL with `?` for parameters, in the subset that SQLite and PostgreSQL share."""

    def fetch(self, sql: str, *parameters: Any) -> list[Row]:
        """The rows of a query."""
        ...

    def execute(self, sql: str, *parameters: Any) -> int:
        """Run a statement; returns the number of rows it changed."""
        ...


class Store(Protocol):
    """Durable state. Every method may raise `StorageError`."""

    async def run(self, work: Callable[[Transaction], T], *, write: bool) -> T:
        """Run `work` in one transaction: all or nothing.

        `work` runs in a worker thread, so it must not use the event loop. It may run again after a conflict with
        another process, so it must have no other effect.
        """
        ...

    @property
    def was_damaged(self) -> bool:
        """Whether earlier state was lost, so that unrecorded tasks may exist."""
        ...

    @property
    def is_new(self) -> bool:
        """Whether this process made the state: nothing of an earlier start is in it."""
        ...

    def close(self) -> None:
        """Close files and connections."""
        ...
