"""`apply_production`: makes what a plan says, paid once, and goes on where an earlier call was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from kling_mcp.production.apply import Applier
from kling_mcp.production.earlier import outcomes_of_earlier
from kling_mcp.production.lock_keeper import LockKeeper
from kling_mcp.production.planning import Planner
from kling_mcp.server.arguments import ToolArguments
from kling_mcp.server.consent import Purchase, require_consent, require_within
from kling_mcp.server.gallery import CAST_URI
from kling_mcp.server.gallery.cast import cast_data
from kling_mcp.server.tool import PAYS, Answer, Ending, tool
from kling_mcp.server.tool_context import ToolContext
from kling_mcp.server.views.plans import plan_details
from kling_mcp.server.views.productions import ProductionView, goes_on, has_failed, production_text, production_view
from kling_mcp.server.views.result_blocks import result_blocks

if TYPE_CHECKING:
    from kling_mcp.production.plan import Plan
    from kling_mcp.production.plan_store import StoredPlan


class ApplyArguments(ToolArguments):
    """Which plan, and what it may cost."""

    plan_id: str
    max_units: int = Field(0, ge=0, description="Most to pay; 0: ask")
    wait_seconds: int = Field(45, ge=0, le=600)


@tool(
    "apply_production",
    title="Apply a plan",
    annotations=PAYS,
    arguments=ApplyArguments,
    view=ProductionView,
    page_uri=CAST_URI,
    search_hint="film render batch",
)
async def apply_production(arguments: ApplyArguments, call: ToolContext) -> Answer:
    """Make what plan_production planned; asks its price once. Repeat to go on."""
    started = call.clock.monotonic()
    policy = call.runtime.media_policy()
    planner = Planner(call.account, policy, call.clock)
    async with call.report_progress(lambda: "Comparing the plan with what is there", 0):
        stored, plan = await planner.find(arguments.plan_id)
    await _require_consent(call, planner, stored, plan, arguments.max_units)
    seconds = call.wait_seconds(arguments)
    keeper = LockKeeper(plan.sheet.path, call.clock)
    applier = Applier(call.account, plan, keeper, call.clock, wait_seconds=seconds)
    async with call.report_progress(lambda: str(applier.progress), seconds):
        outcomes = await applier.run()
        earlier = [] if goes_on(outcomes) else await outcomes_of_earlier(call.account, plan)
    view = production_view(stored.plan_id, plan, outcomes, call.clock.monotonic() - started, earlier)
    files = [file for outcome in (*earlier, *outcomes) for file in outcome.files]
    for_page = await cast_data(plan, call.account, policy) if call.caller.shows_pages else None
    ending = Ending(repeats=goes_on(outcomes), has_failed=has_failed(plan, outcomes))
    return Answer(view, production_text(view), await result_blocks(files, call), for_page, ending)


async def _require_consent(call: ToolContext, planner: Planner, stored: StoredPlan, plan: Plan, max_units: int) -> None:
    """Return if the rest of the plan may be paid; a person is asked once for the whole of it.

    Raises:
        ConfigurationError: a setting of what may be spent, or of where results are saved, is wrong.
        OverBudgetError: it may cost more than `max_units`.
        ConfirmationError: a person declined, or must be asked first.
    """
    price = plan.price()
    if not price:
        return
    call.settings.require("spending")
    if plan.shot_work:
        call.settings.require("saving")
    is_agreed = all(each.high <= stored.agreed.get(each.product, -1) for each in price)
    for each in price:
        require_within(each, max_units)
        if not is_agreed:
            await require_consent(call, Purchase("production", each, plan_details(plan)), max_units)
    if not is_agreed:
        await planner.store.agree(stored.plan_id, {each.product: each.high for each in price})
