"""Finds out what became of a creation whose reply was lost. Reads only.

It looks by external task id, then through the list (query-external-id, retry-create), and tells three cases apart:
the task is there, it surely is not, or nobody can say.

Where look-ups by external id are not seen to work, "surely not" rests on the list, and so on running tasks being rows
of it (list-is-tasks, a guess). A task that is known to run and is not in the list refutes that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kling_mcp.errors import KlingError, NotFoundError
from kling_mcp.tasks.entry import end_state

if TYPE_CHECKING:
    from kling_mcp.api.client import KlingClient
    from kling_mcp.api.models import ElementTask
    from kling_mcp.tasks.entry import JournalEntry
    from kling_mcp.tasks.journal import Journal

PAGE_SIZE = 500
MAX_PAGES = 20
_ASKED_FOR_PROOF = 3
CLOCKS_MAY_DIFFER_MS = 300_000


@dataclass(frozen=True, slots=True)
class LookupResult:
    """`task` where it exists; else `is_absent` says whether that is sure, and `reason` why it is not."""

    task: ElementTask | None = None
    is_absent: bool = False
    reason: str = ""


class TaskLookup:
    """Looks for tasks of one account by the external ids they were sent with."""

    def __init__(self, client: KlingClient, journal: Journal) -> None:
        self._client = client
        self._journal = journal
        self._external_query_works = False

    async def search(self, entry: JournalEntry) -> LookupResult:
        """One look at everything that can show the entry's task."""
        try:
            found = await self._by_external_id(entry.external_task_id)
            if found is not None:
                return LookupResult(found)
            if await self._is_external_query_proven():
                return LookupResult(is_absent=True)
            return await self._through_list(entry)
        except KlingError as error:
            return LookupResult(reason=error.message)

    async def find(self, external_task_id: str) -> ElementTask | None:
        """A task by an external id that the journal does not know; None where neither query nor list shows it.

        Raises:
            KlingError: what the client raises.
        """
        if (task := await self._by_external_id(external_task_id)) is not None:
            return task
        for page_num in range(1, MAX_PAGES + 1):
            page = await self._client.list_elements(page_num, PAGE_SIZE)
            for task in page:
                if task.external_task_id == external_task_id and task.task_id:
                    return task
            if len(page) < PAGE_SIZE:
                break
        return None

    async def _by_external_id(self, external_task_id: str) -> ElementTask | None:
        try:
            task = await self._client.get_task(external_task_id)
        except NotFoundError:
            return None
        if task.external_task_id not in {"", external_task_id} or task.task_id == external_task_id:
            return None  # an answer to another question, or a caller's id that looks like a task id
        self._external_query_works = True
        return task

    async def _is_external_query_proven(self) -> bool:
        """Whether "not found" by external id means that the task is not there.

        For elements nobody has shown that such queries work (query-external-id), so a task that is known to
        exist is asked for in the same way.
        """
        if not self._external_query_works:
            for known in (await self._journal.known_tasks())[-_ASKED_FOR_PROOF:]:
                if await self._by_external_id(known.external_task_id) is not None:
                    break
        return self._external_query_works

    async def _through_list(self, entry: JournalEntry) -> LookupResult:
        seen: dict[str, ElementTask] = {}
        for page_num in range(1, MAX_PAGES + 1):
            page = await self._client.list_elements(page_num, PAGE_SIZE)
            for task in page:
                if entry.external_task_id == task.external_task_id or (task.task_id and entry.task_id == task.task_id):
                    return (
                        LookupResult(task)
                        if task.task_id
                        else LookupResult(reason="the list shows it without its task id")
                    )
                if seen.setdefault(task.task_id, task) is not task:
                    return LookupResult(reason="the list changed while it was read")
            if len(page) < PAGE_SIZE:
                return await self._judge_absence(entry, seen)
        return LookupResult(reason="the list is too long to be sure")

    async def _judge_absence(self, entry: JournalEntry, seen: dict[str, ElementTask]) -> LookupResult:
        """What it means that no record of the whole list carries the entry's id."""
        known = await self._journal.known_tasks()
        others = {other.task_id for other in known}
        if any(_could_be(task, entry) for task_id, task in seen.items() if task_id not in others):
            return LookupResult(reason="the list shows a task without an external id that may be this one")
        newest = next((other for other in reversed(known) if other.state in {"accepted", "ready"}), None)
        if newest is not None and newest.task_id not in seen and await self._exists(newest.task_id):
            return LookupResult(reason="the list does not show every task")
        return LookupResult(is_absent=True)

    async def _exists(self, task_id: str) -> bool:
        """Whether a task that the list does not show is there all the same. fact: list-is-tasks (a guess)"""
        try:
            task = await self._client.get_task(task_id)
        except NotFoundError:
            return False
        return end_state(task) != "deleted"


def _could_be(task: ElementTask, entry: JournalEntry) -> bool:
    """Whether a record without an external id may be the one that was lost. fact: empty-while-running"""
    if task.external_task_id:
        return False
    if task.created_at and task.created_at < entry.sent_at * 1000 - CLOCKS_MAY_DIFFER_MS:
        return False
    names = {element.element_name for element in task.elements}
    return not names or entry.label in names
