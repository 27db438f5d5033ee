"""What clients can read without a tool call: one element, and the tables that tools and errors refer to.

The code that reads one is loaded on first use. Text from Kling is cleaned and capped before it is shown.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from mcp.server.mcpserver.resources import FunctionResource

from kling_mcp.errors import KlingError, NotFoundError

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

    from kling_mcp.account import Account
    from kling_mcp.library.resolve import ResolvedElement
    from kling_mcp.server.lazy_runtime import LazyRuntime
    from kling_mcp.server.tool_context import ToolContext

ELEMENT_URI = "kling://elements/{id}"
PICTURE_URI = "kling://elements/{id}/picture"
TAGS_URI = "kling://tags"
ERRORS_URI = "kling://errors"
LIMITS_URI = "kling://limits"
SHEET_URI = "kling://production-sheet"

JSON_TYPE, TEXT_TYPE = "application/json", "text/plain"


def register_resources(server: MCPServer[LazyRuntime]) -> None:
    """Add every resource; nothing is read or opened before the first request."""
    add = server.resource
    add(
        ELEMENT_URI,
        name="element",
        title="One element",
        description="One element as JSON, by element id, task id, external task id or exact name.",
        mime_type=JSON_TYPE,
    )(read_element)
    add(
        PICTURE_URI,
        name="element_picture",
        title="An element's picture",
        description="A small JPEG of one element, at most 256 px a side.",
        mime_type="image/jpeg",
    )(read_picture)
    for uri, name, title, description in (
        (TAGS_URI, "tags", "Tags", "Every tag that an element can have, with its id."),
        (ERRORS_URI, "errors", "Errors", "What the last line of a failed call means, and Kling's codes."),
        (LIMITS_URI, "limits", "Limits", "What Kling accepts in a creation, and per generation target."),
    ):
        server.add_resource(_table(uri, name, title, description, JSON_TYPE))
    server.add_resource(
        _table(
            SHEET_URI,
            "production_sheet",
            "The form of a production sheet",
            "How a production sheet is written: an example and every key.",
            TEXT_TYPE,
        )
    )


def _table(uri: str, name: str, title: str, description: str, mime_type: str) -> FunctionResource:
    """A table of `kling_mcp.server.resource_tables`."""

    def read() -> str:
        text: str = getattr(import_module("kling_mcp.server.resource_tables"), name)()
        return text

    return FunctionResource(uri=uri, name=name, title=title, description=description, mime_type=mime_type, fn=read)


async def read_element(id: str, ctx: Context[Any, Any]) -> str:  # noqa: A002 - named as in the URI of the contract
    """The element as JSON text.

    Raises:
        ResourceNotFoundError: no element has the id or name.
        ResourceError: Kling or the state folder could not be read, or the name is ambiguous.
    """
    from kling_mcp.server.caller import McpCaller  # noqa: PLC0415 - loaded by the first that is read
    from kling_mcp.server.resource_tables import element  # noqa: PLC0415 - loaded by the first that is read
    from kling_mcp.server.tool_context import ToolContext  # noqa: PLC0415 - loaded by the first that is read

    return element(await _find(ToolContext(McpCaller(ctx)), id, "element"))


async def read_picture(id: str, ctx: Context[Any, Any]) -> bytes:  # noqa: A002 - as above
    """The element's picture as a JPEG.

    Raises:
        ResourceNotFoundError: no element has the id or name, or there is no picture.
        ResourceError: as `read_element`.
    """
    from kling_mcp.server.caller import McpCaller  # noqa: PLC0415 - loaded by the first that is read
    from kling_mcp.server.tool_context import ToolContext  # noqa: PLC0415 - loaded by the first that is read

    call = ToolContext(McpCaller(ctx))
    match = await _find(call, id, "element_picture")
    (thumbnail,) = await call.account.thumbnails.load([match.element])
    if not thumbnail.jpeg:
        raise ResourceNotFoundError(f"This element has no picture: {thumbnail.note}.")
    return thumbnail.jpeg


async def _find(call: ToolContext, any_id: str, resource: str) -> ResolvedElement:
    from kling_mcp.server.call_record import ResourceRead, record_call  # noqa: PLC0415 - loaded by the first that is read

    with record_call(ResourceRead(f"resource:{resource}"), call) as recorder:
        recorder.begins()
        try:
            with call.within_call_limit():
                match = await _match(call.account, any_id)
        except KlingError as error:
            recorder.failed(error)
            refusal = ResourceNotFoundError if isinstance(error, NotFoundError) else ResourceError
            raise refusal(error.for_caller(may_create=False)) from None
        recorder.answered(match.element)
        return match


async def _match(account: Account, any_id: str) -> ResolvedElement:
    """Look up by id locally, then by id or name after asking Kling."""
    return await account.library.known_by_id(any_id) or await account.library.match(any_id)
