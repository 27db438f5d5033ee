"""Whether a request is still to be paid for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kling_mcp.tasks.intent import Intent
    from kling_mcp.tasks.journal import Journal


async def is_paid_for(journal: Journal, intent: Intent) -> bool:
    """Whether this very request was sent before, so that submitting it pays nothing more.

    Raises:
        OverBudgetError: it was not, and the caps do not allow it now.
    """
    entry = await journal.latest(intent)
    if entry is not None and entry.state in {"sending", "unclear", "accepted", "ready"}:
        return True
    await journal.check_budget(intent)
    return False
