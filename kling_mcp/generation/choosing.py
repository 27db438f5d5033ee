"""The elements that a request names: ready ones, found by exact name or id, or a refusal that tells every trouble.

It reads the library and sends nothing else. No substitute is ever picked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kling_mcp.api.ids import EXACT_FIX, is_rounded
from kling_mcp.errors import AmbiguousNameError, InputError, NotFoundError, Problem
from kling_mcp.library.index import EVERYWHERE
from kling_mcp.sanitize import as_shown, quote
from kling_mcp.tasks.entry import ASK_FIRST

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from kling_mcp.errors import Kind, Retry
    from kling_mcp.library.index import Library
    from kling_mcp.library.records import LibraryElement

    ExplainFailure = Callable[[str], Awaitable[Sequence[str]]]

_SHOWN = 60
_MAX_CANDIDATES = 5
_EXACT = "must be the exact name or the id of an element"
_GAPS = "The library could not be read in full:"
# Records that exist but cannot be used: what they are, and what to do.
_IS = {
    "deleted": "was deleted",
    "pending": "is not ready yet",
    "failed": "was never created, because Kling refused its inputs",
}
_DO = {
    "deleted": "choose another element, or create it again",
    "pending": "call wait_for_tasks, then repeat this call",
    "failed": "leave it out, or choose another element",
}


@dataclass(frozen=True, slots=True)
class Named:
    """One naming of an element: the argument that holds it, and what it may be, longest first; usually one text.

    `is_optional` says that it is plain text if nothing has such a name.
    """

    argument: str
    names: tuple[str, ...]
    is_optional: bool = False


def name_listed(elements: Sequence[str]) -> list[Named]:
    """The namings of a list; a handle such as `@Mia` is the name without its @, unless a name really begins so."""
    return [
        Named(f"elements[{place}]", (text, text[1:]) if text.startswith("@") and text[1:].strip() else (text,))
        for place, text in enumerate(elements)
    ]


@dataclass(slots=True)
class Choice:
    """What the namings turned out to be, in their order; None where one cannot be used.

    Attributes:
        matched: the text of each naming that was matched, or "".
        problems: why namings cannot be used.
        verdicts: the kind and retry of each problem.
    """

    elements: list[LibraryElement | None] = field(default_factory=list)
    matched: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    verdicts: set[tuple[Kind, Retry]] = field(default_factory=set)

    def refuse(self, problems: Iterable[Problem]) -> None:
        """Add problems of the input that are not about a naming."""
        known = len(self.problems)
        self.problems.extend(problems)
        if len(self.problems) > known:
            self.verdicts.add(("bad_input", "never"))


async def choose_elements(library: Library, namings: Sequence[Named], explain: ExplainFailure) -> Choice:
    """The ready element behind each naming.

    Args:
        explain: what is known of a creation that Kling refused, by its task id.

    Raises:
        KlingError: the library cannot be read.
    """
    choice = Choice()
    for naming in namings:
        element, matched, problem = None, "", None
        try:
            found = await library.match_first(naming.names)
            element, matched = found.record.element, found.name
        except (NotFoundError, AmbiguousNameError) as error:
            if not (naming.is_optional and isinstance(error, NotFoundError)):
                problem = _unresolved(naming, error)
                choice.verdicts.add((error.kind, error.retry))
        if element is not None and (problem := await _unusable(naming.argument, matched, element, explain)):
            choice.verdicts.add(("bad_input", "later" if element.status == "pending" else "never"))
            element = None
        choice.problems.extend([problem] if problem else [])
        choice.elements.append(element)
        choice.matched.append(matched)
    return choice


async def refusal(library: Library, choice: Choice, advice: str) -> InputError:
    """One error for all problems, in order, with their common kind if there is one; nothing was sent."""
    doubt = ""
    if ("not_found", "never") in choice.verdicts and not await _is_whole(library):
        doubt = f"{_GAPS} what is missing may still exist. "
    problems = sorted(choice.problems, key=lambda problem: (len(problem.argument), problem.argument))
    told = InputError(problems, advice=doubt + advice)
    if len(choice.verdicts) == 1:
        ((told.kind, told.retry),) = choice.verdicts
    return told


async def namesake_doubts(library: Library, choice: Choice) -> list[str]:
    """If pages are missing, another element may have the same name. fact: name-not-unique"""
    by_name = any(
        element is not None and matched.strip() != element.element_id
        for matched, element in zip(choice.matched, choice.elements, strict=True)
    )
    if not by_name or await _is_whole(library):
        return []
    return [f"{_GAPS} another element may have one of these names. Use an element_id to be sure."]


def _unresolved(naming: Named, error: NotFoundError | AmbiguousNameError) -> Problem:
    """Candidates of an ambiguous name come with their ids; similar names do not: a model would use any id it sees."""
    if isinstance(error, AmbiguousNameError):
        given = quote(error.named, _SHOWN)
        told = [f"({candidate})" for candidate in error.candidates[:_MAX_CANDIDATES]]
        more = len(error.candidates) - len(told)
        told += [f"and {more} more"] if more else []
        actual = f"{given}, which matches {len(error.candidates)} elements: {', '.join(told)}"
        fix = "give the element_id of the one you mean; if you cannot tell, ask the person"
        return Problem(naming.argument, "must mean one element", actual, fix)
    text = naming.names[-1]
    given = quote(text, _SHOWN)
    if is_rounded(text):
        actual = f"{given}, which looks like an id that was rounded on the way"
        return Problem(naming.argument, _EXACT, actual, EXACT_FIX)
    near = ", ".join(quote(name, _SHOWN) for name in error.candidates)
    fix = f"similar names: {near}; use one only if you mean it" if near else "find_elements shows what exists"
    return Problem(naming.argument, _EXACT, f"{given}, which matches no element", fix)


async def _unusable(argument: str, text: str, element: LibraryElement, explain: ExplainFailure) -> Problem | None:
    """A record that is not ready, or that was named by another id than the element's own."""
    given = quote(text, _SHOWN)
    if element.status != "ready":
        actual, fix = f"{given}, which {_IS[element.status]}", _DO[element.status]
        if element.failure_reason:
            actual += f", saying {quote(element.failure_reason, 300)}"
        if element.element_name and as_shown(text) != as_shown(element.element_name):
            actual += f" (its name is {quote(element.element_name, _SHOWN)})"
        if element.status == "failed":
            fix = " ".join([f"{fix}.", *await explain(element.task_id), ASK_FIRST])
        return Problem(argument, "must be ready for use", actual, fix)
    if text.strip() == element.element_id or as_shown(text) == as_shown(element.element_name):
        return None
    # A task id may also be the name of another element.
    name = quote(element.element_name, _SHOWN)
    fix = f"if you mean that element, give {name} or its element_id"
    return Problem(argument, _EXACT, f"{given}, an id of the task that made {name}", fix)


async def _is_whole(library: Library) -> bool:
    """Whether the last sync of both lists was complete; nothing is sent."""
    return all(status.is_complete for status in await library.sync_status(EVERYWHERE))
