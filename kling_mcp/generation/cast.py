"""Who is in a request: the elements of its list and of its texts, each once, and what is written for each name."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kling_mcp.generation.bodies import UsedElement
from kling_mcp.generation.choosing import Choice, Named, choose_elements, name_listed
from kling_mcp.generation.element_use import find_misfit, find_problems, make_handles
from kling_mcp.generation.targets import TARGETS
from kling_mcp.sanitize import quote

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from kling_mcp.errors import Problem
    from kling_mcp.generation.choosing import ExplainFailure
    from kling_mcp.generation.targets import Case, Standard, TargetName
    from kling_mcp.generation.texts import RenderedTexts, RequestTexts
    from kling_mcp.library.index import Library
    from kling_mcp.library.records import LibraryElement

_SHOWN = 60


@dataclass(slots=True)
class Cast:
    """The elements of a request.

    Attributes:
        choice: what each naming turned out to be, with every problem.
        elements: each once: those of the list first, then those of the texts in order.
        mentioned: for each text, the element and the end of each mention by its start.
        names_elements: whether a text names an element, known or not.
        listed: how many were in the list.
    """

    choice: Choice
    elements: list[LibraryElement] = field(default_factory=list)
    mentioned: list[dict[int, tuple[LibraryElement, int]]] = field(default_factory=list)
    names_elements: bool = False
    listed: int = 0

    def unmentioned(self) -> list[LibraryElement]:
        """Those that no text names."""
        ids = {element.element_id for there in self.mentioned for element, _ in there.values()}
        return [element for element in self.elements if element.element_id not in ids]

    def find_problems(self, target: TargetName | None, cases: Collection[Case], pictures: int) -> list[Problem]:
        """What this target and the other inputs do not allow."""
        if target is None or not self.elements:
            return []
        problems = find_problems(TARGETS[target], self.elements)
        misfit = None if problems else find_misfit(TARGETS[target], self.elements, cases, pictures)
        listed = {f"elements[{place}]" for place in range(self.listed)} | {"elements"}
        found = problems if misfit is None else [misfit]
        return [problem if problem.argument in listed else replace(problem, argument="prompt") for problem in found]

    def write(
        self, texts: RequestTexts, target: TargetName | None, standard: Standard
    ) -> tuple[tuple[UsedElement, ...], RenderedTexts]:
        """The elements with their handles, and the texts with handles for names. facts: handle-new, handle-legacy"""
        media = _media_places(texts, standard)
        ends = [{start: ("", end) for start, (_, end) in there.items()} for there in self.mentioned]
        taken = texts.plain_words([places | others for places, others in zip(media, ends, strict=True)])
        taken += tuple(handle.removeprefix("@") for places in media for handle, _ in places.values())
        handles: dict[str, str] = {}
        if target is not None:
            names = [element.element_name for element in self.elements]
            made = make_handles(TARGETS[target], names, taken)
            handles = {element.element_id: handle for element, handle in zip(self.elements, made, strict=True)}
        places = [
            pictures | {start: (handles.get(element.element_id, ""), end) for start, (element, end) in there.items()}
            for pictures, there in zip(media, self.mentioned, strict=True)
        ]
        used = tuple(UsedElement(element_id, handle) for element_id, handle in handles.items())
        return used, texts.render(places)


async def choose_cast(library: Library, texts: RequestTexts, listed: Sequence[str], explain: ExplainFailure) -> Cast:
    """The elements of a request; those that cannot be used are in the problems of its choice.

    Raises:
        KlingError: the library cannot be read.
    """
    named = [(argument, prompt, mention) for argument, prompt, mention in texts.mentions() if not mention.media]
    namings = name_listed(listed)
    namings += [
        Named(argument, tuple(name for name, _ in mention.names), is_optional=mention.may_be_text)
        for argument, _, mention in named
    ]
    choice = await choose_elements(library, namings, explain)
    cast = Cast(choice, mentioned=[{} for _ in texts.parts()], listed=len(listed))
    cast.names_elements = any(not naming.is_optional for naming in namings[len(listed) :])
    arguments = [argument for argument, _ in texts.parts()]
    by_id: dict[str, LibraryElement] = {}
    for place, element in enumerate(choice.elements):
        if element is None:
            continue
        known = by_id.setdefault(element.element_id, element)
        if place < len(listed):
            continue
        cast.names_elements = True
        argument, _, mention = named[place - len(listed)]
        cast.mentioned[arguments.index(argument)][mention.start] = known, dict(mention.names)[choice.matched[place]]
    # A name that the list repeats is told by `find_problems`, so it stays twice there.
    cast.elements = _once(choice.elements[: len(listed)], by_id)
    return cast


def _once(listed: Sequence[LibraryElement | None], by_id: dict[str, LibraryElement]) -> list[LibraryElement]:
    first = [element for element in listed if element is not None]
    ids = {element.element_id for element in first}
    return first + [element for element_id, element in by_id.items() if element_id not in ids]


def _media_places(texts: RequestTexts, standard: Standard) -> list[dict[int, tuple[str, int]]]:
    """What is written for @image_1 and @video_1. facts: gen30-content-ids, handle-legacy"""
    form = "@{}" if standard == "3.0" else "<<<{}>>>"
    return [
        {mention.start: (form.format(mention.media), mention.end) for mention in prompt.mentions if mention.media}
        for _, prompt in texts.parts()
    ]


def find_cast_notes(cast: Cast, *, has_sound: bool, says_voice: bool) -> list[str]:
    """What a person should know of the elements before paying.

    Args:
        has_sound: whether native audio is asked for.
        says_voice: whether this kind of request can make a voice heard.
    """
    notes = [
        f"{quote(element.element_name, _SHOWN)} is in elements, but no text names it with @, so it may not appear."
        for element in cast.unmentioned()  # fact: gen-handle-missing
    ]
    voiced = [quote(element.element_name, _SHOWN) for element in cast.elements if element.voice_id]
    if voiced and says_voice and not has_sound:  # fact: voice-needs-audio
        notes.append(f"The voice of {', '.join(voiced)} is heard only with audio=native.")
    silent = [element for element in cast.elements if element.asked_voice_id and not element.voice_id]
    if silent and says_voice and has_sound:
        names = ", ".join(quote(element.element_name, _SHOWN) for element in silent)
        notes.append(f"{names}: a voice was requested at creation, but Kling shows none.")
    unknown = [quote(element.element_name, _SHOWN) for element in cast.elements if not element.reference_type]
    if unknown:  # fact: reference-type-null
        notes.append(f"{', '.join(unknown)}: Kling does not say whether this was made from pictures or from a video.")
    return notes
