"""Turns what clients really send into typed arguments.

Forgiving in encoding (a list as text, a number as text), strict in meaning: unknown names and rounded ids are refused,
and all problems are reported together.
"""

from __future__ import annotations

import difflib
import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from kling_mcp.api.models import MAX_SAFE_INTEGER
from kling_mcp.errors import InputError, Problem
from kling_mcp.sanitize import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHOWN = 80
# More than any list here can use; in some lists each entry is a request to Kling.
_MAX_ENTRIES = 1000
_TRUE, _FALSE = {"true", "1", "yes", "on"}, {"false", "0", "no", "off", ""}
# A comma separates pictures only before a visible start of the next one: file names may contain commas.
_SOURCE_START = r"https?://|data:|file:|~|\.{0,2}[/\\]|[a-z]:[/\\]"
_NEXT_SOURCE = re.compile(rf",\s*(?={_SOURCE_START})|(?<=\.jpg|\.png)\s*,|(?<=\.jpeg)\s*,", re.IGNORECASE)
_IS_SOURCE = re.compile(rf"{_SOURCE_START}|.*\.(jpe?g|png)\b", re.IGNORECASE)
_DATA_HEADER = re.compile(r"data:[^,]*,", re.IGNORECASE)


class ToolArguments(BaseModel):
    """Base of every tool's input: flat, strict, no unknown names."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


A = TypeVar("A", bound=ToolArguments)


class ArgumentsError(InputError):
    """The arguments do not fit the schema; `values` holds those that could be read."""

    def __init__(self, problems: list[Problem], values: dict[str, Any]) -> None:
        super().__init__(problems)
        self.values = values


def parse_arguments(model: type[A], raw: Mapping[str, Any]) -> A:
    """The arguments of a call.

    Raises:
        ArgumentsError: with every problem found.
    """
    problems: list[Problem] = []
    values: dict[str, Any] = {}
    for name, value in raw.items():
        field = model.model_fields.get(name)
        if field is None:
            problems.append(_unknown_name(name, list(model.model_fields)))
        elif value is None and not field.is_required():
            continue  # several clients send null for "not given"
        else:
            try:
                values[name] = _read(name, value, field.annotation)
            except _Unreadable as error:
                problems.append(error.problem)
    return _validated(model, values, problems)


def _validated(model: type[A], values: dict[str, Any], problems: list[Problem]) -> A:
    known_bad = {problem.argument for problem in problems}
    try:
        parsed = model.model_validate(values)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            name = str(detail["loc"][0])
            if name not in known_bad:
                problems.append(_from_pydantic(name, detail))
        raise ArgumentsError(problems, values) from None
    if problems:
        raise ArgumentsError(problems, values)
    return parsed


class _Unreadable(Exception):  # noqa: N818 - never leaves this module
    def __init__(self, argument: str, rule: str, actual: object, fix: str) -> None:
        shown = actual if isinstance(actual, str) else json.dumps(actual, default=str)
        self.problem = Problem(argument, rule, quote(str(shown), _SHOWN), fix)


def _read(name: str, value: Any, annotation: Any) -> Any:
    if annotation is str:
        return _read_text(name, value)
    if annotation is int:
        return _read_integer(name, value)
    if annotation is bool:
        return _read_flag(name, value)
    if get_origin(annotation) is list:
        return _read_list(name, value)
    # What is left is a Literal of words.
    text = _read_text(name, value).strip()
    words = [str(word) for word in get_args(annotation)]
    for word in words:
        if text.lower() == word.lower():
            return word
    raise _Unreadable(name, f"must be one of {', '.join(words)}", text, _nearest(text, words))


def _read_text(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        if abs(value) > MAX_SAFE_INTEGER:
            raise _Unreadable(
                name,
                "must be text, because clients round JSON numbers above 9007199254740991",
                value,
                "send it as text, in double quotes, with the digits that Kling gave",
            )
        return str(value)
    raise _Unreadable(name, "must be text", value, "send it as a string in double quotes")


def _read_integer(name: str, value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"\s*-?\d{1,15}(\.0+)?\s*", value):
        return int(float(value))
    raise _Unreadable(name, "must be a whole number", value, "send digits")


def _read_flag(name: str, value: Any) -> bool:
    word = str(value).strip().lower()
    if isinstance(value, bool) or word in _TRUE | _FALSE:
        return word in _TRUE
    raise _Unreadable(name, "must be true or false", value, "send true or false")


def _read_list(name: str, value: Any) -> list[str]:
    """A list of texts from a list, a JSON string, a separated string or one bare value."""
    if isinstance(value, str):
        value = _split(value)
    if not isinstance(value, list):
        value = [value]
    if len(value) > _MAX_ENTRIES:
        fix = "send it in several calls, or leave out what is not needed"
        raise _Unreadable(name, f"must be a list of at most {_MAX_ENTRIES} values", f"{len(value)} values", fix)
    return [text for text in (_read_text(name, item).strip() for item in value) if text]


def _split(text: str) -> list[Any]:
    text = text.strip()
    if text.startswith("["):
        with suppress(ValueError, RecursionError):
            parsed: list[Any] = json.loads(text)
            return parsed
    if "\n" in text:
        return text.splitlines()
    return _split_at_commas(text)


def _split_at_commas(text: str) -> list[str]:
    if not _IS_SOURCE.match(text):
        return text.split(",")
    parts: list[str] = []
    rest = text
    while rest:
        header = _DATA_HEADER.match(rest)
        cut = _NEXT_SOURCE.search(rest, header.end() if header else 0)
        if cut is None:
            parts.append(rest)
            break
        parts.append(rest[: cut.start()])
        rest = rest[cut.end() :]
    return parts


def _unknown_name(name: str, known: list[str]) -> Problem:
    return Problem(
        quote(name, 40),
        "must be an argument of this tool",
        "an unknown name",
        f"{_nearest(name, known)}; the arguments are {', '.join(known) or 'none'}",
    )


def _nearest(text: str, known: list[str]) -> str:
    near = difflib.get_close_matches(text.lower(), known, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else "leave it out"


def _from_pydantic(name: str, detail: Any) -> Problem:
    if detail["type"] == "missing":
        return Problem(name, "must be given", "nothing", "give a value")
    return Problem(name, _as_rule(str(detail["msg"])), quote(str(detail["input"]), _SHOWN), "change the value")


def _as_rule(sentence: str) -> str:
    """pydantic's sentence in the form of a rule: "Input should be ..." as "must be ..."."""
    _, should, rest = sentence.partition(" should ")
    return f"must {rest}" if should else f"must be valid ({sentence})"
