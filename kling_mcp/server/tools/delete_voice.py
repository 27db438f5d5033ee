"""`delete_voice`: delete one of the account's own voices."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pydantic import Field

from kling_mcp.errors import InputError, KlingError, Problem
from kling_mcp.library.catalogue import Filters
from kling_mcp.sanitize import clean, quote
from kling_mcp.server.arguments import ToolArguments, require_exact_ids
from kling_mcp.server.tool import DELETES, Answer, tool
from kling_mcp.server.tool_context import ToolContext
from kling_mcp.server.views.view import View
from kling_mcp.voices.delete import delete_voice as delete

if TYPE_CHECKING:
    from kling_mcp.library.index import Library

_MAX_NAMED = 10


class DeleteVoiceArguments(ToolArguments):
    """Which voice, by id and by name."""

    voice_id: str = Field(description="Not a task_id")
    voice_name: str = Field(description="Its exact name")


class DeletedVoiceView(View):
    """What was deleted."""

    SHOWN = ("deleted",)

    voice_id: str
    voice_name: str
    deleted: bool
    warnings: list[str]


@tool(
    "delete_voice",
    title="Delete a voice",
    annotations=DELETES,
    arguments=DeleteVoiceArguments,
    view=DeletedVoiceView,
    search_hint="remove speech",
)
async def delete_voice(arguments: DeleteVoiceArguments, call: ToolContext) -> Answer:
    """Permanently delete one of your own voices. Only when the user asked."""
    voice_id = arguments.voice_id.strip()
    if not voice_id:
        raise InputError([Problem("voice_id", "must be the id of a voice", "an empty text", "give its voice_id")])
    require_exact_ids("voice_id", [voice_id])
    account = call.account
    try:
        done = await delete(account.client, voice_id, arguments.voice_name)
    finally:
        account.voices.invalidate()  # the name is free again, even if the response was lost
    view = DeletedVoiceView(
        voice_id=done.voice_id,
        voice_name=clean(done.voice_name, 60),
        deleted=True,
        warnings=await _warnings(account.library, voice_id),
    )
    what = "is deleted" if done.sent else "was already deleted; nothing was sent"
    text = f"Voice {view.voice_id} {quote(done.voice_name, 60)} {what}. deleted=true"
    return Answer(view, "\n".join([text, *(f"Warning: {warning}" for warning in view.warnings)]))


async def _warnings(library: Library, voice_id: str) -> list[str]:
    """Which elements are still bound to the voice, as far as the library knows."""
    with suppress(KlingError):  # the voice is gone all the same
        await library.refresh(("custom",))
        filters = Filters(sources=("custom",), statuses=("ready", "pending"))
        page = await library.catalogue.search(voice_id, filters, _MAX_NAMED)
        bound = [each for each in page.elements if each.voice_id == voice_id]
        if bound:
            names = ", ".join(f"{quote(each.element_name, 40)} ({each.element_id})" for each in bound)
            more = f" and {page.total - len(bound)} more" if page.total > _MAX_NAMED else ""
            told = (
                f"Still bound to this voice: {names}{more}. Kling does not say how they sound now; an element cannot "
                "be given another voice, so create it again with one."
            )
            return [told]
    return []
