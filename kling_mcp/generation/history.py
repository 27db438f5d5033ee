"""What was made: the journal's generations with what Kling lists, those of other programs among them.

The journal knows prompts, elements and takes; Kling knows states and links. Reads only, and records nothing: a wait
for everything unfinished must still find what nobody has saved. What was read before is kept, and read again where it
may have changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import anyio

from kling_mcp.errors import KlingError, StorageError
from kling_mcp.generation.past import joined, of_entry
from kling_mcp.library.folding import fold
from kling_mcp.library.records import VOICE
from kling_mcp.results.sidecar import Description
from kling_mcp.tasks.paid_entries import PaidEntries

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from kling_mcp.generation.past import GenerationStatus, PastGeneration
    from kling_mcp.generation.past_lists import Listed, PastList
    from kling_mcp.generation.prices import Product
    from kling_mcp.results.saver import ResultSaver
    from kling_mcp.store import Store
    from kling_mcp.tasks.entry import JournalEntry

MAX_ENTRIES = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to look for. `query` are words of the prompt, or an id; `element` is a name, in any case, or an id."""

    query: str = ""
    product: Product | None = None
    status: GenerationStatus | None = None
    element: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """All hits, newest first, of `known` generations, without their files.

    `errors` say what could not be read; `is_whole` is False also for lists too long. `recorded` are the places, from
    1, of those results of a task that were saved.
    """

    generations: Sequence[PastGeneration]
    errors: Sequence[KlingError]
    is_whole: bool
    known: int
    recorded: Mapping[str, Collection[int]]


@dataclass(frozen=True, slots=True)
class _Every:
    """All generations, newest first, of these entries and lists."""

    made: Sequence[PastGeneration | None] = ()
    listed: Sequence[Listed] = ()
    generations: Sequence[PastGeneration] = field(default_factory=list)

    def is_of(self, made: Sequence[PastGeneration | None], listed: Sequence[Listed]) -> bool:
        """Whether nothing has changed."""
        same = len(listed) == len(self.listed) and all(a is b for a, b in zip(listed, self.listed, strict=True))
        return same and made is self.made


class GenerationHistory:
    """The generations of one account."""

    def __init__(self, store: Store, account: str, lists: Sequence[PastList], saver: ResultSaver) -> None:
        self._entries = PaidEntries(store, account, MAX_ENTRIES, _made_here)
        self._lists = lists
        self._saver = saver
        self._every = _Every()

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
            entries = await self._entries.newest()
        except StorageError:
            return []
        made = [past for past in entries if past and past.status == "ready" and past.task_id]
        return await self._saver.never_saved([past.task_id for past in made if past.created_at >= since * 1000])

    async def find(self, wanted: Wanted) -> Found:
        """Every generation that fits.

        Raises:
            KlingError: Kling could not be read, and the journal has nothing.
        """
        listed, errors = await self._listed()
        entries: Sequence[PastGeneration | None] = ()
        try:
            entries = await self._entries.newest()
        except StorageError as error:
            errors.append(error)
        if errors and not listed and not entries:
            raise errors[0]
        if not self._every.is_of(entries, listed):
            self._every = _Every(entries, listed, _in_order(entries, listed))
        every = self._every.generations
        hits = _fitting(every, wanted)
        is_whole = not errors and all(one.is_whole for one in listed) and len(entries) < MAX_ENTRIES
        return Found(hits, errors, is_whole, len(every), await self._saver.recorded({hit.task_id for hit in hits}))

    async def with_files(self, page: Sequence[PastGeneration]) -> list[PastGeneration]:
        """The same with their files."""
        rows = await self._saver.look(
            [
                (
                    [link.result for link in past.links],
                    Description(kind=past.product, task_id=past.task_id, updated_at=past.updated_at),
                )
                for past in page
            ]
        )
        return [replace(past, files=tuple(files)) for past, files in zip(page, rows, strict=True)]

    async def _listed(self) -> tuple[list[Listed], list[KlingError]]:
        read: dict[int, Listed] = {}
        errors: list[KlingError] = []

        async def fill(place: int, one: PastList) -> None:
            try:
                read[place] = await one.read()
            except KlingError as error:
                errors.append(error)

        async with anyio.create_task_group() as group:
            for place, one in enumerate(self._lists):
                group.start_soon(fill, place, one)
        return [read[place] for place in sorted(read)], errors


def _made_here(entry: JournalEntry) -> PastGeneration | None:
    """None for a voice, which costs something, too."""
    return None if entry.kind == VOICE else of_entry(entry)


def _in_order(entries: Sequence[PastGeneration | None], listed: Sequence[Listed]) -> Sequence[PastGeneration]:
    """What was made here, each with Kling's record if there is one, and what was made elsewhere; newest first."""
    tasks = {name: past for one in listed for name, past in one.by_name.items()}
    every: list[PastGeneration] = []
    ours = set()
    for made in entries:
        if made is None:
            continue
        task = tasks.get(made.task_id or made.external_task_id)
        ours.add(task.task_id if task else "")
        every.append(joined(made, task) if task else made)
    for one in listed:
        every += [row.past for row in one.rows if row.is_generation and row.past.task_id not in ours]
    return sorted(every, key=lambda past: past.place, reverse=True)


def _fitting(every: Sequence[PastGeneration], wanted: Wanted) -> Sequence[PastGeneration]:
    hits = every
    if wanted.product:
        hits = [past for past in hits if past.product == wanted.product]
    if wanted.status:
        hits = [past for past in hits if past.status == wanted.status]
    if element := fold(wanted.element).strip():
        hits = [past for past in hits if _has_element(past, element, wanted.element.strip())]
    if query := wanted.query.strip():
        words = fold(query).split()
        hits = [
            past
            for past in hits
            if (past.words and all(word in past.words for word in words))
            or query in (past.task_id, past.external_task_id)
        ]
    return hits


def _has_element(past: PastGeneration, folded: str, element_id: str) -> bool:
    return any(used == element_id or fold(name) == folded for used, name in past.memo.elements)
