"""JSON and TOML as a tree. In JSON every value has its place; a reader of TOML that knows places is not at hand."""

from __future__ import annotations

import bisect
import json
import re
from typing import TYPE_CHECKING

from kling_mcp.errors import InputError
from kling_mcp.production.model import NOWHERE, Place
from kling_mcp.production.tree import Scalar, TreeBuilder, refuse_file
from kling_mcp.sanitize import clean

if TYPE_CHECKING:
    from kling_mcp.production.tree import Node, ScalarKind

_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"|[{}\[\],:]|[^\s{}\[\],:"]++')
_INTEGER = re.compile(r"-?[0-9]+")
_IN_TOML = re.compile(r" \(at line ([0-9]+), column ([0-9]+)\)$")
_MAX_SHOWN_INTEGER = 10**40
_CONSTANTS: dict[str, ScalarKind] = {"true": "boolean", "false": "boolean", "null": "nothing"}


def parse_json(text: str) -> Node | None:
    """The value of the file; None if it is empty.

    Raises:
        InputError: its syntax is wrong (the first mistake), a key stands twice, or it is too large.
    """
    if not text.strip():
        return None
    _check_json(text)
    starts = [0, *(found.end() for found in re.finditer("\n", text))]
    builder = TreeBuilder()
    for found in _TOKEN.finditer(text):
        line = bisect.bisect_right(starts, found.start())
        _take(found[0], Place(line, found.start() - starts[line - 1] + 1), builder)
    if builder.problems:
        raise InputError(builder.problems)
    return builder.root


def parse_toml(text: str) -> Node | None:
    """The same for TOML, without places.

    Raises:
        InputError: as `parse_json` does.
    """
    import tomllib  # noqa: PLC0415 - only those who use TOML pay for it

    try:
        told = tomllib.loads(text)
    except RecursionError:
        refuse_file("must be valid TOML", "too many levels", "write it as the example below.")
    except ValueError as error:  # TOMLDecodeError, and what a number or date that is none raises
        found = _IN_TOML.search(str(error))
        place = Place(int(found[1]), int(found[2])) if found else NOWHERE
        actual = clean(_IN_TOML.sub("", str(error)), 160)
        refuse_file("must be valid TOML", actual, "correct this line; texts stand in quotes.", place)
    builder = TreeBuilder()
    _add(told, builder)
    if builder.problems:
        raise InputError(builder.problems)
    return builder.root if told else None


def _check_json(text: str) -> None:
    """Numbers stay text: a long one takes minutes to convert."""
    try:
        json.loads(text, parse_int=str, parse_float=str)
    except json.JSONDecodeError as error:
        fix = "correct this place; JSON has no comments, and no comma behind the last value."
        refuse_file("must be valid JSON", clean(error.msg, 160), fix, Place(error.lineno, error.colno))
    except RecursionError:
        refuse_file("must be valid JSON", "too many levels", "write it as the example below.")


def _take(piece: str, place: Place, builder: TreeBuilder) -> None:
    if piece in {"{", "["}:
        builder.begin(place, is_map=piece == "{")
    elif piece in {"}", "]"}:
        builder.end()
    elif piece[0] == '"':
        builder.scalar(Scalar("text", json.loads(piece), place))
    elif piece not in {",", ":"}:
        kind = _CONSTANTS.get(piece) or ("integer" if _INTEGER.fullmatch(piece) else "number")
        builder.scalar(Scalar(kind, piece, place))


def _add(value: object, builder: TreeBuilder) -> None:
    """Recursive: the depth is bounded by the builder."""
    if isinstance(value, dict):
        builder.begin(NOWHERE, is_map=True)
        for key, inner in value.items():
            builder.scalar(Scalar("text", str(key)))
            _add(inner, builder)
        builder.end()
    elif isinstance(value, list):
        builder.begin(NOWHERE, is_map=False)
        for inner in value:
            _add(inner, builder)
        builder.end()
    else:
        builder.scalar(_toml_scalar(value))


def _toml_scalar(value: object) -> Scalar:
    match value:
        case str():
            return Scalar("text", value)
        case bool():
            return Scalar("boolean", str(value).lower())
        case int():
            return Scalar("integer", str(value) if abs(value) < _MAX_SHOWN_INTEGER else "9" * 41)
        case float():
            return Scalar("number", str(value))
    return Scalar("other", "")
