"""Deletes an element by id, with its name as a safety check.

Kling has no look-up by element id (fact: no-get-by-element-id): the index leads to the element's task,
and otherwise the lists are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kling_mcp.errors import (
    InputError,
    KlingError,
    NotFoundError,
    Problem,
    ServerError,
    UnexpectedReplyError,
    UnknownOutcomeError,
)
from kling_mcp.sanitize import as_shown, quote

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kling_mcp.api.client import KlingClient
    from kling_mcp.api.models import Element, ElementTask

PAGE_SIZE = 500
LAST_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Deletion:
    """`sent` is False if the element was already deleted."""

    element_id: str
    element_name: str
    sent: bool


async def delete_element(client: KlingClient, element_id: str, element_name: str, task_id: str = "") -> Deletion:
    """Delete one of the account's own elements.

    Args:
        task_id: the task that probably created the element; Kling must confirm it.

    Raises:
        NotFoundError: no own element has this id.
        InputError: the name is not that element's exact name, or the element is official.
        UnknownOutcomeError, ServerError: the outcome is unknown, and the list does not show it as deleted yet.
    """
    element = await _find_in_task(client, task_id, element_id) if task_id else None
    if element is None:
        element = await find_in_pages(client.list_elements, element_id)
    if element is None:
        raise await _explain_absence(client, element_id)
    if as_shown(element.element_name) != as_shown(element_name):
        raise InputError([_wrong_name(element, element_name)], advice="Nothing was deleted.")
    if element.is_deleted:
        return Deletion(element_id, element.element_name, sent=False)
    try:
        await client.delete_element(element_id)
    except (UnknownOutcomeError, ServerError):
        if not await _is_gone(client, element_id):
            raise
    return Deletion(element_id, element.element_name, sent=True)


async def _find_in_task(client: KlingClient, task_id: str, element_id: str) -> Element | None:
    """The element as its task shows it; None if the task does not show it or cannot be read."""
    try:
        task = await client.get_task(task_id)
    except (NotFoundError, UnexpectedReplyError):
        return None
    return next((element for element in task.elements if element.element_id == element_id), None)


async def find_in_pages(
    read_page: Callable[[int, int], Awaitable[list[ElementTask]]], element_id: str
) -> Element | None:
    """The element with this id, or None after the last page. facts: list-no-total, list-order-unknown"""
    for page_num in range(1, LAST_PAGE + 1):
        tasks = await read_page(page_num, PAGE_SIZE)
        for task in tasks:
            for element in task.elements:
                if element.element_id == element_id:
                    return element
        if len(tasks) < PAGE_SIZE:
            return None
    return None


async def _explain_absence(client: KlingClient, element_id: str) -> KlingError:
    """Why there is nothing to delete: an official element, or no such element. fact: delete-takes-element-id"""
    if await find_in_pages(client.list_preset_elements, element_id) is not None:
        rule = "must be an element of your own, not an official one"  # fact: presets-not-deletable
        problem = Problem("element_id", rule, quote(element_id, 40), "leave it; it costs nothing")
        return InputError([problem], advice="No deletion was sent.")
    return NotFoundError(
        f"No element of this account has the id {quote(element_id, 40)}; nothing was deleted.",
        advice="The id must be an element_id, not a task_id and not a name; list_elements shows it.",
    )


def _wrong_name(element: Element, given: str) -> Problem:
    return Problem(
        "element_name",
        f"must be the exact name of element {element.element_id}, which is {quote(element.element_name, 60)}",
        quote(given, 60),
        "check that this is the element you mean, then give its exact name",
    )


async def _is_gone(client: KlingClient, element_id: str) -> bool:
    """Whether the list shows the element as deleted, or no longer shows it. fact: delete-synchronous"""
    try:
        element = await find_in_pages(client.list_elements, element_id)
    except KlingError:
        return False
    return element is None or element.is_deleted
