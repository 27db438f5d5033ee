"""`python poor_system.py WORDS...`: kling-mcp on a system that has nothing that Windows lacks.

What other packages and the standard library need of POSIX is loaded first, so that only ours meets the lack: modules
that cannot be imported, functions, flags and signals that are not there, no work relative to an open folder, an event
loop without readers and signal handlers, and `sys.platform` as on Windows. The disk stays that of this computer.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import select
import signal
import sys
import time
from types import ModuleType
from typing import Any

MODULES = ["fcntl", "grp", "pwd", "resource", "termios", "tty", "pty", "syslog"]
FUNCTIONS = [
    *("fork", "forkpty", "setsid", "setpgrp", "killpg", "getpgid", "getuid", "geteuid", "getgid", "getegid", "uname"),
    *(
        "getgroups",
        "mkfifo",
        "mknod",
        "fchmod",
        "fchown",
        "chown",
        "getloadavg",
        "sysconf",
        "statvfs",
        "wait4",
        "pread",
    ),
    *("O_NOFOLLOW", "O_DIRECTORY", "O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_PATH", "O_SYNC"),
]
SIGNALS = ["SIGKILL", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGSTOP", "SIGALRM", "SIGCHLD", "SIGPIPE", "SIGQUIT", "alarm"]
# They use more of POSIX while they load, or look at `sys.platform` then.
OTHERS = [
    *("mcp.server.stdio", "mcp.client.stdio", "mcp.server.mcpserver", "mcp.server.streamable_http_manager", "uvicorn"),
    *("uvicorn.protocols.http.h11_impl", "uvicorn.lifespan.on", "starlette.applications", "sse_starlette", "httpx"),
    *("PIL.Image", "PIL.ImageDraw", "PIL.PngImagePlugin", "PIL.JpegImagePlugin", "sqlite3", "tempfile", "subprocess"),
    *(
        "anyio._backends._asyncio",
        "platformdirs",
        "truststore",
        "jwt",
        "yaml",
        "opentelemetry.metrics",
        "multiprocessing",
    ),
    *("concurrent.futures.thread", "uuid", "pathlib", "shutil", "ctypes", "logging.handlers", "getpass", "certifi"),
    "opentelemetry.metrics",
]


def impoverish() -> None:
    """From now on this process lacks what Windows lacks."""
    for name in OTHERS:
        importlib.import_module(name)
    for name in MODULES:
        sys.modules[name] = None  # type: ignore[assignment] # so an import of it fails
    for name in FUNCTIONS:
        vars(os).pop(name, None)
    for name in SIGNALS:
        vars(signal).pop(name, None)
    for name in ("poll", "epoll"):
        vars(select).pop(name, None)
    for name in ("clock_gettime", "CLOCK_BOOTTIME", "tzset"):
        vars(time).pop(name, None)
    sys.modules["msvcrt"] = _msvcrt()
    os.supports_dir_fd = set()
    for name in ("add_reader", "add_writer", "add_signal_handler"):
        setattr(asyncio.SelectorEventLoop, name, _lacking)
    vars(asyncio)["ProactorEventLoop"] = asyncio.SelectorEventLoop  # uvicorn asks for that one
    sys.platform = "win32"


def _lacking(*_: Any) -> None:
    raise NotImplementedError


def _msvcrt() -> ModuleType:
    """What only Windows has: locks, which this process alone asks for here."""
    module = ModuleType("msvcrt")
    vars(module).update(locking=lambda *_: None, LK_NBLCK=2)
    return module


def main() -> int:
    """The command's exit code."""
    impoverish()
    from kling_mcp.cli import main as run  # noqa: PLC0415 - only now

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
