"""Submits a request once, of any kind: claim, send or look up, and return the known task of an earlier call.

The journal decides which call may send. A request that was fulfilled before returns its task; one that this process
is working on for another call is waited for.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic

from kling_mcp.concurrency.background import run_in_background
from kling_mcp.concurrency.backoff import Backoff
from kling_mcp.errors import (
    InputError,
    KlingError,
    NotFoundError,
    StillSendingError,
    StorageError,
    TaskFailedError,
    UnknownOutcomeError,
)
from kling_mcp.sanitize import clean, quote
from kling_mcp.tasks.entry import ASK_FIRST, end_state, external_id_conflict, names_other_content
from kling_mcp.tasks.journal import RENEW_SECONDS, ClaimResult, LeaseLostError
from kling_mcp.tasks.route import T
from kling_mcp.tasks.send import Attempt, AttemptRunner, Outcome

if TYPE_CHECKING:
    from kling_mcp.api.models import KlingTask
    from kling_mcp.tasks.entry import JournalEntry
    from kling_mcp.tasks.in_flight import InFlight, Work
    from kling_mcp.tasks.intent import Intent

Check = Callable[[Attempt], Awaitable[Any]]
MakeBody = Callable[["JournalEntry"], Awaitable[Mapping[str, object]]]
OnClaim = Callable[[str], Awaitable[None]]

INITIAL_CLAIM_DELAY, MAX_CLAIM_DELAY = 0.1, 1.0
ENDS_WITHIN_SECONDS = 0.5  # how often a call looks whether work that has no time left is still busy
VISIBLE_WITHIN_SECONDS = 30.0  # a younger task that Kling does not show does not count as deleted


@dataclass(frozen=True, slots=True)
class Submission(Generic[T]):
    """A task that exists at Kling, how it was obtained, and what the caller should know."""

    task: T
    external_task_id: str
    outcome: Outcome
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitRequest:
    """What to submit, and how.

    Attributes:
        make_body: makes the body for an entry, just before it is needed.
        deadline: on the monotonic clock. A request on its way outlives it.
        check: as `Attempt.check`.
        on_claim: gets the external task id as soon as it is known, before anything is sent, and again if a new attempt
            has another.
        warnings: passed on to the caller in any case.
    """

    intent: Intent
    make_body: MakeBody
    deadline: float
    check: Check | None = None
    on_claim: OnClaim | None = None
    warnings: Sequence[str] = ()


class Submitter(Generic[T]):
    """Submissions of one account and kind."""

    def __init__(self, runner: AttemptRunner[T], in_flight: InFlight) -> None:
        self.runner = runner
        self._in_flight = in_flight
        self._journal, self._clock, self._shutdown = runner.journal, runner.clock, runner.shutdown
        self._callers = itertools.count(1)

    async def submit(self, request: SubmitRequest) -> Submission[T]:
        """The task of this request: new, found again, or already known.

        Raises:
            InputError: the caller's own external_task_id is in use for something else; nothing was sent.
            StorageError: the request could not be recorded; nothing was sent.
            BusyError, RateLimitError, LimitError: its turn did not come in time; nothing was created.
            StillSendingError: the deadline passed while the request was on its way; a repeated call joins it.
            UnknownOutcomeError, ServerError: the outcome is unknown; repeating the call is safe.
            KlingError: any other error of `check`, Kling or the network.
        """
        caller = str(next(self._callers))
        while True:
            entry, claim = await self._claim(request, caller)
            if claim is ClaimResult.DONE:
                submission = await self._repeat(entry, request)
            else:
                attempt = Attempt(
                    entry,
                    await request.make_body(entry),
                    request.deadline,
                    request.check or _no_check,
                    warnings=list(request.warnings),
                )
                submission = await self._outcome_of(attempt, must_look=claim is ClaimResult.RECOVER)
            if submission is not None:
                return submission

    async def _claim(self, request: SubmitRequest, caller: str) -> tuple[JournalEntry, ClaimResult]:
        """Claim the request; while an identical call is running, wait for its result.

        Raises:
            KlingError: Kling's refusal of the request, if it came for an identical call that has left.
        """
        backoff = Backoff(INITIAL_CLAIM_DELAY, MAX_CLAIM_DELAY)
        named = ""
        while True:
            entry, claim = await self._journal.claim(request.intent, caller)
            if request.on_claim is not None and entry.external_task_id != named:
                named = entry.external_task_id
                await request.on_claim(named)
            if claim is not ClaimResult.IN_PROGRESS:
                if claim is ClaimResult.SEND and (refusal := self._in_flight.take_refusal(entry)):
                    await self._journal.mark_refused(entry, refusal)
                    raise refusal
                return entry, claim
            if work := self._in_flight.find(entry):
                await self._join(work, request.deadline)
                continue
            if self._shutdown.is_started or self._clock.monotonic() >= request.deadline:
                raise _held_by_another(entry)
            await self._shutdown.sleep(self._clock, backoff.next_delay())

    async def _join(self, work: Work[Any], deadline: float) -> None:
        """Wait for the work of another call on the same request.

        Raises:
            KlingError: Kling refused it, or time ran out.
        """
        if not await work.wait(deadline):
            raise _still_sending(work.attempt) if work.attempt.is_sending else _held_by_another(work.attempt.entry)
        self._in_flight.take_refusal(work.attempt.entry)
        if work.attempt.refusal:
            raise work.attempt.refusal

    async def _outcome_of(self, attempt: Attempt, *, must_look: bool) -> Submission[T] | None:
        """The submission, or None if the request must be claimed again.

        Raises:
            StillSendingError: the deadline has passed, and the request is on its way.
        """
        work = self._in_flight.start(attempt, self._work_on(attempt, must_look=must_look))
        try:
            while not await work.wait(max(attempt.deadline, self._clock.monotonic() + ENDS_WITHIN_SECONDS)):
                if attempt.is_sending:
                    raise _still_sending(attempt)
        finally:
            if not work.task.done():
                await work.leave()
        return work.result()

    async def _work_on(self, attempt: Attempt, *, must_look: bool) -> Submission[T] | None:
        """The submission, or None if the request must be claimed again."""

        async def keep_lease() -> None:
            while True:
                await self._clock.sleep(RENEW_SECONDS)
                # A failing state folder is noticed again when the outcome is recorded.
                with suppress(StorageError):
                    await self._journal.renew(attempt.entry)

        try:
            async with run_in_background(keep_lease):
                task = await self.runner.run(attempt, must_look=must_look)
        except LeaseLostError:
            return None
        finally:
            attempt.body = {}  # an error or an asyncio task may keep the attempt alive after the call
        if attempt.outcome != "submitted" and end_state(task) in {"failed", "deleted"}:
            await self._journal.record_end(attempt.entry, task)
            return None
        return Submission(task, attempt.entry.external_task_id, attempt.outcome, tuple(attempt.warnings))

    async def _repeat(self, entry: JournalEntry, request: SubmitRequest) -> Submission[T] | None:
        """The task of a request that was fulfilled before; None if it is gone, so that the request is open again."""
        warnings = list(request.warnings)
        task: T | None = None
        try:
            task = await self.runner.route.get(entry.task_id)
        except NotFoundError:
            found = await self.runner.lookup.search(entry)
            is_young = self._clock.steady() - entry.updated_at < VISIBLE_WITHIN_SECONDS
            if found.is_absent and not is_young:
                await self._journal.mark_deleted(entry)
                return None
            task = found.task
        except KlingError as error:
            warnings.append(f"The task exists, but reading it failed: {error.message}")
        task = task or self.runner.route.unseen(entry.task_id, entry.external_task_id)
        if names_other_content(entry, task):
            raise InputError([external_id_conflict(replace(entry, label=task.result_names[0]))])
        if end_state(task) in {"failed", "deleted"}:
            await self._journal.record_end(entry, task)
            return None
        return Submission(task, entry.external_task_id, "already_submitted", tuple(warnings))


async def _no_check(_: Attempt) -> None:
    """Allow everything."""


def raise_if_failed(task: KlingTask, external_task_id: str = "", known: Sequence[str] = ()) -> None:
    """A failed task is an error with Kling's reason. fact: failed-has-no-code

    Args:
        known: sentences about what else is known of the refusal.

    Raises:
        TaskFailedError: says that Kling refused the inputs and the network was fine.
    """
    if task.task_status != "failed":
        return
    reason = clean(task.task_status_msg, 300)
    name = clean(task.external_task_id or external_task_id, 128)
    told = (
        f"Kling accepted task {clean(task.task_id, 80)} (external_task_id {name or '-'}) and then refused its "
        f"inputs{f', saying {quote(reason, 300)}' if reason else ' without a reason'}. The network was fine."
    )
    raise TaskFailedError(
        " ".join([told, *known]),
        task_id=task.task_id,
        external_task_id=name,
        advice=ASK_FIRST,
    )


def _still_sending(attempt: Attempt) -> StillSendingError:
    entry, sent = attempt.entry, str(attempt.upload)
    name = entry.external_task_id
    return StillSendingError(
        f"The {entry.kind} {quote(entry.label, 40)} is still being sent to Kling{f': {sent} so far' if sent else ''}.",
        external_task_id=name,
        sent=sent,
        advice=f"Call wait_for_tasks with ids=[{quote(name, 128)}], or repeat the same call: it is not sent twice.",
    )


def _held_by_another(entry: JournalEntry) -> UnknownOutcomeError:
    name = entry.external_task_id
    if entry.state == "sending":
        return StillSendingError(
            f"Another server is sending the {entry.kind} {quote(entry.label, 40)} to Kling.",
            external_task_id=name,
            advice=f"Repeat the same call, or call wait_for_tasks with ids=[{quote(name, 128)}].",
        )
    return UnknownOutcomeError(
        f"Another call is creating the same {entry.kind} {quote(entry.label, 40)} and has not finished yet.",
        external_task_id=name,
        advice=f"Repeat the same call, or call wait_for_tasks with ids=[{quote(name, 128)}].",
    )
