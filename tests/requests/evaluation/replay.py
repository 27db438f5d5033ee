"""Plays a request's expected calls, and checks that every answer holds what a model would need to go on.

A value that a later call takes from an earlier answer must stand in that answer's text too: a model may be shown
only the text, or only the structured content. It asks no model.
"""

from __future__ import annotations

import itertools
import json
import re
from typing import TYPE_CHECKING

import anyio
from helpers import in_text

from evaluation.grading import Play
from evaluation.scene import Scene, known_texts, leaves, resolve
from kling_mcp.server.tools import NAMES, load

if TYPE_CHECKING:
    from pathlib import Path

    from evaluation.scene import Step
    from evaluation.sheets import Call, Careless, Request, Way

OFFERED = frozenset(spec.name for spec in map(load, NAMES))
_REFERENCE = re.compile(r"\$\{(\d+)\.([^}]+)\}")


class UnprovenError(AssertionError):
    """An answer lacks something that the request needs of it."""


def tools_missing(way: Way) -> list[str]:
    """Tools of this way that the server does not offer yet."""
    return sorted({call.tool for call in way.call} - OFFERED)


async def replay(request: Request, way: Way, folder: Path, era: str = "auto") -> Play:
    """The play in which exactly the calls of this way are made.

    Raises:
        UnprovenError: an answer lacks something.
    """
    scene = Scene(request, folder)
    by_call: dict[int, Step] = {}
    problem: UnprovenError | None = None
    async with scene.opened(era):
        try:
            for group in groups(way.call):
                await _play_together(scene, group, by_call)
        except UnprovenError as error:  # raised in here it would arrive in a group of the client's
            problem = error
        ending = scene.ending()
    if problem is not None:
        raise problem
    steps = tuple(by_call[number] for number in sorted(by_call))
    return Play(steps, _answer(request, scene, steps), ending, scene.facts)


async def replay_careless(request: Request, careless: Careless, folder: Path, era: str = "auto") -> Play:
    """The play of an agent that makes these calls, whatever they are answered."""
    scene = Scene(request, folder)
    by_call: dict[int, Step] = {}
    async with scene.opened(era):
        for number, call in enumerate(careless.call, 1):
            by_call[number] = await scene.call(call.tool, scene.resolve(call.arguments, _results(by_call)))
            scene.ending()  # gives names to what was made
        ending = scene.ending()
    wanted = [known_texts(group, scene.facts) for group in (*request.tells, *request.answers)]
    answer = scene.resolve(careless.answer) or " ".join(["Done:", *(texts[0] for texts in wanted if texts)])
    return Play(tuple(scene.steps), answer, ending, scene.facts)


async def _play_together(scene: Scene, group: list[tuple[int, Call]], by_call: dict[int, Step]) -> None:
    async def play(number: int, call: Call) -> None:
        by_call[number] = await scene.call(call.tool, scene.resolve(call.arguments, _results(by_call)))

    for _, call in group:
        require_in_texts(call, by_call)
    async with anyio.create_task_group() as together:
        for number, call in group:
            together.start_soon(play, number, call)
    scene.ending()  # gives names to what was made
    for number, call in group:
        said = _results(by_call)
        check_answer(by_call[number], call, scene.resolve(call.shows, said), scene.resolve(call.hides, said))


def groups(calls: tuple[Call, ...]) -> list[list[tuple[int, Call]]]:
    """Numbered calls; those in a row that are played together share a group."""
    numbered = list(enumerate(calls, 1))
    return [
        list(group) for _, group in itertools.groupby(numbered, key=lambda pair: 0 if pair[1].together else pair[0])
    ]


def _results(by_call: dict[int, Step]) -> dict[str, str]:
    return {
        f"{number}.{path}": text for number, step in by_call.items() for path, text in leaves(step.structured or {})
    }


def require_in_texts(call: Call, by_call: dict[int, Step]) -> None:
    """What this call takes from earlier answers stands in their texts.

    Raises:
        UnprovenError: only the structured content holds it.
    """
    for _, text in leaves(call.arguments):
        for number, path in _REFERENCE.findall(text):
            step = by_call[int(number)]
            if resolve(f"${{{number}.{path}}}", _results(by_call)) not in step.text:
                raise UnprovenError(f"{path} stands in the structured content and not in the text:\n{step.text}")


def check_answer(step: Step, call: Call, shows: list[str], hides: list[str]) -> None:
    """The result is what the call expects, in both forms; `shows` and `hides` are the call's, resolved.

    Raises:
        UnprovenError: it is not.
    """
    if step.kind != call.error:
        raise UnprovenError(f"{step.tool} ended as {step.kind or 'a success'}, not {call.error or 'one'}:\n{step.text}")
    as_json = json.dumps(step.structured or {}, ensure_ascii=False)
    structured = "\n".join([as_json, *(text for _, text in leaves(step.structured or {}))])
    for text in shows:
        if text not in step.text or (step.structured and text not in structured):
            raise UnprovenError(f"{step.tool} does not say {text!r} in both forms:\n{step.text}\n{structured}")
    if found := [text for text in hides if text in step.text or text in structured]:
        raise UnprovenError(f"{step.tool} says {found}:\n{step.text}")
    if step.pictures < call.pictures:
        raise UnprovenError(f"{step.tool} shows {step.pictures} pictures")
    if call.longest and max(len(step.text), len(as_json)) > call.longest:
        raise UnprovenError(f"{step.tool} answers with {len(step.text)} and {len(as_json)} characters")
    expected = in_text(step.tool, step.structured) if step.structured else {}
    if unsaid := [(path, text) for path, text in leaves(expected) if not _is_said(text, step.text)]:
        raise UnprovenError(f"only the structured content of {step.tool} says {unsaid}:\n{step.text}")


def _is_said(text: str, told: str) -> bool:
    """Whether the text of a result holds a text of its structure, double quotes in it made typographic."""
    return text in told or text.replace('"', "”") in told


def _answer(request: Request, scene: Scene, steps: tuple[Step, ...]) -> str:
    """What a model that read the results would say: of each group something that really stands there.

    Raises:
        UnprovenError: nothing of a group stands in any result.
    """
    said = []
    for group in request.tells:
        texts = known_texts(group, scene.facts)
        found = [text for text in texts if any(text.casefold() in step.text.casefold() for step in steps)]
        if not found:
            raise UnprovenError(f"no result says one of {texts}")
        said.append(found[0])
    return " ".join(["Done:", *said, *(scene.resolve(group[0]) for group in request.answers)])
