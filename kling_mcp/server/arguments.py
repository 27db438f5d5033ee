"""Turns what clients really send into typed arguments.

Forgiving in encoding (a list as text, a number as text), strict in meaning: unknown names and rounded ids are refused,
and all problems are reported together. Whatever is sent, a text is measured and a list counted before anything else.
"""

from __future__ import annotations

import difflib
import json
import re
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from kling_mcp.api.ids import EXACT_FIX, MAX_SAFE_INTEGER, is_rounded
from kling_mcp.api.limits import MAX_DATA_CHARACTERS
from kling_mcp.choices import nearest
from kling_mcp.errors import MAX_PROBLEMS_LISTED, InputError, Problem
from kling_mcp.sanitize import quote
from kling_mcp.server.argument_names import FRONTAL_IMAGE, PICTURES, REFER_IMAGES, name_arguments
from kling_mcp.server.list_spellings import unwrap_list

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic.fields import FieldInfo

_SHOWN = 80
# More than any list here can use; in some lists each entry is a request to Kling.
_MAX_ENTRIES = 1000
# A text may be a path, which is the longest that is not a picture itself; a list may be a thousand ids.
_MAX_CHARACTERS, _MAX_LIST_CHARACTERS = 4096, 100_000
_MAX_PICTURES_CHARACTERS = 4 * MAX_DATA_CHARACTERS
_TRUE, _FALSE = {"true", "1", "yes", "on"}, {"false", "0", "no", "off", ""}
# A comma separates pictures only before a visible start of the next one: file names may contain commas.
_SOURCE_START = r"https?://|data:|file:|~|\.{0,2}[/\\]|[a-z]:[/\\]"
_NEXT_SOURCE = re.compile(rf",\s*(?={_SOURCE_START})|(?<=\.jpg|\.png)\s*,|(?<=\.jpeg)\s*,", re.IGNORECASE)
_IS_SOURCE = re.compile(rf"{_SOURCE_START}|.*\.(jpe?g|png)\b", re.IGNORECASE)
_DATA_HEADER = re.compile(r"data:[^,]*,", re.IGNORECASE)


class ToolArguments(BaseModel):
    """Base of every tool's input: flat, strict, no unknown names.

    Attributes:
        MEDIA: the names of the texts and lists that may hold whole pictures; all others are short.
        SENTENCES: the names of lists whose entries may have commas, so that a bare text is one entry.
    """

    MEDIA: ClassVar[frozenset[str]] = frozenset()
    SENTENCES: ClassVar[frozenset[str]] = frozenset()

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
    known = list(model.model_fields)
    if len(raw) > len(known) + MAX_PROBLEMS_LISTED:
        raise ArgumentsError([_too_many(len(raw), known)], {})
    problems: list[Problem] = []
    values: dict[str, Any] = {}
    fields = model.model_fields
    named = name_arguments(raw, tuple(fields))
    problems += [_unknown_name(name, meant, known) for name, meant in named.unknown.items()]
    try:
        if named.pictures is not None:
            frontal, *others = _read_list(PICTURES, named.pictures, is_media=True) or [""]
            values = {FRONTAL_IMAGE: frontal, REFER_IMAGES: others}
    except _Unreadable as error:
        problems.append(error.problem)
    for name, value in named.values.items():
        if _is_not_given(value, fields[name]):
            continue
        try:
            values[name] = _read(name, value, fields[name], model)
        except _Unreadable as error:
            problems.append(error.problem)
    return _validated(model, values, problems)


def _is_not_given(value: Any, field: FieldInfo) -> bool:
    """Several clients send null for an optional argument that they do not give, or an empty text where none fits."""
    if field.is_required() or value is None:
        return value is None and not field.is_required()
    can_be_blank = field.annotation is int or get_origin(field.annotation) is Literal
    return can_be_blank and isinstance(value, str) and len(value) <= _MAX_CHARACTERS and not value.strip()


def require_exact_ids(argument: str, ids: Sequence[str]) -> None:
    """Refuse ids that were rounded on the way.

    Raises:
        InputError: with each of them.
    """
    if rounded := [given for given in ids if is_rounded(given)]:
        actual = "{}, which was rounded on the way, in a spreadsheet or as a JSON number"
        raise InputError(
            [
                Problem(argument, "must be an id with all its digits", actual.format(quote(given, _SHOWN)), EXACT_FIX)
                for given in rounded
            ]
        )


def _validated(model: type[A], values: dict[str, Any], problems: list[Problem]) -> A:
    known_bad = {problem.argument for problem in problems}
    try:
        parsed = model.model_validate(values)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            name = str(detail["loc"][0])
            if name not in known_bad:
                problems.append(_from_pydantic(name, detail, model.model_fields[name]))
        raise ArgumentsError(problems, values) from None
    if problems:
        raise ArgumentsError(problems, values)
    return parsed


class _Unreadable(Exception):  # noqa: N818 - never leaves this module
    def __init__(self, argument: str, rule: str, actual: object, fix: str) -> None:
        self.problem = Problem(argument, rule, _shown(actual), fix)


def _shown(value: object) -> str:
    """The beginning of a text; of what holds other values, only what it is."""
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return "an object"
    return quote(value if isinstance(value, str) else json.dumps(value, default=str), _SHOWN)


def _read(name: str, value: Any, field: FieldInfo, model: type[ToolArguments]) -> Any:
    is_media = name in model.MEDIA
    annotation: Any = field.annotation
    if get_origin(annotation) is list:
        return _read_list(name, value, is_media=is_media, has_commas=name in model.SENTENCES)
    if isinstance(value, str):
        _require_length(name, len(value), MAX_DATA_CHARACTERS if is_media else _MAX_CHARACTERS)
    if annotation is str:
        return _read_text(name, value)
    if annotation is int:
        return _read_integer(name, value)
    if annotation is bool:
        return _read_flag(name, value)
    return _read_choice(name, value, get_args(annotation), is_required=field.is_required())


def _read_choice(name: str, value: Any, choices: tuple[str, ...], *, is_required: bool) -> str:
    text = str(value).strip() if isinstance(value, str | int | float | None) else _shown(value)
    if "yes" in choices and text.lower() in _TRUE | _FALSE:
        text = "yes" if text.lower() in _TRUE else "no"
    for choice in choices:
        if text.lower() == choice.lower():
            return choice
    meant = nearest(text, choices)
    fix = "send one of them" if is_required else "send one of them, or leave it out"
    raise _Unreadable(name, _one_of(choices), text, f"did you mean {meant}?" if meant else fix)


def _one_of(choices: tuple[str, ...]) -> str:
    return f"must be one of {', '.join(choices)}"


def _require_length(name: str, characters: int, most: int, where: str = "") -> None:
    if characters > most:
        rule = f"must have at most {most} characters{where}"
        raise _Unreadable(name, rule, f"{characters} characters", "send only what belongs here")


def _read_text(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if is_whole and abs(value) <= MAX_SAFE_INTEGER:
        return str(value)
    if is_whole or (isinstance(value, float) and is_rounded(str(value))):
        raise _Unreadable(
            name,
            f"must be text, because a JSON number above {MAX_SAFE_INTEGER} or with a point is rounded on the way",
            value,
            "send it as text, in double quotes, with the digits that Kling gave",
        )
    raise _Unreadable(name, "must be text", value, "send it as a string in double quotes")


def _read_integer(name: str, value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"\s*-?\d{1,15}(\.0+)?\s*", value):
        return int(float(value))
    digits = re.match(r"\s*(\d{1,15})\s*[A-Za-z]{1,10}\s*$", value[:_SHOWN]) if isinstance(value, str) else None
    raise _Unreadable(name, "must be a whole number", value, f"send {digits[1]}" if digits else "send digits")


def _read_flag(name: str, value: Any) -> bool:
    word = str(value).strip().lower() if isinstance(value, (str, int)) else ""
    if word in _TRUE | _FALSE and isinstance(value, (str, int)):
        return word in _TRUE
    raise _Unreadable(name, "must be true or false", value, "send true or false")


def _read_list(name: str, value: Any, *, is_media: bool, has_commas: bool = False) -> list[str]:
    """A list of texts from a list, a JSON string, a separated string or one bare value.

    Args:
        has_commas: entries may have commas, so none separates them.
    """
    most, most_in_all = _MAX_CHARACTERS, _MAX_LIST_CHARACTERS
    if is_media:
        most, most_in_all = MAX_DATA_CHARACTERS, _MAX_PICTURES_CHARACTERS
    if isinstance(value, str):
        _require_length(name, len(value), most_in_all)
    value = unwrap_list(value, _MAX_ENTRIES)
    if isinstance(value, str):
        value = value.split("\n", _MAX_ENTRIES) if has_commas else _split(value)
    if not isinstance(value, list):
        value = [value]
    if len(value) > _MAX_ENTRIES:
        fix = "send it in several calls, or leave out what is not needed"
        raise _Unreadable(name, f"must be a list of at most {_MAX_ENTRIES} values", "more of them", fix)
    texts = [_read_text(name, item) for item in value]
    _require_length(name, max(map(len, texts), default=0), most)
    _require_length(name, sum(map(len, texts)), most_in_all, " in all")
    return [stripped for text in texts if (stripped := text.strip())]


def _split(text: str) -> list[Any]:
    """The parts of a text; of too many parts, one more than a list may have."""
    text = text.strip()
    if "\n" in text:
        return text.split("\n", _MAX_ENTRIES)
    return _split_at_commas(text)


def _split_at_commas(text: str) -> list[str]:
    if not _IS_SOURCE.match(text):
        return text.split(",", _MAX_ENTRIES)
    parts: list[str] = []
    begin = 0
    while begin < len(text) and len(parts) <= _MAX_ENTRIES:
        header = _DATA_HEADER.match(text, begin)
        cut = _NEXT_SOURCE.search(text, header.end() if header else begin)
        end, following = cut.span() if cut else (len(text), len(text))
        parts.append(text[begin:end])
        begin = following
    return parts


def _too_many(count: int, known: list[str]) -> Problem:
    rule = f"must be those of this tool: {', '.join(known) or 'none'}"
    return Problem("arguments", rule, f"{count} of them", "leave out all others")


def _unknown_name(name: str, meant: str, known: list[str]) -> Problem:
    """`meant` is the argument that it is another name of, and that is given already; or ""."""
    rule = "must be an argument of this tool"
    if meant:
        return Problem(quote(name, 40), rule, f"another name of {meant}, which is given, too", "send only one of them")
    near = difflib.get_close_matches(name[:_SHOWN].lower(), known, n=1, cutoff=0.6)
    near = near or [own for own in known if own.endswith(f"_{name[:_SHOWN].lower()}")]
    fix = f"did you mean {near[0]}?" if near else "leave it out"
    return Problem(quote(name, 40), rule, "an unknown name", f"{fix}; the arguments are {', '.join(known) or 'none'}")


def _from_pydantic(name: str, detail: Any, field: FieldInfo) -> Problem:
    if detail["type"] == "missing":
        choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
        rule = _one_of(choices) if choices else "must be given"
        return Problem(name, rule, "nothing", "send one of them" if choices else "give a value")
    return Problem(name, _as_rule(str(detail["msg"])), quote(str(detail["input"]), _SHOWN), _fix_for(field))


def _fix_for(field: FieldInfo) -> str:
    """How to stay within the bounds of a number, or within the length of a text."""
    bounds = {side: getattr(rule, side) for side in ("ge", "le") for rule in field.metadata if hasattr(rule, side)}
    if len(bounds) == 2:
        return f"send {bounds['ge']} to {bounds['le']}"
    if bounds:
        return f"send {bounds['ge']} or more" if "ge" in bounds else f"send {bounds['le']} or less"
    return "shorten it"


def _as_rule(sentence: str) -> str:
    """pydantic's sentence in the form of a rule: "Input should be ..." as "must be ..."."""
    _, should, rest = sentence.partition(" should ")
    return f"must {rest}" if should else f"must be valid ({sentence})"
