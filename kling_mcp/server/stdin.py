"""What arrives on stdin, before the SDK reads it: a byte order mark is skipped, and other encodings are named.

It also notices that the client has died while another process keeps the pipe open, which would otherwise never end.
Must not understand messages: that is the SDK's part.
"""

from __future__ import annotations

import codecs
import io
import logging
import os
import select
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kling_mcp.guide import guide_to
from kling_mcp.server.launchers import find_client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _typeshed import WriteableBuffer

logger = logging.getLogger(__name__)

STDIN = 0
PAUSE_MS = 2000  # between two looks at the parent process
_PAUSES_BEFORE_A_MESSAGE = 2  # a launcher may start the server and leave
_HEADERS = (b"content-length:", b"content-type:")
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, b"{\0", b"\0{")


class StdinReader(io.RawIOBase):
    """The bytes of a descriptor; they end, too, if they are no messages or the parent process is gone."""

    def __init__(self, fd: int, *, parent: Callable[[], object] | None = None, pause_ms: int = PAUSE_MS) -> None:
        """`parent` identifies the parent process; None means that this system cannot tell when it is gone."""
        self._fd = fd
        self._find_parent = parent
        self._parent = parent() if parent else None
        self._pause_ms = pause_ms
        self._pauses_left = _PAUSES_BEFORE_A_MESSAGE
        self._start: bytes | None = None  # what was read and not yet given, once the first bytes were looked at
        self._is_over = False

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """The next bytes; none at the end."""
        view = memoryview(buffer).cast("B")
        if self._start is None:
            self._start = self._checked_start()
        data, self._start = self._start[: len(view)], self._start[len(view) :]
        if not data and not self._is_over:
            data = self._receive(len(view))
        view[: len(data)] = data
        return len(data)

    def _checked_start(self) -> bytes:
        start = b""
        while len(start) <= len(codecs.BOM_UTF8 + _HEADERS[0]) and b"\n" not in start:
            more = self._receive(io.DEFAULT_BUFFER_SIZE)
            if not more:
                break
            start += more
        start = start.removeprefix(codecs.BOM_UTF8)
        if start.startswith(_UTF_16):
            return self._refused("UTF-16 text")
        if start.lower().startswith(_HEADERS):
            return self._refused("messages with Content-Length headers, as language servers use them")
        return start

    def _refused(self, what: str) -> bytes:
        logger.error(
            "The client sends %s. MCP over stdio needs one JSON message on each line, in UTF-8. The server ends. %s",
            what,
            guide_to("the-client-does-not-start-the-server"),
        )
        self._is_over = True
        return b""

    def _receive(self, size: int) -> bytes:
        if self._find_parent is not None:
            waiting = select.poll()  # noqa: TID251 - there is a parent to look for only where there is this, too
            waiting.register(self._fd, select.POLLIN)
            while not waiting.poll(self._pause_ms):
                if self._is_alone():
                    logger.warning("The client is gone, though another process keeps its pipe open. The server ends.")
                    self._is_over = True
                    return b""
            self._parent = self._parent if self._start is not None else self._find_parent()
        return os.read(self._fd, size)

    def _is_alone(self) -> bool:
        if self._find_parent is None or self._find_parent() == self._parent:
            return False
        if self._start is not None:
            return True
        self._pauses_left -= 1
        return self._pauses_left < 0


@contextmanager
def checked_stdin() -> Iterator[None]:
    """Let `sys.stdin` be a `StdinReader`, and descriptor 0 the null device, as the SDK does with its own reader."""
    try:
        wire = os.dup(STDIN)
    except OSError:  # closed: the SDK deals with that
        yield
        return
    can_watch = sys.platform != "win32" and hasattr(select, "poll")
    before = sys.stdin
    # Windows keeps descriptor 0: its standard handle would have to move as well, and we start no other process.
    if sys.platform != "win32":
        _point_at(STDIN, os.open(os.devnull, os.O_RDONLY))
    reader = StdinReader(wire, parent=find_client if can_watch else None)
    sys.stdin = io.TextIOWrapper(io.BufferedReader(reader), encoding="utf-8")
    try:
        yield
    finally:
        sys.stdin = before
        if sys.platform != "win32":
            os.dup2(wire, STDIN)


def _point_at(fd: int, opened: int) -> None:
    os.dup2(opened, fd)
    os.close(opened)
