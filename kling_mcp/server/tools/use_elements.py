"""`use_elements`: what a generation request needs to hold these elements. It never picks a substitute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from kling_mcp.errors import AmbiguousNameError, InputError, KlingError, NotFoundError, Problem
from kling_mcp.library.fragments import find_problems, prepare, refuse_too_many
from kling_mcp.library.targets import TARGETS, TargetName
from kling_mcp.server.arguments import ToolArguments
from kling_mcp.server.call import Call
from kling_mcp.server.tools._base import READS, Answer, tool
from kling_mcp.server.views import View
from kling_mcp.untrusted import quoted

if TYPE_CHECKING:
    from kling_mcp.library.records import LibraryElement
    from kling_mcp.library.resolve import Resolver
    from kling_mcp.library.targets import Target

_SHOWN = 60
_ADVICE = "No ids are given, because nothing may stand in for what you named. Correct the list and call again."
# What to do about a record that is there and cannot be used.
_UNUSABLE = {
    "deleted": "was deleted; choose another element or create it anew",
    "pending": "is not ready yet; call wait_for_elements, then this again",
    "failed": "was never made, because Kling refused its inputs; create it anew with other inputs",
}


class UseElementsArguments(ToolArguments):
    """Which ones, and for what."""

    elements: list[str] = Field(description="Exact names or element ids, in the order wanted")
    target: TargetName = Field(description="Route and model of the generation request")


class UseView(View):
    """Ids, handles and the fragment, all in the order in which the elements were named."""

    element_ids: list[str]
    prompt_handles: list[str]
    request_fragment: str
    warnings: list[str]


@tool(
    "use_elements",
    title="Use elements in a generation request",
    annotations=READS,
    arguments=UseElementsArguments,
    view=UseView,
)
async def use_elements(arguments: UseElementsArguments, call: Call) -> Answer:
    """Give what a Kling video or image request needs for these elements: ids, handles for the prompt, JSON to
    paste, and what else still fits. Sends no generation. Anything missing or unusable is an error, never
    replaced by something similar."""
    target = TARGETS[arguments.target]
    refuse_too_many(target, len(arguments.elements))
    account = call.account
    elements = await _resolve_all(account.library, target, arguments.elements)
    use = prepare(target, elements, has_api_key=account.client.credential_kind != "key_pair")
    view = UseView(
        element_ids=list(use.element_ids),
        prompt_handles=list(use.prompt_handles),
        request_fragment=use.request_fragment,
        warnings=list(use.warnings),
    )
    return Answer(view, _text(view, target, elements))


async def _resolve_all(library: Resolver, target: Target, named: list[str]) -> list[LibraryElement]:
    """The ready element behind each name or id.

    Raises:
        KlingError: with every element that is missing, ambiguous, not ready or not fit for the target.
    """
    found: list[LibraryElement | None] = []
    refusals: list[KlingError] = []
    problems: list[Problem] = []
    for place, text in enumerate(named):
        element: LibraryElement | None = None
        try:
            element = await library.resolve(text)
        except (NotFoundError, AmbiguousNameError) as error:
            refusals.append(error)
            problems.append(_unresolved(place, text, error))
        if element is not None and element.status != "ready":
            rule = "names an element that can be used now"
            problems.append(Problem(f"elements[{place}]", rule, quoted(text, _SHOWN), _UNUSABLE[element.status]))
            element = None
        found.append(element)
    problems.extend(find_problems(target, found))
    if problems:
        raise _refusal(problems, refusals)
    return [element for element in found if element is not None]
