"""Finds the outcome of a request whose reply was lost. Reads only.

It queries by external task id, then reads the list (facts: query-external-id, retry-create). There are three answers:
the task exists, it certainly does not, or it is uncertain.

Until a query by external id has worked, "certainly not" relies on the list, and so on running tasks being in it
(fact: list-is-tasks, a guess). A known running task that is missing from the list refutes that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic

from kling_mcp.errors import KlingError, NotFoundError
from kling_mcp.sanitize import as_shown
from kling_mcp.tasks.entry import end_state
from kling_mcp.tasks.route import T

if TYPE_CHECKING:
    from kling_mcp.api.models import KlingTask
    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.tasks.entry import JournalEntry
    from kling_mcp.tasks.journal import Journal
    from kling_mcp.tasks.route import TaskRoute

PAGE_SIZE = 500
MAX_PAGES = 20
_ASKED_FOR_PROOF = 3
CLOCKS_MAY_DIFFER_MS = 300_000


@dataclass(frozen=True, slots=True)
class LookupResult(Generic[T]):
    """`task` if it exists; otherwise `is_absent` says whether its absence is certain, and `reason` why not."""

    task: T | None = None
    is_absent: bool = False
    reason: str = ""


class TaskLookup(Generic[T]):
    """Finds tasks of one account and kind by external task id."""

    def __init__(self, route: TaskRoute[T], journal: Journal, clock: Clock) -> None:
        self._route = route
        self._clock = clock
        self._journal = journal
        self._external_query_works = route.finds_external_ids  # otherwise learned

    async def search(self, entry: JournalEntry) -> LookupResult[T]:
        """Read everything that can show the entry's task, once."""
        try:
            found = await self.by_external_id(entry.external_task_id)
            if found is not None:
                return LookupResult(found)
            if await self._is_external_query_proven():
                return LookupResult(is_absent=True)
            return await self._through_list(entry)
        except KlingError as error:
            return LookupResult(reason=error.message)

    async def find(self, external_task_id: str) -> T | None:
        """A task by an external id that the journal does not know; None if neither query nor list shows it.

        Raises:
            KlingError: what the client raises.
        """
        if (task := await self.by_external_id(external_task_id)) is not None:
            return task
        for page_num in range(1, MAX_PAGES + 1):
            page = await self._route.list(page_num, PAGE_SIZE)
            for task in page:
                if task.external_task_id == external_task_id and task.task_id:
                    return task
            if len(page) < PAGE_SIZE:
                break
        return None

    async def by_external_id(self, external_task_id: str) -> T | None:
        """The task that a query by its external id finds; None proves nothing (fact: query-external-id).

        Raises:
            KlingError: what the client raises.
        """
        try:
            task = await self._route.get(external_task_id)
        except NotFoundError:
            return None
        if task.external_task_id not in {"", external_task_id} or task.task_id == external_task_id:
            return None  # another task, or a caller's id that looks like a task id
        self._external_query_works = True
        return task

    async def _is_external_query_proven(self) -> bool:
        """Whether "not found" by external id means that the task does not exist.

        Such queries are not documented for every kind (fact: query-external-id), so a few tasks that are known to
        exist are queried in the same way.
        """
        if not self._external_query_works:
            for known in (await self._journal.known_tasks(self._route.kind))[-_ASKED_FOR_PROOF:]:
                if await self.by_external_id(known.external_task_id) is not None:
                    break
        return self._external_query_works

    async def _through_list(self, entry: JournalEntry) -> LookupResult[T]:
        seen: dict[str, T] = {}
        for page_num in range(1, MAX_PAGES + 1):
            page = await self._route.list(page_num, PAGE_SIZE)
            for task in page:
                if entry.external_task_id == task.external_task_id or (task.task_id and entry.task_id == task.task_id):
                    if not task.task_id:
                        return LookupResult(reason="the list shows it without its task id")
                    return LookupResult(task)
                if seen.setdefault(task.task_id, task) is not task:
                    return LookupResult(reason="the list changed while it was read")
            if len(page) < PAGE_SIZE:
                return await self._classify_absence(entry, seen)
        return LookupResult(reason="the list is too long to be sure")

    async def _classify_absence(self, entry: JournalEntry, seen: dict[str, T]) -> LookupResult[T]:
        """What it means that the whole list does not contain the entry's id."""
        known = await self._journal.known_tasks(self._route.kind)
        others = {other.task_id for other in known}
        sent_at = entry.sent_at + self._route.ahead_of(self._clock.steady())
        if any(_could_be(task, entry, sent_at) for task_id, task in seen.items() if task_id not in others):
            return LookupResult(reason="the list shows a task without an external id that may be this one")
        newest = next((other for other in reversed(known) if other.state in {"accepted", "ready"}), None)
        if newest is not None and newest.task_id not in seen and await self._exists(newest.task_id):
            return LookupResult(reason="the list does not show every task")
        return LookupResult(is_absent=True)

    async def _exists(self, task_id: str) -> bool:
        """Whether a task that the list does not show exists anyway. fact: list-is-tasks (a guess)"""
        try:
            task = await self._route.get(task_id)
        except NotFoundError:
            return False
        return end_state(task) != "deleted"


def _could_be(task: KlingTask, entry: JournalEntry, sent_at: float) -> bool:
    """Whether a record without an external id may be the lost task. fact: empty-while-running

    `sent_at` is by Kling's clock, in seconds since 1970.
    """
    if task.external_task_id:
        return False
    if task.created_at and task.created_at < sent_at * 1000 - CLOCKS_MAY_DIFFER_MS:
        return False
    return not task.result_names or as_shown(entry.label) in map(as_shown, task.result_names)
