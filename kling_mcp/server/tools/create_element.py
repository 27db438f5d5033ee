"""`create_element`: submit a creation and return its task at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_mcp.server.tool import CREATES, Answer, tool
from kling_mcp.server.tool_context import ToolContext
from kling_mcp.server.tools._creating import CreationArguments, answer_creation, media_problems
from kling_mcp.server.views.tasks import TaskView
from kling_mcp.tasks.submit import raise_if_failed

if TYPE_CHECKING:
    from kling_mcp.elements.create import Creation
    from kling_mcp.tasks.submit import OnClaim


@tool(
    "create_element",
    title="Create an element",
    annotations=CREATES,
    arguments=CreationArguments,
    view=TaskView,
    extra_problems=media_problems,
    is_described=False,
    search_hint="character cast batch",
)
async def create_element(arguments: CreationArguments, call: ToolContext) -> Answer:
    """Same arguments as create_element_and_wait, but returns the task at once, without an element_id: to create
    several, then call wait_for_tasks once."""
    seconds = call.settings.wait_seconds
    account = call.account

    async def create(on_claim: OnClaim) -> Creation:
        creation = await account.creator.create(
            arguments.draft(),
            allow_duplicate_name=arguments.allow_duplicate_name,
            timeout=seconds,
            on_claim=on_claim,
        )
        raise_if_failed(creation.task, creation.external_task_id, await account.refusals.facts_on(creation.task))
        return creation

    return await answer_creation(
        create, call, element_name=arguments.element_name, seconds=seconds, purpose=" to get the element_id."
    )
