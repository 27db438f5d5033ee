"""Shots: one video in several cuts, each with its seconds and its text. Pure.

A shot is written `3: Mia waves`, its seconds first. In the 3.0 standard the shots become one prompt (fact:
gen30-shot-text), in the older standard a list of their own (fact: old-omni-fields).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kling_mcp.errors import Problem
from kling_mcp.generation.models import MAX_SHOT_CHARACTERS, MAX_SHOTS
from kling_mcp.generation.prompt import Prompt
from kling_mcp.sanitize import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHOT = re.compile(r"([0-9]{1,3})(?:\s*(?:seconds?|secs?|s))?\s*[:：,|–—-]\s*(\S.*)", re.DOTALL)
_EXAMPLE = 'write seconds and text, such as "3: @Mia waves"'
# A text that sets out shots itself would be one shot, or cut by chance.
_LOOKS_LIKE_SHOTS = re.compile(r"\bshot\s+[1-6]\s*,\s*[0-9]+\s*,", re.IGNORECASE)
# A comma, seconds and a colon inside a text: written as if a comma ended a shot. `at 4:30` is a time of day.
_SECOND_SHOT = re.compile(r",\s*([0-9]{1,2})\s*(?:seconds?|secs?|s)?\s*[:：]\s+\S")
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Shot:
    """One cut: whole seconds, and its prompt."""

    seconds: int
    prompt: Prompt


def parse_shots(texts: Sequence[str]) -> tuple[tuple[Shot, ...], list[Problem]]:
    """The shots, and every problem with their number and form. facts: gen30-shots, old-omni-fields"""
    if len(texts) > MAX_SHOTS:
        rule = f"must hold at most {MAX_SHOTS} shots"
        return (), [Problem("shots", rule, str(len(texts)), "leave some out, or make more than one video.")]
    shots: list[Shot] = []
    problems: list[Problem] = []
    for place, text in enumerate(texts):
        found = _SHOT.fullmatch(text[: 2 * MAX_SHOT_CHARACTERS].strip())
        if found is None or not int(found[1]):
            problems.append(_unreadable(place, text))
        else:
            shots.append(Shot(int(found[1]), Prompt(found[2])))
    return tuple(shots), problems


def without_seconds(prompt: str) -> str:
    """The texts of shots, one a line, without their seconds; any other text as it is."""
    found = [_SHOT.fullmatch(line.strip()) for line in prompt[: 2 * MAX_SHOTS * MAX_SHOT_CHARACTERS].splitlines()]
    return "\n".join(shot[2] for shot in found if shot) if found and all(found) else prompt


def check_shot(place: int, text: str, *, joined: bool) -> Problem | None:
    """What is wrong with the text of a shot as it is sent, handles included.

    Args:
        joined: whether semicolons end a shot, as in the 3.0 standard.
    """
    argument = f"shots[{place}]"
    if len(text) > MAX_SHOT_CHARACTERS:
        rule = f"must have at most {MAX_SHOT_CHARACTERS} characters of text, handles included"
        return Problem(argument, rule, f"{len(text)} characters", "shorten it.")
    if joined and ";" in text:
        rule = "must have no semicolon: Kling ends a shot there"
        return Problem(argument, rule, quote(text, _SHOWN), "write a comma or a full stop instead.")
    return None


def join_shots(shots: Sequence[tuple[int, str]]) -> str:
    """The prompt of the 3.0 standard for these seconds and texts. fact: gen30-shot-text"""
    return " ".join(f"shot {place}, {seconds}, {text};" for place, (seconds, text) in enumerate(shots, start=1))


def list_shots(shots: Sequence[tuple[int, str]]) -> list[dict[str, object]]:
    """`multi_prompt` of the older standard. facts: old-omni-fields, old-duration-text"""
    return [
        {"index": place, "prompt": text, "duration": str(seconds)}
        for place, (seconds, text) in enumerate(shots, start=1)
    ]


def looks_like_shots(text: str) -> bool:
    """Whether a prompt sets out shots in its text."""
    return _LOOKS_LIKE_SHOTS.search(text) is not None


def find_joined(texts: Sequence[str]) -> list[str]:
    """Notes on shots whose text seems to hold a further one."""
    return [
        f"shots[{place}] is one cut, with {quote(found[0], _SHOWN)} in its text: a comma ends no shot, so give each "
        "cut as an entry of its own."
        for place, text in enumerate(texts)
        if (found := _SECOND_SHOT.search(text))
    ]


def _unreadable(place: int, text: str) -> Problem:
    rule = "must be whole seconds from 1, a colon and a text"
    return Problem(f"shots[{place}]", rule, quote(text, _SHOWN), f"{_EXAMPLE}.")
