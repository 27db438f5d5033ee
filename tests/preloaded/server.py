"""Has loaded all of kling-mcp, and becomes that command as often as it is asked to: `python server.py ADDRESS`."""

from __future__ import annotations

import ast
import gc
import importlib
import io
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
import time
from contextlib import suppress

import coverage

import kling_mcp
from kling_mcp import cli

# What the package's dependencies load only when it is needed.
LATE = ("anyio._backends._asyncio", "PIL.JpegImagePlugin", "PIL.PngImagePlugin", "uvicorn.protocols.http.h11_impl")
STREAMS = 3  # stdin, stdout and stderr


def load() -> None:
    """Import every module. None of them starts a thread or opens a file, so a fork lacks nothing."""
    modules = [module.name for module in pkgutil.walk_packages(kling_mcp.__path__, "kling_mcp.")]
    for name in [*modules, *LATE]:
        if not name.endswith(".__main__"):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()


def take_requests(listener: socket.socket) -> None:
    """Return in each process that has become a command. The server itself ends when nobody needs it any more."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no parent waits for those that wait for a command
    while True:
        ready, _, _ = select.select([listener.fileno(), 0], [], [])
        if 0 in ready:
            os.killpg(0, signal.SIGKILL)  # stdin is closed: end with all commands that still run
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            become_command(connection)
            return
        connection.close()


def become_command(connection: socket.socket) -> None:
    """Return in the process of the command. Another one waits for it, and passes its exit code on."""
    size, streams, _, _ = socket.recv_fds(connection, 16, STREAMS)
    request = connection.recv(int(size), socket.MSG_WAITALL)
    words, folder, umask, environ = ast.literal_eval(request.decode("ascii"))
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if command := os.fork():
        for stream in streams:
            os.close(stream)
        watch(command, connection)
        os._exit(0)
    connection.close()
    sys.argv[:] = words if words[:1] == ["--script"] else ["kling-mcp", *words]
    os.chdir(folder)
    os.umask(umask)
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    use_streams(streams)
    coverage.process_startup()  # as in every program that is started, if this is a run that measures


def watch(command: int, connection: socket.socket) -> None:
    """Say its process id and how it ended. It ends with its launcher, which may have been killed."""
    with suppress(BrokenPipeError):
        connection.sendall(f"{command:<16}".encode())
    ready, _, _ = select.select([connection.fileno(), ended := os.pidfd_open(command)], [], [])
    if ended not in ready:
        os.kill(command, signal.SIGKILL)
    _, status = os.waitpid(command, 0)
    with suppress(BrokenPipeError):
        connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())


def use_streams(streams: list[int]) -> None:
    """As Python opens them when it starts."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        before: io.TextIOWrapper = getattr(sys, name)
        buffering = 1 if name == "stderr" else -1
        now = open(before.fileno(), mode, buffering, before.encoding, before.errors)  # noqa: PTH123, SIM115 - for good
        setattr(sys, name, now)
        setattr(sys, f"__{name}__", now)


if __name__ == "__main__":
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(sys.argv[1])
        listening.listen(64)
        load()
        sys.stdout.write("listening\n")
        sys.stdout.flush()
        take_requests(listening)
    if sys.argv[0] == "--script":
        del sys.argv[0]
        runpy.run_path(sys.argv[0], run_name="__main__")
    sys.exit(cli.main())
