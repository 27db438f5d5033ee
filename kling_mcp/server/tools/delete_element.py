"""`delete_element`: delete one of the account's own elements."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pydantic import Field

from kling_mcp.elements.delete import delete_element as delete
from kling_mcp.errors import (
    AmbiguousNameError,
    InputError,
    KlingError,
    NotFoundError,
    Problem,
    ServerError,
    StorageError,
    UnknownOutcomeError,
)
from kling_mcp.library.resolve import ambiguous, describe_candidate
from kling_mcp.sanitize import as_shown, clean, quote
from kling_mcp.server.arguments import ToolArguments, require_exact_ids
from kling_mcp.server.tool import DELETES, Answer, tool
from kling_mcp.server.tool_context import ToolContext
from kling_mcp.server.views.view import View

if TYPE_CHECKING:
    from kling_mcp.account import Account
    from kling_mcp.library.index import Library
    from kling_mcp.library.records import LibraryElement

_MAX_CANDIDATES = 10


class DeleteElementArguments(ToolArguments):
    """Which element, by id and by name."""

    element_id: str = Field(description="Not a task_id")
    element_name: str = Field(description="Its exact name")


class DeletedView(View):
    """What was deleted."""

    SHOWN = ("deleted",)

    element_id: str
    element_name: str
    deleted: bool


@tool(
    "delete_element",
    title="Delete an element",
    annotations=DELETES,
    arguments=DeleteElementArguments,
    view=DeletedView,
    search_hint="remove character",
)
async def delete_element(arguments: DeleteElementArguments, call: ToolContext) -> Answer:
    """Permanently delete one of your own elements. Only when the user asked."""
    element_id = arguments.element_id.strip()
    if not element_id:
        raise InputError(
            [Problem("element_id", "must be the id of an element", "an empty text", "give its element_id")]
        )
    require_exact_ids("element_id", [element_id])
    account = call.account
    try:
        done = await delete(account.client, element_id, arguments.element_name, await _task_of(account, element_id))
    except (UnknownOutcomeError, ServerError):
        account.library.deletion_unclear(element_id)
        raise
    except NotFoundError as absent:
        raise await _with_candidates(account.library, absent, element_id, arguments.element_name) from None
    finally:
        account.library.invalidate()  # the name is free again, even if the response was lost
    await call.account.library.deleted(element_id)
    view = DeletedView(element_id=done.element_id, element_name=clean(done.element_name, 60), deleted=True)
    what = "is deleted" if done.sent else "was already deleted; nothing was sent"
    text = f"Element {view.element_id} {quote(done.element_name, 60)} {what}. deleted=true"
    return Answer(view, text)


async def _with_candidates(library: Library, absent: NotFoundError, given_id: str, name: str) -> KlingError:
    """The error with the elements that may be meant by the name, or by a task id in place of the element id."""
    named: list[LibraryElement] = []
    with suppress(KlingError):
        await library.refresh(("custom",))
        named = [*await library.catalogue.with_id(given_id), *await library.catalogue.with_name(name)]
    found = {each.element_id: each for each in named if each.source == "custom" and each.status != "deleted"}
    found.pop("", None)
    if len(found) > 1 and as_shown(given_id) == as_shown(name):
        return ambiguous(name, list(found.values()))
    candidates = [describe_candidate(each) for each in found.values()]
    if not candidates:
        return absent
    told = "; ".join(candidates[:_MAX_CANDIDATES])
    advice = f"{absent.advice} These may be meant: {told}. If you cannot tell, ask the person."
    return NotFoundError(absent.message, candidates=candidates, advice=advice)


async def _task_of(account: Account, element_id: str) -> str:
    """The task that created the element, or "" if the index does not know it or cannot be read."""
    with suppress(StorageError, AmbiguousNameError):
        known = await account.library.known_by_id(element_id)
        if known and known.element.element_id == element_id and known.element.source == "custom":
            return known.element.task_id
    return ""
