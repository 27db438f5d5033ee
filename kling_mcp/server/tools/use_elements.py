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
    from kling_mcp.errors import Kind, Retry
    from kling_mcp.library.records import LibraryElement
    from kling_mcp.library.resolve import Resolver
    from kling_mcp.library.targets import Target

_SHOWN = 60
_ADVICE = "No ids are given, because nothing may stand in for what you named. Correct the list and call again."
# Records that are there and cannot be used: what they are, and what to do.
_IS = {
    "deleted": "was deleted",
    "pending": "is not ready yet",
    "failed": "was never made, because Kling refused its inputs",
}
_DO = {
    "deleted": "choose another element, or create it anew",
    "pending": "call wait_for_elements, then this again",
    "failed": "create it anew with other inputs",
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
    problems: list[Problem] = []
    verdicts: set[tuple[Kind, Retry]] = set()
    for place, text in enumerate(named):
        element: LibraryElement | None = None
        try:
            element = await library.resolve(text)
        except (NotFoundError, AmbiguousNameError) as error:
            problems.append(_unresolved(place, text, error))
            verdicts.add((error.kind, error.retry))
        if element is not None and element.status != "ready":
            problems.append(_unusable(place, text, element))
            verdicts.add(("bad_input", "later" if element.status == "pending" else "never"))
            element = None
        found.append(element)
    if misfits := find_problems(target, found):
        problems.extend(misfits)
        verdicts.add(("bad_input", "never"))
    if problems:
        raise _refusal(sorted(problems, key=lambda problem: problem.argument), verdicts)
    return [element for element in found if element is not None]


def _unusable(place: int, text: str, element: LibraryElement) -> Problem:
    rule = "must be ready for use"
    return Problem(
        f"elements[{place}]", rule, f"{quoted(text, _SHOWN)}, which {_IS[element.status]}", _DO[element.status]
    )


def _unresolved(place: int, text: str, error: NotFoundError | AmbiguousNameError) -> Problem:
    """Near names and no ids: an id within reach would be taken for the element that was meant."""
    argument, given = f"elements[{place}]", quoted(text, _SHOWN)
    if isinstance(error, AmbiguousNameError):
        actual = f"{given}, as which {len(error.candidates)} ready ones are known"
        fix = f"find_elements with query={given} tells them apart; give the element_id of the one that is meant"
        return Problem(argument, "must mean one element", actual, fix)
    near = ", ".join(quoted(name, _SHOWN) for name in error.candidates)
    fix = f"similar names are {near}; take one only if it is meant" if near else "find_elements shows what there is"
    return Problem(argument, "must be the exact name or the id of an element", f"{given}, which none carries", fix)


def _refusal(problems: list[Problem], verdicts: set[tuple[Kind, Retry]]) -> KlingError:
    """One error for all of them, of the kind that they have in common, where there is one."""
    told = InputError(problems, advice=_ADVICE)
    kind, retry = verdicts.pop() if len(verdicts) == 1 else (told.kind, told.retry)
    return KlingError(told.message, kind=kind, retry=retry, advice=_ADVICE)


def _text(view: UseView, target: Target, elements: list[LibraryElement]) -> str:
    model = f' with "model_name": "{target.model_name}"' if target.model_name else ""
    rows = [
        f"- {handle} element_id={element.element_id} {quoted(element.element_name, _SHOWN)}"
        for handle, element in zip(view.prompt_handles, elements, strict=True)
    ]
    return "\n".join(
        [
            f"For {target.name}, in this order:",
            *rows,
            f"request_fragment, to merge into the body of POST {target.path}{model}:",
            view.request_fragment,
            *(f"Warning: {warning}" for warning in view.warnings),
        ]
    )
