"""`use_elements`: what a generation request needs for these elements. It never picks a substitute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from kling_mcp.generation.choosing import choose_elements, name_listed, namesake_doubts, refusal
from kling_mcp.generation.element_use import find_problems, prepare_use, refuse_too_many
from kling_mcp.generation.targets import NEWEST_MODEL, TARGETS, RouteName, TargetName
from kling_mcp.sanitize import quote
from kling_mcp.server.arguments import ToolArguments
from kling_mcp.server.tool import READS, Answer, tool
from kling_mcp.server.tool_context import ToolContext
from kling_mcp.server.views.view import View

if TYPE_CHECKING:
    from kling_mcp.account import Account
    from kling_mcp.generation.targets import Target
    from kling_mcp.library.records import LibraryElement

_SHOWN = 60
_ADVICE = "Nothing was prepared, because no substitute is safe. Correct the list and call again."


class UseElementsArguments(ToolArguments):
    """Which ones, and for what."""

    elements: list[str] = Field(description="Exact names or ids, in order")
    target: Literal[TargetName, RouteName] = Field(
        description="Route alone: newest model", json_schema_extra={"enum": [*TARGETS]}
    )


class UseView(View):
    """Ids, handles and the fragment, all in the order in which the elements were named."""

    SHOWN = ("element_ids", "prompt_handles", "request_fragment")

    element_ids: list[str]
    prompt_handles: list[str]
    request_fragment: str
    notes: list[str]
    warnings: list[str]


@tool(
    "use_elements",
    title="Use elements in a request",
    annotations=READS,
    arguments=UseElementsArguments,
    view=UseView,
    search_hint="raw API request",
)
async def use_elements(arguments: UseElementsArguments, call: ToolContext) -> Answer:
    """What a Kling video or image request needs for these elements: ids, prompt handles, JSON to paste, what else fits.
    Generates nothing."""
    target, told = _target(arguments.target)
    refuse_too_many(target, len(arguments.elements))
    account = call.account
    elements, doubts = await _choose(account, target, arguments.elements)
    use = prepare_use(target, elements, has_api_key=account.client.credential_kind != "key_pair")
    view = UseView(
        element_ids=list(use.element_ids),
        prompt_handles=list(use.prompt_handles),
        request_fragment=use.request_fragment,
        notes=[*told, *use.notes],
        warnings=[*use.warnings, *doubts],
    )
    return Answer(view, _text(view, target, elements))


def _target(given: TargetName | RouteName) -> tuple[Target, list[str]]:
    """The target, and a note on what a route alone was read as."""
    if target := TARGETS.get(given):
        return target, []
    target = next(TARGETS[newest] for route, newest in NEWEST_MODEL.items() if route == given)
    return target, [f"target={given} was read as {target.name}, the newest model of this route."]


async def _choose(account: Account, target: Target, named: list[str]) -> tuple[list[LibraryElement], list[str]]:
    """The ready element behind each name or id, and doubts about them.

    Raises:
        KlingError: with every element that is missing, ambiguous, not ready or not fit for the target.
    """
    library = account.library
    choice = await choose_elements(library, name_listed(named), account.refusals.facts)
    choice.refuse(find_problems(target, choice.elements))
    if choice.problems:
        raise await refusal(library, choice, _ADVICE)
    elements = [element for element in choice.elements if element is not None]
    return elements, await namesake_doubts(library, choice)


def _text(view: UseView, target: Target, elements: list[LibraryElement]) -> str:
    model = f' with "model_name": "{target.model_name}"' if target.model_name else ""
    rows = [
        f"- {handle} element_id={element.element_id} {quote(element.element_name, _SHOWN)}"
        for handle, element in zip(view.prompt_handles, elements, strict=True)
    ]
    return "\n".join(
        [
            f"For {target.name}, in this order:",
            *rows,
            f"request_fragment, to merge into the body of POST {target.path}{model}:",
            view.request_fragment,
            *(f"Note: {note}" for note in view.notes),
            *(f"Warning: {warning}" for warning in view.warnings),
        ]
    )
