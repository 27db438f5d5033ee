"""What ends a test that would not end: a busy loop, a wait for ever, a bomb that unfolds.

None of it measures: each bound is many times what anything here needs.
"""

from __future__ import annotations

import signal
import threading
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import anyio
from virtual_time import VirtualLoop

T = TypeVar("T")

CPU_SECONDS = 60.0
MAX_TURNS = 300_000
MAX_CALL_SECONDS = 3600.0  # virtual: retries, and a peer that drips bytes, each time


class _RestlessError(AssertionError):
    """It goes on and on."""


class _BoundedLoop(VirtualLoop):
    """Virtual time with a bound on how often anything may happen: time that never comes is no excuse."""

    def __init__(self, most_turns: int) -> None:
        super().__init__()
        self._turns_left = most_turns

    def _run_once(self) -> None:
        self._turns_left -= 1
        if self._turns_left == 0:  # once: the loop must still come to its end
            raise _RestlessError("the event loop does not come to rest")
        super()._run_once()  # type: ignore[misc] # asyncio's own, which its stubs leave out


def run(story: Callable[[], Awaitable[T]], *, most_turns: int = MAX_TURNS) -> T:
    """Play an example on virtual time, for so long and no longer."""
    try:
        with ends():
            return anyio.run(story, backend_options={"loop_factory": partial(_BoundedLoop, most_turns)})
    except BaseExceptionGroup as group:
        raise _only(group) from None


def _only(error: BaseException) -> BaseException:
    """What really happened, where groups only say so; else every failure would look alike to Hypothesis."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


@contextmanager
def ends(cpu_seconds: float = CPU_SECONDS) -> Iterator[None]:
    """Fail a block that computes for ever, a catastrophic pattern included."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def give_up(*_: Any) -> None:
        raise _RestlessError(f"it has computed for {cpu_seconds:.0f} seconds")

    before = signal.signal(signal.SIGPROF, give_up)
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@contextmanager
def memory_below(most_bytes: int) -> Iterator[None]:
    """Fail a block whose Python objects grow by more than this at once."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= most_bytes, f"{peak} bytes at once"
