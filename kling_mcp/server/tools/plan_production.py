"""`plan_production`: what a production sheet still needs, and what that costs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from kling_mcp.production.earlier import outcomes_of_earlier
from kling_mcp.production.planning import Planner
from kling_mcp.server.arguments import ToolArguments
from kling_mcp.server.gallery import CAST_URI
from kling_mcp.server.gallery.cast import cast_data
from kling_mcp.server.tool import READS, Answer, tool
from kling_mcp.server.tool_context import ToolContext
from kling_mcp.server.views.plans import PlanView, plan_text, plan_view


class PlanArguments(ToolArguments):
    """Which sheet, which part of it, and what must exist."""

    path: str = Field(description="YAML you write; if missing, its form is shown")
    part: Literal["all", "cast", "shots"] = "all"
    require: list[str] = Field(default_factory=list, description="Elements that must exist")


@tool(
    "plan_production",
    title="Plan a production",
    annotations=READS,
    arguments=PlanArguments,
    view=PlanView,
    page_uri=CAST_URI,
    search_hint="film storyboard cost",
    is_long=True,
)
async def plan_production(arguments: PlanArguments, call: ToolContext) -> Answer:
    """What a production sheet still needs and costs."""
    policy = call.runtime.media_policy()
    planner = Planner(call.account, policy, call.clock)
    async with call.report_progress(lambda: "Looking at the sheet and the library", 0):
        kept = await planner.make(arguments.path, part=arguments.part, require=arguments.require)
        earlier = await outcomes_of_earlier(call.account, kept.plan)
    view = plan_view(kept.plan_id, kept.plan, earlier)
    for_page = await cast_data(kept.plan, call.account, policy) if call.caller.shows_pages else None
    return Answer(view, plan_text(view), page_data=for_page)
