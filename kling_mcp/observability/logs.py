"""Output that is not protocol: log lines go to stderr without secrets, and nothing goes to stdout.

Must not decide what is worth logging, and must import nothing heavy: it runs before everything else.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from kling_mcp.redact import MIN_SECRET_CHARACTERS, redact_start, redact_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kling_mcp.settings.environment import LogFormat, LogLevel

STDOUT, STDERR = 1, 2
MAX_RECORD_CHARACTERS = 16_384  # of one record's message, or traceback

# Chatty at INFO: a line per request, or per chunk of a picture.
_QUIET = ("httpx", "httpcore", "httpx2", "httpcore2", "PIL")
# At DEBUG they show the password of a SOCKS proxy.
_TELLS_PASSWORDS = ("httpcore.socks", "httpcore2.socks")


# The secrets of the request that is being made: over http, callers bring keys that are in no setting.
_in_use: ContextVar[tuple[str, ...]] = ContextVar("kling_mcp_secrets_in_use", default=())


@contextmanager
def hidden_in_logs(secrets: tuple[str, ...]) -> Iterator[None]:
    """No line that is logged within the block, by any library, contains these secrets.

    Short ones are left: hiding a few letters wherever they occur would make the lines unreadable.
    """
    token = _in_use.set(tuple(secret for secret in secrets if len(secret) >= MIN_SECRET_CHARACTERS))
    try:
        yield
    finally:
        _in_use.reset(token)


class _SecretFreeHandler(logging.StreamHandler):  # type: ignore[type-arg] # generic only in the stubs
    """Writes finished lines without secrets.

    Its formatters work on finished texts, so that nothing gets past them: no arguments, no traceback, and no record
    of another library.
    """

    def __init__(self, secrets: tuple[str, ...], log_format: LogFormat) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(_JsonFormatter(secrets) if log_format == "json" else _LineFormatter(secrets))


class _LineFormatter(logging.Formatter):
    """A record as a line for people, with its traceback below."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """One record as text."""
        return redact_start(super().format(record), (*self._secrets, *_in_use.get()), MAX_RECORD_CHARACTERS)


class _JsonFormatter(logging.Formatter):
    """A record as one line of JSON, for programs that collect logs; a traceback is part of `error`."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        super().__init__()
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """One record as text."""
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": self._safe(record.getMessage()),
        }
        if record.exc_info:
            fields["error"] = self._safe(self.formatException(record.exc_info))
        return redact_text(json.dumps(fields), (*self._secrets, *_in_use.get()))

    def _safe(self, text: str) -> str:
        """Cut here, because a line that is cut later is not JSON."""
        return redact_start(text, (*self._secrets, *_in_use.get()), MAX_RECORD_CHARACTERS)


def configure_logging(
    level: LogLevel = "WARNING", secrets: tuple[str, ...] = (), log_format: LogFormat = "text"
) -> None:
    """Log to stderr from this level on, without `secrets`; a second call replaces the first.

    Call it before an MCPServer is built: the SDK's constructor adds its own handler if it finds none.
    """
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler, _SecretFreeHandler):
            root.removeHandler(handler)
    root.addHandler(_SecretFreeHandler(secrets, log_format))
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.NOTSET if level == "DEBUG" else logging.WARNING)
    for name in _TELLS_PASSWORDS:
        logging.getLogger(name).setLevel(logging.WARNING)


class StdoutGuard:
    """Keeps stdout for the protocol: once entered, everything that is printed goes to stderr, even after the end.

    The SDK does the same, but only while it serves. This also covers earlier output that is not yet flushed, imports
    that print, and the end of the process.
    """

    def __enter__(self) -> Self:
        self._wire = os.dup(STDOUT)
        os.dup2(STDERR, STDOUT)
        return self

    def open_for_protocol(self) -> None:
        """Hand stdout to the SDK, right before it takes over."""
        sys.stdout.flush()
        os.dup2(self._wire, STDOUT)

    def __exit__(self, *_: object) -> None:
        os.dup2(STDERR, STDOUT)  # before the flush: the SDK has just restored stdout
        os.close(self._wire)
        sys.stdout.flush()
