"""Polls for all waits on the tasks that one request can show: of one kind, or of several.

However many callers wait, one of them, the leader, polls for all; the others are followers. When the leader's call
ends or is cancelled, a follower takes over, so there is no background task to start, stop or leak.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic

import anyio

from kling_mcp.errors import KlingError, NotFoundError
from kling_mcp.sanitize import quote
from kling_mcp.tasks.route import T
from kling_mcp.tasks.schedule import MAX_GAP, MIN_GAP, gap_for_all

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from kling_mcp.api.models import KlingTask
    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.tasks.route import TaskRoute
    from kling_mcp.tasks.schedule import PollSchedule

LIST_FROM = 2  # from this many tasks on, one page of the list is cheaper than a query for each
MAX_PAGE_SIZE = 500
MIN_PAGE_SIZE = 30
QUERIES_PER_ROUND = 20
QUERIES_AT_ONCE = 5
IDS_PER_REQUEST = 20  # fact: tasks-20
ROUNDS_WITHOUT_LIST = 20  # after a page without any of ours: the list has another order (list-order-unknown)
ROUNDS_AFTER_LIST_ERROR = 3
PAUSE_AFTER_ERROR = 5.0
SLOWER_WHEN_NOTIFIED = 2.0
GAP_WHEN_NOTIFIED = 0.2  # after another round; an announced change should not wait for a whole gap
FRESH_SECONDS = 5.0
# A task that Kling refuses for its content may end at once, which no duration tells: few tasks are worth a look for it.
EARLY_LOOK_SECONDS, MOST_LOOKED_AT_EARLY = 2.0, 3
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

    @property
    def is_seen(self) -> bool:
        """Whether anything is known of it."""
        return self.error is not None or self.task is not None


@dataclass(slots=True)
class Watched(Generic[T]):
    """A task that is waited for, by however many calls."""

    name: str
    schedule: PollSchedule  # its kind's
    started: float  # monotonic time at which the task began, as far as known
    due: float
    snapshot: TaskSnapshot[T] = field(default_factory=TaskSnapshot)
    early_look: float = math.inf  # monotonic time of a look besides, while few are waited for
    company: int = 1  # the most tasks that one look showed together with it, itself included
    polled_at: float = -1.0  # monotonic time at which Kling last showed it
    waiters: int = 0
    notified_at: float = -1.0  # monotonic time at which a change was last announced

    @property
    def was_notified(self) -> bool:
        """Whether a change was announced."""
        return self.notified_at >= 0

    def began(self, started: float, now: float) -> None:
        """Kling has shown it for the first time."""
        self.started = started
        self.early_look = started + EARLY_LOOK_SECONDS if now < started + EARLY_LOOK_SECONDS else math.inf


class Rounds(Generic[T]):
    """The polling of one account's tasks that `route` reads. Use it from one event loop."""

    def __init__(self, route: TaskRoute[T], clock: Clock) -> None:
        self._route = route
        self._clock = clock
        self._watched_tasks: dict[str, Watched[T]] = {}
        self._leading = False
        self._polled = anyio.Event()
        self._wake = anyio.Event()
        self._rounds_without_list = 0
        self._list_depth = 0  # the place of the last task in the list that was waited for: newer ones may have ended
        self._is_notified = False  # whether changes are announced, so that polling is only a fallback
        self._last_round = -MIN_GAP

    def join(self, name: str, schedule: PollSchedule, known: T | None) -> Watched[T]:
        """Poll this task until every join was followed by a leave; `known` is how Kling just described it."""
        now = self._clock.monotonic()
        item = self._watched_tasks.get(name)
        if item is None:
            item = self._watched_tasks[name] = Watched(name, schedule, started=now, due=now)
            self._wake_leader()
        if known is not None and item.snapshot.task is None:
            item.snapshot.task = known
            item.began(now - self._age(known), now)
            item.due = now + self._gap_for([item])
        item.waiters += 1
        return item

    def leave(self, item: Watched[T]) -> None:
        """One call waits for it no more."""
        item.waiters -= 1
        if item.waiters == 0:
            del self._watched_tasks[item.name]

    def hasten(self, items: Sequence[Watched[T]]) -> None:
        """Poll these now, but those that were polled a moment ago."""
        now = self._clock.monotonic()
        for item in items:
            if item.polled_at < now - FRESH_SECONDS:
                item.due = min(item.due, now)
                self._wake_leader()

    def notify(self, name: str) -> None:
        """Poll this task now: a change was announced.

        From then on polls are fewer, until a task ends without an announcement. fact: callback-best-effort
        """
        self._is_notified = True
        if item := self._watched_tasks.get(name):
            item.due = item.notified_at = self._clock.monotonic()
            self._wake_leader()

    async def until(self, done: Callable[[], bool]) -> None:
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

    def _due(self, item: Watched[T]) -> float:
        return max(self._wanted(item), self._last_round + (GAP_WHEN_NOTIFIED if item.was_notified else MIN_GAP))

    def _wanted(self, item: Watched[T]) -> float:
        """When it is to be looked at, whenever the last round was."""
        are_few = len(self._watched_tasks) <= MOST_LOOKED_AT_EARLY
        return min(item.due, item.early_look) if are_few else item.due

    def _wake_leader(self) -> None:
        self._wake.set()

    async def _poll(self, unfinished: Sequence[Watched[T]]) -> None:
        """One round: a page of the list if that covers many tasks, queries for the rest of what is due."""
        now = self._last_round = self._clock.monotonic()
        due = [item for item in unfinished if self._wanted(item) <= now + MIN_GAP / 2]
        if (get_many := self._route.get_many) is not None:
            await self._poll_many(get_many, unfinished, due)
        else:
            await self._poll_list_or_each(unfinished, due)
        self._space_next_round(unfinished)

    async def _poll_list_or_each(self, unfinished: Sequence[Watched[T]], due: list[Watched[T]]) -> None:
        if len(unfinished) >= LIST_FROM and self._rounds_without_list <= 0:
            seen = await self._poll_list(unfinished)
            due = [item for item in due if item.name not in seen]
        else:
            self._rounds_without_list -= 1
        due.sort(key=self._wanted)
        limiter = anyio.CapacityLimiter(QUERIES_AT_ONCE)
        async with anyio.create_task_group() as group:
            for item in due[:QUERIES_PER_ROUND]:
                group.start_soon(self._poll_one, item, limiter)

    def _space_next_round(self, unfinished: Sequence[Watched[T]]) -> None:
        """Tasks that one round showed are due together, so that the next one shows them all, too.

        But for those that were announced meanwhile: what was shown may be older than that.
        """
        shown = [item for item in unfinished if item.polled_at >= self._last_round and not item.snapshot.is_final]
        if not shown:
            return
        for item in shown:
            item.company = max(item.company, len(shown))
        now = self._clock.monotonic()
        due = now + self._gap_for(shown)
        for item in shown:
            item.due = now if item.notified_at >= self._last_round else due

    async def _poll_many(
        self,
        get_many: Callable[[Sequence[str]], Awaitable[Sequence[T]]],
        unfinished: Sequence[Watched[T]],
        due: Sequence[Watched[T]],
    ) -> None:
        """Ask for all that are due, and fill the last request with those that are due next. fact: tasks-20

        Where that takes several requests, first leave out what a list shows.
        """
        if len(due) > IDS_PER_REQUEST:
            unfinished = await self._leave_out_listed(unfinished)
            names = {item.name for item in unfinished}
            due = [item for item in due if item.name in names]
        by_due = sorted(unfinished, key=self._wanted)
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

    async def _leave_out_listed(self, unfinished: Sequence[Watched[T]]) -> list[Watched[T]]:
        """Record what a list shows: one page of all tasks if that is long enough, otherwise those that run.

        What it does not show has ended, or must be asked for anyway.
        """
        if self._rounds_without_list > 0:
            self._rounds_without_list -= 1
            return list(unfinished)
        if self._route.running is None or self._page_size(unfinished) < MAX_PAGE_SIZE:
            seen = await self._poll_list(unfinished)
            return [item for item in unfinished if item.name not in seen]
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

    async def _poll_list(self, unfinished: Sequence[Watched[T]]) -> set[str]:
        """Read pages while they show tasks that are waited for; returns the names that were seen.

        Where several can be asked for by id, only one page: the others are cheaper to ask for.
        """
        missing = {item.name: item for item in unfinished}
        seen: set[str] = set()
        size = self._page_size(unfinished)
        is_enough = self._route.get_many is not None
        page_num = 1
        while missing:
            try:
                page = await self._route.list(page_num, size)
            except KlingError as error:
                self._rounds_without_list = ROUNDS_AFTER_LIST_ERROR
                if is_enough:
                    return seen  # the queries that follow say whether the trouble is the list's alone
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
            if not found or len(page) < size or is_enough:
                break
            page_num += 1
        if not seen:
            self._rounds_without_list = ROUNDS_WITHOUT_LIST
        return seen

    def _page_size(self, unfinished: Sequence[Watched[T]]) -> int:
        return min(MAX_PAGE_SIZE, max(MIN_PAGE_SIZE, 2 * len(unfinished), self._list_depth * 5 // 4))

    async def _poll_one(self, item: Watched[T], limiter: anyio.CapacityLimiter) -> None:
        async with limiter:
            try:
                self._record(item, await self._route.get(item.name))
            except KlingError as error:
                self._record_failure(item, error)

    def _record(self, item: Watched[T], task: T) -> None:
        now = self._clock.monotonic()
        first_sight = item.snapshot.task is None
        item.snapshot.task, item.snapshot.last_poll_error = task, None
        if first_sight:
            item.began(now - self._age(task), now)
        elif now >= item.early_look:
            item.early_look = math.inf
        if task.is_final:
            self._is_notified = item.was_notified
            item.schedule.learn((task.updated_at - task.created_at) / 1000)
        item.polled_at = now

    def _gap_for(self, items: Sequence[Watched[T]]) -> float:
        """Until the next look at these tasks together; longer while changes are announced."""
        now = self._clock.monotonic()
        gap = gap_for_all((item.schedule, now - item.started, item.company) for item in items)
        return min(MAX_GAP, gap * SLOWER_WHEN_NOTIFIED) if self._is_notified else gap

    def _record_failure(self, item: Watched[T], error: KlingError) -> None:
        """Temporary errors are waited out; others end the wait for this task."""
        now = self._clock.monotonic()
        too_young = isinstance(error, NotFoundError) and (
            item.snapshot.task is not None and now - item.started < NOT_FOUND_GRACE
        )
        if error.retry == "never" and not too_young:
            item.snapshot.error = error
        item.snapshot.last_poll_error = error
        item.due, item.early_look = now + PAUSE_AFTER_ERROR, math.inf

    def _age(self, task: KlingTask) -> float:
        """The age of the task by our clock; never negative."""
        if not task.created_at:
            return 0.0
        return min(max(0.0, self._clock.wall() - task.created_at / 1000), 86_400.0)
