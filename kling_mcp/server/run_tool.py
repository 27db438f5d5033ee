"""One call of one tool, and the one place where errors become what an agent reads.

Nothing else in this package catches `Exception`.
"""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING, Any

from mcp_types import CallToolResult, InputRequiredResult, TextContent

from kling_mcp.errors import KlingError
from kling_mcp.server.arguments import ArgumentsError, ToolArguments, parse_arguments
from kling_mcp.server.call_record import record_call
from kling_mcp.server.caller import McpCaller
from kling_mcp.server.questions import InputNeededError
from kling_mcp.server.tool import Answer
from kling_mcp.server.tool_context import ToolContext
from kling_mcp.server.tools import may_create

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mcp.server.mcpserver import Context

    from kling_mcp.server.call_record import CallRecorder
    from kling_mcp.server.caller import Caller
    from kling_mcp.server.tool import ToolSpec

logger = logging.getLogger(__name__)

# How a call ends: with an answer, an error, or a question that the client must answer first.
Outcome = Answer | KlingError | InputRequiredResult

_DEFECT = "%s failed because of a bug in kling-mcp; reference %s"


async def run_tool(
    spec: ToolSpec, arguments: Mapping[str, Any], context: Context[Any, Any]
) -> CallToolResult | InputRequiredResult:
    """Run the tool for an MCP client, and turn the outcome into a result."""
    return _as_result(await perform(spec, arguments, ToolContext(McpCaller(context))), may_create=spec.may_create)


async def load_and_run_tool(
    name: str, load_it: Callable[[], ToolSpec], arguments: Mapping[str, Any], context: Context[Any, Any]
) -> CallToolResult | InputRequiredResult:
    """Like `run_tool`, but also covers a tool that cannot be loaded, as in a broken installation."""
    outcome = await load_and_perform(name, load_it, arguments, McpCaller(context))
    return _as_result(outcome, may_create=may_create(name))


async def load_and_perform(
    name: str, load_it: Callable[[], ToolSpec], arguments: Mapping[str, Any], caller: Caller
) -> Outcome:
    """Load the tool and run it, for any caller."""
    try:
        spec = load_it()
    except Exception:  # as below, and nothing has begun
        reference = secrets.token_hex(4)
        logger.exception(_DEFECT, name, reference)
        return _defect(reference, may_have_created=False)
    return await perform(spec, arguments, ToolContext(caller))


async def perform(spec: ToolSpec, arguments: Mapping[str, Any], call: ToolContext) -> Outcome:
    """Parse the arguments and run the tool; an error is returned, too, because it is recorded as an outcome."""
    with record_call(spec, call) as recorder:
        try:
            call.require_settings(changes_something=spec.changes_something, may_create=spec.may_create)
            recorder.begins()
            with call.within_call_limit():
                answer = await spec.handler(await _read(spec, arguments, call), call)
        except InputNeededError as question:
            return question.result
        except KlingError as error:
            logger.info("%s: %s", spec.name, error.last_line())
            return _failed(error, recorder, call)
        except Exception:  # the boundary: a bug must not reach the caller as a traceback
            reference = secrets.token_hex(4)
            logger.exception(_DEFECT, spec.name, reference)
            return _failed(_defect(reference, may_have_created=spec.may_create), recorder, call)
        recorder.answered(answer.view)
    return answer


async def _read(spec: ToolSpec, raw: Mapping[str, Any], call: ToolContext) -> ToolArguments:
    """The arguments of a call.

    Raises:
        ArgumentsError: with every problem, of content and of form.
    """
    try:
        return parse_arguments(spec.arguments, raw)
    except ArgumentsError as refused:
        if spec.extra_problems is None:
            raise
        further = await spec.extra_problems(refused, call)
        raise ArgumentsError([*refused.problems, *further], refused.values) from None


def _failed(error: KlingError, recorder: CallRecorder, call: ToolContext) -> KlingError:
    recorder.failed(error)
    call.record_error(error)
    return error


def _as_result(outcome: Outcome, *, may_create: bool) -> CallToolResult | InputRequiredResult:
    if isinstance(outcome, KlingError):
        return _error_result(outcome, may_create=may_create)
    if isinstance(outcome, InputRequiredResult):
        return outcome
    return CallToolResult(
        content=[TextContent(type="text", text=outcome.text), *outcome.extra],
        structured_content=outcome.view.model_dump(mode="json"),
        _meta=dict(outcome.page_data) if outcome.page_data else None,
    )


def _error_result(error: KlingError, *, may_create: bool) -> CallToolResult:
    """Errors stay out of structured content: some clients check that against the output schema and throw."""
    return CallToolResult(
        content=[TextContent(type="text", text=error.for_caller(may_create=may_create))], is_error=True
    )


def _defect(reference: str, *, may_have_created: bool) -> KlingError:
    """A bug of ours: a reference that is also in the log, and no internals."""
    return KlingError(
        f"This is a bug in kling-mcp, not a problem with your input (reference {reference}).",
        created="maybe" if may_have_created else "no",
        advice=f"Please report it with the lines for {reference} from the server's log (stderr).",
    )
