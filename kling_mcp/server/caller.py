"""Who calls a tool: an MCP client, or a person or program at a shell. Tools see neither; they see a `ToolContext`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from mcp.server.apps import client_supports_apps
from pydantic import BaseModel

from kling_mcp.server.lazy_runtime import runtime_of
from kling_mcp.server.questions import ask_person

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mcp.server.elicitation import ElicitationResult
    from mcp.server.mcpserver import Context

    from kling_mcp.runtime import Runtime

A = TypeVar("A", bound=BaseModel)

_RESOURCE_LINKS_SINCE = "2025-06-18"  # revisions are dates


class Caller(Protocol):
    """What a call may ask of whoever made it.

    Attributes:
        runtime: the process that answers.
        headers: what came with an http request, if one did.
        shows_pages: whether pages appear beside results (MCP Apps).
        shows_pictures: whether pictures in results can be seen.
        knows_resource_links: whether links as content are understood.
        runs_out_of_patience: whether it ends a call that shows no sign of life while a person thinks.
        again: how to make the same call once more, as the beginning of an advice.
        cannot_ask: why a person cannot be asked where `ask` answers None, in words.
    """

    @property
    def runtime(self) -> Runtime: ...
    @property
    def headers(self) -> Mapping[str, str] | None: ...
    @property
    def shows_pages(self) -> bool: ...
    @property
    def shows_pictures(self) -> bool: ...
    @property
    def knows_resource_links(self) -> bool: ...
    @property
    def runs_out_of_patience(self) -> bool: ...
    @property
    def again(self) -> str: ...
    @property
    def cannot_ask(self) -> str: ...

    async def ask(self, message: str, schema: type[A]) -> ElicitationResult[A] | None:
        """What a person answers; None if none can be asked."""

    async def report_progress(self, progress: float, total: float, message: str, waited: float) -> None:
        """Say how far the call is: `progress` of `total`, `waited` seconds since this part of it began."""


class McpCaller:
    """An MCP client; the only user of the SDK's context object."""

    shows_pictures = True
    runs_out_of_patience = True
    again = "repeat the same call"
    cannot_ask = "this client cannot ask one"

    def __init__(self, context: Context[Any, Any]) -> None:
        self._context = context
        self.runtime: Runtime = runtime_of(context.request_context)

    @property
    def headers(self) -> Mapping[str, str] | None:
        """Over http: what came with the request."""
        return self._context.headers

    @property
    def shows_pages(self) -> bool:
        """Whether the client shows pages with results (MCP Apps)."""
        return client_supports_apps(self._context)

    @property
    def knows_resource_links(self) -> bool:
        """Whether the client's revision of MCP has links as content; a client of an older one refuses the result."""
        return self._context.request_context.protocol_version >= _RESOURCE_LINKS_SINCE

    async def ask(self, message: str, schema: type[A]) -> ElicitationResult[A] | None:
        """See `questions.ask_person`."""
        return await ask_person(self._context, self.runtime.clock, message, schema)

    async def report_progress(self, progress: float, total: float, message: str, waited: float) -> None:
        """A progress notification; a client that did not ask for progress gets none."""
        await self._context.report_progress(progress, total, f"{message} ({waited:.0f} s)")
