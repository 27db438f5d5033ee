"""What commands share that speak to a person or a program: questions, progress, the envelope of `--json`, next steps.

Nothing heavy is imported here.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kling_mcp.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TextIO

    from kling_mcp.errors import KlingError

DONE, FAILED, WRONG_USE, RUNNING, PENDING = 0, 1, 2, 3, 4
REPEAT_SECONDS = 30.0  # a state that lasts is noted again, so that nobody takes the command for dead


@dataclass(frozen=True, slots=True)
class Terminal:
    """Where a command speaks.

    Attributes:
        say: prints the result.
        note: prints a line of progress.
        ask: asks a person a question of yes or no; None where there is none to ask.
        is_unicode: whether `say` can print every character.
    """

    say: Callable[[str], None]
    note: Callable[[str], None]
    ask: Callable[[str], bool] | None
    is_unicode: bool = True

    def say_json(self, value: dict[str, Any]) -> None:
        """Print an object that any program reads, whatever the encoding of stdout."""
        self.say(json.dumps(value, ensure_ascii=not self.is_unicode, indent=2))


def is_unicode(stream: TextIO | None) -> bool:
    """Whether a stream takes every character, lone halves of a pair aside."""
    return (getattr(stream, "encoding", None) or "").lower().replace("-", "").startswith("utf")


def ask_at_terminal(note: Callable[[str], None]) -> Callable[[str], bool] | None:
    """Asks the person at the terminal; None if there is none. The question goes where no program reads."""
    if sys.stdin is None or sys.stderr is None or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None

    def ask(question: str) -> bool:
        with _interruptible():  # from before the question is seen
            note(f"{question}\nType yes to go on:")
            return sys.stdin.readline().strip().lower() in {"y", "yes"}

    return ask


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C ends a question at once: the event loop would only take note of it, and reading would go on."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class StateNotes:
    """Notes what a command does: each state once, and again after a while if it lasts."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self._last, self._noted_at = "", 0.0

    def __call__(self, state: str, waited: float = 0.0) -> None:
        """`waited` are the seconds since the command began to wait."""
        if state == self._last and waited - self._noted_at < REPEAT_SECONDS:
            return
        self._last, self._noted_at = state, waited
        self._note(f"{state} ({waited:.0f} s)" if waited >= 1 else state)


def program_words(prefix: str = "") -> tuple[str, ...]:
    """How a shell starts this program again; `prefix` is the environment of the interpreter, by default this one's."""
    from kling_mcp.clients.server import is_passing  # noqa: PLC0415 - where a next command is told

    return ("uvx", "kling-mcp") if is_passing(prefix or sys.prefix) else ("kling-mcp",)


def command_line(words: Sequence[str]) -> str:
    """A command as text that this system's shell reads as these words."""
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def interrupted(resume: str, *, changes: bool) -> str:
    """What is said after Ctrl-C; the last words are the command that goes on."""
    if not changes:
        return f"Interrupted. To go on: {resume}"
    return (
        "Interrupted. What has reached Kling goes on there, and the same command finds it: nothing is made or paid "
        f"twice. To go on: {resume}"
    )


def envelope(result: dict[str, Any], resume: str = "") -> dict[str, Any]:
    """What `--json` prints of a result."""
    return {"ok": True, "result": result, "resume": resume}


def error_envelope(error: KlingError, resume: str = "") -> dict[str, Any]:
    """What `--json` prints of an error: the fields of its last line, and its text in parts."""
    fields = ("message", "advice", "kind", "created", "retry", "code", "request_id")
    said = {name: getattr(error, name) for name in fields}
    without = {name: "-" for name in ("code", "request_id") if said[name] in {None, ""}}
    return {"ok": False, "error": said | without, "resume": resume}


def tell_error(
    error: KlingError, terminal: Terminal, *, wants_json: bool, may_create: bool = True, resume: str = ""
) -> int:
    """The text on stderr, with the line for programs at its end; or the object on stdout. Returns the exit code.

    Every input that cannot be right is wrong use, whether the form says so or what is behind it; an element that is
    not there may have been yesterday.

    Args:
        may_create: whether the command could have created anything.
        resume: the literal command that may succeed later.
    """
    is_wrong_use = isinstance(error, InputError) and (error.kind, error.retry) == ("bad_input", "never")
    code = WRONG_USE if is_wrong_use else FAILED
    if wants_json:
        terminal.say_json(error_envelope(error, resume))
        return code
    *lines, last = error.for_caller(may_create=may_create).split("\n")
    again = [f"To try again: {resume}"] if resume else []
    terminal.note("\n".join([*lines, *again, last]))
    return code
