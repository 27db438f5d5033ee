"""Creates an element once, and waits for it: check, submit, record.

`tasks.submit` ensures that one request makes one element; this module knows what an element is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from anyio import to_thread

from kling_mcp.api.models import ElementTask
from kling_mcp.elements.name_guard import NameGuard
from kling_mcp.elements.preflight import prepare
from kling_mcp.elements.refusals import MATERIAL
from kling_mcp.elements.voice_check import voice_warnings
from kling_mcp.errors import KlingError
from kling_mcp.library.records import ELEMENT
from kling_mcp.sanitize import as_shown
from kling_mcp.tasks.intent import Intent, make_intent, make_key
from kling_mcp.tasks.submit import Submission, SubmitRequest, raise_if_failed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.elements.draft import ElementDraft, PreparedElement
    from kling_mcp.elements.outcomes import OutcomeRecorder
    from kling_mcp.elements.refusals import Refusals
    from kling_mcp.library.index import Library
    from kling_mcp.media.policy import MediaPolicy
    from kling_mcp.tasks.entry import JournalEntry
    from kling_mcp.tasks.journal import Journal
    from kling_mcp.tasks.kind import TaskKind
    from kling_mcp.tasks.submit import OnClaim

MIN_TIMEOUT_SECONDS = 5.0  # wait_seconds=0 still leaves time for one real attempt


@dataclass(frozen=True, slots=True)
class Creation(Submission[ElementTask]):
    """A creation that exists at Kling; `waited_seconds` is how long the call took."""

    waited_seconds: float = 0.0


class ElementCreator:
    """Creations of one account."""

    def __init__(
        self,
        kind: TaskKind[ElementTask],
        *,
        account: str,
        policy: MediaPolicy,
        journal: Journal,
        library: Library,
        outcomes: OutcomeRecorder,
        refusals: Refusals,
        clock: Clock,
        save_picture: Callable[[str, bytes], Awaitable[None]] | None = None,
        callback_url_for: Callable[[str], Awaitable[str]] | None = None,
    ) -> None:
        """
        Args:
            account: the account's fingerprint.
            save_picture: gets the task id and the frontal picture of each creation, and must not fail.
            callback_url_for: the address that Kling should call for an external_task_id, or "".
        """
        self.kind = kind
        self._account = account
        self._policy = policy
        self._journal = journal
        self._library = library
        self._outcomes = outcomes
        self._refusals = refusals
        self._names = NameGuard(library, journal, kind, clock)
        self._clock = clock
        self._save_picture = save_picture
        self._callback_url_for = callback_url_for

    async def check(self, draft: ElementDraft) -> tuple[PreparedElement, Intent]:
        """What would be sent, and its identity. Nothing is sent.

        Raises:
            InputError: every problem of the input.
        """
        return await to_thread.run_sync(self._read, draft)

    async def create(
        self,
        draft: ElementDraft,
        *,
        allow_duplicate_name: bool = False,
        timeout: float = 45.0,  # noqa: ASYNC109 - limits queueing and look-ups after a lost reply, not the call
        on_claim: OnClaim | None = None,
    ) -> Creation:
        """The task of this request: new, found again, or already known. It may still be running.

        Args:
            allow_duplicate_name: create even if another element has this name.
            timeout: seconds for queueing and for look-ups after a lost reply, at least five.
            on_claim: gets the external_task_id before anything is sent, and again if a new attempt has another.

        Raises:
            InputError: every problem of the input; nothing was sent.
            NameTakenError: another element, ready or on its way, has this name; nothing was sent.
            StorageError: the request could not be recorded; nothing was sent.
            BusyError, RateLimitError, LimitError: its turn did not come in time; nothing was created.
            UnknownOutcomeError, ServerError: the outcome is unknown; repeating the call is safe.
            KlingError: any other error of Kling or the network.
        """
        started = self._clock.monotonic()
        deadline = started + max(timeout, MIN_TIMEOUT_SECONDS)
        try:
            submission = await self._submit(draft, deadline, on_claim, allow_duplicate_name=allow_duplicate_name)
        except KlingError as error:
            # An error and its traceback's frames reference each other, and the frames hold up to four pictures.
            error.__traceback__ = None
            raise
        waited = self._clock.monotonic() - started
        task, name = submission.task, submission.external_task_id
        warnings = (*submission.warnings, *voice_warnings(task, draft.element_voice_id))
        return Creation(task, name, submission.outcome, warnings, waited)

    async def create_and_wait(
        self,
        draft: ElementDraft,
        *,
        allow_duplicate_name: bool = False,
        wait_seconds: float = 120.0,
        on_claim: OnClaim | None = None,
    ) -> Creation:
        """Like `create`, and then wait for the element.

        A wait that runs out is no error: the task then still runs, and the same call, or a wait for
        `task.task_id`, continues. `warnings` say if the requested voice was not bound.

        Args:
            wait_seconds: seconds in total; 0 submits and returns.

        Raises:
            TaskFailedError: Kling accepted the task and then refused its inputs.
            KlingError: as `create` does.
        """
        started = self._clock.monotonic()
        creation = await self.create(
            draft, allow_duplicate_name=allow_duplicate_name, timeout=wait_seconds, on_claim=on_claim
        )
        left = wait_seconds - (self._clock.monotonic() - started)
        waited = await self.kind.wait(creation, left)
        task = waited.task
        await self._outcomes.record([task])
        raise_if_failed(task, creation.external_task_id, await self._refusals.facts_on(task))
        return replace(
            creation,
            task=task,
            warnings=tuple(dict.fromkeys([*waited.warnings, *voice_warnings(task, draft.element_voice_id)])),
            waited_seconds=self._clock.monotonic() - started,
        )

    async def _submit(
        self, draft: ElementDraft, deadline: float, on_claim: OnClaim | None, *, allow_duplicate_name: bool
    ) -> Submission[ElementTask]:
        prepared, intent = await self.check(draft)

        async def make_body(entry: JournalEntry) -> Mapping[str, object]:
            return await self._body(prepared, entry)

        submission = await self.kind.submitter.submit(
            SubmitRequest(
                intent=intent,
                make_body=make_body,
                deadline=deadline,
                check=self._names.find_earlier if allow_duplicate_name else self._names.check,
                on_claim=on_claim,
                warnings=prepared.warnings,
            )
        )
        self._outcomes.forget(submission.task.task_id)
        await self._library.record_results([submission.task])
        if self._save_picture and prepared.frontal_image and prepared.frontal_image.data:
            await self._save_picture(submission.task.task_id, prepared.frontal_image.data)
        return submission

    def _read(self, draft: ElementDraft) -> tuple[PreparedElement, Intent]:
        """Blocking: reads pictures and hashes their bytes."""
        prepared = prepare(draft, self._policy)
        return prepared, intent_for(self._account, prepared)

    async def _body(self, prepared: PreparedElement, entry: JournalEntry) -> Mapping[str, object]:
        """What is sent; a caller's own callback address replaces ours, which is not part of the request."""
        body = prepared.body()
        if self._callback_url_for is None or "callback_url" in body:
            return body
        url = await self._callback_url_for(entry.external_task_id)
        return {**body, "callback_url": url} if url else body


def intent_for(account: str, prepared: PreparedElement) -> Intent:
    """What a checked draft asks for, regardless of how.

    The content is the texts, the kind, the voice, the tags in any order, and the bytes of the pictures, but not the
    callback address. If the caller gave an external_task_id, that is the identity.
    """
    frontal = prepared.frontal_image.digest() if prepared.frontal_image else ""
    others = [picture.digest() for picture in prepared.refer_images]
    content: list[object] = [
        prepared.element_name,
        prepared.element_description,
        prepared.reference_type,
        frontal,
        others,
        prepared.video_url,
        prepared.element_voice_id,
        sorted(prepared.tag_ids),
    ]
    memo = {
        "element_description": prepared.element_description,
        "reference_type": prepared.reference_type,
        "voice_id": prepared.element_voice_id,
        # In any order, and however often each: Kling looks at all of them.
        MATERIAL: make_key(MATERIAL, account, sorted({frontal, *others}), prepared.video_url),
    }
    return make_intent(
        ELEMENT,
        account,
        content,
        label=as_shown(prepared.element_name),
        caller_id=prepared.external_task_id,
        memo={name: value for name, value in memo.items() if value},
    )
