"""`check_balance`: what the account has left, and what it spent."""

from __future__ import annotations

from pydantic import Field

from kling_mcp.server.arguments import ToolArguments
from kling_mcp.server.tool import READS, Answer, tool
from kling_mcp.server.tool_context import ToolContext
from kling_mcp.server.views.balance import BalanceView, balance_text, balance_view

_USUAL_SECONDS = 3  # three requests, one a second


class CheckBalanceArguments(ToolArguments):
    """How far back."""

    days: int = Field(1, ge=1, le=30)


@tool(
    "check_balance",
    title="Check the balance",
    annotations=READS,
    arguments=CheckBalanceArguments,
    view=BalanceView,
    search_hint="credits cost usage",
)
async def check_balance(arguments: CheckBalanceArguments, call: ToolContext) -> Answer:
    """Units left by product type, and spent by day and model beside the estimates."""
    async with call.report_progress(lambda: "Reading packs and deductions at Kling", _USUAL_SECONDS):
        balance = await call.account.balance.read(arguments.days)
    view = balance_view(balance, call.clock.wall())
    return Answer(view, balance_text(view))
