"""`build_server(settings)`: the whole MCP server, built and not yet running."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from mcp.server.mcpserver import MCPServer
from mcp_types import CallToolResult, TextContent

from kling_mcp._version import __version__
from kling_mcp.concurrency.background import run_in_background
from kling_mcp.errors import ConfigurationError
from kling_mcp.server.completions import register_completions
from kling_mcp.server.gallery import pages_extension
from kling_mcp.server.identity import ICON, NAME, TITLE, WEBSITE
from kling_mcp.server.instructions import instructions_for
from kling_mcp.server.lazy_runtime import LazyRuntime
from kling_mcp.server.long_names import refuse_long_names
from kling_mcp.server.mcp_tasks.extension import TasksExtension
from kling_mcp.server.prompts import register_prompts
from kling_mcp.server.resources import register_resources
from kling_mcp.server.text_arguments import read_text_arguments
from kling_mcp.server.tool_aliases import answer_older_names
from kling_mcp.server.tool_list import KlingTool, all_tools
from kling_mcp.server.tool_selection import hidden_tools, no_such_tool, switched_off, wrong_names
from kling_mcp.server.tools import NAMES, may_create

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from mcp.server.context import CallNext, HandlerResult, ServerMiddleware, ServerRequestContext
    from mcp.server.request_state import RequestStateSecurity
    from mcp_types import Tool

    from kling_mcp.runtime import Runtime
    from kling_mcp.settings import Settings


def build_server(
    settings: Settings,
    runtime: Runtime | None = None,
    *,
    tasks: TasksExtension | None = None,
    request_state: RequestStateSecurity | None = None,
    is_tolerant: bool = False,
) -> MCPServer[LazyRuntime]:
    """The server with the tools that the settings allow.

    Args:
        runtime: for tests and for the http transport; otherwise one is made from `settings` for stdio.
        tasks: for tests, whose own tools may also become tasks.
        request_state: encrypts what clients carry between the rounds of a question; by default with a key of this
            process.
        is_tolerant: names of tools and toolsets that do not exist are left out; without them nothing is offered.

    Raises:
        ConfigurationError: KLING_MCP_TOOLS or KLING_MCP_TOOLSETS names what does not exist.
    """
    if wrong := [] if is_tolerant else wrong_names(settings):
        raise ConfigurationError(" ".join(wrong))
    chosen, hidden = select_tools(settings)
    extension = tasks or TasksExtension()
    lazy_runtime = LazyRuntime(settings, runtime, lambda instance: instance.shutdown.on_start(extension.hand_over))
    if settings.state_url:
        lazy_runtime.get()  # a database that cannot be used must fail at start

    pages = {tool.page_uri for tool in chosen if tool.page_uri}
    server: MCPServer[LazyRuntime] = MCPServer(
        NAME,
        title=TITLE,
        website_url=WEBSITE,
        icons=[ICON],
        instructions=instructions_for(frozenset(tool.name for tool in chosen), is_sandbox=settings.sandbox),
        version=__version__,
        tools=[*chosen],
        lifespan=_lifespan_with(lazy_runtime, extension),
        extensions=[extension, pages_extension(pages)] if pages else [extension],
        log_level=_sdk_log_level(),
        request_state_security=request_state,
        middleware=_middleware(_AbsentTools(hidden, lambda: server.list_tools())),  # noqa: PLW0108 - not made yet
    )
    _register_the_rest(server, chosen)
    return server


def _lifespan_with(
    lazy_runtime: LazyRuntime, extension: TasksExtension
) -> Callable[[MCPServer[LazyRuntime]], AbstractAsyncContextManager[LazyRuntime]]:
    """What surrounds the server while it serves; the runtime is closed at its end."""

    @asynccontextmanager
    async def lifespan(_: MCPServer[LazyRuntime]) -> AsyncIterator[LazyRuntime]:
        if lazy_runtime.is_served:  # over http the server has two forms, see `one_piece`
            yield lazy_runtime
            return
        lazy_runtime.is_served = True
        try:
            async with _listening(lazy_runtime), extension.running():
                yield lazy_runtime
        finally:
            lazy_runtime.is_served = False
            if lazy_runtime.instance is not None:
                await lazy_runtime.instance.aclose()

    return lifespan


def _register_the_rest(server: MCPServer[LazyRuntime], chosen: Sequence[KlingTool]) -> None:
    """Everything but the tools."""
    register_resources(server)
    register_prompts(server, [tool.name for tool in chosen])
    register_completions(server)


def _middleware(absent_tools: _AbsentTools) -> list[ServerMiddleware[LazyRuntime]]:
    """What every request passes, outermost first."""
    return [refuse_long_names, answer_older_names, read_text_arguments, absent_tools]


@asynccontextmanager
async def _listening(lazy_runtime: LazyRuntime) -> AsyncIterator[None]:
    """Listen to other replicas while the block runs; a runtime that is made later has none to listen to."""
    if lazy_runtime.instance is None:
        yield
    else:
        async with run_in_background(lazy_runtime.instance.listen_for_notifications):
            yield


def select_tools(settings: Settings) -> tuple[list[KlingTool], dict[str, str]]:
    """The tools to register, and for each one left out the variable that hides it."""
    hidden = hidden_tools(settings)
    return [tool for tool in all_tools(settings) if tool.name not in hidden], hidden


class _AbsentTools:
    """Answers a call of a tool that the operator switched off, or that does not exist.

    The SDK would only say that it is unknown: not which one was meant, nor anything for programs.
    """

    def __init__(self, hidden: Mapping[str, str], offered: Callable[[], Awaitable[Sequence[Tool]]]) -> None:
        """`hidden` has for each tool that is switched off the variable that does it."""
        self._hidden = hidden
        self._offered = offered

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        name = (ctx.params or {}).get("name") if ctx.method == "tools/call" else None
        text = await self._why_absent(name) if isinstance(name, str) else ""
        if not text:
            return await call_next(ctx)
        return CallToolResult(content=[TextContent(type="text", text=text)], is_error=True)

    async def _why_absent(self, name: str) -> str:
        """The text of the error; "" for a tool that is offered."""
        if variable := self._hidden.get(name):
            return switched_off(name, variable).for_caller(may_create=may_create(name))
        if name in NAMES or name in {tool.name for tool in await self._offered()}:
            return ""
        advice = "tools/list has the tools and their arguments."
        return no_such_tool(name, self._hidden, argument="name", advice=advice).for_caller()


def _sdk_log_level() -> Any:
    """The current log level, so that the SDK's constructor does not set its own."""
    return logging.getLevelName(logging.getLogger().getEffectiveLevel())
