"""A world in a file, for programs that run one after the other or at once: each request sees what others have done.

One request at a time reads the file, is carried out, and writes it back in the same transaction, so that a process
that is killed in the middle leaves the world as it was. Only what requests make is kept: accounts with their tasks and
bills. Faults, quirks and the log of requests belong to each process.
"""

import io
import os
import pickle
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any

import anyio

from kling_mcp.simulator.pictures import is_link
from kling_mcp.simulator.records import ElementTask
from kling_mcp.simulator.world import World

LOCK_SECONDS = 30.0
_SCHEMA = "CREATE TABLE IF NOT EXISTS world (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER, content BLOB)"
_SAVE = """
INSERT INTO world VALUES (1, :version, :content)
ON CONFLICT (id) DO UPDATE SET version = :version, content = :content
"""
# What a world consists of besides the simulator's own records.
_PLAIN = {
    ("builtins", "set"),
    ("builtins", "frozenset"),
    ("collections", "Counter"),
    ("decimal", "Decimal"),
    ("random", "Random"),
}
_OWN = "kling_mcp.simulator."
_BILL_FAILED = "bill_failed"


class WorldFileError(Exception):
    """The file cannot be used; `reason` is why."""

    def __init__(self, path: Path, reason: Exception) -> None:
        super().__init__(f"{path.name}: {reason}")
        self.path = path
        self.reason = reason


class WorldFile:
    """Keeps `world` in a file at `path`, which is made on first use and readable by its user alone."""

    def __init__(self, world: World, path: Path) -> None:
        self._world = world
        self._path = path
        self._version = 0
        self._turn = anyio.Lock()

    @asynccontextmanager
    async def request(self, *, may_change: bool) -> AsyncIterator[None]:
        """The block carries out one request on the newest world. Raises WorldFileError if the file cannot be used."""
        async with self._turn:
            connection = self._begin(may_change=may_change)
            try:
                yield
                if may_change:
                    _drop_pictures(self._world)
                    self._version += 1
                    connection.execute(_SAVE, {"version": self._version, "content": pack(self._world)})
                connection.execute("COMMIT")
            except BaseException:
                self._version = -1  # this process may be ahead of the file now
                raise
            finally:
                connection.close()

    def _begin(self, *, may_change: bool) -> sqlite3.Connection:
        """A connection with the newest world. Raises WorldFileError."""
        try:
            connection = self._open()
            connection.execute("BEGIN IMMEDIATE" if may_change else "BEGIN")
            self._load(connection)
        except (sqlite3.Error, OSError, pickle.UnpicklingError, AttributeError, TypeError) as error:
            raise WorldFileError(self._path, error) from error
        return connection

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(self._path, timeout=LOCK_SECONDS, isolation_level=None)
        connection.execute(_SCHEMA)
        return connection

    def _load(self, connection: sqlite3.Connection) -> None:
        row = connection.execute("SELECT version, content FROM world").fetchone()
        if row is None:
            if self._version:  # somebody has removed the file
                self._world.reset()
                self._version = 0
        elif row[0] != self._version:
            unpack(self._world, row[1])
            self._version = row[0]


def pack(world: World) -> bytes:
    """What requests have made in a world."""
    buffer = io.BytesIO()
    _Packer(buffer, protocol=5).dump((world.rng, world.accounts, world.generations, world.next_number()))
    return buffer.getvalue()


def unpack(world: World, content: bytes) -> None:
    """Put what was packed into a world, in place of what it holds."""
    packed = _Unpacker(io.BytesIO(content), world).load()
    world.rng, world.accounts, world.generations, number = packed
    world.next_number(number)


class _Packer(pickle.Pickler):
    """Leaves out the rules, which are the world's and not the file's."""

    def persistent_id(self, obj: object) -> str | None:
        """The one rule that records hold: whether failed tasks cost."""
        return _BILL_FAILED if isinstance(obj, FunctionType) else None


class _Unpacker(pickle.Unpickler):
    """Reads the simulator's records and nothing else: a file that was tampered with runs no code."""

    def __init__(self, buffer: io.BytesIO, world: World) -> None:
        super().__init__(buffer)
        self._world = world

    def persistent_load(self, name: str) -> object:
        """The rule of that name."""
        if name != _BILL_FAILED:
            raise pickle.UnpicklingError(f"{name} is no rule of a world")
        return lambda: self._world.quirks.bill_failed

    def find_class(self, module: str, name: str) -> Any:
        """A class of the simulator, or one that records consist of."""
        if (module, name) in _PLAIN or module.startswith(_OWN):
            found = getattr(import_module(module), name, None)
            if isinstance(found, type):
                return found
        raise pickle.UnpicklingError(f"{module}.{name} is no part of a world")


def _drop_pictures(world: World) -> None:
    """Keep that a picture was sent, and not its text: a file of all of them would be large.

    The world's quirk `pictures` should not be "as-sent", then.
    """
    for account in world.accounts.values():
        for task in account.element_tasks:
            _drop_pictures_of(task)


def _drop_pictures_of(task: ElementTask) -> None:
    def mark(picture: str) -> str:
        return picture if is_link(picture) or not picture else "base64"

    task.frontal_image = mark(task.frontal_image)
    task.refer_images = tuple(map(mark, task.refer_images))
