"""One poller for all waits on one kind of task: many tasks, few requests, early answers.

Reads only. However many callers wait, one of them, the leader, polls for all; the others are followers. When the
leader's call ends or is cancelled, a follower takes over, so there is no background task to start, stop or leak.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic

import anyio

from kling_mcp.concurrency.shutdown import Shutdown
from kling_mcp.errors import KlingError, NotFoundError
from kling_mcp.sanitize import quote
from kling_mcp.tasks.route import T
from kling_mcp.tasks.schedule import MIN_GAP, PollSchedule

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from kling_mcp.api.models import KlingTask
    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.tasks.route import TaskRoute

LIST_FROM = 2  # from this many tasks on, one page of the list is cheaper than a query for each
MAX_PAGE_SIZE = 500
MIN_PAGE_SIZE = 30
QUERIES_PER_ROUND = 20
QUERIES_AT_ONCE = 5
IDS_PER_REQUEST = 20  # fact: tasks-20
ROUNDS_WITHOUT_LIST = 20  # after a page without any of ours: the list has another order (list-order-unknown)
ROUNDS_AFTER_LIST_ERROR = 3
FIRST_POLL_SECONDS = 10.0  # a first poll of an unknown task may take this long, even with wait_seconds=0
PAUSE_AFTER_ERROR = 5.0
SLOWER_WHEN_NOTIFIED = 2.0
GAP_WHEN_NOTIFIED = 0.2  # after another round; an announced change should not wait for a whole gap
NOT_FOUND_GRACE = 30.0  # a task this young may not be visible everywhere yet


@dataclass(slots=True)
class TaskSnapshot(Generic[T]):
    """The latest known state of a task.

    Attributes:
        error: why polling again is useless, or None.
        last_poll_error: why the last poll failed, perhaps temporarily, or None.
    """

    task: T | None = None
    error: KlingError | None = None
    last_poll_error: KlingError | None = None

    @property
    def is_final(self) -> bool:
        """Whether polling again cannot change it."""
        return self.error is not None or (self.task is not None and self.task.is_final)


@dataclass(slots=True)
class _Watched(Generic[T]):
    name: str
    started: float  # monotonic time at which the task began, as far as known
    due: float
    snapshot: TaskSnapshot[T] = field(default_factory=TaskSnapshot)
    polled_at: float = -1.0  # monotonic time at which Kling last showed it
    waiters: int = 0
    was_notified: bool = False  # a change was announced


class Poller(Generic[T]):
    """Waits for tasks of one account and kind. Use it from one event loop."""

    def __init__(
        self,
        route: TaskRoute[T],
        clock: Clock,
        schedule: PollSchedule | None = None,
        *,
        shutdown: Shutdown | None = None,
    ) -> None:
        """Once `shutdown` has started, waits end as if their time had run out."""
        self._route = route
        self._clock = clock
        self._schedule = schedule or PollSchedule()
        self._shutdown = shutdown or Shutdown()
        self._watched_tasks: dict[str, _Watched[T]] = {}
        self._leading = False
        self._polled = anyio.Event()
        self._wake = anyio.Event()
        self._rounds_without_list = 0
        self._list_depth = 0  # the place of the last task in the list that was waited for: newer ones may have ended
        self._is_notified = False  # whether changes are announced, so that polling is only a fallback
        self._last_round = -MIN_GAP

    async def wait(
        self, names: Iterable[str], seconds: float, *, known: Mapping[str, T] | None = None, until_first: bool = False
    ) -> dict[str, TaskSnapshot[T]]:
        """Poll until every task is final or `seconds` have passed; with `until_first`, until one of them is.

        Args:
            names: task ids or external task ids.
            known: tasks as Kling just described them, by name; these are not polled first.

        An unknown task is polled at once, even if `seconds` is 0.
        Permanent errors are part of the result, so that the results of the other tasks are not lost.
        """
        deadline = self._clock.monotonic() + seconds
        watched = [self._join(name, (known or {}).get(name)) for name in dict.fromkeys(names)]
        try:
            if not all(map(_is_seen, watched)):
                with self._shutdown.move_on_after(seconds if seconds > 0 else FIRST_POLL_SECONDS):
                    await self._until(lambda: all(map(_is_seen, watched)))
            left = deadline - self._clock.monotonic()
            if left > 0:
                with self._shutdown.move_on_after(left):
                    enough = any if until_first else all
                    await self._until(lambda: enough(item.snapshot.is_final for item in watched))
        finally:
            for item in watched:
                self._leave(item)
        return {item.name: item.snapshot for item in watched}

    def usual_seconds(self) -> tuple[float, float]:
        """How long most tasks of this kind take: half of them end between these two."""
        return self._schedule.usual()

    def notify(self, name: str) -> None:
        """Poll this task now: a change was announced.

        From then on polls are fewer, until a task ends without an announcement. fact: callback-best-effort
        """
        self._is_notified = True
        if item := self._watched_tasks.get(name):
            item.was_notified = True
            item.due = self._clock.monotonic()
            self._wake_leader()

    def _join(self, name: str, known: T | None) -> _Watched[T]:
        now = self._clock.monotonic()
        item = self._watched_tasks.get(name)
        if item is None:
            item = self._watched_tasks[name] = _Watched(name, started=now, due=now)
            self._wake_leader()
        if known is not None and item.snapshot.task is None:
            item.snapshot.task = known
            item.started = now - self._age(known)
            item.due = now + self._gap_after(now - item.started)
        item.waiters += 1
        return item

    def _leave(self, item: _Watched[T]) -> None:
        item.waiters -= 1
        if item.waiters == 0:
            del self._watched_tasks[item.name]

    async def _until(self, done: Callable[[], bool]) -> None:
        """Take part in polling until `done`: lead if no other call does, otherwise wait for the leader's next round."""
        while not done():
            if self._leading:
                await self._polled.wait()
                continue
            self._leading = True
            try:
                await self._lead_round()
            finally:
                self._leading = False
                polled, self._polled = self._polled, anyio.Event()
                polled.set()

    async def _lead_round(self) -> None:
        self._wake = anyio.Event()
        now = self._clock.monotonic()
        unfinished = [item for item in self._watched_tasks.values() if not item.snapshot.is_final]
        pause = min((self._due(item) for item in unfinished), default=now) - now
        if pause > 0:
            with anyio.move_on_after(pause):
                await self._wake.wait()
                return  # a task joined, or a change was announced: choose the time again
        await self._poll(unfinished)

    def _due(self, item: _Watched[T]) -> float:
        return max(item.due, self._last_round + (GAP_WHEN_NOTIFIED if item.was_notified else MIN_GAP))

    def _wake_leader(self) -> None:
        self._wake.set()

    async def _poll(self, unfinished: Sequence[_Watched[T]]) -> None:
        """One round: a page of the list if that covers many tasks, queries for the rest of what is due."""
        now = self._last_round = self._clock.monotonic()
        due = [item for item in unfinished if item.due <= now + MIN_GAP / 2]
        if (get_many := self._route.get_many) is not None:
            await self._poll_many(get_many, unfinished, due)
        else:
            await self._poll_list_or_each(unfinished, due)
        self._space_next_round(unfinished)

    async def _poll_list_or_each(self, unfinished: Sequence[_Watched[T]], due: list[_Watched[T]]) -> None:
        if len(unfinished) >= LIST_FROM and self._rounds_without_list <= 0:
            seen = await self._poll_list(unfinished)
            due = [item for item in due if item.name not in seen]
        else:
            self._rounds_without_list -= 1
        due.sort(key=lambda item: item.due)
        limiter = anyio.CapacityLimiter(QUERIES_AT_ONCE)
        async with anyio.create_task_group() as group:
            for item in due[:QUERIES_PER_ROUND]:
                group.start_soon(self._poll_one, item, limiter)

    def _space_next_round(self, unfinished: Sequence[_Watched[T]]) -> None:
        """Tasks that one round showed are due together, so that the next one shows them all, too."""
        shown = [item for item in unfinished if item.polled_at >= self._last_round and not item.snapshot.is_final]
        if len(shown) < LIST_FROM:
            return
        now = self._clock.monotonic()
        due = now + self._slower(self._schedule.gap_for_all(now - item.started for item in shown))
        for item in shown:
            item.due = due

    async def _poll_many(
        self,
        get_many: Callable[[Sequence[str]], Awaitable[Sequence[T]]],
        unfinished: Sequence[_Watched[T]],
        due: Sequence[_Watched[T]],
    ) -> None:
        """Ask for all that are due, and fill the last request with those that are due next. fact: tasks-20

        Where that takes several requests, first leave out what a list shows as running.
        """
        if len(due) > IDS_PER_REQUEST:
            unfinished = await self._leave_out_running(unfinished)
            names = {item.name for item in unfinished}
            due = [item for item in due if item.name in names]
        by_due = sorted(unfinished, key=lambda item: item.due)
        asked = by_due[: -(-len(due) // IDS_PER_REQUEST) * IDS_PER_REQUEST]
        try:
            found = await get_many([item.name for item in asked]) if asked else []
        except KlingError as error:
            for item in asked:
                self._record_failure(item, error)
            return
        tasks = {name: task for task in found for name in (task.task_id, task.external_task_id) if name}
        for item in asked:
            if task := tasks.get(item.name):
                self._record(item, task)
            else:
                self._record_failure(item, NotFoundError(f"Kling knows no task {quote(item.name, 80)}."))

    async def _leave_out_running(self, unfinished: Sequence[_Watched[T]]) -> list[_Watched[T]]:
        """Record what the list shows; the tasks that it does not show have ended, or must be asked for anyway."""
        if self._route.running is None or self._rounds_without_list > 0:
            self._rounds_without_list -= 1
            return list(unfinished)
        try:
            listed = await self._route.running()
        except KlingError:  # the queries that follow say whether the trouble is the list's alone
            self._rounds_without_list = ROUNDS_AFTER_LIST_ERROR
            return list(unfinished)
        tasks = {name: task for task in listed for name in (task.task_id, task.external_task_id) if name}
        for item in unfinished:
            if task := tasks.get(item.name):
                self._record(item, task)
        return [item for item in unfinished if item.name not in tasks]

    async def _poll_list(self, unfinished: Sequence[_Watched[T]]) -> set[str]:
        """Read pages while they show tasks that are waited for; returns the names that were seen."""
        missing = {item.name: item for item in unfinished}
        seen: set[str] = set()
        size = min(MAX_PAGE_SIZE, max(MIN_PAGE_SIZE, 2 * len(unfinished), self._list_depth * 5 // 4))
        page_num = 1
        while missing:
            try:
                page = await self._route.list(page_num, size)
            except KlingError as error:
                self._rounds_without_list = ROUNDS_AFTER_LIST_ERROR
                for unseen in missing.values():
                    self._record_failure(unseen, error)
                return {item.name for item in unfinished}
            found = [
                (item, task)
                for task in page
                if (item := missing.get(task.task_id) or missing.get(task.external_task_id))
            ]
            for item, task in found:
                self._record(item, task)
                missing.pop(item.name, None)
                seen.add(item.name)
            if found:
                self._list_depth = (page_num - 1) * size + page.index(found[-1][1]) + 1
            if not found or len(page) < size:
                break
            page_num += 1
        if not seen:
            self._rounds_without_list = ROUNDS_WITHOUT_LIST
        return seen

    async def _poll_one(self, item: _Watched[T], limiter: anyio.CapacityLimiter) -> None:
        async with limiter:
            try:
                self._record(item, await self._route.get(item.name))
            except KlingError as error:
                self._record_failure(item, error)

    def _record(self, item: _Watched[T], task: T) -> None:
        now = self._clock.monotonic()
        first_sight = item.snapshot.task is None
        item.snapshot.task, item.snapshot.last_poll_error = task, None
        if first_sight:
            item.started = now - self._age(task)
        if task.is_final:
            self._is_notified = item.was_notified
            self._schedule.learn((task.updated_at - task.created_at) / 1000)
        item.polled_at = now
        item.due = now + self._gap_after(now - item.started)

    def _gap_after(self, elapsed: float) -> float:
        return self._slower(self._schedule.gap_after(elapsed))

    def _slower(self, gap: float) -> float:
        """The gap while changes are announced."""
        return gap * (SLOWER_WHEN_NOTIFIED if self._is_notified else 1.0)

    def _record_failure(self, item: _Watched[T], error: KlingError) -> None:
        """Temporary errors are waited out; others end the wait for this task."""
        now = self._clock.monotonic()
        too_young = isinstance(error, NotFoundError) and (
            item.snapshot.task is not None and now - item.started < NOT_FOUND_GRACE
        )
        if error.retry == "never" and not too_young:
            item.snapshot.error = error
        item.snapshot.last_poll_error = error
        item.due = now + PAUSE_AFTER_ERROR

    def _age(self, task: KlingTask) -> float:
        """The age of the task by our clock; never negative."""
        if not task.created_at:
            return 0.0
        return min(max(0.0, self._clock.wall() - task.created_at / 1000), 86_400.0)


def _is_seen(item: _Watched[T]) -> bool:
    return item.snapshot.task is not None or item.snapshot.error is not None
