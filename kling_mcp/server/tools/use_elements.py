"""`use_elements`: what a generation request needs for these elements. It never picks a substitute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from kling_mcp.api.ids import EXACT_FIX, is_rounded
from kling_mcp.errors import AmbiguousNameError, InputError, KlingError, NotFoundError, Problem
from kling_mcp.generation.element_use import find_problems, prepare_use, refuse_too_many
from kling_mcp.generation.targets import NEWEST_MODEL, TARGETS, RouteName, TargetName
from kling_mcp.library.index import EVERYWHERE
from kling_mcp.sanitize import as_shown, quote
from kling_mcp.server.arguments import ToolArguments
from kling_mcp.server.tool import READS, Answer, tool
from kling_mcp.server.tool_context import ToolContext
from kling_mcp.server.views.view import View

if TYPE_CHECKING:
    from kling_mcp.errors import Kind, Retry
    from kling_mcp.generation.targets import Target
    from kling_mcp.library.index import Library
    from kling_mcp.library.records import LibraryElement

_SHOWN = 60
_MAX_CANDIDATES = 5
_EXACT = "must be the exact name or the id of an element"
_GAPS = "The library could not be read in full:"
_ADVICE = "No ids are returned, because no substitute is safe. Correct the list and call again."
# Records that exist but cannot be used: what they are, and what to do.
_IS = {
    "deleted": "was deleted",
    "pending": "is not ready yet",
    "failed": "was never created, because Kling rejected its inputs",
}
_DO = {
    "deleted": "choose another element, or create it again",
    "pending": "call wait_for_tasks, then repeat this call",
    "failed": "create it again with different inputs",
}


class UseElementsArguments(ToolArguments):
    """Which ones, and for what."""

    elements: list[str] = Field(description="Exact names or ids, in order")
    target: Literal[TargetName, RouteName] = Field(
        description="Route alone: newest model", json_schema_extra={"enum": [*TARGETS]}
    )


class UseView(View):
    """Ids, handles and the fragment, all in the order in which the elements were named."""

    SHOWN = ("element_ids", "prompt_handles", "request_fragment", "warnings")

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
)
async def use_elements(arguments: UseElementsArguments, call: ToolContext) -> Answer:
    """What a Kling video or image request needs for these elements: ids, prompt handles, JSON to paste, what else fits.
    Generates nothing, replaces nothing."""
    target, told = _target(arguments.target)
    refuse_too_many(target, len(arguments.elements))
    account = call.account
    elements = await _resolve_all(account.library, target, arguments.elements)
    use = prepare_use(target, elements, has_api_key=account.client.credential_kind != "key_pair")
    view = UseView(
        element_ids=list(use.element_ids),
        prompt_handles=list(use.prompt_handles),
        request_fragment=use.request_fragment,
        notes=[*told, *use.notes],
        warnings=[*use.warnings, *await _doubts(account.library, arguments.elements, elements)],
    )
    return Answer(view, _text(view, target, elements))


def _target(given: TargetName | RouteName) -> tuple[Target, list[str]]:
    """The target, and a note on what a route alone was read as."""
    if target := TARGETS.get(given):
        return target, []
    target = next(TARGETS[newest] for route, newest in NEWEST_MODEL.items() if route == given)
    return target, [f"target={given} was read as {target.name}, the newest model of this route."]


async def _resolve_all(library: Library, target: Target, named: list[str]) -> list[LibraryElement]:
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
        if element is not None and (problem := _unusable(place, text, element)):
            problems.append(problem)
            verdicts.add(("bad_input", "later" if element.status == "pending" else "never"))
            element = None
        found.append(element)
    if misfits := find_problems(target, found):
        problems.extend(misfits)
        verdicts.add(("bad_input", "never"))
    if problems:
        is_whole = ("not_found", "never") not in verdicts or await _is_whole(library)
        raise _refusal(problems, verdicts, "" if is_whole else f"{_GAPS} what is missing may still exist. ")
    return [element for element in found if element is not None]


def _unresolved(place: int, text: str, error: NotFoundError | AmbiguousNameError) -> Problem:
    """Candidates of an ambiguous name come with their ids; similar names do not: a model would use any id it sees."""
    argument, given = f"elements[{place}]", quote(text, _SHOWN)
    if isinstance(error, AmbiguousNameError):
        told = [f"({candidate})" for candidate in error.candidates[:_MAX_CANDIDATES]]
        more = len(error.candidates) - len(told)
        told += [f"and {more} more"] if more else []
        actual = f"{given}, which matches {len(error.candidates)} elements: {', '.join(told)}"
        fix = "give the element_id of the one you mean; if you cannot tell, ask the person"
        return Problem(argument, "must mean one element", actual, fix)
    if is_rounded(text):
        return Problem(argument, _EXACT, f"{given}, which looks like an id that was rounded on the way", EXACT_FIX)
    near = ", ".join(quote(name, _SHOWN) for name in error.candidates)
    fix = f"similar names: {near}; use one only if you mean it" if near else "find_elements shows what exists"
    return Problem(argument, _EXACT, f"{given}, which matches no element", fix)


def _unusable(place: int, text: str, element: LibraryElement) -> Problem | None:
    """A record that is not ready, or that was named by another id than the element's own."""
    argument, given = f"elements[{place}]", quote(text, _SHOWN)
    if element.status != "ready":
        return Problem(argument, "must be ready for use", f"{given}, which {_IS[element.status]}", _DO[element.status])
    if text.strip() == element.element_id or as_shown(text) == as_shown(element.element_name):
        return None
    # A task id may also be the name of another element.
    name = quote(element.element_name, _SHOWN)
    fix = f"if you mean that element, give {name} or its element_id"
    return Problem(argument, _EXACT, f"{given}, an id of the task that made {name}", fix)


def _refusal(problems: list[Problem], verdicts: set[tuple[Kind, Retry]], doubt: str) -> KlingError:
    """One error for all problems, in list order, with their common kind if there is one."""
    told = InputError(sorted(problems, key=lambda problem: (len(problem.argument), problem.argument)))
    kind, retry = next(iter(verdicts)) if len(verdicts) == 1 else (told.kind, told.retry)
    return KlingError(told.message, kind=kind, retry=retry, advice=doubt + _ADVICE)


async def _doubts(library: Library, named: list[str], elements: list[LibraryElement]) -> list[str]:
    """If pages are missing, another element may have the same name. fact: name-not-unique"""
    by_name = any(text.strip() != element.element_id for text, element in zip(named, elements, strict=True))
    if not by_name or await _is_whole(library):
        return []
    return [f"{_GAPS} another element may have one of these names. Use an element_id to be sure."]


async def _is_whole(library: Library) -> bool:
    """Whether the last sync of both lists was complete; nothing is sent."""
    return all(status.is_complete for status in await library.sync_status(EVERYWHERE))


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
