"""What became of each entry of a plan that is carried out: plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from kling_mcp.generation.prices import Estimate
    from kling_mcp.results.saver import SavedFile

OutcomeStatus = Literal["ready", "pending", "failed", "not_started"]
EntryKind = Literal["element", "shot"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryOutcome:
    """One element, or one take of a shot.

    Attributes:
        name: of the element, or the id of the shot.
        take: from 1; 0 for an element.
        reason: why it is not ready, in sentences.
        units: what Kling deducted for what this run sent, as text; "" if unknown.
        estimate: of what this run sent; None if it sent nothing that costs.
        was_paid: it was sent before this run, or by another entry, so that this one paid nothing.
        can_repeat: whether carrying the plan out again can help.
        warnings: sentences for the person.
    """

    kind: EntryKind
    name: str
    take: int = 0
    status: OutcomeStatus
    reason: str = ""
    element_id: str = ""
    task_id: str = ""
    external_task_id: str = ""
    files: tuple[SavedFile, ...] = ()
    units: str = ""
    estimate: Estimate | None = None
    was_paid: bool = False
    can_repeat: bool = True
    warnings: tuple[str, ...] = ()
