"""What this server knows about a creation that Kling refused. Reads the journal only, and never fails."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from kling_mcp.concurrency.clock import iso_utc
from kling_mcp.errors import StorageError
from kling_mcp.sanitize import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.api.models import KlingTask
    from kling_mcp.tasks.entry import JournalEntry
    from kling_mcp.tasks.journal import Journal

# The memo of a creation has a key of its pictures or its clip under this name, whatever the texts beside them.
MATERIAL = "material"
_MAX_NAMED = 3


class Refusals:
    """The refused creations of one account."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def facts_on(self, task: KlingTask) -> list[str]:
        """One sentence for each thing that is known about a failed task; empty for any other."""
        return await self.facts(task.task_id) if task.task_status == "failed" else []

    async def facts(self, task_id: str) -> list[str]:
        """The same for a task that is known to have failed."""
        with suppress(StorageError):
            refused = await self._journal.find(task_id)
            if refused is not None and (material := refused.memo.get(MATERIAL)):
                alike = await self._journal.with_memo(refused.kind, MATERIAL, material)
                return _facts(refused, [entry for entry in alike if entry.task_id != refused.task_id])
        return []


def _facts(refused: JournalEntry, others: Sequence[JournalEntry]) -> list[str]:
    """What became of other creations with the same material, newest first."""
    what = "clip" if refused.memo.get("reference_type") == "video_refer" else "pictures"
    newest_first = others[::-1]
    passed = [_named(entry) for entry in newest_first if entry.result_ids]
    failed = [_named(entry) for entry in newest_first if entry.state == "failed"]
    facts = []
    if passed:
        facts.append(f"The same {what} passed as {_listed(passed)}.")
    if failed:
        facts.append(f"The same {what} {'was' if what == 'clip' else 'were'} also refused as {_listed(failed)}.")
    return facts


def _named(entry: JournalEntry) -> str:
    """Without an id, which a model would use in the place of the refused one."""
    gone = ", deleted since" if entry.state == "deleted" else ""
    return f"{quote(entry.label, 60)} ({iso_utc(int(entry.created_at * 1000))[:10]}{gone})"


def _listed(told: Sequence[str]) -> str:
    more = len(told) - _MAX_NAMED
    return " and ".join(told[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
