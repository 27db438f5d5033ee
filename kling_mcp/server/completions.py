"""Completes element names, tags and shapes in prompts and resource addresses.

It answers from the local index and never fails: at worst there are no suggestions.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import anyio
from mcp_types import Completion, ResourceTemplateReference

from kling_mcp.api.limits import TAGS
from kling_mcp.errors import KlingError
from kling_mcp.sanitize import as_shown, clean
from kling_mcp.server.lazy_runtime import runtime_of
from kling_mcp.server.prompts import (
    CAST_PROMPT,
    NAME_ARGUMENT,
    PICTURES_PROMPT,
    SCENE_ARGUMENT,
    SHAPE_ARGUMENT,
    SHAPES,
    SHOT_PROMPT,
    TAG_ARGUMENT,
)
from kling_mcp.server.resources import ELEMENT_URI, PICTURE_URI

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
    from mcp.server.mcpserver import MCPServer
    from mcp_types import CompletionArgument, CompletionContext, PromptReference

    from kling_mcp.account import Account
    from kling_mcp.library.records import LibraryElement
    from kling_mcp.server.lazy_runtime import LazyRuntime

    Reference = PromptReference | ResourceTemplateReference

METHOD = "completion/complete"
MAX_VALUES = 20
REFRESH_SECONDS = 2.0  # suggestions must be quick, so they use what is known by then
_MAX_TYPED_CHARACTERS = 100

# The SDK passes the typed text, but not the request, which identifies the account.
_request: ContextVar[ServerRequestContext[Any, Any]] = ContextVar("request")


def register_completions(server: MCPServer[LazyRuntime]) -> None:
    """Add the completion of names and tags."""
    server.middleware.append(_remember_request)
    server.completion()(complete)  # type: ignore[no-untyped-call] # the SDK's decorator is not annotated


async def complete(ref: Reference, argument: CompletionArgument, _: CompletionContext | None) -> Completion:
    """Suggestions for an argument, the best first; none for arguments that are free text."""
    where = ref.uri if isinstance(ref, ResourceTemplateReference) else ref.name
    suggest = _SUGGESTIONS.get((where, argument.name))
    values = await suggest(argument.value[:_MAX_TYPED_CHARACTERS]) if suggest else []
    return Completion(values=values[:MAX_VALUES], has_more=len(values) > MAX_VALUES)


async def _remember_request(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    if ctx.method != METHOD:
        return await call_next(ctx)
    token = _request.set(ctx)
    try:
        return await call_next(ctx)
    finally:
        _request.reset(token)


def _account() -> Account:
    """The account of the request. Raises ConfigurationError."""
    ctx = _request.get()
    return runtime_of(ctx).account_of_caller(getattr(ctx.request, "headers", None))


async def _elements(typed: str) -> list[LibraryElement]:
    """Ready and pending elements that match the typed text."""
    from kling_mcp.library.catalogue import Filters  # noqa: PLC0415 - a server that only starts has no library

    try:
        account = _account()  # keep a reference, so that it stays open
        with anyio.move_on_after(REFRESH_SECONDS):
            await account.library.refresh()
        hits = await account.library.catalogue.search(typed, Filters(statuses=("ready", "pending")), MAX_VALUES + 1)
    except KlingError:
        return []
    return hits.elements


async def _names_or_ids(typed: str) -> list[str]:
    """Names that are plain and unique, otherwise ids."""
    elements = await _elements(typed)
    names = [as_shown(element.element_name) for element in elements]
    values = []
    for element in elements:
        name = element.element_name
        is_plain = name and name == clean(name) and names.count(as_shown(name)) == 1 and not typed.isdecimal()
        values.append(name if is_plain else clean(element.element_id or element.task_id, 80))
    return values


async def _one_more_name(typed: str) -> list[str]:
    """The typed list, completed with each name that matches its last part."""
    before, comma, last = typed.rpartition(",")
    start = f"{before}, " if comma else ""
    names = (clean(element.element_name, 60) for element in await _elements(last.strip()))
    return [start + name for name in dict.fromkeys(names) if name and "," not in name]


async def _mention(typed: str) -> list[str]:
    """The typed text with each name that its last @ may begin; none without an @."""
    before, at, part = typed.rpartition("@")
    if not at or part[:1].isspace():
        return []
    names = (clean(element.element_name, 60) for element in await _elements(part))
    return [f"{before}@{name}" for name in dict.fromkeys(names) if name]


async def _shapes(typed: str) -> list[str]:
    return [shape for shape in SHAPES if shape.startswith(typed.strip())]


async def _tags(typed: str) -> list[str]:
    wanted = typed.strip().casefold()
    return [tag for tag in TAGS.values() if tag.casefold().startswith(wanted)]


_SUGGESTIONS: Mapping[tuple[str, str], Callable[[str], Awaitable[list[str]]]] = {
    (ELEMENT_URI, "id"): _names_or_ids,
    (PICTURE_URI, "id"): _names_or_ids,
    (CAST_PROMPT, NAME_ARGUMENT): _one_more_name,
    (SHOT_PROMPT, NAME_ARGUMENT): _one_more_name,
    (SHOT_PROMPT, SCENE_ARGUMENT): _mention,
    (SHOT_PROMPT, SHAPE_ARGUMENT): _shapes,
    (PICTURES_PROMPT, TAG_ARGUMENT): _tags,
}
