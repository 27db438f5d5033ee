"""The library of one account: its own and the official elements, found by words, ids and names.

It syncs with Kling's lists, answers from its catalogue, and records what this server creates and deletes.
It announces changes that this server sees first to other replicas; their announcements make it ask Kling.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import anyio

from kling_mcp.errors import KlingError, StorageError
from kling_mcp.library.catalogue import Filters, SearchPage
from kling_mcp.library.doubts import DeletionDoubts
from kling_mcp.library.from_kling import records_of
from kling_mcp.library.list_sync import ListSync
from kling_mcp.library.record_codec import key_of
from kling_mcp.library.resolve import ResolvedElement, choose_by_id, choose_by_name, not_found
from kling_mcp.sanitize import as_shown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from kling_mcp.api.client import KlingClient
    from kling_mcp.api.models import ElementTask
    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.library.catalogue import Position
    from kling_mcp.library.list_sync import SyncStatus
    from kling_mcp.library.records import LibraryElement, Source, Submitted
    from kling_mcp.library.sqlite.catalogue import SqliteCatalogue
    from kling_mcp.store.change import ChangeKind

logger = logging.getLogger(__name__)

EVERYWHERE: tuple[Source, ...] = ("custom", "preset")
NEAR_NAMES = 5
USABLE = Filters(statuses=("ready",))
# Before "not found", a list is read again in full unless that happened this recently. Long lists are not, because
# that takes minutes and their first page was just read.
FRESH_TTL_SECONDS: dict[Source, float] = {"custom": 30.0, "preset": 3600.0}
SURELY_READ_UP_TO = 4000
WRITTEN_TTL_SECONDS = 30.0  # after that, another process may have changed the index
MAX_WRITTEN = 1000
MANY_DOUBTS = 5  # from this many on, a page of the list is read first: it settles most of them


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """Results, and the sync status of their lists."""

    page: SearchPage
    sync: tuple[SyncStatus, ...]

    @property
    def is_complete(self) -> bool:
        """Whether everything that Kling showed is included."""
        return all(status.is_complete for status in self.sync)


@dataclass(frozen=True, slots=True)
class NamedElement:
    """A record, and which of several names was its own."""

    name: str
    record: ResolvedElement


class Library:
    """See the module. Every method may raise `StorageError`; those that read from Kling any `KlingError`."""

    def __init__(
        self,
        client: KlingClient,
        catalogue: SqliteCatalogue,
        clock: Clock,
        *,
        submitted: Callable[[Sequence[LibraryElement]], Awaitable[Mapping[str, Submitted]]] | None = None,
        announce: Callable[[ChangeKind, str], None] | None = None,
    ) -> None:
        """
        Args:
            submitted: what creations from this server asked for of these records, by task id; never fails.
            announce: announces changes to other replicas; neither waits nor fails. None if there are none.
        """
        self.catalogue = catalogue
        self._clock = clock
        self._submitted = submitted
        self._announce = announce
        self._doubts = DeletionDoubts(client.get_task, catalogue, clock)
        self._written: dict[str, tuple[LibraryElement, float]] = {}  # with the time on the monotonic clock
        self._syncs: dict[Source, ListSync] = {
            "custom": ListSync("custom", client.list_elements, catalogue, clock, self._fill_in),
            "preset": ListSync("preset", client.list_preset_elements, catalogue, clock),
        }

    async def search(self, text: str, filters: Filters, limit: int, after: Position | None = None) -> SearchAnswer:
        """A page of results. Only a first page asks Kling, and only for stale data.

        Raises:
            KlingError: no list could be read, now or ever.
        """
        sources = filters.sources or EVERYWHERE
        statuses = await (self.refresh(sources) if after is None else self.sync_status(sources))
        page = await self.catalogue.search(text, filters, limit, after)
        if text.strip() and after is None and (not page.total or page.spelling != "exact"):
            statuses = await self._make_sure(sources, statuses)
            page = await self.catalogue.search(text, filters, limit)
        return SearchAnswer(page, statuses)

    async def resolve(self, name_or_id: str) -> LibraryElement:
        """The one record with this name (as it is shown), element id, task id or external task id.

        An id wins over a name. Of several records with one name, the only ready one is returned; if none is ready, the
        only one with another status, so check `status` before using it.

        Raises:
            NotFoundError: no match, even after reading the library again; its candidates are similar names.
            AmbiguousNameError: several ready elements have the name; its candidates list them.
        """
        return (await self.match(name_or_id)).element

    async def match(self, name_or_id: str) -> ResolvedElement:
        """The record, and what matched: the name or which id.

        Raises:
            NotFoundError, AmbiguousNameError: as `resolve` does.
            KlingError: it is not known here, and no list could be read.
        """
        return (await self.match_first((name_or_id,))).record

    async def match_first(self, names: Sequence[str]) -> NamedElement:
        """The record of the first of these names or ids that exists, for a name that may end in several places.

        Raises:
            NotFoundError, AmbiguousNameError: as `resolve` does.
            KlingError: it is not known here, and no list could be read.
        """
        failure: KlingError | None = None
        statuses: tuple[SyncStatus, ...] = ()
        try:
            statuses = await self.refresh()
        except KlingError as error:
            failure = error
        found = await self._first_known(names)
        if found is None and failure is not None:
            raise failure
        if found is None:
            statuses = await self._make_sure(EVERYWHERE, statuses)
            found = await self._first_known(names)
        if found is None:
            near = await self.catalogue.near(names[-1], USABLE, NEAR_NAMES)
            raise not_found(names[-1], near, is_complete=all(status.is_complete for status in statuses))
        return found

    async def records_of(self, tasks: Iterable[ElementTask]) -> list[LibraryElement]:
        """The records of the account's own tasks, completed with what was submitted from here. Never fails."""
        return await self._fill_in([record for task in tasks for record in records_of(task, "custom")])

    async def known_by_id(self, any_id: str) -> ResolvedElement | None:
        """The local record with this id; nothing is sent."""
        return choose_by_id(any_id, await self.catalogue.with_id(any_id))

    async def refresh(
        self, sources: Iterable[Source] = EVERYWHERE, *, head_age: float | None = None
    ) -> tuple[SyncStatus, ...]:
        """Refresh lists in parallel.

        Raises:
            AuthError, ClockError: the credentials are not accepted.
            KlingError: no list could be read, now or ever.
        """
        sources = tuple(sources)
        if len(self._doubts) >= MANY_DOUBTS:
            self.invalidate()
        conditions = _usable(await self._sync_all(sources, dict.fromkeys(EVERYWHERE), head_age))
        if "custom" in sources:
            await self._doubts.settle()
        return conditions

    async def sync_status(self, sources: Iterable[Source]) -> tuple[SyncStatus, ...]:
        """The sync status of the lists; nothing is sent."""
        return tuple([await self._syncs[source].status() for source in sources])

    def invalidate(self) -> None:
        """Something changed: read the first page again at the next question."""
        self._syncs["custom"].invalidate()

    def doubt(self, element_id: str) -> None:
        """This element may have been deleted elsewhere: ask Kling at the next question."""
        self._doubts.add(element_id)

    async def record_results(
        self, tasks: Iterable[ElementTask], submitted: Mapping[str, Submitted] | None = None
    ) -> None:
        """Record what was just seen of the account's own tasks.

        Never fails: what is not recorded now is read again later.

        Args:
            submitted: what the journal knows of them; None asks it.
        """
        records = await self._fill_in([record for task in tasks for record in records_of(task, "custom")], submitted)
        records = self._not_just_written(records)
        changes = await self._changes_in(records) if self._announce else []
        await self._write(records)
        for kind, subject_id in changes:
            self._tell_others(kind, subject_id)

    def deletion_unclear(self, element_id: str) -> None:
        """A deletion was sent and its outcome is unknown: at the next question, all replicas ask Kling."""
        self.doubt(element_id)
        self._tell_others("deletion", element_id)

    async def deleted(self, element_id: str) -> None:
        """An element of the account was just deleted. Never fails."""
        self._tell_others("deletion", element_id)
        try:
            known = await self.catalogue.with_id(element_id)
        except StorageError as error:
            logger.warning("The deletion could not be recorded in the library's index: %s", error.message)
            return
        own = [record for record in known if record.element_id == element_id and record.source == "custom"]
        await self._write([replace(record, status="deleted") for record in own])
        self.invalidate()

    def close(self) -> None:
        """Close the index file."""
        self.catalogue.close()

    # ---- inside

    async def _first_known(self, names: Sequence[str]) -> NamedElement | None:
        for name in names:
            if found := await self._known(name):
                return NamedElement(name, found)
        return None

    async def _known(self, name_or_id: str) -> ResolvedElement | None:
        """By id as given or as it is shown, otherwise by name."""
        for any_id in dict.fromkeys((name_or_id, as_shown(name_or_id))):
            if found := await self.known_by_id(any_id):
                return found
        return choose_by_name(name_or_id, await self.catalogue.with_name(name_or_id))

    async def _make_sure(self, sources: tuple[Source, ...], before: tuple[SyncStatus, ...]) -> tuple[SyncStatus, ...]:
        """Read short lists again in full, unless that was just done."""
        counts = await self.catalogue.census()
        ages = {
            source: FRESH_TTL_SECONDS[source] if counts.of(source) <= SURELY_READ_UP_TO else None
            for source in EVERYWHERE
        }
        if all(ages[source] is None for source in sources):
            return before
        return _usable(await self._sync_all(sources, ages, None))

    async def _sync_all(
        self, sources: tuple[Source, ...], whole_ages: dict[Source, float | None], head_age: float | None
    ) -> list[SyncStatus]:
        results: dict[Source, SyncStatus | KlingError] = {}

        async def refresh(source: Source) -> None:
            try:
                results[source] = await self._syncs[source].refresh(head_age=head_age, whole_age=whole_ages[source])
            except KlingError as error:
                results[source] = error

        async with anyio.create_task_group() as group:
            for source in sources:
                group.start_soon(refresh, source)
        statuses: list[SyncStatus] = []
        for source in sources:
            result = results[source]
            if isinstance(result, KlingError):
                raise result
            statuses.append(result)
        return statuses

    def _tell_others(self, kind: ChangeKind, subject_id: str) -> None:
        if self._announce is not None:
            self._announce(kind, subject_id)

    async def _changes_in(self, records: list[LibraryElement]) -> set[tuple[ChangeKind, str]]:
        """The changes that are new to this index, and so to other replicas: a new record, or a new status.

        Without this check, each poll of a task would make every replica read its list again.
        """
        changes: set[tuple[ChangeKind, str]] = set()
        for record in records:
            known: list[LibraryElement] = []
            with suppress(StorageError):  # then it counts as new
                known = await self.catalogue.with_id(record.element_id or record.task_id)
            if not any((old.element_id, old.status) == (record.element_id, record.status) for old in known):
                is_gone = record.status == "deleted"
                changes.add(("deletion", record.element_id) if is_gone else ("task", record.task_id))
        return changes

    async def _fill_in(
        self, records: list[LibraryElement], submitted: Mapping[str, Submitted] | None = None
    ) -> list[LibraryElement]:
        """Own records, completed with what the journal knows and Kling does not show."""
        if submitted is None and self._submitted is not None:
            submitted = await self._submitted(records)
        if not submitted:
            return records
        known = [(record, submitted.get(record.task_id)) for record in records]
        return [asked.fill_in(record) if asked else record for record, asked in known]

    def _not_just_written(self, records: list[LibraryElement]) -> list[LibraryElement]:
        """Without those that were written like this a moment ago: agents look at one task again and again."""
        unchanged_since = self._clock.monotonic() - WRITTEN_TTL_SECONDS
        written = ((record, self._written.get(key_of(record))) for record in records)
        return [record for record, last in written if last is None or last[0] != record or last[1] < unchanged_since]

    async def _write(self, records: list[LibraryElement]) -> None:
        if not records:
            return
        try:
            await self.catalogue.put(records, now=self._clock.wall())
        except StorageError as error:
            logger.warning("The library's index could not be updated: %s", error.message)
            return
        if len(self._written) > MAX_WRITTEN:
            self._written.clear()
        self._written |= {key_of(record): (record, self._clock.monotonic()) for record in records}


def _usable(statuses: list[SyncStatus]) -> tuple[SyncStatus, ...]:
    """The states, if at least one list was ever read.

    Raises:
        KlingError: why none of them could be.
    """
    failures = [status.failure for status in statuses if status.is_blank]
    if failures and len(failures) == len(statuses) and failures[0] is not None:
        raise failures[0]
    return tuple(statuses)
