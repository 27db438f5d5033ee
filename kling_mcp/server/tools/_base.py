"""What a tool is here, and the one place where errors become what an agent reads.

A tool file declares its arguments, its view and a handler with `@tool`.
The handler calls the library, shapes the answer, and raises `KlingError`.
Nothing else in this package catches `Exception`.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase, FuncMetadata
from mcp_types import CallToolResult, TextContent, ToolAnnotations
from pydantic import PrivateAttr

from kling_mcp.errors import InputError, KlingError, Problem
from kling_mcp.server.arguments import ArgumentsError, ToolArguments, output_schema, parse_arguments, plain_schema
from kling_mcp.server.call import Call
from kling_mcp.server.witness import witnessed

if TYPE_CHECKING:
    from mcp.server.mcpserver import Context
    from mcp_types import ContentBlock

    from kling_mcp.server.views import View
    from kling_mcp.server.witness import Witness
    from kling_mcp.settings import Settings

logger = logging.getLogger(__name__)

# Every tool talks to Kling, hence the open world. A read may be repeated without effect.
READS = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=True)
# The same call finds the first task instead of making a second one.
CREATES = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=True)
DELETES = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=True)


@dataclass(frozen=True, slots=True)
class Answer:
    """A result in both forms: the view for programs, a text that stands alone for readers."""

    view: View
    text: str
    extra: tuple[ContentBlock, ...] = ()
    page_data: Mapping[str, object] | None = None  # for the page beside the result; no model sees it


Handler = Callable[[Any, Call], Awaitable[Answer]]
LookFurther = Callable[[ArgumentsError, Call], Awaitable[list[Problem]]]


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
    page_uri: str = ""  # the page that Apps clients show beside the result
    look_further: LookFurther | None = None  # what else is wrong where the arguments do not fit the schema

    @property
    def changes_something(self) -> bool:
        """Whether read-only mode leaves it out."""
        return not self.annotations.read_only_hint

    @property
    def may_create(self) -> bool:
        """Whether a defect in the middle of it may leave an element behind."""
        return self.changes_something and not self.annotations.destructive_hint


def tool(
    name: str,
    *,
    title: str,
    annotations: ToolAnnotations,
    arguments: type[ToolArguments],
    view: type[View],
    page_uri: str = "",
    look_further: LookFurther | None = None,
) -> Callable[[Handler], ToolSpec]:
    """Declare a tool; the handler's docstring is the description that a model reads."""

    def declare(handler: Handler) -> ToolSpec:
        description = " ".join((handler.__doc__ or "").split())
        return ToolSpec(name, title, description, annotations, arguments, view, handler, page_uri, look_further)

    return declare


class KlingTool(Tool):
    """The SDK's tool with our own reading of arguments and our own form of errors.

    Overriding `run` is the one seam used: the SDK drops unknown arguments and answers bad ones in pydantic's
    words.
    """

    _spec: ToolSpec = PrivateAttr()

    @classmethod
    def of(cls, spec: ToolSpec, settings: Settings) -> KlingTool:
        """The tool that the SDK registers; its schema shows the defaults that are in force."""
        parameters = plain_schema(spec.arguments)
        if "wait_seconds" in parameters.get("properties", {}):
            parameters["properties"]["wait_seconds"]["default"] = settings.wait_seconds
        made = cls(
            fn=spec.handler,
            name=spec.name,
            title=spec.title,
            description=spec.description,
            parameters=parameters,
            fn_metadata=FuncMetadata(arg_model=ArgModelBase, output_schema=output_schema(spec.view)),
            is_async=True,
            context_kwarg=None,
            annotations=spec.annotations,
            meta={"ui": {"resourceUri": spec.page_uri}} if spec.page_uri else None,
        )
        made._spec = spec
        return made

    async def run(
        self, arguments: dict[str, Any], context: Context[Any, Any], convert_result: bool = False
    ) -> CallToolResult:
        """Parse, handle, and turn whatever happened into a result."""
        spec = self._spec
        call = Call(context)
        with witnessed(spec, call) as witness:
            try:
                witness.begins()
                with call.counted():
                    answer = await spec.handler(await _read(spec, arguments, call), call)
            except KlingError as error:
                logger.info("%s: %s", self.name, error.last_line())
                return _failed(error, witness)
            except Exception:  # the boundary: a defect must not reach the client as a traceback
                reference = secrets.token_hex(4)
                logger.exception("%s failed with a defect of kling-mcp; reference %s", self.name, reference)
                return _failed(_defect(reference, spec.may_create), witness)
            witness.answered(answer.view)
        return CallToolResult(
            content=[TextContent(type="text", text=answer.text), *answer.extra],
            structured_content=answer.view.model_dump(mode="json"),
            _meta=dict(answer.page_data) if answer.page_data else None,
        )


async def _read(spec: ToolSpec, raw: dict[str, Any], call: Call) -> ToolArguments:
    """The arguments of a call.

    Raises:
        InputError: with every problem, those of the content as well as those of the form.
    """
    try:
        return parse_arguments(spec.arguments, raw)
    except ArgumentsError as refused:
        if spec.look_further is None:
            raise
        further = await spec.look_further(refused, call)
        raise InputError([*refused.problems, *further]) from None


def _failed(error: KlingError, witness: Witness) -> CallToolResult:
    """Errors stay out of structured content: some clients check that against the output schema and throw."""
    witness.failed(error)
    return CallToolResult(content=[TextContent(type="text", text=error.for_caller())], is_error=True)


def _defect(reference: str, may_have_created: bool) -> KlingError:
    """A defect of ours: a reference that stands in the log too, and nothing of the inside."""
    return KlingError(
        f"This is a defect of kling-mcp, not of your input (reference {reference}).",
        created="maybe" if may_have_created else "no",
        advice=f"Please report it with the lines that the server's log (stderr) shows for {reference}.",
    )
