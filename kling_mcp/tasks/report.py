"""The journal as lines for a terminal: unfinished tasks first, then the newest.

Pure: entries in, lines out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_mcp.concurrency.clock import iso_utc
from kling_mcp.sanitize import clean
from kling_mcp.tasks.entry import UNFINISHED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.tasks.entry import JournalEntry

_MEANING = {
    "claimed": "waiting to be sent",
    "sending": "being sent",
    "unclear": "sent, reply lost; repeat the same call to settle it",
    "accepted": "running at Kling",
    "refused": "refused, nothing was created",
    "ready": "ready",
    "failed": "failed, Kling refused its inputs",
    "deleted": "deleted",
}


def in_order(entries: Sequence[JournalEntry]) -> list[JournalEntry]:
    """Unfinished tasks first, each group newest first."""
    return sorted(entries, key=lambda entry: (entry.state not in UNFINISHED, -entry.created_at))


def format_entries(entries: Sequence[JournalEntry], *, place: str) -> list[str]:
    """Three lines for each task. `place` says where the journal is."""
    if not entries:
        return [f"The journal in {place} has no tasks yet."]
    unfinished = sum(entry.state in UNFINISHED for entry in entries)
    accounts = {entry.account for entry in entries}
    plural = "" if len(entries) == 1 else "s"
    lines = [f"{len(entries)} task{plural}, {unfinished} unfinished (journal in {place})."]
    for entry in in_order(entries):
        whose = f"  account {entry.account[:6]}" if len(accounts) > 1 else ""
        lines += [
            f"{entry.kind} {clean(entry.label, 40)}: {_MEANING.get(entry.state, entry.state)}",
            f"   since {iso_utc(int(entry.created_at * 1000))}{whose}",
            "   " + "  ".join(_ids(entry)),
        ]
    return lines


def _ids(entry: JournalEntry) -> list[str]:
    ids = [f"external_task_id={entry.external_task_id}"]
    if entry.task_id:
        ids.append(f"task_id={entry.task_id}")
    if entry.result_ids:
        ids.append(f"{entry.kind}_ids={','.join(entry.result_ids)}")
    return ids
