"""What a tool consists of: arguments, view, handler, and how clients see it.

A tool file declares them with `@tool`; the handler calls the library, shapes the answer, and raises `KlingError`.
What clients see is stored in `wire/` (see `kling_mcp.server.tools`), so none of this is loaded to list tools.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mcp_types import Tool, ToolAnnotations

from kling_mcp.errors import Problem
from kling_mcp.server.arguments import ArgumentsError, ToolArguments
from kling_mcp.server.host_hints import host_hints
from kling_mcp.server.schemas import input_schema, output_schema
from kling_mcp.server.tool_context import ToolContext

if TYPE_CHECKING:
    from mcp_types import ContentBlock

    from kling_mcp.server.views.view import View

# Every tool talks to Kling, hence the open world. Three hints are always given, because some directories require
# them; that reads are idempotent needs no hint.
READS = ToolAnnotations(read_only_hint=True, destructive_hint=False, open_world_hint=True)
# The same call finds the first task instead of making a second one.
CREATES = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=True)
# It spends units; the same call finds the first task and spends nothing.
PAYS = CREATES
DELETES = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=True)


@dataclass(frozen=True, slots=True)
class Ending:
    """How far an answer is from what was asked for, as data; the text says it in words.

    Attributes:
        unfinished: tasks that `wait_for_tasks` goes on waiting for, or whose results it saves.
        is_sending: the request itself is still on its way; the same call joins it.
        repeats: the same call goes on where this one was.
        has_failed: something that was asked for failed, and the answer says what.
    """

    unfinished: tuple[str, ...] = ()
    is_sending: bool = False
    repeats: bool = False
    has_failed: bool = False


ENDED = Ending()
SENDING = Ending(is_sending=True)


@dataclass(frozen=True, slots=True)
class Answer:
    """A result in both forms: the view for programs, and a self-contained text for readers."""

    view: View
    text: str
    extra: tuple[ContentBlock, ...] = ()
    page_data: Mapping[str, object] | None = None  # for the Apps page; no model sees it
    ending: Ending = ENDED  # for callers who go on by it; no client sees it


Handler = Callable[[Any, ToolContext], Awaitable[Answer]]
FindProblems = Callable[[ArgumentsError, ToolContext], Awaitable[list[Problem]]]


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as its file declares it."""

    name: str
    title: str
    description: str
    annotations: ToolAnnotations
    arguments: type[ToolArguments]
    view: type[View]
    handler: Handler
    page_uri: str = ""  # the page that MCP Apps clients show with the result
    extra_problems: FindProblems | None = None  # further problems of arguments that do not fit the schema
    is_described: bool = True  # False if the description names the tool that describes the same arguments
    search_hint: str = ""  # for hosts that hide tools; "" if it is never hidden
    is_long: bool = False  # whether its results may be long

    @property
    def changes_something(self) -> bool:
        """Whether read-only mode leaves it out."""
        return not self.annotations.read_only_hint

    @property
    def may_create(self) -> bool:
        """Whether a bug in the middle of it may leave an element behind."""
        return self.changes_something and not self.annotations.destructive_hint

    def on_wire(self) -> dict[str, Any]:
        """The tool as `tools/list` shows it, with the defaults of the code."""
        seen = Tool(
            name=self.name,
            title=self.title,
            description=self.description,
            input_schema=input_schema(self.arguments, is_described=self.is_described),
            output_schema=output_schema(self.view),
            annotations=self.annotations,
            _meta={
                **({"ui": {"resourceUri": self.page_uri}} if self.page_uri else {}),
                **host_hints(self.search_hint, is_long=self.is_long),
            },
        )
        return seen.model_dump(mode="json", by_alias=True, exclude_none=True)


def tool(
    name: str,
    *,
    title: str,
    annotations: ToolAnnotations,
    arguments: type[ToolArguments],
    view: type[View],
    page_uri: str = "",
    extra_problems: FindProblems | None = None,
    is_described: bool = True,
    search_hint: str = "",
    is_long: bool = False,
) -> Callable[[Handler], ToolSpec]:
    """Declare a tool; the handler's docstring is the description that a model reads."""

    def declare(handler: Handler) -> ToolSpec:
        description = " ".join((handler.__doc__ or "").split())
        return ToolSpec(
            name=name,
            title=title,
            description=description,
            annotations=annotations,
            arguments=arguments,
            view=view,
            handler=handler,
            page_uri=page_uri,
            extra_problems=extra_problems,
            is_described=is_described,
            search_hint=search_hint,
            is_long=is_long,
        )

    return declare
