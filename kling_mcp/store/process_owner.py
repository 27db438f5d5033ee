"""Which process owns an entry, and whether it still runs."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def current_owner(pid_space: Path = Path("/proc/self/ns/pid")) -> str:
    """Identifies this process: `host:pid`, where the host includes the pid's namespace."""
    try:
        space = f"+{pid_space.stat().st_ino}"  # containers may share a host name
    except OSError:  # not Linux
        space = ""
    return f"{socket.gethostname()}{space}:{os.getpid()}"


def is_dead(owner: str, *, seen_by: str) -> bool:
    """Whether the process `owner` ran on the same computer as `seen_by` and has certainly ended."""
    host, _, pid = owner.rpartition(":")
    return host == seen_by.rpartition(":")[0] and is_process_gone(pid)


def is_process_gone(pid: str) -> bool:
    """Whether a process of this computer has certainly ended. Only POSIX can check without side effects."""
    if os.name != "posix" or not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False
