"""One attempt at a claimed request: wait for a slot, send, and look it up before sending again.

The attempt holds the entry's lease. Whatever happens here, even cancellation, the journal says afterwards whether the
entry may be sent, must be looked up, or is done. `in_flight` says who may cancel it, and when.

Two assumptions cannot be checked by a client; they matter only if Kling accepts a used external_task_id again (fact:
msg-external-id-used). First, Kling carries out a request within the SETTLES_AFTER_* seconds after the last sign of
it, or never. Second, between recording that it sends and sending, this process does not pause for longer than its
lease while another process works. `tests/never_twice/misfortunes.py` holds both as data.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, Literal, NoReturn

import anyio

from kling_mcp.api.client import is_external_id_used
from kling_mcp.api.request_body import Upload
from kling_mcp.concurrency.backoff import Backoff
from kling_mcp.concurrency.shutdown import Shutdown
from kling_mcp.errors import (
    ApiError,
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
from kling_mcp.tasks.entry import (
    SETTLES_AFTER_ABANDONMENT,
    SETTLES_AFTER_BREAK,
    SETTLES_AFTER_SILENCE,
    external_id_conflict,
    mark_unclear,
    names_other_content,
)
from kling_mcp.tasks.route import T
from kling_mcp.tasks.slot_queue import next_arrival, no_slot
from kling_mcp.tasks.slots import SlotsTakenError
from kling_mcp.tasks.stored_error import StoredError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping

    from kling_mcp.api.throttle import CreateGate
    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.tasks.entry import JournalEntry
    from kling_mcp.tasks.journal import Journal
    from kling_mcp.tasks.lookup import LookupResult, TaskLookup
    from kling_mcp.tasks.route import TaskRoute
    from kling_mcp.tasks.slot_queue import SlotQueue

Outcome = Literal["submitted", "already_submitted", "recovered"]

POSTS_PER_CALL = 3
INITIAL_LOOKUP_DELAY, MAX_LOOKUP_DELAY = 1.0, 8.0

NOT_RECORDED = "The task exists, but the state folder could not be written: do not create it again."


@dataclass(slots=True)
class Attempt:
    """The work on one entry, begun by one call.

    Attributes:
        deadline: on the monotonic clock; when it passes, the call reports what is known.
        check: called once before anything is sent; refuses with a KlingError, or returns the task that Kling already
            has for this request.
        is_sending: whether a request is on its way, and its outcome not yet recorded.
        upload: how much of that request has been sent.
        refusal: Kling's answer to it, if the same request would get the same answer again.
        arrival: its place among the calls that wait for slots, kept while it is sent again.
        waits_for: while it waits for slots, which are in use, such as `3 of 3 in use`; otherwise "".
    """

    entry: JournalEntry
    body: Mapping[str, object]
    deadline: float
    check: Callable[[Attempt], Awaitable[Any]]  # of the runner's kind, or None
    outcome: Outcome = "submitted"
    posts: int = 0
    warnings: list[str] = field(default_factory=list)
    is_sending: bool = False
    upload: Upload = field(default_factory=Upload)
    refusal: KlingError | None = None
    arrival: int = field(default_factory=next_arrival)
    waits_for: str = ""

    @contextmanager
    def sending(self) -> Iterator[None]:
        """The block sends a request and records its outcome."""
        self.is_sending = True
        try:
            yield
        finally:
            self.is_sending = False


@dataclass(frozen=True, slots=True)
class AttemptRunner(Generic[T]):
    """Brings a claimed entry to a task, or to an error that says what is known.

    Once `shutdown` has started, no call has any time left.
    """

    route: TaskRoute[T]
    journal: Journal
    lookup: TaskLookup[T]
    gate: CreateGate
    slots: SlotQueue[T]
    clock: Clock
    shutdown: Shutdown

    async def run(self, attempt: Attempt, *, must_look: bool) -> T:
        """The task of the entry.

        Raises:
            UnknownOutcomeError, ServerError: time ran out before the outcome was known.
            LeaseLostError: this call was suspended for so long that another one took the entry.
            KlingError: nothing was created.
        """
        try:
            unknown: KlingError | None = _still_unknown(attempt.entry) if must_look else None
            while True:
                if unknown is not None:
                    task = await self._look(attempt, unknown)
                    if task is not None:
                        return task
                if attempt.posts == 0 and (known := await self._check(attempt)) is not None:
                    attempt.outcome = "already_submitted"
                    return await self._adopt(attempt, known)
                task, unknown = await self._send(attempt)
                if task is not None:
                    return task
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True), suppress(StorageError):
                await self._abandon(attempt.entry)
            raise

    async def _abandon(self, entry: JournalEntry) -> None:
        if entry.state == "sending":
            entry = mark_unclear(entry, self.clock.steady() + SETTLES_AFTER_ABANDONMENT, "the server was stopped")
        await self.journal.release(entry)

    async def _check(self, attempt: Attempt) -> T | None:
        try:
            known: T | None = await attempt.check(attempt)
        except KlingError as refusal:
            await self._refuse(attempt, refusal)
        return known

    async def _send(self, attempt: Attempt) -> tuple[T | None, KlingError | None]:
        """The task, or the error that leaves open whether it exists.

        Raises:
            KlingError: nothing was created, and the journal says so.
        """
        while True:
            await self._wait_for_slots(attempt)
            try:
                async with self._place(attempt) as place:
                    if (outcome := await self._send_in_place(attempt, place)) is not None:
                        return outcome
            finally:
                self.slots.leave(attempt.entry, attempt.arrival)

    async def _send_in_place(self, attempt: Attempt, place: anyio.Event) -> tuple[T | None, KlingError | None] | None:
        """The outcome, or None if there are no slots for it."""
        while True:
            await self._wait_for_turn(attempt, place)
            with attempt.sending():
                try:
                    return await self._post(attempt), None
                except SlotsTakenError:
                    return None
                except (BusyError, RateLimitError) as busy:
                    if not await self._was_busy(attempt, busy):
                        return None
                except KlingError as failure:
                    return await self._classify_failure(attempt, failure)

    async def _was_busy(self, attempt: Attempt, busy: BusyError | RateLimitError) -> bool:
        """Kling did nothing (fact: slots-refused); whether to try again in this place, or to wait for slots first."""
        self.gate.was_busy(busy.retry_after)
        attempt.entry = replace(attempt.entry, state="claimed", sent_at=0.0)
        with suppress(StorageError):  # then it only seems to be on its way for a while
            await self.journal.save(attempt.entry)
        may_go_on = True
        if isinstance(busy, BusyError):
            try:
                may_go_on = await self.slots.note_refusal(attempt.entry)
            except LimitError as too_many:
                await self._refuse(attempt, too_many)
        if self.gate.opens_in() > self._time_left(attempt):
            await self._refuse(attempt, busy)
        return may_go_on

    async def _post(self, attempt: Attempt) -> T:
        has_room = self.slots.room_for(attempt.entry, attempt.arrival)
        attempt.entry = await self.journal.mark_sending(attempt.entry, has_room)
        attempt.posts += 1
        task = await self.route.submit(
            attempt.body, external_task_id=attempt.entry.external_task_id, upload=attempt.upload
        )
        self.gate.was_accepted()
        task = await self._accept(attempt, task)
        await self.slots.note_acceptance(attempt.entry, attempt.arrival)
        return task

    async def _classify_failure(self, attempt: Attempt, failure: KlingError) -> tuple[T | None, KlingError | None]:
        """What a failed request leaves: a task after all, an open question, or nothing."""
        if isinstance(failure, RequestError) and is_external_id_used(failure):
            return await self._adopt_existing(attempt, failure), None
        if failure.created == "no":
            if isinstance(failure, ApiError) and failure.retry == "never":
                attempt.refusal = failure
            await self._refuse(attempt, failure)
        settles_at = self.clock.steady() + _settling_seconds(failure)
        attempt.entry = mark_unclear(attempt.entry, settles_at, error=StoredError.of(failure))
        if attempt.posts >= POSTS_PER_CALL or self._time_left(attempt) <= 0:
            await self._give_up(attempt, failure)
        # If the state folder fails now, the entry stays "sending", which is looked up in the same way.
        with suppress(StorageError):
            await self.journal.save(attempt.entry)
        return None, failure

    async def _adopt_existing(self, attempt: Attempt, failure: RequestError) -> T:
        """Kling refuses the id because a task has it, so the task exists. fact: msg-external-id-used"""
        found = await self.lookup.search(attempt.entry)
        if found.task is None:
            attempt.entry = mark_unclear(attempt.entry, self.clock.steady(), "the id is in use")
            await self._give_up(attempt, _used_but_unseen(attempt.entry, failure, found))
        first_try = attempt.posts == 1 and attempt.outcome == "submitted"
        attempt.outcome = "already_submitted" if first_try else "recovered"
        return await self._adopt(attempt, found.task)

    async def _look(self, attempt: Attempt, unknown: KlingError) -> T | None:
        """The lost task, or None once it certainly does not exist.

        Raises:
            KlingError: `unknown`, when time runs out and the outcome is still open.
        """
        attempt.outcome = "recovered"
        backoff = Backoff(INITIAL_LOOKUP_DELAY, MAX_LOOKUP_DELAY)
        while True:
            found = await self.lookup.search(attempt.entry)
            if found.task is not None:
                return await self._adopt(attempt, found.task)
            settles_in = attempt.entry.settles_at - self.clock.steady()
            if found.is_absent and settles_in <= 0:
                attempt.outcome = "submitted"
                return None
            if self._time_left(attempt) <= 0:
                await self._give_up(attempt, unknown)
            await self.shutdown.sleep(self.clock, min(backoff.next_delay(), self._time_left(attempt)))

    async def _adopt(self, attempt: Attempt, task: T) -> T:
        if names_other_content(attempt.entry, task):
            other = replace(attempt.entry, label=task.result_names[0])
            await self._refuse(attempt, InputError([external_id_conflict(other)]))
        return await self._accept(attempt, task)

    async def _accept(self, attempt: Attempt, task: T) -> T:
        try:
            attempt.entry = await self.journal.mark_accepted(attempt.entry, task.task_id)
        except StorageError:
            attempt.warnings.append(NOT_RECORDED)
        return task

    async def _refuse(self, attempt: Attempt, failure: KlingError) -> NoReturn:
        with suppress(StorageError):
            await self.journal.mark_refused(attempt.entry, failure)
        raise failure

    async def _give_up(self, attempt: Attempt, unknown: KlingError) -> NoReturn:
        with suppress(StorageError):
            await self.journal.release(attempt.entry)
        raise unknown

    async def _wait_for_slots(self, attempt: Attempt) -> None:
        def say(use: str) -> None:
            attempt.waits_for = use

        with self.shutdown.move_on_after(max(0.0, self._time_left(attempt))):
            await self.slots.wait(attempt.entry, attempt.arrival, say)
            attempt.waits_for = ""
            return
        is_full = attempt.waits_for and not self.shutdown.is_started
        await self._refuse(attempt, no_slot(attempt.entry, attempt.waits_for) if is_full else _no_place(self.shutdown))

    @asynccontextmanager
    async def _place(self, attempt: Attempt) -> AsyncIterator[anyio.Event]:
        place: anyio.Event | None = None
        with self.shutdown.move_on_after(max(0.0, self._time_left(attempt))):
            try:
                place = await self.gate.enter()
            except LimitError as full:
                await self._refuse(attempt, full)
        if place is None:
            await self._refuse(attempt, _no_place(self.shutdown))
        try:
            yield place
        finally:
            self.gate.leave(place)

    async def _wait_for_turn(self, attempt: Attempt, place: anyio.Event) -> None:
        left = max(0.0, self._time_left(attempt))
        if self.gate.opens_in() <= left:
            with self.shutdown.move_on_after(left):
                await self.gate.wait_for_turn(place)
                return
        await self._refuse(attempt, _no_place(self.shutdown))

    def _time_left(self, attempt: Attempt) -> float:
        return 0.0 if self.shutdown.is_started else attempt.deadline - self.clock.monotonic()


def _settling_seconds(failure: KlingError) -> float:
    """How long the request may still be in progress. fact: retry-create"""
    silent = isinstance(failure, UnknownOutcomeError) and failure.still_at_work
    return SETTLES_AFTER_SILENCE if silent or failure.code == 5002 else SETTLES_AFTER_BREAK


def _no_place(shutdown: Shutdown) -> LimitError:
    if shutdown.is_started:
        return LimitError(
            "The server is shutting down, so this creation was not sent.",
            kind="busy",
            advice="Call again with the same arguments in a moment.",
        )
    return LimitError(
        "The create queue did not reach this call within wait_seconds.",
        kind="busy",
        advice="Call again with the same arguments, or with a longer wait_seconds.",
    )


def _still_unknown(entry: JournalEntry) -> UnknownOutcomeError:
    name = entry.external_task_id
    return UnknownOutcomeError(
        f"An earlier request for the {entry.kind} {quote(entry.label, 40)} was sent, its reply was lost, and Kling "
        "does not show its task yet.",
        external_task_id=name,
        advice=f"Repeat the same call later, or call wait_for_tasks with ids=[{quote(name, 128)}].",
    )


def _used_but_unseen(entry: JournalEntry, failure: RequestError, found: LookupResult[T]) -> UnknownOutcomeError:
    name = entry.external_task_id
    return UnknownOutcomeError(
        f"Kling says that the external_task_id {name} is in use, but does not show its task"
        f"{f' ({found.reason})' if found.reason else ''}.",
        external_task_id=name,
        code=failure.code,
        request_id=failure.request_id,
        advice=f"Call wait_for_tasks with ids=[{quote(name, 128)}] later.",
    )
