"""Notices that the state file is not the one of the last start: it was removed, exchanged, or an older copy.

A small file beside it says which file it was and when its newest request was made. Nothing that decides is in it: if
it is missing, nothing is noticed.
"""

from __future__ import annotations

import json
import os
import secrets
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from kling_mcp.concurrency.shared_files import replace_file
from kling_mcp.store.sqlite_file import in_transaction, make_private_file

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

FILE_NAME = "state.mark"


@dataclass(frozen=True, slots=True)
class _Mark:
    """`is_lost`: requests of an earlier state are not in this one; true until a person removes the file."""

    state: int
    newest: float
    is_lost: bool = False


class StateMark:
    """The mark in one folder. Disk errors while it is written are ignored."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME

    def compare(self, connection: sqlite3.Connection, *, is_lost: bool) -> bool:
        """Whether an earlier state was lost, now or before; `is_lost` if that is known already.

        Raises:
            sqlite3.Error: the state file cannot be read, or cannot be given its number.
        """
        found, last = _Mark(_number_of(connection), _newest_in(connection)), self._read()
        if last is not None:
            is_lost = is_lost or last.is_lost or last.state != found.state or found.newest < last.newest
        found = _Mark(found.state, found.newest, is_lost)
        if found != last:
            self._write(found)
        return is_lost

    def keep(self, connection: sqlite3.Connection) -> None:
        """Note the newest request, as the file is closed."""
        last = self._read()
        newest = _newest_in(connection)
        if last is not None and newest > last.newest and last.state == _number_of(connection):
            self._write(_Mark(last.state, newest, last.is_lost))

    def _read(self) -> _Mark | None:
        try:
            fields = json.loads(self._path.read_text("utf-8"))
            return _Mark(int(fields["state"]), float(fields["newest"]), bool(fields["is_lost"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _write(self, mark: _Mark) -> None:
        draft = self._path.with_name(f".{FILE_NAME}-{os.getpid()}-{secrets.token_hex(4)}")
        with suppress(OSError):
            make_private_file(draft)
            draft.write_text(json.dumps(asdict(mark)), "utf-8")
            replace_file(lambda: draft.replace(self._path))


def _number_of(connection: sqlite3.Connection) -> int:
    """The number that tells this file from any other; chosen at its first use."""

    def choose(connection: sqlite3.Connection) -> int:
        if not (number := _stored_number(connection)):  # another process may have been faster
            number = secrets.randbelow(2**31 - 1) + 1
            connection.execute(f"PRAGMA application_id = {number}")
        return number

    return _stored_number(connection) or in_transaction(connection, choose, write=True)


def _stored_number(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA application_id").fetchone()[0])


def _newest_in(connection: sqlite3.Connection) -> float:
    return float(connection.execute("SELECT max(created_at) FROM tasks").fetchone()[0] or 0.0)
