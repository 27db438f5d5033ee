"""Commands that need not load Python and this package: `kling-mcp`, started from a process that has loaded it.

Nearly all the time of a short command goes into loading. So a server (`preloaded/server.py`) loads everything once,
runs nothing of it, and forks whenever somebody starts the launcher (`preloaded/launcher.py`): the new process gets the
launcher's arguments, streams, folder, umask and environment, runs `kling_mcp.cli.main`, and ends as a Python
program does; the launcher passes its exit code on. What such a command does with its words, its settings, its files
and Kling is what a started one does, and it shares no more with other commands than a started one does.

Not for tests of the start itself - what is loaded, closed streams, terminals, encodings, ignored signals, and variables
that Python reads when it starts - which use `processes.COMMAND`.
"""

from __future__ import annotations

import atexit
import functools
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from processes import COMMAND, environ_with, uncounted

if TYPE_CHECKING:
    from collections.abc import Sequence

_HERE = Path(__file__).parent


@functools.cache
def command() -> list[str]:
    """How to start `kling-mcp` quickly, where that is known to work; elsewhere as it always starts."""
    if sys.platform != "linux":
        return COMMAND
    folder = tempfile.TemporaryDirectory(prefix="kling-")
    address = Path(folder.name, "socket")
    # A group of its own ends with everything in it. The server ends by itself when this process is gone: its stdin,
    # which nobody writes to, is closed then.
    server = subprocess.Popen(
        [sys.executable, str(_HERE / "server.py"), str(address)],
        env=uncounted(environ_with()),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert server.stdout
    assert server.stdout.readline() == b"listening\n"
    atexit.register(_end, server, folder)
    return [sys.executable, "-ISE", str(_HERE / "launcher.py"), str(address)]


def script() -> list[str]:
    """What runs a Python file that is about to run `kling-mcp`; the file and its words follow."""
    return [sys.executable] if command() == COMMAND else [*command(), "--script"]


class Command(subprocess.Popen[str]):
    """A process that runs `kling-mcp` with these words. Signals, `kill -9` among them, reach it, not its launcher."""

    def __init__(self, words: Sequence[str] = (), **options: Any) -> None:
        """`options` are those of `Popen`; text is UTF-8."""
        if command() == COMMAND:
            super().__init__([*COMMAND, *words], encoding="utf-8", **options)
            self.pid_of_command = self.pid
            return
        reader, writer = os.pipe()
        all_words = [*command(), f"--pid-to={writer}", *words]
        super().__init__(all_words, encoding="utf-8", pass_fds=[writer], **options)
        os.close(writer)
        with os.fdopen(reader) as told:
            self.pid_of_command = int(told.read())

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid_of_command, sig)


def put_command(folder: Path) -> None:
    """A file `kling-mcp` in this folder, for somebody's PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "kling-mcp"
    file.write_text(f'#!/bin/sh\nexec {shlex.join(command())} "$@"\n', "utf-8")
    file.chmod(0o755)


def _end(server: subprocess.Popen[bytes], folder: tempfile.TemporaryDirectory[str]) -> None:
    with server:
        os.killpg(server.pid, 9)
    folder.cleanup()
