"""Creates an element once: check, claim, guard the name, fulfil.

The journal knows who may send. A wish that was fulfilled before is answered with its task.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from anyio import to_thread

from kling_mcp.api.models import ElementTask
from kling_mcp.concurrency.background import run_in_background
from kling_mcp.concurrency.shutdown import Shutdown
from kling_mcp.elements.preflight import prepare
from kling_mcp.errors import (
    AccountError,
    AuthError,
    ClockError,
    ConnectionFailedError,
    InputError,
    KlingError,
    NameTakenError,
    NotFoundError,
    StorageError,
    UnknownOutcomeError,
)
from kling_mcp.library.index import Asked
from kling_mcp.sanitize import quote
from kling_mcp.tasks.entry import (
    UNFINISHED,
    Intent,
    JournalEntry,
    end_state,
    external_id_conflict,
    external_id_of,
    names_other_content,
)
from kling_mcp.tasks.journal import RENEW_SECONDS, ClaimResult, LeaseLostError
from kling_mcp.tasks.send import Attempt, AttemptRunner, Outcome

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kling_mcp.api.client import KlingClient
    from kling_mcp.api.throttle import CreateGate
    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.elements.draft import ElementDraft, PreparedElement
    from kling_mcp.elements.name_guard import NameGuard
    from kling_mcp.media.policy import MediaPolicy
    from kling_mcp.tasks.journal import Journal
    from kling_mcp.tasks.lookup import TaskLookup

MIN_TIMEOUT_SECONDS = 5.0  # also wait_seconds=0 leaves time for one honest attempt
INITIAL_CLAIM_DELAY, MAX_CLAIM_DELAY = 0.1, 1.0
VISIBLE_WITHIN_SECONDS = 30.0  # a task this young that Kling does not show is not taken for deleted


@dataclass(frozen=True, slots=True)
class Creation:
    """A task that exists at Kling, how we came by it, and what the caller should know."""

    task: ElementTask
    external_task_id: str
    outcome: Outcome
    warnings: tuple[str, ...] = ()


class Creator:
    """Creations of one account."""

    def __init__(
        self,
        client: KlingClient,
        *,
        policy: MediaPolicy,
        journal: Journal,
        searcher: TaskLookup,
        names: NameGuard,
        gate: CreateGate,
        clock: Clock,
        keep_picture: Callable[[str, bytes], Awaitable[None]] | None = None,
        shutdown: Shutdown | None = None,
        call_back_to: Callable[[str], Awaitable[str]] | None = None,
    ) -> None:
        """`keep_picture` is given the task id and the frontal picture of each creation, and must not fail.

        `call_back_to` gives the address that Kling shall call for an external_task_id, or "".
        When the end of the server begins (`shutdown`), calls that wait for others end as if their time were over.
        """
        self._client = client
        self._keep_picture = keep_picture
        self._call_back_to = call_back_to
        self._policy = policy
        self._journal = journal
        self._names = names
        self._clock = clock
        self._searcher = searcher
        self._shutdown = shutdown or Shutdown()
        self._fulfiller = AttemptRunner(client, journal, searcher, gate, clock, shutdown=self._shutdown)
        self._callers = itertools.count(1)

    async def create(
        self,
        draft: ElementDraft,
        *,
        allow_duplicate_name: bool,
        patience: float,
        on_claim: Callable[[str], Awaitable[None]] | None = None,
    ) -> Creation:
        """The task of this wish: made now, found, or already there.

        Args:
            patience: seconds for queueing and for looking after a lost reply, at least five.
            on_claim: is told the external_task_id before anything is sent, and again where a new attempt has another.

        Raises:
            InputError: every problem of the input; nothing was sent.
            NameTakenError: another element, ready or coming, has this name; nothing was sent.
            StorageError: the wish could not be written down; nothing was sent.
            BusyError, RateLimitError, LimitError: others were in front all the time; nothing was created.
            UnknownOutcomeError, ServerError: it is not known; repeating the call is safe.
            KlingError: what else Kling or the network answers.
        """
        deadline = self._clock.monotonic() + max(patience, MIN_TIMEOUT_SECONDS)
        try:
            return await self._create(draft, deadline, on_claim, _allow if allow_duplicate_name else self._guard_name)
        except KlingError as error:
            # An error and the frames of its traceback hold each other, and the frames hold up to four pictures.
            error.__traceback__ = None
            raise

    async def _create(
        self,
        draft: ElementDraft,
        deadline: float,
        on_claim: Callable[[str], Awaitable[None]] | None,
        guard: Callable[[Attempt], Awaitable[None]],
    ) -> Creation:
        prepared, wish = await to_thread.run_sync(self._read, draft)
        caller = str(next(self._callers))
        while True:
            entry, verdict = await self._claim(wish, caller, deadline)
            if on_claim is not None:
                await on_claim(entry.external_task_id)
            if verdict is ClaimResult.DONE:
                creation = await self._repeat(entry, prepared)
            else:
                body = await self._body(prepared, entry)
                attempt = Attempt(entry, body, deadline, guard, warnings=list(prepared.warnings))
                creation = await self._work_on(attempt, look_first=verdict is ClaimResult.RECOVER)
            if creation is not None:
                await self._names.remember(creation.task, _asked(prepared))
                if self._keep_picture and prepared.frontal_image and prepared.frontal_image.data:
                    await self._keep_picture(creation.task.task_id, prepared.frontal_image.data)
                return creation

    def _read(self, draft: ElementDraft) -> tuple[PreparedElement, Intent]:
        """Blocking: reads pictures and sums up their bytes."""
        prepared = prepare(draft, self._policy)
        return prepared, wish_for(self._client.account, prepared)

    async def _body(self, prepared: PreparedElement, entry: JournalEntry) -> dict[str, object]:
        """What is sent; a caller's own callback address wins over ours, which is no part of the wish."""
        body = prepared.body()
        if self._call_back_to is not None and "callback_url" not in body:
            with suppress(StorageError):  # waits look by themselves, too
                if address := await self._call_back_to(entry.external_task_id):
                    body["callback_url"] = address
        return body

    async def _claim(self, wish: Intent, caller: str, deadline: float) -> tuple[JournalEntry, ClaimResult]:
        """Claim the wish; while an identical call is at work, wait for what it brings."""
        pause = INITIAL_CLAIM_DELAY
        while True:
            entry, verdict = await self._journal.claim(wish, caller)
            if verdict is not ClaimResult.IN_PROGRESS:
                return entry, verdict
            if self._shutdown.is_started or self._clock.monotonic() >= deadline:
                raise _held_by_another(entry)
            await self._shutdown.sleep(self._clock, pause)
            pause = min(MAX_CLAIM_DELAY, pause * 2)

    async def _work_on(self, attempt: Attempt, *, look_first: bool) -> Creation | None:
        """The creation, or None if the wish is open again."""

        async def keep_lease() -> None:
            while True:
                await self._clock.sleep(RENEW_SECONDS)
                # A folder that fails now is met again when the outcome is written.
                with suppress(StorageError):
                    await self._journal.renew(attempt.entry)

        try:
            async with run_in_background(keep_lease):
                task = await self._fulfiller.run(attempt, look_first=look_first)
        except LeaseLostError:
            return None
        finally:
            attempt.body = {}  # a task that ends, or an error, may hold the attempt for longer than the call
        if attempt.outcome != "submitted" and end_state(task) in {"failed", "deleted"}:
            await self._journal.record_end(attempt.entry, task)
            return None
        return Creation(task, attempt.entry.external_task_id, attempt.outcome, tuple(attempt.warnings))

    async def _repeat(self, entry: JournalEntry, prepared: PreparedElement) -> Creation | None:
        """The task of a wish that was fulfilled before; None if nothing of it is left, so that it is open again."""
        warnings = list(prepared.warnings)
        try:
            task = await self._client.get_task(entry.task_id)
        except NotFoundError:
            finding = await self._searcher.search(entry)
            is_young = self._clock.wall() - entry.updated_at < VISIBLE_WITHIN_SECONDS
            if finding.is_absent and not is_young:
                await self._journal.mark_deleted(entry)
                return None
            task = finding.task or _task_unseen(entry)
        except KlingError as error:
            warnings.append(f"The task exists, but looking at it failed: {error.message}")
            task = _task_unseen(entry)
        if names_other_content(entry, task):
            raise InputError([external_id_conflict(replace(entry, label=task.elements[0].element_name))])
        if end_state(task) in {"failed", "deleted"}:
            await self._journal.record_end(entry, task)
            return None
        return Creation(task, entry.external_task_id, "already_submitted", tuple(warnings))

    async def _guard_name(self, attempt: Attempt) -> None:
        """Refuse a second element of the same name.

        Raises:
            NameTakenError: another element, ready or coming, has it.
            KlingError: the names could not be read, and the creation would meet the same.
        """
        try:
            taken = await self._who_has_name(attempt.entry)
        except (ConnectionFailedError, AuthError, ClockError, AccountError):
            raise
        except KlingError as error:
            attempt.warnings.append(f"Whether another element has this name could not be checked: {error.message}")
            return
        if taken:
            raise _name_taken(attempt.entry.label, taken)

    async def _who_has_name(self, entry: JournalEntry) -> list[str]:
        """Element ids, or the tasks of elements on their way; calls that came later give way to this one."""
        others = [await self._look_again(other) for other in await self._journal.with_same_label(entry)]
        if any(other.state == "ready" and other.updated_at > self._names.read_at_wall for other in others):
            self._names.invalidate()
        taken = [f"element_id={element_id}" for element_id in await self._names.ready_elements(entry.label)]
        mine = (entry.created_at, entry.external_task_id)
        coming = [
            f"external_task_id={other.external_task_id} (on its way)"
            for other in others
            if other.state in UNFINISHED and (other.created_at, other.external_task_id) < mine
        ]
        return taken + coming

    async def _look_again(self, other: JournalEntry) -> JournalEntry:
        """What became meanwhile of a task that nobody waited for: one that failed is in nobody's way."""
        if other.state != "accepted":
            return other
        try:
            task = await self._client.get_task(other.task_id)
            await self._journal.record_results([task])
        except KlingError:
            return other
        return replace(other, state=end_state(task) or "accepted", updated_at=self._clock.wall())


async def _allow(_: Attempt) -> None:
    """The guard of a caller who wants a second element of the same name."""


def _asked(prepared: PreparedElement) -> Asked:
    return Asked(
        element_name=prepared.element_name,
        element_description=prepared.element_description,
        reference_type=prepared.reference_type,
        voice_id=prepared.element_voice_id,
    )


def wish_for(account: str, prepared: PreparedElement) -> Intent:
    """What a checked draft asks for, apart from how it is asked.

    Texts, kind, voice, tags in any order, and the bytes of the pictures make the content; a callback address
    does not. The caller's own external_task_id, where given, is the identity.
    """
    frontal = prepared.frontal_image
    content: list[object] = [
        account,
        prepared.element_name,
        prepared.element_description,
        prepared.reference_type,
        frontal.digest() if frontal else "",
        [picture.digest() for picture in prepared.refer_images],
        prepared.video_url,
        prepared.element_voice_id,
        sorted(prepared.tag_ids),
    ]
    digest = _short_hash(content)
    wish = Intent(digest, digest, prepared.element_name, prepared.reference_type)
    named = prepared.external_task_id
    if named in {"", external_id_of(wish, 1)}:  # an agent may hand back the id that we made
        return wish
    return replace(wish, key=_short_hash([account, "named", named]), caller_id=named)


def _short_hash(content: list[object]) -> str:
    """52 characters of lower-case Base32: safe in a path and in a name."""
    digest = hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).digest()
    return base64.b32encode(digest).decode().rstrip("=").lower()


def _task_unseen(entry: JournalEntry) -> ElementTask:
    """A task that exists and could not be looked at just now."""
    return ElementTask.model_validate(
        {"task_id": entry.task_id, "task_info": {"external_task_id": entry.external_task_id}}
    )


def _held_by_another(entry: JournalEntry) -> UnknownOutcomeError:
    name = entry.external_task_id
    return UnknownOutcomeError(
        f"Another call is creating the same element {quote(entry.label, 40)} just now and has not ended.",
        external_task_id=name,
        advice=f"Repeat the same call, or call get_element with id={name} (its external_task_id).",
    )


def _name_taken(name: str, taken: list[str]) -> NameTakenError:
    return NameTakenError(
        f"An element named {quote(name, 40)} exists already: {', '.join(taken[:10])}.",
        candidates=taken,
        advice="Use that one, choose another name, or pass allow_duplicate_name=true to make a second one.",
    )
