"""`plan_production`: what a production sheet still needs, and what that costs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from kling_mcp.production.earlier import outcomes_of_earlier
from kling_mcp.production.planning import Planner
from kling_mcp.server.arguments import ToolArguments
from kling_mcp.server.tool import READS, Answer, tool
from kling_mcp.server.tool_context import ToolContext
from kling_mcp.server.views.plans import PlanView, plan_text, plan_view


class PlanArguments(ToolArguments):
    """Which sheet, which part of it, and what must exist."""

    path: str = Field(description="YAML you write; a missing one is answered with the format")
    part: Literal["all", "cast", "shots"] = "all"
    require: list[str] = Field(default_factory=list, description="Names of elements that must exist")


@tool("plan_production", title="Plan a production", annotations=READS, arguments=PlanArguments, view=PlanView)
async def plan_production(arguments: PlanArguments, call: ToolContext) -> Answer:
    """What a production sheet (a file with cast and shots) still needs and costs."""
    planner = Planner(call.account, call.runtime.media_policy(), call.clock)
    async with call.report_progress(lambda: "Looking at the sheet and the library", 0):
        kept = await planner.make(arguments.path, part=arguments.part, require=arguments.require)
        earlier = await outcomes_of_earlier(call.account, kept.plan)
    view = plan_view(kept.plan_id, kept.plan, earlier)
    return Answer(view, plan_text(view))
