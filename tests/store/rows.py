"""A table to write to and read from, and processes of their own that do it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from processes import ROOT, environ_with, uncounted

if TYPE_CHECKING:
    from collections.abc import Callable

    from kling_mcp.store import Transaction


def put(name: str, value: str = "") -> Callable[[Transaction], int]:
    """Work that writes one row."""
    return lambda tx: tx.execute("INSERT INTO keys (name, value) VALUES (?, ?)", name, value)


def names(tx: Transaction) -> list[str]:
    """Work that reads the names of all rows, in alphabetical order."""
    return [row["name"] for row in tx.fetch("SELECT name FROM keys ORDER BY name")]


def start_python(program: str, *arguments: str) -> subprocess.Popen[str]:
    """A process of its own, which may do to the file what it likes."""
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=uncounted(environ_with())
    )
