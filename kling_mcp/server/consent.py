"""Consent to spending: a person agrees to a price, or the call says what it would cost and stops.

Where the client can ask a person, the person decides. Where it cannot, the first call is refused with the price, and a
repeat with `max_units` at or above it goes ahead: the agent has told the price, and a person has said how much.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from kling_mcp.errors import ConfirmationError, OverBudgetError
from kling_mcp.generation.memo import settings_of
from kling_mcp.sanitize import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.generation.generator import GenerationRequest
    from kling_mcp.generation.prices import Estimate
    from kling_mcp.server.tool_context import ToolContext

_PROMPT = 400
_GIVE_A_PRICE = (
    "Use another model, or ask the operator to give its price in KLING_MCP_EXTRA_MODELS, as name=route/model@units a "
    "second."
)


class Consent(BaseModel):
    """What a person is asked."""

    agree: bool = Field(description="Spend these units")


@dataclass(frozen=True, slots=True)
class Purchase:
    """What is to be paid for: a `video`, a `picture` or a `voice`, and a line for each thing to know about it."""

    what: str
    estimate: Estimate
    details: Sequence[str]

    def __str__(self) -> str:
        return "\n".join(self.details)


async def require_consent(call: ToolContext, purchase: Purchase, max_units: int) -> None:
    """Return if this may be paid.

    Raises:
        OverBudgetError: it may cost more than `max_units`.
        ConfirmationError: a person declined, or must be asked first.
    """
    estimate = purchase.estimate
    require_within(estimate, max_units)
    if call.settings.spending.mode == "allow":
        return
    if await _was_agreed(call, f"Make this {purchase.what} for {estimate}?\n{purchase}"):
        return
    if not estimate.is_known:
        raise ConfirmationError(
            f"This costs {estimate}.\n{purchase}",
            advice="Nothing was sent and nothing was paid. Only a person can agree to an unknown price, and "
            f"{call.caller.cannot_ask}. {_GIVE_A_PRICE}",
            retry="never",
        )
    if max_units:
        return
    raise ConfirmationError(
        f"This costs {estimate}.\n{purchase}",
        advice="Nothing was sent and nothing was paid. Tell the person the price, and if they agree, "
        f"{call.caller.again} with max_units={enough_units(estimate)}.",
        retry="never",
    )


def require_within(estimate: Estimate, max_units: int) -> None:
    """Return if this costs at most `max_units`; 0 is no cap.

    Raises:
        OverBudgetError: it may cost more.
    """
    if max_units and not estimate.is_known:
        raise OverBudgetError(
            f"max_units is {max_units}, and this request costs {estimate}.",
            advice=f"Nothing was sent and nothing was paid. {_GIVE_A_PRICE}",
        )
    if max_units and estimate.high > max_units:
        costs = "costs more" if estimate.low > max_units else "may cost more"
        raise OverBudgetError(
            f"max_units is {max_units}, and this request {costs}: {estimate}.",
            advice="Nothing was sent and nothing was paid. Ask the person whether max_units="
            f"{enough_units(estimate)} is all right, or make it cheaper: shorter, fewer, a lower resolution.",
        )


def enough_units(estimate: Estimate) -> int:
    """The smallest `max_units`, whole units, that lets this estimate pass."""
    return math.ceil(estimate.high)


async def _was_agreed(call: ToolContext, question: str) -> bool:
    """True if a person agreed; False if the client cannot ask one.

    Raises:
        ConfirmationError: the person declined.
    """
    answer = await call.ask(question, Consent)
    if answer is None:
        return False
    if answer.action == "accept" and answer.data.agree:
        return True
    raise ConfirmationError(
        "The person declined to spend these units.",
        advice="Nothing was sent and nothing was paid. Ask the person what to change before trying again.",
    )


def purchase_of(request: GenerationRequest) -> Purchase:
    """A generation: its final settings and every note."""
    settings = ", ".join(f"{name} {value}" for name, value in settings_of(request.prepared).items())
    names = ", ".join(quote(name, 40) for _, name in request.memo.elements)
    lines = [
        f"Prompt: {quote(request.memo.prompt, _PROMPT)}",
        f"Settings: model {request.memo.model}, {settings}",
        names and f"Elements: {names}",
        request.memo.take > 1 and f"Take: {request.memo.take}",
        *(f"Note: {note}" for note in request.prepared.notes),
    ]
    what = "video" if request.product == "video" else "picture"
    return Purchase(what, request.prepared.estimate, [line for line in lines if line])
