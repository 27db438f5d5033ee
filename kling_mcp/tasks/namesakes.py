"""Other requests of the same kind and label: those on their way have the name before Kling shows it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic

from kling_mcp.errors import KlingError
from kling_mcp.tasks.entry import UNFINISHED, end_state
from kling_mcp.tasks.route import T

if TYPE_CHECKING:
    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.tasks.entry import JournalEntry
    from kling_mcp.tasks.journal import Journal
    from kling_mcp.tasks.route import TaskRoute


@dataclass(frozen=True, slots=True)
class Namesakes(Generic[T]):
    """The requests of one account and kind that share a label."""

    journal: Journal
    route: TaskRoute[T]
    clock: Clock

    async def of(self, entry: JournalEntry) -> list[JournalEntry]:
        """The others that are under way or done, each in its current state."""
        return [await self._refreshed(other) for other in await self.journal.with_same_label(entry)]

    def ended_within(self, others: list[JournalEntry], seconds: float) -> bool:
        """Whether one of them ended so recently that a list which was read before does not show it."""
        return any(other.state == "ready" and self.clock.steady() - other.updated_at < seconds for other in others)

    async def _refreshed(self, other: JournalEntry) -> JournalEntry:
        """The current state of a task that no call waited for: a failed one does not block the name."""
        if other.state != "accepted":
            return other
        try:
            task = await self.route.get(other.task_id)
            await self.journal.record_results([task])
        except KlingError:
            return other
        return replace(other, state=end_state(task) or "accepted", updated_at=self.clock.steady())


def on_their_way(others: list[JournalEntry], entry: JournalEntry) -> list[str]:
    """Those that came before this request and have not ended, in words; later ones do not count."""
    mine = (entry.created_at, entry.external_task_id)
    return [
        f"external_task_id={other.external_task_id} (on its way)"
        for other in others
        if other.state in UNFINISHED and (other.created_at, other.external_task_id) < mine
    ]
