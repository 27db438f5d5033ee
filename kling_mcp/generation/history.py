"""What was made: the journal's generations with what Kling lists, those of other programs among them.

The journal knows prompts, elements and takes; Kling knows states and links. Reads only, and records nothing: a wait
for everything unfinished must still find what nobody has saved.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import anyio

from kling_mcp.errors import KlingError, StorageError
from kling_mcp.generation.generator import results_of
from kling_mcp.generation.memo import GenerationMemo
from kling_mcp.library.folding import fold
from kling_mcp.library.records import VOICE
from kling_mcp.results.sidecar import Description

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kling_mcp.api.generation_models import GenerationTask
    from kling_mcp.generation.prices import Product
    from kling_mcp.generation.routes import Listed, ReadList
    from kling_mcp.results.saver import Result, ResultSaver, SavedFile
    from kling_mcp.tasks.entry import JournalEntry
    from kling_mcp.tasks.journal import Journal

MAX_ENTRIES = 5000

GenerationStatus = Literal["ready", "pending", "failed", "unknown"]
_OF_TASK: Mapping[str, GenerationStatus] = {
    "succeed": "ready",
    "failed": "failed",
    "submitted": "pending",
    "processing": "pending",
}
_OF_ENTRY: Mapping[str, GenerationStatus] = {"ready": "ready", "failed": "failed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PastGeneration:
    """One generation, from the journal, from Kling, or from both.

    Attributes:
        memo: what was asked for; empty for one that was not made here.
        created_at: milliseconds since 1970.
        units: Kling's figure, else our estimate, as text; "" if neither is known.
        files: a row for each result that has a link or is on the disk.
    """

    product: Product
    task_id: str
    external_task_id: str
    status: GenerationStatus
    message: str
    memo: GenerationMemo
    created_at: int
    units: str
    files: tuple[SavedFile, ...] = ()

    @property
    def place(self) -> tuple[int, str]:
        """Its place in the order; it stays the same from call to call."""
        return self.created_at, self.task_id or self.external_task_id

    @property
    def is_unsaved(self) -> bool:
        """Whether it has results that are not on the disk."""
        return any(not file.path for file in self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to look for. `query` are words of the prompt, or an id; `element` is a name, in any case, or an id."""

    query: str = ""
    product: Product | None = None
    status: GenerationStatus | None = None
    element: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """All hits, newest first, of `known` generations.

    `errors` say what could not be read; `is_whole` is False also for lists too long.
    """

    generations: Sequence[PastGeneration]
    errors: Sequence[KlingError]
    is_whole: bool
    known: int


class GenerationHistory:
    """The generations of one account."""

    def __init__(self, journal: Journal, lists: Sequence[ReadList], saver: ResultSaver) -> None:
        self._journal = journal
        self._lists = lists
        self._saver = saver

    @property
    def saves(self) -> bool:
        """Whether waiting for a finished generation puts it on the disk."""
        return self._saver.saves

    async def unsaved(self, since: float) -> list[str]:
        """The task ids of finished generations from here that were never saved, newest first; Kling is not asked.

        Args:
            since: seconds since 1970; the links of older ones have ended.
        """
        try:
            entries = await self._journal.paid(MAX_ENTRIES)
        except StorageError:
            return []
        made = [entry for entry in entries if entry.kind != VOICE and entry.state == "ready" and entry.task_id]
        return await self._saver.never_saved([entry.task_id for entry in made if entry.created_at >= since])

    async def find(self, wanted: Wanted) -> Found:
        """Every generation that fits, with its files.

        Raises:
            KlingError: Kling could not be read, and the journal has nothing.
        """
        listed, errors = await self._listed()
        entries: Sequence[JournalEntry] = ()
        try:
            entries = await self._journal.paid(MAX_ENTRIES)
        except StorageError as error:
            errors.append(error)
        if errors and not listed and not entries:
            raise errors[0]
        made = [entry for entry in entries if entry.kind != VOICE]
        every = list(_joined(made, listed))
        hits = [hit for hit in every if _fits(hit[0], wanted)]
        hits.sort(key=lambda hit: hit[0].place, reverse=True)
        is_whole = not errors and all(one.is_whole for one in listed) and len(entries) < MAX_ENTRIES
        return Found(await self._with_files(hits), errors, is_whole, len(every))

    async def _listed(self) -> tuple[list[Listed], list[KlingError]]:
        listed: list[Listed] = []
        errors: list[KlingError] = []

        async def read(one: ReadList) -> None:
            try:
                listed.append(await one())
            except KlingError as error:
                errors.append(error)

        async with anyio.create_task_group() as group:
            for one in self._lists:
                group.start_soon(read, one)
        return listed, errors

    async def _with_files(self, hits: Sequence[_Hit]) -> list[PastGeneration]:
        rows = await self._saver.look([_results(past, task) for past, task in hits])
        return [replace(past, files=tuple(files)) for (past, _), files in zip(hits, rows, strict=True)]


_Hit = tuple[PastGeneration, "GenerationTask | None"]


def _joined(entries: Iterable[JournalEntry], listed: Iterable[Listed]) -> Iterable[_Hit]:
    """What was made here, each with Kling's record if there is one, then what was made elsewhere.

    In a list with elements, a task that was made elsewhere is known to be a generation by its results alone.
    """
    listed = list(listed)
    tasks = {name: task for one in listed for task in one.tasks for name in (task.task_id, task.external_task_id)}
    ours = set()
    for entry in entries:
        task = tasks.get(entry.task_id or entry.external_task_id)
        ours.add(task.task_id if task else "")
        yield _of_entry(entry, task), task
    for one in listed:
        for task in one.tasks:
            if task.task_id not in ours and (task.product or not one.is_mixed):
                yield _of_task(task.product or one.product, task), task


def _of_entry(entry: JournalEntry, task: GenerationTask | None) -> PastGeneration:
    status = _OF_TASK.get(task.task_status, "unknown") if task else _OF_ENTRY.get(entry.state, "pending")
    return PastGeneration(
        product="image" if entry.product == "image" else "video",
        task_id=entry.task_id or (task.task_id if task else ""),
        external_task_id=entry.external_task_id,
        status=status,
        message=task.task_status_msg if task else "",
        memo=GenerationMemo.from_journal(entry.memo),
        created_at=round(entry.created_at * 1000),
        units=(task.units_deducted if task else "") or entry.units_deducted or entry.units_estimated,
    )


def _of_task(product: Product, task: GenerationTask) -> PastGeneration:
    return PastGeneration(
        product=product,
        task_id=task.task_id,
        external_task_id=task.external_task_id,
        status=_OF_TASK.get(task.task_status, "unknown"),
        message=task.task_status_msg,
        memo=GenerationMemo(),
        created_at=task.created_at,
        units=task.units_deducted,
    )


def _results(past: PastGeneration, task: GenerationTask | None) -> tuple[Sequence[Result], Description]:
    about = Description(kind=past.product, task_id=past.task_id, updated_at=task.updated_at if task else 0)
    return results_of(task) if task and past.status == "ready" else [], about


def _fits(past: PastGeneration, wanted: Wanted) -> bool:
    if wanted.product and past.product != wanted.product:
        return False
    if wanted.status and past.status != wanted.status:
        return False
    if (element := fold(wanted.element).strip()) and not any(
        element_id == wanted.element.strip() or fold(name) == element for element_id, name in past.memo.elements
    ):
        return False
    query = wanted.query.strip()
    if query in {past.task_id, past.external_task_id}:
        return True
    prompt = fold(past.memo.prompt)
    return all(word in prompt for word in fold(query).split())
