"""What Windows does with files, played on this disk: no open file is moved or removed, and locks are msvcrt's.

Only functions of the system are replaced, as the standard library calls them; our code is the real one.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

DESCRIPTORS = Path("/proc/self/fd")
needs_descriptors = pytest.mark.skipif(not DESCRIPTORS.is_dir(), reason="this system does not list open files")


def _is_open(path: str, handle: int | None) -> bool:
    """Whether this process has the file open, under any name."""
    try:
        wanted = os.stat(path, dir_fd=handle, follow_symlinks=False)
    except FileNotFoundError:
        return False
    for descriptor in os.listdir(DESCRIPTORS):  # noqa: PTH208 - the numbers alone
        try:
            found = os.fstat(int(descriptor))
        except OSError:  # that of the list
            continue
        if (found.st_ino, found.st_dev) == (wanted.st_ino, wanted.st_dev):
            return True
    return False


def _refuse_open(path: Any, handle: int | None) -> None:
    if _is_open(os.fspath(path), handle):
        raise PermissionError(errno.EACCES, "The process cannot access the file because it is being used", path)


def _lock(file: int, mode: int, count: int) -> None:
    import fcntl  # noqa: PLC0415 - there is none on Windows, which has the real one

    assert (mode, count) == (2, 1)  # LK_NBLCK, one byte
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise PermissionError(errno.EACCES, "Permission denied") from None


def play_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the end of the test."""
    replace: Callable[..., None] = os.replace
    unlink: Callable[..., None] = os.unlink

    def replacing(old: Any, new: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None) -> None:
        _refuse_open(old, src_dir_fd)
        _refuse_open(new, dst_dir_fd)
        replace(old, new, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    def unlinking(path: Any, *, dir_fd: int | None = None) -> None:
        _refuse_open(path, dir_fd)
        unlink(path, dir_fd=dir_fd)

    msvcrt = ModuleType("msvcrt")
    vars(msvcrt).update(locking=_lock, LK_NBLCK=2)
    monkeypatch.setattr(os, "replace", replacing)
    monkeypatch.setattr(os, "unlink", unlinking)
    monkeypatch.setitem(sys.modules, "msvcrt", msvcrt)
    monkeypatch.setattr(sys, "platform", "win32")
