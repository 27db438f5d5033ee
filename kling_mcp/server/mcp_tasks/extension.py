"""MCP's side of tasks: the interception of tool calls, and tasks/get, tasks/update and tasks/cancel.

It decides whether a call becomes a task; it never changes what a tool does or returns.
Only a request that itself declares the extension can be answered with a handle.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Literal

import anyio
from mcp import MCPError
from mcp.server.extension import Extension, MethodBinding
from mcp.server.mcpserver import Context, require_client_extension
from mcp.server.request_state import authenticated_principal
from mcp.shared.inbound import MCP_NAME_HEADER, decode_header_value
from mcp_types import HEADER_MISMATCH, INTERNAL_ERROR, INVALID_PARAMS, RequestParams
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import Field

from kling_mcp.errors import AuthError, ClockError, ConfigurationError, KlingError, StorageError
from kling_mcp.server.lazy_runtime import runtime_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from anyio.abc import TaskGroup
    from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
    from mcp_types import CallToolRequestParams

    from kling_mcp.account import Account
    from kling_mcp.server.mcp_tasks.background_call import BackgroundCall
    from kling_mcp.server.mcp_tasks.handles import Handle, HandleStore

    RequestContext = ServerRequestContext[Any, Any]

logger = logging.getLogger(__name__)

TASKS = "io.modelcontextprotocol/tasks"

# optional: a task only if the call takes longer than the grace period. always: a task, for clients that support it.
# required: the same, and other clients are refused.
Mode = Literal["optional", "always", "required"]

# The tools that may become tasks; `resume` has the body that follows each of them.
LONG_CALLS = ("create_element_and_wait", "wait_for_tasks", "generate_video", "generate_image", "create_voice")

GRACE_SECONDS = 2.0
TASK_SECONDS = 900.0  # fact: poll (10 to 15 minutes in all)
MAX_CALLS = 200

_DONE = {"resultType": "complete"}


class HandleParams(RequestParams):
    """Which task."""

    task_id: str = Field(alias="taskId", max_length=128)


class AnswerParams(HandleParams):
    """Answers to the task's questions, by key."""

    input_responses: dict[str, Any] = Field(alias="inputResponses")


class TasksExtension(Extension):
    """Tasks for the tools of one server. Calls run on within `running()`, so they end with the server."""

    identifier = TASKS

    def __init__(
        self,
        modes: Mapping[str, Mode] | None = None,
        *,
        grace: float = GRACE_SECONDS,
        seconds: float = TASK_SECONDS,
        max_calls: int = MAX_CALLS,
    ) -> None:
        """
        Args:
            modes: tools that may become tasks besides `LONG_CALLS`, for test fixtures.
            grace: seconds after which a call becomes a task.
            seconds: how long a task may run.
            max_calls: how many calls and results are kept in memory.
        """
        self._modes: dict[str, Mode] = {**dict.fromkeys(LONG_CALLS, "optional"), **(modes or {})}
        self._grace = grace
        self._seconds = seconds
        self._max_calls = max_calls
        self._calls: dict[str, BackgroundCall] = {}
        self._groups: list[TaskGroup] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Calls may run in the background of this block; when it ends they are cancelled and cleaned up."""
        async with anyio.create_task_group() as group:
            self._groups.append(group)
            try:
                yield
            finally:
                self._groups.remove(group)
                group.cancel_scope.cancel()

    def hand_over(self) -> None:
        """Shutdown has begun: leave background calls to the next server."""
        for background in self._calls.values():
            if background.is_detached:
                background.detach_for_restart()

    def methods(self) -> Sequence[MethodBinding]:
        """What a client may ask about a handle; earlier revisions of the protocol do not have it."""
        versions = frozenset(MODERN_PROTOCOL_VERSIONS)
        return [
            MethodBinding("tasks/get", HandleParams, self._get, versions),
            MethodBinding("tasks/update", AnswerParams, self._update, versions),
            MethodBinding("tasks/cancel", HandleParams, self._cancel, versions),
        ]

    async def intercept_tool_call(
        self, params: CallToolRequestParams, ctx: RequestContext, call_next: CallNext
    ) -> HandlerResult:
        """Run the call, and answer with its result, or with a handle if it takes long."""
        mode = self._modes.get(params.name)
        if mode is None:
            return await call_next(ctx)
        if not _declares_tasks(ctx):
            if mode == "required":
                require_client_extension(ctx, TASKS)
            return await call_next(ctx)
        background = await self._begin(params.name, ctx)
        if background is None:
            return await call_next(ctx)
        self._start(background, lambda: call_next(ctx))
        try:
            await background.wait_for_news(self._grace)
        except anyio.get_cancelled_exc_class():
            # The client went away before it had a handle: an ordinary cancellation.
            await self._abandon(background)
            raise
        if background.is_over and (mode == "optional" or background.asks_to_be_repeated):
            await self._forget(background)
            return background.outcome()
        background.detach()
        if background.is_over:
            await background.persist_result()
        return {"resultType": "task", **background.summary()}

    async def _begin(self, tool: str, ctx: RequestContext) -> BackgroundCall | None:
        """A background call with a stored handle, or None for an ordinary call."""
        try:
            account = _account_of(ctx)
            with anyio.move_on_after(self._grace) as in_time:  # the call itself says why Kling does not answer
                await account.prove()
            if in_time.cancelled_caught or not self._groups or not self._make_room():
                return None
            handles = _handles_of(ctx)
            handle = await handles.reserve(account.client.account, _principal_of(ctx), tool)
        except KlingError as error:
            logger.info("%s runs without a task handle: %s", tool, error)
            return None
        return None if handle is None else self._make_call(handle, ctx)

    def _make_call(self, handle: Handle, ctx: RequestContext) -> BackgroundCall:
        from kling_mcp.server.mcp_tasks.background_call import BackgroundCall  # noqa: PLC0415 - most calls are ordinary

        return BackgroundCall(handle, _handles_of(ctx), runtime_of(ctx).clock, self._seconds)

    def _start(self, background: BackgroundCall, work: Any) -> None:
        async def to_the_end() -> None:
            await background.run(work)
            if background.is_detached and background.is_over:
                await background.persist_result()

        self._calls[background.handle.handle_id] = background
        self._groups[-1].start_soon(to_the_end, name=f"task of {background.handle.tool}")

    def _make_room(self) -> bool:
        """Whether one more call may be kept; finished ones give way, because Kling knows their outcome."""
        if len(self._calls) >= self._max_calls:
            ended = next((name for name, background in self._calls.items() if background.is_over), None)
            if ended is None:
                return False
            del self._calls[ended]
        return True

    async def _abandon(self, background: BackgroundCall) -> None:
        background.cancel()
        with anyio.CancelScope(shield=True):
            await background.wait_closed()
            await self._forget(background)

    async def _forget(self, background: BackgroundCall) -> None:
        self._calls.pop(background.handle.handle_id, None)
        with suppress(StorageError):  # it expires by itself
            await background.handles.discard(background.handle.handle_id)

    async def _get(self, ctx: RequestContext, params: HandleParams) -> HandlerResult:
        from kling_mcp.server.mcp_tasks.background_call import CANCELLED, wire_form  # noqa: PLC0415 - see `_make_call`

        handle = await self._find(ctx, params.task_id)
        background = self._calls.get(handle.handle_id)
        if handle.status == "cancelled" and (background is None or not background.is_over):
            # Cancelled through another process, or before a restart.
            if background is not None:
                background.cancel()
            return {**_DONE, **wire_form(handle, "cancelled", handle.updated_at, CANCELLED)}
        if background is None:
            background = self._resume(handle, ctx)
            await background.wait_for_news(self._grace)
        return background.detail()

    async def _update(self, ctx: RequestContext, params: AnswerParams) -> HandlerResult:
        handle = await self._find(ctx, params.task_id)
        if background := self._calls.get(handle.handle_id):
            background.answer(params.input_responses)
        return dict(_DONE)

    async def _cancel(self, ctx: RequestContext, params: HandleParams) -> HandlerResult:
        handle = await self._find(ctx, params.task_id)
        background = self._calls.get(handle.handle_id)
        if background is not None:
            background.cancel()
        if background is None or background.status == "cancelled":
            with suppress(StorageError):
                await _handles_of(ctx).settle(handle.handle_id, "cancelled")
        return dict(_DONE)

    async def _find(self, ctx: RequestContext, task_id: str) -> Handle:
        """The handle, if this caller may use it.

        Raises:
            MCPError: the extension is not declared, the routing header names another task, or this caller has no such
                task; the error does not reveal whether another caller has it.
        """
        require_client_extension(ctx, TASKS)
        _refuse_other_name(ctx, task_id)
        background = self._calls.get(task_id)
        try:
            handle = await _handles_of(ctx).find(task_id)
        except (ConfigurationError, AuthError, ClockError):
            raise _no_such_task() from None
        except KlingError as error:
            if background is None or not isinstance(error, StorageError):
                raise MCPError(INTERNAL_ERROR, f"Tasks cannot be read just now: {error.message}") from None
            handle = background.handle
        if handle is None:
            self._calls.pop(task_id, None)
        if handle is None or not _may_use(ctx, handle):
            raise _no_such_task()
        return handle

    def _resume(self, handle: Handle, ctx: RequestContext) -> BackgroundCall:
        """Follow a call that this process does not run: after a restart, or because another process runs it."""
        background = self._make_call(handle, ctx)
        background.detach()

        async def follow() -> HandlerResult:
            from kling_mcp.server.mcp_tasks.resume import FOLLOWERS  # noqa: PLC0415 - with them come all the tools
            from kling_mcp.server.run_tool import run_tool  # noqa: PLC0415 - with them come all the tools

            follower = FOLLOWERS.get(handle.tool)
            if follower is None:
                raise MCPError(INTERNAL_ERROR, "The server was restarted, and this call cannot be resumed.")
            return await run_tool(follower, {}, Context(request_context=ctx))

        self._start(background, follow)
        return background


def _declares_tasks(ctx: RequestContext) -> bool:
    capabilities = ctx.session.client_capabilities
    declared = (capabilities.extensions if capabilities else None) or {}
    return ctx.protocol_version in MODERN_PROTOCOL_VERSIONS and TASKS in declared


def _refuse_other_name(ctx: RequestContext, task_id: str) -> None:
    """Over http a header repeats the task's id for routers; it must match the body."""
    headers = getattr(ctx.request, "headers", None) or {}
    named = headers.get(MCP_NAME_HEADER)
    if named is not None and decode_header_value(named) != task_id:
        raise MCPError(HEADER_MISMATCH, "The header Mcp-Name does not match params.taskId")


def _no_such_task() -> MCPError:
    return MCPError(
        INVALID_PARAMS,
        "There is no such task, or it has expired. wait_for_tasks without ids finds unfinished creations.",
    )


def _handles_of(ctx: RequestContext) -> HandleStore:
    """The handles, as the caller's credential opens them.

    Raises:
        ConfigurationError: the caller has none.
    """
    from kling_mcp.server.mcp_tasks.handles import HandleStore  # noqa: PLC0415 - most calls are ordinary

    runtime = runtime_of(ctx)
    return HandleStore(_account_of(ctx).store, runtime.clock, runtime.owner)


def _account_of(ctx: RequestContext) -> Account:
    """The caller's Kling account.

    Raises:
        ConfigurationError: the caller has none.
    """
    return runtime_of(ctx).account_of_caller(getattr(ctx.request, "headers", None))


def _principal_of(ctx: RequestContext) -> str:
    """A digest of the signed-in caller; "" if callers do not sign in."""
    principal = authenticated_principal(ctx)
    return hashlib.sha256(principal.encode()).hexdigest() if principal else ""


def _may_use(ctx: RequestContext, handle: Handle) -> bool:
    """A handle is a name, not a key: it works only for the account and the caller it was made for."""
    return (handle.account, handle.principal) == (_account_of(ctx).client.account, _principal_of(ctx))
