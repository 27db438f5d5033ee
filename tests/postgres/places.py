"""One interface, two implementations: what both must do is tested on both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from kling_mcp.store.postgres.store import PostgresStore
from kling_mcp.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path

    from virtual_time import VirtualClock

    from kling_mcp.store import Store

BOTH = ("file", "postgres")


class Place(Protocol):
    """State that several processes share. Each call stands for a process of its own."""

    clock: VirtualClock

    def store(self) -> Store:
        """One process's store."""
        ...

    def close(self) -> None:
        """All processes end."""
        ...


class FilePlace:
    """A folder."""

    def __init__(self, folder: Path, clock: VirtualClock) -> None:
        self.clock = clock
        self._folder = folder
        self._open: list[Store] = []

    def store(self) -> Store:
        made = SqliteStore(self._folder, self.clock)
        self._open.append(made)
        return made

    def close(self) -> None:
        for made in self._open:
            made.close()


class PostgresPlace:
    """A database."""

    def __init__(self, url: str, clock: VirtualClock) -> None:
        self.clock = clock
        self._url = url
        self._open: list[PostgresStore] = []

    def store(self) -> PostgresStore:
        made = PostgresStore(self._url, self.clock)
        self._open.append(made)
        return made

    def close(self) -> None:
        for made in self._open:
            made.close()
