"""A file system without file locks, as some network shares are: the kernel refuses every lock of a thread.

A seccomp filter answers `fcntl` with an error where it would lock, so SQLite, Python and our own code all meet what a
share without locks answers. It holds for the thread that calls `refuse_locks`, for threads and processes that it
starts, and for ever.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from virtual_time import VirtualLoop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_FCNTL = {"x86_64": 72, "aarch64": 25}.get(platform.machine())
_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER = 38, 22, 2
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER, _COMMAND = 0, 24  # offsets in what a filter sees: the call, and the low half of its second argument
_LOCKING = (5, 6, 7)  # F_GETLK, F_SETLK and F_SETLKW of Linux

needs_kernel = pytest.mark.skipif(
    not sys.platform.startswith("linux") or _FCNTL is None, reason="has no filter for system calls"
)


def refuse_locks(error: int) -> None:
    """From now on, every lock in this thread is refused with this error number."""
    assert _FCNTL is not None
    steps = [(_LOAD, 0, 0, _NUMBER), (_EQUAL, 0, len(_LOCKING) + 1, _FCNTL), (_LOAD, 0, 0, _COMMAND)]
    steps += [(_EQUAL, len(_LOCKING) - place, 0, command) for place, command in enumerate(_LOCKING)]
    steps += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _ERROR | error)]
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    libc = ctypes.CDLL(None, use_errno=True)
    for call in (
        (_NO_NEW_PRIVS, 1, 0, 0, 0),
        (_SET_SECCOMP, _FILTER, ctypes.byref(_Program(len(steps), ctypes.addressof(program))), 0, 0),
    ):
        if libc.prctl(*call):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


class _Program(ctypes.Structure):
    _fields_ = (("count", ctypes.c_ushort), ("steps", ctypes.c_void_p))


def run_without_locks(error: int, work: Callable[[], Awaitable[Any]]) -> None:
    """Run `work` on virtual time in a thread whose locks are refused."""

    def run() -> None:
        refuse_locks(error)
        anyio.run(work, backend_options={"loop_factory": VirtualLoop})

    with ThreadPoolExecutor(1) as pool:
        pool.submit(run).result()
