"""Creates a voice once, and waits for it: check, submit, record.

`tasks.submit` ensures that one request is paid once; this module knows what a voice is. Whether it may be paid at all
is decided before `submit` is called.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kling_mcp.api.models import VoiceTask
from kling_mcp.errors import StorageError
from kling_mcp.tasks.budget import Cost
from kling_mcp.tasks.intent import make_intent
from kling_mcp.tasks.payment import is_paid_for
from kling_mcp.tasks.submit import Submission, SubmitRequest, raise_if_failed
from kling_mcp.voices.name_guard import VoiceNameGuard
from kling_mcp.voices.preflight import PreparedVoice, prepare_voice

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.library.voices import VoiceCatalogue
    from kling_mcp.tasks.entry import JournalEntry
    from kling_mcp.tasks.intent import Intent
    from kling_mcp.tasks.journal import Journal
    from kling_mcp.tasks.kind import TaskKind
    from kling_mcp.tasks.submit import OnClaim
    from kling_mcp.voices.preflight import VoiceDraft

MIN_TIMEOUT_SECONDS = 5.0  # wait_seconds=0 still leaves time for one real attempt


@dataclass(frozen=True, slots=True)
class VoiceRequest:
    """A prepared request, and what makes it the same request again."""

    prepared: PreparedVoice
    intent: Intent


@dataclass(frozen=True, slots=True)
class VoiceCreation(Submission[VoiceTask]):
    """A voice that exists at Kling; `waited_seconds` is how long the call took."""

    waited_seconds: float = 0.0


class VoiceCreator:
    """Voices of one account."""

    def __init__(
        self,
        kind: TaskKind[VoiceTask],
        *,
        account: str,
        journal: Journal,
        voices: VoiceCatalogue,
        clock: Clock,
        callback_url_for: Callable[[str], Awaitable[str]] | None = None,
    ) -> None:
        """
        Args:
            account: the account's fingerprint.
            callback_url_for: the address that Kling should call for an external_task_id, or "".
        """
        self.kind = kind
        self._account = account
        self._journal = journal
        self.voices = voices
        self._names = VoiceNameGuard(voices, journal, kind, clock)
        self._clock = clock
        self._callback_url_for = callback_url_for

    async def prepare(self, draft: VoiceDraft) -> VoiceRequest:
        """The request in the form that may be sent, with its price. Nothing is sent.

        Raises:
            InputError: every problem.
        """
        clip = None
        if draft.video_id.strip():
            with suppress(StorageError):  # the id may be Kling's own
                clip = await self._journal.find(draft.video_id.strip())
        prepared = prepare_voice(draft, clip)
        estimate = prepared.estimate
        intent = make_intent(
            self.kind.name,
            self._account,
            [prepared.voice_name, prepared.voice_url, prepared.video_id],
            label=prepared.voice_name,
            cost=Cost(estimate.product, estimate.high),
        )
        return VoiceRequest(prepared, intent)

    async def is_known(self, request: VoiceRequest) -> bool:
        """Whether this very request was sent before, so that submitting it pays nothing more.

        Raises:
            OverBudgetError: it was not, and the caps do not allow it now.
            NameTakenError: it was not, and another voice has the name.
        """
        if await is_paid_for(self._journal, request.intent):
            return True
        return await self._names.look(request.intent)

    async def submit(
        self,
        request: VoiceRequest,
        *,
        timeout: float = 45.0,  # noqa: ASYNC109 - limits queueing and look-ups after a lost reply, not the call
        on_claim: OnClaim | None = None,
    ) -> Submission[VoiceTask]:
        """The task of this request: new, found again, or already known. It may still be running.

        Raises:
            NameTakenError: another voice, ready or on its way, has this name; nothing was sent.
            OverBudgetError: the caps do not allow it; nothing was sent.
            KlingError: as `Submitter.submit` does.
        """

        async def make_body(entry: JournalEntry) -> Mapping[str, object]:
            body = request.prepared.body()
            if self._callback_url_for is not None and (url := await self._callback_url_for(entry.external_task_id)):
                body["callback_url"] = url
            return body

        submitted = await self.kind.submitter.submit(
            SubmitRequest(
                intent=request.intent,
                make_body=make_body,
                deadline=self._clock.monotonic() + max(timeout, MIN_TIMEOUT_SECONDS),
                check=self._names.check,
                on_claim=on_claim,
                warnings=request.prepared.warnings,
            )
        )
        self.voices.invalidate()
        return submitted

    async def create_and_wait(
        self, request: VoiceRequest, *, wait_seconds: float = 120.0, on_claim: OnClaim | None = None
    ) -> VoiceCreation:
        """Submit, and wait for the voice.

        A wait that runs out is no error: the same call, or a wait for the task, continues.

        Raises:
            TaskFailedError: Kling accepted the task and then refused its inputs.
            KlingError: as `submit` does.
        """
        started = self._clock.monotonic()
        submission = await self.submit(request, timeout=wait_seconds, on_claim=on_claim)
        left = wait_seconds - (self._clock.monotonic() - started)
        submission = await self.kind.wait(submission, left)
        task = submission.task
        with suppress(StorageError):  # the next poll shows the same
            await self._journal.record_results([task])
        raise_if_failed(task, submission.external_task_id)
        self.voices.invalidate()  # it was not ready when the list was last read
        waited = self._clock.monotonic() - started
        made = VoiceCreation(task, submission.external_task_id, submission.outcome, submission.warnings)
        return replace(made, waited_seconds=waited)
