"""Asks a person through the client, in whichever way its protocol revision has.

Older revisions ask within the call. From 2026-07-28 on, the call ends with the question, and the client repeats it with
the answer; a call that has become a task asks through the task. An answer that no person can have given is none.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
from mcp import MCPError
from mcp.server.elicitation import (
    AcceptedElicitation,
    CancelledElicitation,
    DeclinedElicitation,
    ElicitationResult,
    render_elicitation_schema,
)
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.resolve import Elicit, Resolve, build_resolver_plans, resolve_arguments
from mcp_types import ElicitRequest, ElicitRequestFormParams, InputRequiredResult
from pydantic import BaseModel, ValidationError

from kling_mcp.server.mcp_tasks.current import current_background_call

if TYPE_CHECKING:
    from mcp.server.mcpserver import Context

    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.server.mcp_tasks.background_call import BackgroundCall

A = TypeVar("A", bound=BaseModel)

# A refusal within this time is the client's own: nobody reads a question that fast.
TOO_FAST_SECONDS = 1.0
_ASKED_AT = "kling_mcp_asked_at"


class InputNeededError(Exception):
    """Not a failure: the call goes on when the client has asked a person."""

    def __init__(self, result: InputRequiredResult) -> None:
        super().__init__("a person must be asked")
        self.result = result


class _Question:
    """A resolver that asks; its name is part of the protocol's state, so it must be the same in each round."""

    def __init__(self, message: str, schema: type[BaseModel]) -> None:
        self._message, self._schema = message, schema

    async def __call__(self) -> Elicit[Any]:
        return Elicit(self._message, self._schema)


async def ask_person(
    context: Context[Any, Any], clock: Clock, message: str, schema: type[A]
) -> ElicitationResult[A] | None:
    """What a person answers; None if the client cannot ask one.

    It cannot if it does not say that it can, answers with an error or without what was asked for, or declines by
    itself, at once.

    Raises:
        InputNeededError: the client must bring the answer with a new round of this call, which then gets it.
    """
    can = context.client_capabilities and context.client_capabilities.elicitation
    if not can or (can.url is not None and can.form is None):
        return None
    asked_at = _asked_at(context.request_state, clock)
    background = current_background_call()
    try:
        if background and background.is_detached:
            answer = await _ask_in_task(background, message, schema)
        else:
            answer = await _ask(context, clock, message, schema)
    except (MCPError, ToolError):
        return None
    if answer is None or answer.action == "accept":
        return answer
    return None if 0 <= clock.wall() - asked_at < TOO_FAST_SECONDS else answer


async def _ask(context: Context[Any, Any], clock: Clock, message: str, schema: type[A]) -> ElicitationResult[A]:
    question = {"answer": (Resolve(_Question(message, schema)), True)}
    outcome = await resolve_arguments(question, build_resolver_plans(question, set()), {}, context)
    if isinstance(outcome, InputRequiredResult):
        outcome.request_state = _with_time(outcome.request_state, clock.wall())
        raise InputNeededError(outcome)
    answer: ElicitationResult[A] = outcome["answer"]
    return answer


async def _ask_in_task(background: BackgroundCall, message: str, schema: type[A]) -> ElicitationResult[A] | None:
    """The same in a task, while the task has time."""
    params = ElicitRequestFormParams(message=message, requested_schema=render_elicitation_schema(schema))
    with anyio.move_on_after(background.seconds_left()):
        answer = await background.ask(ElicitRequest(params=params))
        if answer.action == "decline":
            return DeclinedElicitation()
        if answer.action == "cancel":
            return CancelledElicitation()
        try:
            return AcceptedElicitation(data=schema.model_validate(answer.content))
        except ValidationError:
            return None
    return None


def _asked_at(state: str | None, clock: Clock) -> float:
    """When the question was asked: the state of an earlier round says it; without one, now. Unknown: long ago."""
    if not state:
        return clock.wall()
    try:
        moment = json.loads(state).get(_ASKED_AT)
    except (ValueError, AttributeError):
        return 0.0
    return moment if isinstance(moment, float) else 0.0


def _with_time(state: str | None, moment: float) -> str:
    """The SDK's state, which it signs and reads without minding what it does not know, with the time beside it."""
    return json.dumps({**json.loads(state or "{}"), _ASKED_AT: moment})
