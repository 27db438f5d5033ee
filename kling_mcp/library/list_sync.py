"""Syncs Kling's list of elements into the catalogue, and knows how fresh and complete the result is.

A search should send no request, so lists are read rarely: all pages at first and after some time, in limited
portions; the first page, where new entries probably appear, more often. The order of the list is not guaranteed
(list-order-unknown): it affects how soon something new is seen, never whether.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import anyio

from kling_mcp.errors import AuthError, ClockError, KlingError
from kling_mcp.library.from_kling import records_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kling_mcp.api.models import ElementTask
    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.library.catalogue import SyncProgress
    from kling_mcp.library.records import LibraryElement, Source
    from kling_mcp.library.sqlite.catalogue import SqliteCatalogue

    ReadPage = Callable[[int, int], Awaitable[list[ElementTask]]]
    FillIn = Callable[[list[LibraryElement]], Awaitable[list[LibraryElement]]]

PAGE_SIZE, LAST_PAGE = 500, 1000  # fact: list-range
PAGES_AT_ONCE = 4
MAX_HEAD_PAGES = 20
FAILURES_IN_A_ROW = 2  # after so many, the page is not to blame

FULL_SYNC_TTL_SECONDS: dict[Source, float] = {"custom": 600.0, "preset": 86_400.0}
FIRST_PAGE_TTL_SECONDS: dict[Source, float] = {"custom": 30.0, "preset": 86_400.0}
FIRST_PAGE_TTL_SECONDS_WHILE_PENDING = 2.0
PENDING_MATTERS_SECONDS = 1800.0  # fact: poll (10 to 15 minutes in all), doubled
BEHIND_AFTER = 3.0  # times the full-sync interval
RETRY_SECONDS = 10.0  # after a failure, before the next attempt
FIRST_PORTION_SECONDS = 30.0  # below the time-outs of common clients
LATER_PORTION_SECONDS = 4.0
PORTION_REST_SECONDS = 30.0  # between portions of a very long library


@dataclass(frozen=True, slots=True)
class SyncStatus:
    """The state of one list's records at a moment, in seconds since 1970.

    `failure` is why the last sync stopped, or None.
    """

    source: Source
    progress: SyncProgress
    failure: KlingError | None = None
    told_at: float = 0.0

    @property
    def is_behind(self) -> bool:
        """Whether the last full sync is long ago, so that changes to old entries may be unknown."""
        longest = BEHIND_AFTER * FULL_SYNC_TTL_SECONDS[self.source]
        return not self.is_first_reading and self.told_at - self.progress.completed_at > longest

    @property
    def is_complete(self) -> bool:
        """Whether everything that Kling showed is stored."""
        state = self.progress
        is_in_doubt = state.failed_pages or state.is_cut or state.is_doubtful or state.unreadable
        return bool(state.completed_at) and not self.failure and not is_in_doubt

    @property
    def is_first_reading(self) -> bool:
        """Whether the first sync is unfinished; the next question continues it."""
        return not self.progress.completed_at

    @property
    def is_blank(self) -> bool:
        """Whether nothing has ever been read."""
        return self.failure is not None and self.is_first_reading and self.progress.next_page <= 1


class ListSync:
    """The sync of one list of one account. Concurrent callers wait and share the result."""

    def __init__(
        self,
        source: Source,
        read_page: ReadPage,
        catalogue: SqliteCatalogue,
        clock: Clock,
        fill_in: FillIn | None = None,
    ) -> None:
        """`fill_in` adds to records what this server knows and Kling does not show."""
        self._source: Source = source
        self._fill_in = fill_in
        self._read_page = read_page
        self._catalogue = catalogue
        self._clock = clock
        self._lock = anyio.Lock()
        self._failure: KlingError | None = None
        # Counted, because a change during the reading of the first page may not be on it.
        self._events = 0
        self._events_read = 0
        self._portion_ended_at = -PORTION_REST_SECONDS
        self._settled: SyncStatus | None = None
        self._settled_at = 0.0

    def invalidate(self) -> None:
        """Something changed: read the first page again at the next question."""
        self._events += 1

    @property
    def _expects_news(self) -> bool:
        return self._events != self._events_read

    async def refresh(self, *, head_age: float | None = None, whole_age: float | None = None) -> SyncStatus:
        """Read whatever is stale. The returned status says what could not be read.

        Args:
            head_age: how old the first page may be, in seconds.
            whole_age: how old the last full sync may be.

        Raises:
            AuthError, ClockError: the credentials are not accepted.
        """
        async with self._lock:
            if self._settled is not None and self._is_nothing_due(head_age, whole_age):
                return self._settled
            progress = await self._catalogue.progress(self._source)
            if not self._must_rest(progress):
                self._failure = None
                progress = await self._read_what_is_due(progress, head_age, whole_age)
            status = self._status(progress)
            self._settled = status if status.is_complete else None
            self._settled_at = self._clock.monotonic()
            return status

    def _is_nothing_due(self, head_age: float | None, whole_age: float | None) -> bool:
        """Whether everything was fresh a moment ago, so that a burst of questions checks only once."""
        is_usual = whole_age is None and (head_age is None or head_age >= FIRST_PAGE_TTL_SECONDS[self._source])
        is_lately = self._clock.monotonic() - self._settled_at < FIRST_PAGE_TTL_SECONDS_WHILE_PENDING
        return is_usual and is_lately and not self._expects_news

    async def status(self) -> SyncStatus:
        """The sync status of the list; nothing is sent."""
        return self._status(await self._catalogue.progress(self._source))

    def _status(self, progress: SyncProgress) -> SyncStatus:
        return SyncStatus(self._source, progress, self._failure, self._clock.wall())

    def _must_rest(self, progress: SyncProgress) -> bool:
        """Whether the last failure is too recent to try again."""
        return self._failure is not None and _is_within(RETRY_SECONDS, progress.failed_at, self._clock.wall())

    async def _read_what_is_due(
        self, progress: SyncProgress, head_age: float | None, whole_age: float | None
    ) -> SyncProgress:
        if not progress.completed_at:
            return await self._sync_pages(progress, FIRST_PORTION_SECONDS, at_once=PAGES_AT_ONCE)
        now = self._clock.wall()
        if progress.failed_pages and not progress.next_page:
            progress = await self._reread_failed_pages(progress)
        oldest_head = await self._oldest_head(FIRST_PAGE_TTL_SECONDS[self._source] if head_age is None else head_age)
        if self._failure is None and (self._expects_news or not _is_within(oldest_head, progress.first_page_at, now)):
            progress = await self._keep(await self._read_head(progress))
        if self._failure is None and self._is_walk_due(progress, whole_age, now):
            progress = await self._sync_pages(progress, LATER_PORTION_SECONDS, at_once=1)
            self._portion_ended_at = self._clock.monotonic()
        return progress

    def _is_walk_due(self, progress: SyncProgress, whole_age: float | None, now: float) -> bool:
        """A new walk if the last one is old; the next portion of a walk after a rest, or on request."""
        if progress.next_page and whole_age is None:
            return self._clock.monotonic() - self._portion_ended_at >= PORTION_REST_SECONDS
        oldest = FULL_SYNC_TTL_SECONDS[self._source] if whole_age is None else whole_age
        return bool(progress.next_page) or progress.is_doubtful or not _is_within(oldest, progress.completed_at, now)

    async def _oldest_head(self, asked: float) -> float:
        """While a task runs, the first page must be fresher."""
        if self._source == "preset":
            return asked
        pending_since = await self._catalogue.newest_pending_ms() / 1000
        waits = _is_within(PENDING_MATTERS_SECONDS, pending_since, self._clock.wall())
        return min(asked, FIRST_PAGE_TTL_SECONDS_WHILE_PENDING) if waits else asked

    # ---- single pages

    async def _read_head(self, progress: SyncProgress) -> SyncProgress:
        """Read pages from the first one, as long as everything on a page is new."""
        for page_num in range(1, MAX_HEAD_PAGES + 1):
            now, events = self._clock.wall(), self._events
            page, added = await self._read(page_num, progress)
            if page is None:
                return self._failed(progress)
            if page_num == 1:
                self._events_read = events
                progress = replace(progress, first_page_at=now)
            if added < PAGE_SIZE:
                break
        return progress

    async def _reread_failed_pages(self, progress: SyncProgress) -> SyncProgress:
        """Retry pages that could not be read, until the first failure."""
        for page_num in progress.failed_pages:
            page, _ = await self._read(page_num, progress)
            if page is None:
                progress = self._failed(progress)
                break
            progress = replace(
                progress,
                failed_pages=tuple(failed_page for failed_page in progress.failed_pages if failed_page != page_num),
            )
        return await self._keep(progress)

    async def _read(self, page_num: int, progress: SyncProgress) -> tuple[list[ElementTask] | None, int]:
        """A page, stored, and how much of it was new; None if it could not be read."""
        reply = await self._ask(page_num)
        if isinstance(reply, KlingError):
            self._note_failure(reply)
            return None, 0
        return reply, await self._take_in(reply, progress)

    async def _ask(self, page_num: int) -> list[ElementTask] | KlingError:
        try:
            return await self._read_page(page_num, PAGE_SIZE)
        except KlingError as error:
            return error

    async def _take_in(self, page: list[ElementTask], progress: SyncProgress) -> int:
        records = [record for task in page for record in records_of(task, self._source)]
        if self._fill_in is not None:
            records = await self._fill_in(records)
        return await self._catalogue.put(records, now=self._clock.wall(), walk=progress.began_at)

    def _note_failure(self, error: KlingError) -> None:
        """Remember the failure; rejected credentials are raised at once."""
        if isinstance(error, AuthError | ClockError):
            raise error
        self._failure = error

    def _failed(self, progress: SyncProgress) -> SyncProgress:
        return replace(progress, failed_at=self._clock.wall())

    async def _keep(self, progress: SyncProgress) -> SyncProgress:
        await self._catalogue.keep_progress(self._source, progress)
        return progress

    # ---- the walk through all pages

    async def _sync_pages(self, progress: SyncProgress, seconds: float, *, at_once: int) -> SyncProgress:
        """Continue after the last portion, or start over; stop at the end of the list or of the time."""
        if begins := not progress.next_page:
            progress = replace(progress, began_at=self._clock.wall(), next_page=1, failed_pages=(), unreadable=0)
        deadline = self._clock.monotonic() + seconds
        was_wide = False
        while True:
            width = max(1, min(at_once, progress.next_page - 1))  # most libraries have one page, so start with one
            pages = range(progress.next_page, min(progress.next_page + width, LAST_PAGE + 1))
            was_wide = was_wide or len(pages) > 1
            progress, at_end = await self._read_window(progress, pages, begins=begins)
            begins = False
            if at_end or progress.next_page > LAST_PAGE:
                return await self._complete(progress, is_cut=not at_end, was_wide=was_wide)
            if (failed := _failed_in_a_row(progress)) >= FAILURES_IN_A_ROW:
                failed_pages = progress.failed_pages[:-failed]
                return await self._keep(
                    replace(progress, next_page=progress.next_page - failed, failed_pages=failed_pages)
                )
            await self._keep(progress)
            if self._clock.monotonic() >= deadline:
                return progress

    async def _read_window(self, progress: SyncProgress, pages: range, *, begins: bool) -> tuple[SyncProgress, bool]:
        """Read a few pages in parallel and store them in order; returns whether one of them was the last.

        A new walk is recorded after its first page, so that a rejected credential leaves nothing behind.
        """
        replies: dict[int, list[ElementTask] | KlingError] = {}
        events = self._events

        async def read(page_num: int) -> None:
            replies[page_num] = await self._ask(page_num)

        async with anyio.create_task_group() as group:
            for page_num in pages:
                group.start_soon(read, page_num)
        for reply in replies.values():
            if isinstance(reply, KlingError):
                self._note_failure(reply)
        if begins:
            await self._catalogue.begin_walk(self._source, progress)
        at_end = False
        for page_num in pages:
            reply = replies[page_num]
            if isinstance(reply, KlingError):
                progress = self._failed(replace(progress, failed_pages=(*progress.failed_pages, page_num)))
                continue
            await self._take_in(reply, progress)
            at_end = at_end or len(reply) < PAGE_SIZE  # fact: list-no-total
            unreadable = sum(not task.task_id and not task.elements for task in reply)
            progress = replace(progress, unreadable=progress.unreadable + unreadable)
            if page_num == 1:
                self._events_read = events
                progress = replace(progress, first_page_at=progress.began_at)
        return replace(progress, next_page=pages[-1] + 1), at_end

    async def _complete(self, progress: SyncProgress, *, is_cut: bool, was_wide: bool) -> SyncProgress:
        """All pages were requested. Pages read in parallel are reliable only if nothing was added meanwhile.

        A new entry shifts others to later pages, and one of them can slip between two pages that are read at the same
        moment. Pages read in sequence can at most show an entry twice.
        """
        page, added = await self._read(1, progress) if was_wide and not progress.failed_pages else ([], 0)
        done = replace(
            progress,
            completed_at=progress.began_at,
            next_page=0,
            is_cut=is_cut,
            is_doubtful=page is None or added > 0,
        )
        if done.failed_pages or done.is_doubtful:
            return await self._keep(done)
        await self._catalogue.end_walk(self._source, done, walk=progress.began_at)
        return done


def _is_within(seconds: float, moment: float, now: float) -> bool:
    """Whether a moment is less than that long ago; a future one is not."""
    return 0 <= now - moment < seconds


def _failed_in_a_row(progress: SyncProgress) -> int:
    """How many pages right before the next one could not be read."""
    failed = 0
    while progress.next_page - 1 - failed in progress.failed_pages:
        failed += 1
    return failed
