"""Where everything goes that is not protocol: log lines to stderr without secrets, and nothing to stdout.

Must not decide what is worth logging, and must import nothing heavy: it runs before anything else does.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kling_mcp.settings.environment import LogFormat, LogLevel

HIDDEN = "[hidden]"
STDOUT, STDERR = 1, 2

# What looks like a secret is hidden wherever it came from: over http, callers bring keys that no setting holds.
_BEARER = re.compile(r"(?i)\b(bearer)\s+[^\s'\",;]+")
_HEADER = re.compile(r"(?i)(x-kling-(?:api|access|secret)-key\b['\"]?\s*[:=,]\s*b?['\"]?)[^\s'\",;]+")
_TOKEN = re.compile(r"\bey[\w-]{8,}\.[\w-]{2,}\.[\w-]*|\bwhsec_[\w+/=-]+")

# Chatty at INFO: a line per request, or per chunk of a picture.
_QUIET = ("httpx", "httpcore", "httpx2", "httpcore2", "PIL")


def hide_secrets(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without these secrets, however they are escaped, and without anything that looks like one."""
    for form in _written_forms(secrets):
        text = text.replace(form, HIDDEN)
    text = _BEARER.sub(rf"\1 {HIDDEN}", text)
    text = _HEADER.sub(rf"\1{HIDDEN}", text)
    return _TOKEN.sub(HIDDEN, text)


def _written_forms(secrets: Iterable[str]) -> list[str]:
    """Each secret as it is, in JSON and in an address; the longest first, as one may be part of another."""
    forms = {form for s in secrets for form in (s, json.dumps(s)[1:-1], quote(s, safe=""))}
    return sorted(forms - {""}, key=len, reverse=True)


class _SecretFreeHandler(logging.StreamHandler):  # type: ignore[type-arg] # generic in the stubs alone
    """Writes finished lines without secrets.

    It works on the finished text, so that nothing passes it by: not the arguments, not a traceback, and not a
    record of a library that knows nothing of our settings.
    """

    def __init__(self, secrets: tuple[str, ...], log_format: LogFormat) -> None:
        super().__init__(sys.stderr)
        self._secrets = secrets
        lines = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self.setFormatter(_JsonFormatter() if log_format == "json" else lines)

    def format(self, record: logging.LogRecord) -> str:
        """One record as text."""
        return hide_secrets(super().format(record), self._secrets)


class _JsonFormatter(logging.Formatter):
    """A record as one line of JSON, for programs that collect logs; a traceback is part of `error`."""

    def format(self, record: logging.LogRecord) -> str:
        """One record as text."""
        told = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            told["error"] = self.formatException(record.exc_info)
        return json.dumps(told)


def configure_logging(
    level: LogLevel = "WARNING", secrets: tuple[str, ...] = (), log_format: LogFormat = "text"
) -> None:
    """Log to stderr from this level on, without `secrets`; a second call replaces the first.

    Call it before an MCPServer is built: the SDK's constructor adds a handler of its own where it finds none.
    """
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler, _SecretFreeHandler):
            root.removeHandler(handler)
    root.addHandler(_SecretFreeHandler(secrets, log_format))
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.NOTSET if level == "DEBUG" else logging.WARNING)


class StdoutGuard:
    """Keeps stdout for the protocol: from entering on, and for good, what anything prints goes to stderr.

    The SDK does the same, but only while it serves. This covers what was printed before and not yet flushed, the
    imports, which may print, and the end of the process.
    """

    def __enter__(self) -> Self:
        self._wire = os.dup(STDOUT)
        os.dup2(STDERR, STDOUT)
        return self

    def open_for_protocol(self) -> None:
        """Hand stdout over to the SDK, right before it takes it."""
        sys.stdout.flush()
        os.dup2(self._wire, STDOUT)

    def __exit__(self, *_: object) -> None:
        os.dup2(STDERR, STDOUT)  # before the flush: the SDK has just put the wire back
        os.close(self._wire)
        sys.stdout.flush()
