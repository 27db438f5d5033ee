"""Shared by both creating tools: their arguments, how a draft is made of them, and how they report and answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from anyio import to_thread
from pydantic import Field

from kling_mcp.elements.draft import ElementDraft
from kling_mcp.elements.preflight import prepare
from kling_mcp.errors import InputError, StillSendingError
from kling_mcp.sanitize import quote
from kling_mcp.server.arguments import ToolArguments
from kling_mcp.server.tool import SENDING, Answer
from kling_mcp.server.tools._ending import ending_of
from kling_mcp.server.views.tasks import creation_view, sending_view, task_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from kling_mcp.elements.create import Creation
    from kling_mcp.errors import Problem
    from kling_mcp.server.arguments import ArgumentsError
    from kling_mcp.server.tool_context import ToolContext
    from kling_mcp.tasks.submit import OnClaim


class CreationArguments(ToolArguments):
    """What Kling accepts, flat. fact: create-fields"""

    MEDIA: ClassVar[frozenset[str]] = frozenset({"frontal_image", "refer_images"})

    element_name: str = Field(description="1 to 20 characters")
    element_description: str = Field(description="Looks, clothes, colours; 1 to 100 characters")
    reference_type: Literal["image_refer", "video_refer"] = Field(
        description="image_refer: 2 to 4 pictures; video_refer: a clip of a person"
    )
    frontal_image: str = Field(
        "", description="Front view: local path, https link, file: or data: URI; JPEG or PNG, 10 MB"
    )
    refer_images: list[str] = Field(default_factory=list, description="1 to 3 other views, same forms")
    video_url: str = Field("", description="For video_refer: https link to mp4 or mov, 3 to 8 s")
    element_voice_id: str = Field("", description="From find_voices")
    tags: list[str] = Field(
        default_factory=list,
        description="Hottest, Character, Animal, Item, Costume, Scene, Effect, Others",
    )
    callback_url: str = Field("", description="https address Kling calls when done")
    external_task_id: str = Field("", description="Only for a deliberate second copy")
    allow_duplicate_name: bool = Field(False, description="Even if the name is taken")

    def draft(self) -> ElementDraft:
        """The same values for the media checks."""
        return _draft_of(self.model_dump())


async def answer_creation(
    create: Callable[[OnClaim], Awaitable[Creation]],
    call: ToolContext,
    *,
    element_name: str,
    seconds: float,
    purpose: str,
) -> Answer:
    """The answer of a creation, with progress until then.

    Args:
        seconds: how long it may take.
        purpose: ends the sentence that says how to continue waiting.
    """
    external_task_id = ""

    async def on_claim(name: str) -> None:
        nonlocal external_task_id
        external_task_id = name
        await call.bind_tasks(name)

    def message() -> str:
        if not external_task_id:
            return f"Checking {quote(element_name, 40)}"
        sent = call.account.sending(external_task_id)
        return f"Creating {quote(element_name, 40)} at Kling{f': sending {sent}' if sent else ''}"

    started = call.clock.monotonic()
    try:
        async with call.report_progress(message, seconds):
            creation = await create(on_claim)
    except StillSendingError as error:
        view = sending_view(error, call.clock.monotonic() - started)
        return Answer(view, task_text(view), ending=SENDING)
    view = creation_view(creation, purpose)
    return Answer(view, task_text(view), ending=ending_of(creation.task))


async def media_problems(refused: ArgumentsError, call: ToolContext) -> list[Problem]:
    """The other problems of a creation whose arguments do not fit the schema, so that one answer lists them all."""
    told = {problem.argument for problem in refused.problems}
    try:
        await to_thread.run_sync(prepare, _draft_of(refused.values), call.runtime.media_policy())
    except InputError as more:
        return [problem for problem in more.problems if problem.argument not in told]
    return []


def _draft_of(values: Mapping[str, Any]) -> ElementDraft:
    def text(name: str) -> str:
        return str(values.get(name, ""))

    return ElementDraft(
        element_name=text("element_name"),
        element_description=text("element_description"),
        reference_type=text("reference_type"),
        frontal_image=text("frontal_image"),
        refer_images=tuple(values.get("refer_images", ())),
        video_url=text("video_url"),
        element_voice_id=text("element_voice_id"),
        tags=tuple(values.get("tags", ())),
        callback_url=text("callback_url"),
        external_task_id=text("external_task_id"),
    )
