"""Sends one claimed creation: wait for a place, send, and look before sending again.

Whoever calls holds the entry's lease. Whatever happens here, cancellation included, the journal says afterwards
whether the entry may be sent, must be looked for, or is done.

Two things no client can know, and they matter only if Kling accepts a used external_task_id once more (fact:
msg-external-id-used). It is assumed that Kling carries out a request within the SETTLES_AFTER_* seconds that follow
the last sign of it, or never; and that this process does not stand still for longer than its lease between writing
down that it sends and sending, while another process works. `tests/never_twice/misfortunes.py` holds both as data.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, NoReturn

import anyio

from kling_mcp.api.client import is_external_id_used
from kling_mcp.concurrency.shutdown import Shutdown
from kling_mcp.errors import (
    BusyError,
    InputError,
    KlingError,
    LimitError,
    RateLimitError,
    RequestError,
    StorageError,
    UnknownOutcomeError,
)
from kling_mcp.sanitize import quote
from kling_mcp.tasks.entry import SETTLES_AFTER_DESERTION, external_id_conflict, mark_unclear, names_other_content

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from kling_mcp.api.client import KlingClient
    from kling_mcp.api.models import ElementTask
    from kling_mcp.api.throttle import CreateGate
    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.tasks.entry import JournalEntry
    from kling_mcp.tasks.journal import Journal
    from kling_mcp.tasks.lookup import LookupResult, TaskLookup

Outcome = Literal["submitted", "already_submitted", "recovered"]

POSTS_PER_CALL = 3
INITIAL_LOOKUP_DELAY, MAX_LOOKUP_DELAY = 1.0, 8.0
# How long after the last sign of it a request may still be at work at Kling.
SETTLES_AFTER_BREAK = 10.0
SETTLES_AFTER_SILENCE = 60.0

NOT_WRITTEN = "The task exists, but the state folder could not be written: do not create it again."


@dataclass(slots=True)
class Attempt:
    """One call's work on one entry. `guard` is asked once before anything is sent; it refuses with a KlingError."""

    entry: JournalEntry
    body: Mapping[str, object]
    deadline: float  # monotonic
    guard: Callable[[Attempt], Awaitable[None]]
    outcome: Outcome = "submitted"
    posts: int = 0
    warnings: list[str] = field(default_factory=list)


class AttemptRunner:
    """Brings a claimed entry to a task, or to an error that says what is known."""

    def __init__(
        self,
        client: KlingClient,
        journal: Journal,
        searcher: TaskLookup,
        gate: CreateGate,
        clock: Clock,
        *,
        shutdown: Shutdown | None = None,
    ) -> None:
        """When the end of the server begins (`shutdown`), no call has any time left."""
        self._client = client
        self._journal = journal
        self._searcher = searcher
        self._gate = gate
        self._clock = clock
        self._shutdown = shutdown or Shutdown()

    async def run(self, attempt: Attempt, *, look_first: bool) -> ElementTask:
        """The task of the entry.

        Raises:
            UnknownOutcomeError, ServerError: the time ran out before it was known.
            OvertakenError: this call was out of action for so long that another one holds the entry.
            KlingError: nothing was created.
        """
        try:
            unknown: KlingError | None = _still_unknown(attempt.entry) if look_first else None
            while True:
                if unknown is not None:
                    task = await self._look(attempt, unknown)
                    if task is not None:
                        return task
                if attempt.posts == 0:
                    await self._check(attempt)
                task, unknown = await self._send(attempt)
                if task is not None:
                    return task
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True), suppress(StorageError):
                await self._abandon(attempt.entry)
            raise

    async def _abandon(self, entry: JournalEntry) -> None:
        if entry.state == "sending":
            entry = mark_unclear(entry, "the caller gave up", self._clock.wall() + SETTLES_AFTER_DESERTION)
        await self._journal.release(entry)

    async def _check(self, attempt: Attempt) -> None:
        try:
            await attempt.guard(attempt)
        except KlingError as refusal:
            await self._refuse(attempt, refusal)

    async def _send(self, attempt: Attempt) -> tuple[ElementTask | None, KlingError | None]:
        """The task, or the error that leaves its existence open.

        Raises:
            KlingError: nothing was created, and the journal says so.
        """
        async with self._slot(attempt):
            while True:
                await self._wait_until_open(attempt)
                try:
                    return await self._post(attempt), None
                except (BusyError, RateLimitError) as busy:  # fact: slots-refused
                    self._gate.was_busy(busy.retry_after)
                    attempt.entry = replace(attempt.entry, state="claimed", sent_at=0.0)  # as if it had not been
                    if self._gate.opens_in() > self._time_left(attempt):
                        await self._refuse(attempt, busy)
                except KlingError as failure:
                    return await self._classify_failure(attempt, failure)

    async def _post(self, attempt: Attempt) -> ElementTask:
        attempt.entry = await self._journal.mark_sending(attempt.entry)
        attempt.posts += 1
        task = await self._client.create_element(attempt.body, external_task_id=attempt.entry.external_task_id)
        self._gate.was_accepted()
        return await self._accept(attempt, task)

    async def _classify_failure(
        self, attempt: Attempt, failure: KlingError
    ) -> tuple[ElementTask | None, KlingError | None]:
        """What a failed request leaves: a task all the same, an open question, or nothing."""
        if isinstance(failure, RequestError) and is_external_id_used(failure):
            return await self._adopt_existing(attempt, failure), None
        if failure.created == "no":
            await self._refuse(attempt, failure)
        attempt.entry = mark_unclear(
            attempt.entry, failure.last_line(), self._clock.wall() + _settling_seconds(failure)
        )
        if attempt.posts >= POSTS_PER_CALL or self._time_left(attempt) <= 0:
            await self._give_up(attempt, failure)
        # A folder that fails just now leaves the entry as "sending", which is looked for in the same way.
        with suppress(StorageError):
            await self._journal.save(attempt.entry)
        return None, failure

    async def _adopt_existing(self, attempt: Attempt, failure: RequestError) -> ElementTask:
        """Kling refuses the id because a task has it, so the task exists. fact: msg-external-id-used"""
        finding = await self._searcher.search(attempt.entry)
        if finding.task is None:
            attempt.entry = mark_unclear(attempt.entry, "the id is in use", self._clock.wall())
            await self._give_up(attempt, _used_but_unseen(attempt.entry, failure, finding))
        first_try = attempt.posts == 1 and attempt.outcome == "submitted"
        attempt.outcome = "already_submitted" if first_try else "recovered"
        return await self._adopt(attempt, finding.task)

    async def _look(self, attempt: Attempt, unknown: KlingError) -> ElementTask | None:
        """The lost task, or None once it surely does not exist.

        Raises:
            KlingError: `unknown`, when the time is over and nobody can say.
        """
        attempt.outcome = "recovered"
        pause = INITIAL_LOOKUP_DELAY
        while True:
            finding = await self._searcher.search(attempt.entry)
            if finding.task is not None:
                return await self._adopt(attempt, finding.task)
            settles_in = attempt.entry.settles_at - self._clock.wall()
            if finding.is_absent and settles_in <= 0:
                attempt.outcome = "submitted"
                return None
            if self._time_left(attempt) <= 0:
                await self._give_up(attempt, unknown)
            await self._shutdown.sleep(self._clock, min(pause, self._time_left(attempt)))
            pause = min(MAX_LOOKUP_DELAY, pause * 2)

    async def _adopt(self, attempt: Attempt, task: ElementTask) -> ElementTask:
        if names_other_content(attempt.entry, task):
            other = replace(attempt.entry, label=task.elements[0].element_name)
            await self._refuse(attempt, InputError([external_id_conflict(other)]))
        return await self._accept(attempt, task)

    async def _accept(self, attempt: Attempt, task: ElementTask) -> ElementTask:
        try:
            attempt.entry = await self._journal.mark_accepted(attempt.entry, task.task_id)
        except StorageError:
            attempt.warnings.append(NOT_WRITTEN)
        return task

    async def _refuse(self, attempt: Attempt, failure: KlingError) -> NoReturn:
        with suppress(StorageError):
            await self._journal.mark_refused(attempt.entry, failure.last_line())
        raise failure

    async def _give_up(self, attempt: Attempt, unknown: KlingError) -> NoReturn:
        with suppress(StorageError):
            await self._journal.release(attempt.entry)
        raise unknown

    @asynccontextmanager
    async def _slot(self, attempt: Attempt) -> AsyncIterator[None]:
        with self._shutdown.move_on_after(max(0.0, self._time_left(attempt))) as scope:
            try:
                await self._gate.enter()
            except LimitError as full:
                await self._refuse(attempt, full)
        if scope.cancelled_caught:
            await self._refuse(attempt, _no_place(self._shutdown))
        try:
            yield
        finally:
            self._gate.leave()

    async def _wait_until_open(self, attempt: Attempt) -> None:
        while (pause := self._gate.opens_in()) > 0:
            if pause > self._time_left(attempt):
                await self._refuse(attempt, _no_place(self._shutdown))
            await self._shutdown.sleep(self._clock, pause)

    def _time_left(self, attempt: Attempt) -> float:
        return 0.0 if self._shutdown.is_started else attempt.deadline - self._clock.monotonic()


def _settling_seconds(failure: KlingError) -> float:
    """How long the request may still be at work. fact: retry-create"""
    silent = isinstance(failure, UnknownOutcomeError) and failure.still_at_work
    return SETTLES_AFTER_SILENCE if silent or failure.code == 5002 else SETTLES_AFTER_BREAK


def _no_place(shutdown: Shutdown) -> LimitError:
    if shutdown.is_started:
        return LimitError(
            "The server is about to end, and this creation was not sent any more.",
            kind="busy",
            advice="Call again with the same arguments in a moment.",
        )
    return LimitError(
        "Other creations were in front of this one for as long as this call could wait.",
        kind="busy",
        advice="Call again with the same arguments, or with a longer wait_seconds.",
    )


def _still_unknown(entry: JournalEntry) -> UnknownOutcomeError:
    name = entry.external_task_id
    return UnknownOutcomeError(
        f"An earlier creation of {quote(entry.label, 40)} was sent, its answer was lost, and Kling does not "
        "show its task yet.",
        external_task_id=name,
        advice=f"Repeat the same call later, or call get_element with id={name} (its external_task_id).",
    )


def _used_but_unseen(entry: JournalEntry, failure: RequestError, finding: LookupResult) -> UnknownOutcomeError:
    return UnknownOutcomeError(
        f"Kling says that the external_task_id {entry.external_task_id} is in use, but does not show its task"
        f"{f' ({finding.reason})' if finding.reason else ''}.",
        external_task_id=entry.external_task_id,
        code=failure.code,
        request_id=failure.request_id,
        advice=f"Call get_element with id={entry.external_task_id} later, or look through list_elements.",
    )
