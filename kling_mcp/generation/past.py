"""One generation of the past, from the journal, from Kling, or from both. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from kling_mcp.generation.generator import results_of
from kling_mcp.generation.memo import GenerationMemo
from kling_mcp.library.folding import fold
from kling_mcp.results.links import ends_at

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from kling_mcp.api.generation_models import GenerationTask
    from kling_mcp.generation.prices import Product
    from kling_mcp.results.saver import Result, SavedFile
    from kling_mcp.tasks.entry import JournalEntry

GenerationStatus = Literal["ready", "pending", "failed", "unknown"]
_OF_TASK: Mapping[str, GenerationStatus] = {
    "succeed": "ready",
    "failed": "failed",
    "submitted": "pending",
    "processing": "pending",
}
_OF_ENTRY: Mapping[str, GenerationStatus] = {"ready": "ready", "failed": "failed"}


@dataclass(frozen=True, slots=True)
class Link:
    """A result as Kling lists it, and when its link ends, in seconds since 1970; 0 if unknown."""

    result: Result
    ends_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PastGeneration:
    """One generation.

    Attributes:
        memo: what was asked for; empty for one that was not made here.
        words: the prompt, folded for comparison.
        created_at, updated_at: milliseconds since 1970; `updated_at` is Kling's, 0 if Kling does not list it.
        units: Kling's figure, else our estimate, as text; "" if neither is known.
        links: its results, while Kling lists them.
        files: a row for each result that has a link or is on the disk; empty until the disk was looked at.
    """

    product: Product
    task_id: str
    external_task_id: str
    status: GenerationStatus
    message: str
    created_at: int
    units: str
    memo: GenerationMemo = field(default_factory=GenerationMemo)
    words: str = ""
    updated_at: int = 0
    links: tuple[Link, ...] = ()
    files: tuple[SavedFile, ...] = ()

    @property
    def place(self) -> tuple[int, str]:
        """Its place in the order; it stays the same from call to call."""
        return self.created_at, self.task_id or self.external_task_id

    @property
    def is_over(self) -> bool:
        """Whether Kling's record of it changes no more."""
        return self.status in {"ready", "failed"}

    def unsaved(self, recorded: Mapping[str, Collection[int]]) -> list[Link]:
        """Its links without a record on the disk; `recorded` are the places, from 1, of each task's saved results."""
        saved = recorded.get(self.task_id, ())
        return [link for place, link in enumerate(self.links, start=1) if place not in saved]


def of_task(product: Product, task: GenerationTask) -> PastGeneration:
    """What Kling lists."""
    status = _OF_TASK.get(task.task_status, "unknown")
    results = results_of(task) if status == "ready" else []
    return PastGeneration(
        product=product,
        task_id=task.task_id,
        external_task_id=task.external_task_id,
        status=status,
        message=task.task_status_msg,
        created_at=task.created_at,
        updated_at=task.updated_at,
        units=task.units_deducted,
        links=tuple(Link(result, ends_at(result.url, task.updated_at)) for result in results),
    )


def of_entry(entry: JournalEntry) -> PastGeneration:
    """What was made here, as the journal knows it; without the text of the request, which is long."""
    memo = replace(GenerationMemo.from_journal(entry.memo), request="")
    return PastGeneration(
        product="image" if entry.product == "image" else "video",
        task_id=entry.task_id,
        external_task_id=entry.external_task_id,
        status=_OF_ENTRY.get(entry.state, "pending"),
        message="",
        memo=memo,
        words=fold(memo.prompt),
        created_at=round(entry.created_at * 1000),
        units=entry.units_deducted or entry.units_estimated,
    )


def joined(made: PastGeneration, listed: PastGeneration) -> PastGeneration:
    """What was made here, with what Kling lists of it."""
    return replace(
        made,
        task_id=made.task_id or listed.task_id,
        status=listed.status,
        message=listed.message,
        units=listed.units or made.units,
        updated_at=listed.updated_at,
        links=listed.links,
    )
