"""The audit log: who did what, with which outcome, as JSON lines appended to a file.

It knows neither tools nor accounts; it only appends lines and never overwrites one. `server.call_record` chooses what
a line contains: ids and outcomes; never a key, a picture, a link, the name of an element or a text.
"""

from __future__ import annotations

import json
import logging
import os
from typing import TYPE_CHECKING

from kling_mcp.concurrency.clock import iso_utc
from kling_mcp.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kling_mcp.concurrency.clock import Clock

logger = logging.getLogger(__name__)

FILE_NAME = "audit.jsonl"
_as_json = json.JSONEncoder(separators=(",", ":")).encode
# O_BINARY: Windows would end the lines otherwise, and count other bytes than it writes.
_APPEND_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)


class AuditLog:
    """A file that only grows. It is opened for each line, so that it can be rotated at any time."""

    def __init__(self, path: Path, clock: Clock, server: str) -> None:
        """Nothing is opened here. `server` names this process in every line."""
        self.path = path
        self._clock = clock
        self._server = server
        self._is_torn = False

    def write(self, event: Mapping[str, object]) -> None:
        """Add a line: the time, this process, and the event.

        Raises:
            StorageError: it could not be written, or not completely.
        """
        told = {"time": iso_utc(round(self._clock.wall() * 1000)), "server": self._server, **event}
        line = _as_json(told).encode() + b"\n"
        if self._is_torn:  # the file ends with half a line; it must not spoil this one
            line = b"\n" + line
        try:
            written = self._append(line)
        except OSError as error:
            raise self._unwritable(error.strerror or str(error)) from None
        self._is_torn = 0 < written < len(line)
        if written < len(line):
            raise self._unwritable("the disk is full")

    def open(self) -> None:
        """Make the file if it is missing, and write nothing. Raises OSError."""
        os.close(self._opened())

    def _append(self, line: bytes) -> int:
        """One write, so that lines of several processes do not mix."""
        file = self._opened()
        try:
            return os.write(file, line)
        finally:
            os.close(file)

    def _opened(self) -> int:
        try:
            return os.open(self.path, _APPEND_FLAGS, 0o600)
        except FileNotFoundError:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            return os.open(self.path, _APPEND_FLAGS, 0o600)

    def _unwritable(self, why: str) -> StorageError:
        """The path is for the operator's log, not for callers."""
        logger.error("The audit log %s cannot be written: %s", self.path, why)
        return StorageError(
            "The audit log cannot be written, so tools that change anything are off; reading works.",
            kind="read_only",
            advice="Nothing was sent. The server's log has the reason.",
        )
