"""What people should know of the state before they rely on it: that it cannot be used, or that it begins now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kling_mcp.errors import StorageError

if TYPE_CHECKING:
    from kling_mcp.store import Store, Transaction


@dataclass(frozen=True, slots=True)
class StateReport:
    """`trouble` is why nothing can be recorded, and so nothing created; `note` is a sentence, or ""."""

    trouble: StorageError | None = None
    note: str = ""

    @property
    def problem(self) -> str:
        """The trouble as one of the problems of a setup; "" without any."""
        return self.trouble.for_setup() if self.trouble else ""


async def report_on(store: Store, place: str) -> StateReport:
    """Open the state and look. `place` says where it is."""
    try:
        await store.run(_touch, write=False)
    except StorageError as error:
        return StateReport(error)
    if store.was_damaged:
        return StateReport(
            note=f"An earlier state in {place} was lost or exchanged, so requests that this one does not know are "
            "looked up at Kling before anything is sent."
        )
    if store.is_new:
        return StateReport(
            note=f"The state in {place} was made at this start. If there should be an earlier one, check "
            "KLING_MCP_STATE_DIR; a container needs a volume for it."
        )
    return StateReport()


def _touch(tx: Transaction) -> None:
    tx.fetch("SELECT 1 AS one")
