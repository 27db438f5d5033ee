"""Who started this process: its client, and the launchers between them, such as `uvx` or `sh -c`.

A launcher outlives a client that dies, so the client is looked for above it. Only Linux shows that cheaply; elsewhere
the direct parent stands for the client.
"""

from __future__ import annotations

import os
from pathlib import Path

_MOST = 5
_LAUNCHERS = {"uv", "uvx"}
_SHELLS = {"sh", "ash", "dash", "bash", "zsh"}


def find_client() -> tuple[int, ...]:
    """The process ids of the launchers above this process, nearest first, and of what started them."""
    found = [os.getppid()]
    while len(found) < _MOST and (above := _parent_of_launcher(found[-1])):
        found.append(above)
    return tuple(found)


def _parent_of_launcher(pid: int) -> int:
    """The parent of a launcher; 0 for any other process, and where that cannot be seen."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        name, _, rest = stat.partition("(")[2].rpartition(") ")
        parent = int(rest.split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    # A shell that runs one command; any other may be the client itself.
    runs_one_command = name in _SHELLS and len(arguments) > 1 and arguments[1][:1] == b"-" and b"c" in arguments[1]
    return parent if name in _LAUNCHERS or runs_one_command else 0
