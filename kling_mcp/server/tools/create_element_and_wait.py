"""`create_element_and_wait`: submit a creation and wait, within bounds, for the element id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from kling_mcp.server.tool import CREATES, Answer, tool
from kling_mcp.server.tool_context import ToolContext
from kling_mcp.server.tools._creating import CreationArguments, answer_creation, media_problems
from kling_mcp.server.views.tasks import TaskView
from kling_mcp.settings import MAX_WAIT_SECONDS

if TYPE_CHECKING:
    from kling_mcp.elements.create import Creation
    from kling_mcp.tasks.submit import OnClaim


class CreateAndWaitArguments(CreationArguments):
    """The creation arguments and how long to wait."""

    wait_seconds: int = Field(45, ge=0, le=MAX_WAIT_SECONDS)


@tool(
    "create_element_and_wait",
    title="Create an element and wait",
    annotations=CREATES,
    arguments=CreateAndWaitArguments,
    view=TaskView,
    extra_problems=media_problems,
)
async def create_element_and_wait(arguments: CreateAndWaitArguments, call: ToolContext) -> Answer:
    """Create a reusable element from 2 to 4 pictures or one clip, and wait for its element_ids (5 s to 2 min). If
    wait_seconds runs out, the answer names the next call. Several: create_element. Free; delete_element undoes it."""
    seconds = call.wait_seconds(arguments)

    async def create(on_claim: OnClaim) -> Creation:
        return await call.account.creator.create_and_wait(
            arguments.draft(),
            allow_duplicate_name=arguments.allow_duplicate_name,
            wait_seconds=seconds,
            on_claim=on_claim,
        )

    return await answer_creation(
        create, call, element_name=arguments.element_name, seconds=seconds, purpose="; do not create it again."
    )
