"""Records the state of creations that were just read, in the journal and the library."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from kling_mcp.errors import StorageError
from kling_mcp.tasks.entry import end_state

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kling_mcp.api.models import ElementTask
    from kling_mcp.elements.submissions import Submissions
    from kling_mcp.library.index import Library
    from kling_mcp.library.records import Submitted
    from kling_mcp.tasks.entry import JournalEntry
    from kling_mcp.tasks.journal import Journal

MAX_RECORDED = 10_000


class OutcomeRecorder:
    """The outcomes of one account's creations."""

    def __init__(self, journal: Journal, submissions: Submissions, library: Library) -> None:
        self._journal = journal
        self._submissions = submissions
        self._library = library
        # What the journal was told of each task: a finished one changes no more, so it is not told again.
        self._recorded: dict[str, str] = {}

    async def record(self, tasks: list[ElementTask]) -> Mapping[str, Submitted]:
        """Record the state of tasks that were just read, and return what was asked for those created from here.

        Never fails: the next poll shows the same.
        """
        unrecorded = [task for task in tasks if not self._is_recorded(task)]
        with suppress(StorageError):
            if unrecorded:
                self._remember(unrecorded, await self._journal.record_results(unrecorded))
        asked = self._submissions.known(task.task_id for task in tasks)
        await self._library.record_results(tasks, asked)
        return asked

    def forget(self, task_id: str) -> None:
        """The task was submitted from here just now: what is known of it is old."""
        self._submissions.forget(task_id)
        self._recorded.pop(task_id, None)

    def _is_recorded(self, task: ElementTask) -> bool:
        """Whether the journal was told of this end, and has said what it knows of the task: neither changes again."""
        ended = end_state(task)
        return ended != "" and ended == self._recorded.get(task.task_id) and self._submissions.has_asked(task.task_id)

    def _remember(self, tasks: list[ElementTask], entries: Mapping[str, JournalEntry]) -> None:
        """What the journal was told, and what it said."""
        ends = {task.task_id: end_state(task) for task in tasks}
        self._submissions.learn(entries, {task.task_id: task.created_at for task in tasks if ends[task.task_id]})
        if len(self._recorded) > MAX_RECORDED:
            self._recorded.clear()
        self._recorded |= ends
