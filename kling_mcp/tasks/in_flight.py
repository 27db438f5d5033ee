"""Work on claimed requests, each in a task of its own, so that a request that is being sent outlives its call.

Many clients give up after a minute or less, and a creation with large pictures takes longer to send. So a call may
leave at any time: if its request is on its way, the work goes on until the outcome is in the journal, and the next
identical call joins it; otherwise the work ends with the call. Kling's refusal, if no call was there to hear it, is
told to the next identical call.

The journal decides what may be sent; nothing here does.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import anyio

from kling_mcp.errors import KlingError, UnknownOutcomeError
from kling_mcp.sanitize import quote

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.concurrency.shutdown import Shutdown
    from kling_mcp.tasks.entry import JournalEntry
    from kling_mcp.tasks.send import Attempt

logger = logging.getLogger(__name__)

R = TypeVar("R")

LAST_SECONDS = 2.0  # for a request on its way when the server ends: its caller waits, and so does `aclose`
REMEMBER_SECONDS = 600.0
MAX_REMEMBERED = 100


class Work(Generic[R]):
    """One attempt in a task of its own. It ends by itself soon after `attempt.deadline`, unless it is sending."""

    def __init__(self, attempt: Attempt, work: Coroutine[Any, Any, R], clock: Clock, shutdown: Shutdown) -> None:
        """`work` is what the task runs."""
        self.attempt = attempt
        self.task = asyncio.create_task(work)
        self.is_heard = True  # by the call that began it
        self._clock = clock
        self._shutdown = shutdown

    async def wait(self, deadline: float) -> bool:
        """Wait for the end of the work, until `deadline` (on the monotonic clock); whether it has ended.

        Once shutdown has begun, there are only a few seconds left.
        """
        with self._shutdown.move_on_after(max(0.0, deadline - self._clock.monotonic())):
            await asyncio.wait([self.task])
        if self._shutdown.is_started and not self.task.done():
            await asyncio.wait([self.task], timeout=LAST_SECONDS)
        return self.task.done()

    def result(self) -> R:
        """What the work ended with; raises what it raised.

        Raises:
            UnknownOutcomeError: the server was stopped while it was sending.
        """
        if self.task.cancelled():
            raise _stopped(self.attempt.entry)
        return self.task.result()

    async def leave(self) -> None:
        """The call that began it leaves. What is not on its way ends now, and is recorded when this returns."""
        self.is_heard = False
        self.attempt.deadline = self._clock.monotonic()
        if self.attempt.is_sending or self.task.done():
            return
        with anyio.CancelScope(shield=True):
            await asyncio.sleep(0)  # a task that is cancelled before its first step would record nothing
            self.task.cancel()
            await asyncio.wait([self.task])


class InFlight:
    """The work of this process, for all accounts."""

    def __init__(self, clock: Clock, shutdown: Shutdown) -> None:
        self._clock = clock
        self._shutdown = shutdown
        self._works: dict[tuple[str, str], Work[Any]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()  # all of them: after a lost lease, two work on one entry
        self._refusals: dict[tuple[str, str], tuple[float, KlingError]] = {}

    @property
    def is_busy(self) -> bool:
        """Whether there is any work."""
        return bool(self._tasks)

    def start(self, attempt: Attempt, work: Coroutine[Any, Any, R]) -> Work[R]:
        """Run `work`, which is the work on `attempt`."""
        started = Work(attempt, work, self._clock, self._shutdown)
        key = _key(attempt.entry)
        self._works[key] = started
        self._tasks.add(started.task)
        started.task.add_done_callback(lambda _: self._ended(key, started))
        return started

    def find(self, entry: JournalEntry) -> Work[Any] | None:
        """The work on this entry, if this process does it."""
        return self._works.get(_key(entry))

    def sending(self, account: str, external_task_id: str) -> str:
        """How much of this request has been sent: `3.1 of 6.5 MB`; "" if it is small, or not on its way."""
        work = self._works.get((account, external_task_id))
        return str(work.attempt.upload) if work and work.attempt.is_sending else ""

    def waits_for(self, account: str, external_task_id: str) -> str:
        """The slots that this request waits for, such as `3 of 3 in use`; "" if it waits for none."""
        work = self._works.get((account, external_task_id))
        return work.attempt.waits_for if work else ""

    def take_refusal(self, entry: JournalEntry) -> KlingError | None:
        """Kling's refusal of this entry that no call was there to hear; the next question gets None."""
        at, refusal = self._refusals.pop(_key(entry), (0.0, None))
        return refusal if self._clock.monotonic() - at <= REMEMBER_SECONDS else None

    async def aclose(self, seconds: float = LAST_SECONDS) -> None:
        """End all work: what ends within `seconds` is recorded, and the rest is recorded as unclear."""
        tasks = list(self._tasks)
        if not tasks:
            return
        with anyio.CancelScope(shield=True):
            await asyncio.wait(tasks, timeout=seconds)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def _ended(self, key: tuple[str, str], work: Work[Any]) -> None:
        self._tasks.discard(work.task)
        if self._works.get(key) is work:
            del self._works[key]
        error = None if work.task.cancelled() else work.task.exception()
        if work.is_heard or not isinstance(error, Exception):
            return
        if not isinstance(error, KlingError):
            logger.error("Sending %s failed because of a bug in kling-mcp", key[1], exc_info=error)
        elif error is work.attempt.refusal:
            if len(self._refusals) >= MAX_REMEMBERED:
                del self._refusals[next(iter(self._refusals))]
            self._refusals[key] = self._clock.monotonic(), error


def _key(entry: JournalEntry) -> tuple[str, str]:
    return entry.account, entry.external_task_id


def _stopped(entry: JournalEntry) -> UnknownOutcomeError:
    name = entry.external_task_id
    return UnknownOutcomeError(
        f"The server was stopped while it was sending the {entry.kind} {quote(entry.label, 40)}.",
        external_task_id=name,
        advice=f"Repeat the same call later, or call wait_for_tasks with ids=[{quote(name, 128)}].",
    )
