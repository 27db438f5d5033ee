"""`create_voice`: a voice for elements from a recording or a clip, paid once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from kling_mcp.api.models import VoiceTask
from kling_mcp.errors import StillSendingError
from kling_mcp.media.links import show_link
from kling_mcp.sanitize import quote
from kling_mcp.server.arguments import ToolArguments
from kling_mcp.server.consent import Purchase, require_consent
from kling_mcp.server.tool import PAYS, SENDING, Answer, tool
from kling_mcp.server.tool_context import ToolContext
from kling_mcp.server.tools._ending import ending_of
from kling_mcp.server.tools._expected_time import expected_time
from kling_mcp.server.views.tasks import next_step_for, next_wait, task_text
from kling_mcp.server.views.voice_tasks import VoiceTaskView, voice_view
from kling_mcp.settings import MAX_WAIT_SECONDS
from kling_mcp.voices.preflight import VoiceDraft

if TYPE_CHECKING:
    from kling_mcp.voices.create import VoiceRequest


class CreateVoiceArguments(ToolArguments):
    """A voice request, flat."""

    voice_name: str = Field(description="1 to 20 characters")
    voice_url: str = Field("", description="https link to mp3, wav, mp4 or mov: one clean voice, 5 to 30 s")
    video_id: str = Field("", description="Or a clip with sound: its id or task id")
    max_units: int = Field(0, ge=0)
    wait_seconds: int = Field(45, ge=0, le=MAX_WAIT_SECONDS)


@tool(
    "create_voice",
    title="Create a voice",
    annotations=PAYS,
    arguments=CreateVoiceArguments,
    view=VoiceTaskView,
    search_hint="clone speech",
)
async def create_voice(arguments: CreateVoiceArguments, call: ToolContext) -> Answer:
    """Make a voice for element_voice_id and wait for its voice_id. Costs 0.05 video units: asks first."""
    call.settings.require("spending")
    creator = call.account.voice_creator
    request = await creator.prepare(VoiceDraft(arguments.voice_name, arguments.voice_url, arguments.video_id))
    if not await creator.is_known(request):
        await require_consent(call, _purchase(request), arguments.max_units)
    return await _make(request, call, call.wait_seconds(arguments))


def _purchase(request: VoiceRequest) -> Purchase:
    prepared = request.prepared
    source = show_link(prepared.voice_url) if prepared.voice_url else f"the sound of video {quote(prepared.video_id)}"
    lines = [f"Name: {quote(prepared.voice_name)}", f"From: {source}", *(f"Note: {each}" for each in prepared.warnings)]
    return Purchase("voice", prepared.estimate, lines)


async def _make(request: VoiceRequest, call: ToolContext, seconds: float) -> Answer:
    account, shown_name = call.account, request.prepared.voice_name
    expected = expected_time([account.voice_tasks])

    async def on_claim(external_task_id: str) -> None:
        await call.bind_tasks(external_task_id)

    try:
        async with call.report_progress(
            lambda: f"Making the voice {quote(shown_name, 40)} at Kling; {expected}", seconds
        ):
            made = await account.voice_creator.create_and_wait(request, wait_seconds=seconds, on_claim=on_claim)
    except StillSendingError as error:
        view = voice_view(
            VoiceTask(),
            voice_name=shown_name,
            units_estimated=request.intent.units_estimated,
            external_task_id=error.external_task_id,
            warnings=[error.message],
            next_step=error.advice,
        )
        return Answer(view, task_text(view), ending=SENDING)
    view = voice_view(
        made.task,
        voice_name=shown_name,
        units_estimated=request.intent.units_estimated,
        external_task_id=made.external_task_id,
        outcome=made.outcome,
        waited_seconds=made.waited_seconds,
        warnings=made.warnings,
        next_step=next_step_for(made.task, running=next_wait([made.task.task_id], " to get the voice_id.")),
    )
    return Answer(view, task_text(view), ending=ending_of(made.task))
