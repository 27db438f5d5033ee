"""Shared by the tools that make videos and pictures: the paid arguments, consent, progress, and the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from kling_mcp.errors import InputError, KlingError, StillSendingError
from kling_mcp.generation.unmarked import unmarked_notes
from kling_mcp.sanitize import quote
from kling_mcp.server.arguments import ToolArguments
from kling_mcp.server.consent import enough_units, purchase_of, require_consent
from kling_mcp.server.gallery.results import results_data
from kling_mcp.server.setup_report import unsavable
from kling_mcp.server.tool import SENDING, Answer
from kling_mcp.server.tools._ending import ending_of
from kling_mcp.server.tools._expected_time import expected_time
from kling_mcp.server.views.generations import generation_text, generation_view, next_step_after
from kling_mcp.server.views.result_blocks import result_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.errors import Problem
    from kling_mcp.generation.draft import ImageDraft, VideoDraft
    from kling_mcp.generation.generator import GenerationRequest
    from kling_mcp.results.saver import SavedFile
    from kling_mcp.server.arguments import ArgumentsError
    from kling_mcp.server.tool_context import ToolContext


class PaidArguments(ToolArguments):
    """What every paid tool takes."""

    take: int = Field(1, ge=1, le=1000, description="2: another result")
    max_units: int = Field(0, ge=0, description="Most the person agreed to pay; 0: ask")
    save_as: str = Field("", description="Name or folder in the output folder")
    dry_run: bool = Field(False, description="Show the price, send nothing")
    wait_seconds: int = Field(45, ge=0, le=600)

    def draft(self) -> VideoDraft | ImageDraft:
        """What is asked for."""
        raise NotImplementedError


# Without these, what others say of them cannot be judged.
_CONTENT = frozenset({"elements", "images", "first_frame", "last_frame", "video_url", "video_use", "shots"})


async def further_problems(model: type[PaidArguments], refused: ArgumentsError, call: ToolContext) -> list[Problem]:
    """The other problems of a request whose arguments do not fit the schema, so that one answer lists them all."""
    told = {problem.argument for problem in refused.problems}
    if told & _CONTENT:
        return []
    arguments = _readable(model, refused)
    try:
        await call.account.generator.prepare(arguments.draft(), take=arguments.take, save_as=arguments.save_as)
    except InputError as more:
        return [problem for problem in more.problems if problem.argument not in told]
    except KlingError:  # the library cannot be read: what is known already is told
        return []
    return []


def _readable(model: type[PaidArguments], refused: ArgumentsError) -> PaidArguments:
    """The arguments that could be read, unchecked; the others have their defaults, or are empty."""
    told = {problem.argument for problem in refused.problems}
    blank = {name: "" for name, field in model.model_fields.items() if field.is_required()}
    return model.model_construct(**blank | {name: value for name, value in refused.values.items() if name not in told})


async def answer_generation(draft: VideoDraft | ImageDraft, arguments: PaidArguments, call: ToolContext) -> Answer:
    """Prepare, ask if need be, make once, wait and save.

    Raises:
        KlingError: whatever preparing, consent, submitting or waiting raises.
    """
    call.settings.require("spending")
    if arguments.dry_run:
        call.settings.require("saving")
    generator = call.account.generator
    request = await generator.prepare(draft, take=arguments.take, save_as=arguments.save_as)
    if arguments.save_as.strip() and generator.saver.why_not:
        request = request.with_note("save_as is not used, because nothing is saved.")
    for note in await unmarked_notes(call.account.library, draft, request.prepared.elements):
        request = request.with_note(note)
    is_known = await generator.is_known(request)
    asked = request
    # A disk may be back by then; what was made already tells its own trouble.
    for note in await unsavable(call.runtime) if arguments.dry_run or not is_known else ():
        asked = asked.with_note(note)
    if arguments.dry_run:
        view = generation_view(asked, next_step=_after_dry_run(request, call, is_known=is_known))
        return Answer(view, generation_text(view))
    if not is_known:
        call.settings.require("saving")  # what cannot be saved is not paid for
        await require_consent(call, purchase_of(asked), arguments.max_units)
    return await _make(request, arguments, call, is_known=is_known)


def _after_dry_run(request: GenerationRequest, call: ToolContext, *, is_known: bool) -> str:
    estimate, again = request.prepared.estimate, call.caller.again
    if is_known:
        return f"An identical request was made before: {again} without dry_run to see its result; that pays nothing."
    agreed = f" and with max_units={enough_units(estimate)}" if estimate.is_known else ""
    return f"If the person agrees to this price, {again} without dry_run{agreed}."


async def _make(request: GenerationRequest, arguments: PaidArguments, call: ToolContext, *, is_known: bool) -> Answer:
    name, expected = "", expected_time([call.account.generator.kinds[request.intent.kind]])
    prompt = quote(request.memo.prompt, 40)

    async def on_claim(external_task_id: str) -> None:
        nonlocal name
        name = external_task_id
        await call.bind_tasks(external_task_id)

    def message() -> str:
        if slots := call.account.waits_for(name):
            return f"Waiting for a free slot at Kling: {slots}"
        if not name:
            return f"Checking {prompt}"
        ending = f": sending {sent}" if (sent := call.account.sending(name)) else f"; {expected}"
        return f"{'Waiting for' if is_known else 'Making'} {prompt} at Kling{ending}"

    seconds = call.wait_seconds(arguments)
    try:
        async with call.report_progress(message, seconds):
            made = await call.account.generator.generate_and_wait(request, wait_seconds=seconds, on_claim=on_claim)
    except StillSendingError as error:
        step = f"It is still being sent: repeat the same call, or call wait_for_tasks with ids=[{quote(name)}]."
        view = generation_view(request, external_task_id=error.external_task_id, next_step=step)
        return Answer(view, generation_text(view), ending=SENDING)
    view = generation_view(
        request,
        made.task,
        external_task_id=made.external_task_id,
        outcome=made.outcome,
        files=made.files,
        waited_seconds=made.waited_seconds,
        warnings=made.warnings,
        next_step=next_step_after(made.task, made.files),
    )
    for_page = await _page_data(request, view.task_id, made.files, call) if call.caller.shows_pages else None
    blocks = await result_blocks(made.files, call)
    return Answer(view, generation_text(view), blocks, for_page, ending_of(made.task, made.files))


async def _page_data(
    request: GenerationRequest, task_id: str, files: Sequence[SavedFile], call: ToolContext
) -> dict[str, object]:
    return await results_data([(task_id, request.memo)], files, saves=call.account.generator.saver.saves)
