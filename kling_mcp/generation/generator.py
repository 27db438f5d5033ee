"""Makes videos and pictures: prepared, paid once, waited for, and saved.

`tasks.submit` ensures that one request is paid once; this module knows what a generation is. Whether it may be paid at
all is decided before `submit` is called.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from anyio import to_thread

from kling_mcp.api.generation_models import GenerationTask
from kling_mcp.errors import InputError, StorageError
from kling_mcp.generation.draft import VideoDraft
from kling_mcp.generation.foresee import foresee_video
from kling_mcp.generation.inputs import load_video_media
from kling_mcp.generation.memo import GenerationMemo, content_of, memo_of
from kling_mcp.generation.prepare import PreparedImages, PreparedVideo, prepare_images, prepare_video
from kling_mcp.generation.routes import BODY, PATH, kind_of
from kling_mcp.results.saver import Result
from kling_mcp.tasks.budget import Cost
from kling_mcp.tasks.intent import make_intent
from kling_mcp.tasks.payment import is_paid_for
from kling_mcp.tasks.slots import SlotUse
from kling_mcp.tasks.submit import Submission, SubmitRequest, raise_if_failed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.errors import Problem
    from kling_mcp.generation.draft import ImageDraft
    from kling_mcp.generation.foresee import ForeseenElements, ForeseenVideo
    from kling_mcp.generation.inputs import LoadedMedia
    from kling_mcp.generation.prepare import Surroundings
    from kling_mcp.generation.prices import Product
    from kling_mcp.results.background import BackgroundSaver
    from kling_mcp.results.saver import SavedFile
    from kling_mcp.tasks.entry import JournalEntry
    from kling_mcp.tasks.intent import Intent
    from kling_mcp.tasks.journal import Journal
    from kling_mcp.tasks.kind import TaskKind
    from kling_mcp.tasks.submit import OnClaim

MIN_TIMEOUT_SECONDS = 5.0  # wait_seconds=0 still leaves time for one real attempt
MIN_SAVING_SECONDS = 5.0  # most results are on the disk by then, and no further call is needed


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """A prepared request with what identifies it and what is to become of its results.

    Attributes:
        prepared: the request as Kling reads it, with its estimate and its warnings.
        intent: what makes it the same request again, with its take.
        memo: what the journal remembers of it for later calls, such as where to save.
    """

    prepared: PreparedVideo | PreparedImages
    intent: Intent
    memo: GenerationMemo

    @property
    def product(self) -> Product:
        """`video` or `image`."""
        return self.prepared.estimate.product

    def with_note(self, note: str) -> GenerationRequest:
        """The same request, with one more thing that a person should know before paying."""
        return replace(self, prepared=replace(self.prepared, notes=(*self.prepared.notes, note)))


@dataclass(frozen=True, slots=True)
class Generation(Submission[GenerationTask]):
    """A generation that exists at Kling. `files` has a row for each result, once it is finished."""

    files: tuple[SavedFile, ...] = ()
    waited_seconds: float = 0.0


class Generator:
    """Generations of one account."""

    def __init__(
        self,
        kinds: Mapping[str, TaskKind[GenerationTask]],
        surroundings: Surroundings,
        *,
        account: str,
        journal: Journal,
        saver: BackgroundSaver,
        clock: Clock,
        callback_url_for: Callable[[str], Awaitable[str]] | None = None,
    ) -> None:
        """
        Args:
            kinds: by name.
            account: the account's fingerprint.
            callback_url_for: the address that Kling should call for an external_task_id, or "".
        """
        self.kinds = kinds
        self._surroundings = surroundings
        self._account = account
        self._journal = journal
        self.background = saver
        self.saver = saver.saver
        self._clock = clock
        self._callback_url_for = callback_url_for

    async def prepare(self, draft: VideoDraft | ImageDraft, *, take: int = 1, save_as: str = "") -> GenerationRequest:
        """The request in the form that may be sent, with its price. Nothing is sent.

        Raises:
            KlingError: every problem of the input.
        """
        known: Sequence[Problem] = ()
        try:
            await self.saver.require_save_as(save_as)
        except InputError as error:
            known = error.problems
        prepared: PreparedVideo | PreparedImages
        if isinstance(draft, VideoDraft):
            prepared = await prepare_video(draft, self._surroundings, known)
            prompt = draft.prompt or "\n".join(draft.shots)
        else:
            prepared, prompt = await prepare_images(draft, self._surroundings, known), draft.prompt
        memo = memo_of(prepared, prompt, take=take, save_as=save_as)
        estimate, path = prepared.estimate, prepared.request.route.path
        kind = kind_of(path, estimate.product, has_api_key=self._surroundings.has_api_key)
        intent = make_intent(
            kind,
            self._account,
            [*content_of(path, prepared.request.body("")), take],
            label=prompt[:80],
            memo=memo.to_journal(),
            cost=Cost(estimate.product, estimate.high, is_known=estimate.is_known),
            slot_use=_slot_use(prepared),
        )
        request = GenerationRequest(prepared=prepared, intent=intent, memo=memo)
        return request.with_note(self.saver.why_not) if self.saver.why_not else request

    async def foresee(self, draft: VideoDraft, foreseen: ForeseenElements) -> ForeseenVideo:
        """The price of a video, and everything that can be checked before its elements exist. Nothing is sent.

        Raises:
            InputError: every problem of the rest.
        """
        return await foresee_video(draft, self._surroundings, foreseen)

    async def load_media(self, draft: VideoDraft) -> LoadedMedia:
        """The pictures of a video, with every problem of them."""
        return await to_thread.run_sync(load_video_media, draft, self._surroundings.policy)

    async def is_known(self, request: GenerationRequest) -> bool:
        """Whether this very request was sent before, so that submitting it pays nothing more.

        Raises:
            OverBudgetError: it was not, and the caps do not allow it now.
        """
        return await is_paid_for(self._journal, request.intent)

    async def submit(
        self,
        request: GenerationRequest,
        *,
        timeout: float = 45.0,  # noqa: ASYNC109 - limits queueing and look-ups after a lost reply, not the call
        on_claim: OnClaim | None = None,
    ) -> Submission[GenerationTask]:
        """The task of this request: new, found again, or already known. It may still be running.

        Raises:
            OverBudgetError: the caps do not allow it; nothing was sent.
            KlingError: as `Submitter.submit` does.
        """

        async def make_body(entry: JournalEntry) -> Mapping[str, object]:
            external_id, callback_url = entry.external_task_id, ""
            if self._callback_url_for is not None:
                callback_url = await self._callback_url_for(external_id)
            sent = request.prepared.request
            return {PATH: sent.route.path, BODY: sent.body(external_id, callback_url)}

        kind = self.kinds[request.intent.kind]
        deadline = self._clock.monotonic() + max(timeout, MIN_TIMEOUT_SECONDS)
        return await kind.submitter.submit(
            SubmitRequest(intent=request.intent, make_body=make_body, deadline=deadline, on_claim=on_claim)
        )

    async def generate_and_wait(
        self, request: GenerationRequest, *, wait_seconds: float = 120.0, on_claim: OnClaim | None = None
    ) -> Generation:
        """Submit, wait for the result, and save it.

        A wait that runs out is no error: the same call, or a wait for the task, continues.

        Raises:
            TaskFailedError: Kling accepted the task and then refused its inputs.
            KlingError: as `submit` does.
        """
        started = self._clock.monotonic()
        submission = await self.submit(request, timeout=wait_seconds, on_claim=on_claim)
        left = wait_seconds - (self._clock.monotonic() - started)
        submission = await self.kinds[request.intent.kind].wait(submission, left)
        task = submission.task
        await self._record(task)
        raise_if_failed(task, submission.external_task_id)
        left = wait_seconds - (self._clock.monotonic() - started)
        name, units = submission.external_task_id, request.intent.units_estimated
        files = await self.save(task, request.memo, request.product, name, units, seconds=left)
        waited = self._clock.monotonic() - started
        return Generation(task, name, submission.outcome, submission.warnings, files, waited)

    async def save(
        self,
        task: GenerationTask,
        memo: GenerationMemo,
        product: Product,
        external_task_id: str,
        units: str = "",
        *,
        seconds: float,
    ) -> tuple[SavedFile, ...]:
        """A row for each result of a finished task: saved now, found saved, or with the reason why not.

        What is not saved after `seconds` (at least a few) goes on being saved, whatever becomes of this call.
        """
        if task.task_status != "succeed":
            return ()
        about = memo.describe(task, product, external_task_id=external_task_id, units_estimated=units)
        return tuple(await self.background.save(results_of(task), about, max(seconds, MIN_SAVING_SECONDS)))

    async def save_known(
        self, task: GenerationTask, entry: JournalEntry | None, product: Product, *, save_as: str = "", seconds: float
    ) -> tuple[SavedFile, ...]:
        """The same for a task that the journal knows, or for one that was made elsewhere.

        Args:
            product: as far as it is known for a task that was made elsewhere.
            save_as: instead of what was said when it was made, if not "".
        """
        if entry is None:
            memo = GenerationMemo(save_as=save_as)
            return await self.save(task, memo, task.product or product, task.external_task_id, seconds=seconds)
        memo = GenerationMemo.from_journal(entry.memo)
        kept = replace(memo, save_as=save_as) if save_as else memo
        files = await self.save(task, kept, product, entry.external_task_id, entry.units_estimated, seconds=seconds)
        return files if save_as else tuple(replace(file, note="") for file in files)  # this call asked for no name

    async def _record(self, task: GenerationTask) -> None:
        """Never fails: the next poll shows the same."""
        try:
            await self._journal.record_results([task])
        except StorageError:
            return


def _slot_use(prepared: PreparedVideo | PreparedImages) -> SlotUse:
    """A video holds one slot of its model, a picture task one for each picture. facts: slots, gen-slots"""
    group = f"{prepared.estimate.product} {prepared.request.route.model}"
    return SlotUse(group, prepared.request.count if isinstance(prepared, PreparedImages) else 1)


def results_of(task: GenerationTask) -> list[Result]:
    """What can be saved of a task."""
    return [Result(result.url, _seconds(result.duration)) for result in task.results]


def _seconds(text: str) -> float:
    try:
        return max(0.0, float(text))
    except ValueError:
        return 0.0
