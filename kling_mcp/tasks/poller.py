"""One poller for all waits on an account: many tasks, few requests, an early answer for everyone.

It reads only.
However many callers wait, one of them looks for all: the leader.
When the leader's call ends or is cancelled, another waiter takes over, so there is no task in the background
to start, stop or leak.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from kling_mcp.concurrency.shutdown import Shutdown
from kling_mcp.errors import KlingError, NotFoundError
from kling_mcp.tasks.schedule import MIN_GAP, PollSchedule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from kling_mcp.api.client import KlingClient
    from kling_mcp.api.models import ElementTask
    from kling_mcp.concurrency.clock import Clock

LIST_FROM = 2  # from this many tasks on, one page of the list is cheaper than looking each up
MAX_PAGE_SIZE = 500
MIN_PAGE_SIZE = 30
LOOKUPS_PER_ROUND = 20
LOOKUPS_AT_ONCE = 5
ROUNDS_WITHOUT_LIST = 20  # after pages that showed none of ours: the order is not ours (list-order-unknown)
ROUNDS_AFTER_LIST_ERROR = 3
MIN_LOOK_SECONDS = 10.0  # a look at an unknown task is worth this much, even with wait_seconds=0
PAUSE_AFTER_ERROR = 5.0
SLOWER_WHEN_CALLED = 2.0
GAP_WHEN_CALLED = 0.2  # after another look; whoever says that a task changed should not have to wait out a whole gap
NOT_FOUND_GRACE = 30.0  # a task this young may not be visible everywhere yet


@dataclass(slots=True)
class TaskSnapshot:
    """The last that was seen of a task.

    `error` is why looking again is of no use; `trouble` is why the last look failed, which may pass.
    """

    task: ElementTask | None = None
    error: KlingError | None = None
    last_poll_error: KlingError | None = None

    @property
    def is_final(self) -> bool:
        """Whether looking again cannot change it."""
        return self.error is not None or (self.task is not None and self.task.is_final)


@dataclass(slots=True)
class _Watched:
    name: str
    started: float  # monotonic time at which the task began, as well as it is known
    due: float
    snapshot: TaskSnapshot = field(default_factory=TaskSnapshot)
    waiters: int = 0
    was_called: bool = False  # something said that it changed


class Poller:
    """Waits for tasks of one account. Use it from one event loop."""

    def __init__(
        self,
        client: KlingClient,
        clock: Clock,
        durations: PollSchedule | None = None,
        *,
        shutdown: Shutdown | None = None,
    ) -> None:
        """When the end of the server begins (`shutdown`), waits end as if their time were over."""
        self._client = client
        self._clock = clock
        self._durations = durations or PollSchedule()
        self._shutdown = shutdown or Shutdown()
        self._watches: dict[str, _Watched] = {}
        self._leading = False
        self._news = anyio.Event()
        self._wake = anyio.Event()
        self._list_rests = 0
        self._is_called = False  # whether we are told of changes, so that looking is only the safety net
        self._last_round = -MIN_GAP

    async def wait(
        self, names: Iterable[str], seconds: float, *, known: Mapping[str, ElementTask] | None = None
    ) -> dict[str, TaskSnapshot]:
        """Look until every task is final or `seconds` are over.

        Args:
            names: task ids or external task ids.
            known: tasks as they were just answered by Kling, by name; these are not looked at first.

        A task that is not known is looked at at once, even when `seconds` is 0.
        Errors that looking cannot overcome are part of the result, so that no id is lost with them.
        """
        deadline = self._clock.monotonic() + seconds
        watches = [self._join(name, (known or {}).get(name)) for name in dict.fromkeys(names)]
        try:
            if not all(map(_is_seen, watches)):
                with self._shutdown.move_on_after(seconds if seconds > 0 else MIN_LOOK_SECONDS):
                    await self._until(lambda: all(map(_is_seen, watches)))
            left = deadline - self._clock.monotonic()
            if left > 0:
                with self._shutdown.move_on_after(left):
                    await self._until(lambda: all(watch.snapshot.is_final for watch in watches))
        finally:
            for watch in watches:
                self._leave(watch)
        return {watch.name: watch.snapshot for watch in watches}

    def notify(self, name: str) -> None:
        """Look at this task now: something said that it changed.

        From then on looks are fewer, until a task ends of which nothing was said. fact: callback-best-effort
        """
        self._is_called = True
        if watch := self._watches.get(name):
            watch.was_called = True
            watch.due = self._clock.monotonic()
            self._wake_leader()

    def _join(self, name: str, known: ElementTask | None) -> _Watched:
        now = self._clock.monotonic()
        watch = self._watches.get(name)
        if watch is None:
            watch = self._watches[name] = _Watched(name, started=now, due=now)
            self._wake_leader()
        if known is not None and watch.snapshot.task is None:
            watch.snapshot.task = known
            watch.started = now - self._age(known)
            watch.due = now + self._gap_after(now - watch.started)
        watch.waiters += 1
        return watch

    def _leave(self, watch: _Watched) -> None:
        watch.waiters -= 1
        if watch.waiters == 0:
            del self._watches[watch.name]

    async def _until(self, done: Callable[[], bool]) -> None:
        """Take part in looking until `done`: lead if nobody does, else wait for the leader's news."""
        while not done():
            if self._leading:
                await self._news.wait()
                continue
            self._leading = True
            try:
                await self._lead_one_round()
            finally:
                self._leading = False
                news, self._news = self._news, anyio.Event()
                news.set()

    async def _lead_one_round(self) -> None:
        self._wake = anyio.Event()
        now = self._clock.monotonic()
        unfinished = [watch for watch in self._watches.values() if not watch.snapshot.is_final]
        pause = min((self._due(watch) for watch in unfinished), default=now) - now
        if pause > 0:
            with anyio.move_on_after(pause):
                await self._wake.wait()
                return  # something joined or was called for: choose the moment anew
        await self._look(unfinished)

    def _due(self, watch: _Watched) -> float:
        return max(watch.due, self._last_round + (GAP_WHEN_CALLED if watch.was_called else MIN_GAP))

    def _wake_leader(self) -> None:
        self._wake.set()

    async def _look(self, unfinished: Sequence[_Watched]) -> None:
        """One round: a page of the list where that serves many, single look-ups for the rest."""
        now = self._last_round = self._clock.monotonic()
        due = [watch for watch in unfinished if watch.due <= now + MIN_GAP / 2]
        if len(unfinished) >= LIST_FROM and self._list_rests <= 0:
            seen = await self._look_through_list(unfinished)
            due = [watch for watch in due if watch.name not in seen]
        else:
            self._list_rests -= 1
        due.sort(key=lambda watch: watch.due)
        limiter = anyio.CapacityLimiter(LOOKUPS_AT_ONCE)
        async with anyio.create_task_group() as group:
            for watch in due[:LOOKUPS_PER_ROUND]:
                group.start_soon(self._look_up, watch, limiter)

    async def _look_through_list(self, unfinished: Sequence[_Watched]) -> set[str]:
        """Read pages while they show tasks that somebody waits for; the names that were seen."""
        missing = {watch.name: watch for watch in unfinished}
        seen: set[str] = set()
        size = min(MAX_PAGE_SIZE, max(MIN_PAGE_SIZE, 2 * len(unfinished)))
        page_num = 1
        while missing:
            try:
                page = await self._client.list_elements(page_num, size)
            except KlingError as error:
                self._list_rests = ROUNDS_AFTER_LIST_ERROR
                for unseen in missing.values():
                    self._failed_to_see(unseen, error)
                return {watch.name for watch in unfinished}
            found = [
                (watch, task)
                for task in page
                if (watch := missing.get(task.task_id) or missing.get(task.external_task_id))
            ]
            for watch, task in found:
                self._saw(watch, task)
                missing.pop(watch.name, None)
                seen.add(watch.name)
            if not found or len(page) < size:
                break
            page_num += 1
        if not seen:
            self._list_rests = ROUNDS_WITHOUT_LIST
        return seen

    async def _look_up(self, watch: _Watched, limiter: anyio.CapacityLimiter) -> None:
        async with limiter:
            try:
                self._saw(watch, await self._client.get_task(watch.name))
            except KlingError as error:
                self._failed_to_see(watch, error)

    def _saw(self, watch: _Watched, task: ElementTask) -> None:
        now = self._clock.monotonic()
        first_sight = watch.snapshot.task is None
        watch.snapshot.task, watch.snapshot.last_poll_error = task, None
        if first_sight:
            watch.started = now - self._age(task)
        if task.is_final:
            self._is_called = watch.was_called
            self._durations.learn((task.updated_at - task.created_at) / 1000)
        watch.due = now + self._gap_after(now - watch.started)

    def _gap_after(self, elapsed: float) -> float:
        return self._durations.gap_after(elapsed) * (SLOWER_WHEN_CALLED if self._is_called else 1.0)

    def _failed_to_see(self, watch: _Watched, error: KlingError) -> None:
        """What may pass by itself is waited out; the rest ends the wait for this task."""
        now = self._clock.monotonic()
        too_young = isinstance(error, NotFoundError) and (
            watch.snapshot.task is not None and now - watch.started < NOT_FOUND_GRACE
        )
        if error.retry == "never" and not too_young:
            watch.snapshot.error = error
        watch.snapshot.last_poll_error = error
        watch.due = now + PAUSE_AFTER_ERROR

    def _age(self, task: ElementTask) -> float:
        """How long ago Kling began the task, by our clock; never negative."""
        if not task.created_at:
            return 0.0
        return min(max(0.0, self._clock.wall() - task.created_at / 1000), 86_400.0)


def _is_seen(watch: _Watched) -> bool:
    return watch.snapshot.task is not None or watch.snapshot.error is not None
