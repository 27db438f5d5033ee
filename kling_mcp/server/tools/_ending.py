"""How far a task is, for callers who go on by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_mcp.server.tool import Ending

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.api.models import KlingTask
    from kling_mcp.results.saver import SavedFile


def ending_of(task: KlingTask, files: Sequence[SavedFile] = ()) -> Ending:
    """A task with its results."""
    is_done = task.is_final and not any(file.may_be_saved_later for file in files)
    return Ending(() if is_done else (task.task_id,), has_failed=task.is_final and task.task_status == "failed")
