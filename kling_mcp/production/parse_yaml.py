"""YAML as a tree. Only the scanner of PyYAML is used: nothing is constructed, and no value changes its meaning.

A plain text stays what is written (9:16, NO, on, 2026-05-01), as in YAML 1.2 and not as in 1.1. Tags and
aliases are refused: a sheet needs neither, and both have been used against programs that read files.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kling_mcp.errors import InputError
from kling_mcp.production.model import Place, SheetProblem
from kling_mcp.production.tree import WHOLE, Scalar, TreeBuilder, refuse_file
from kling_mcp.sanitize import clean, quote

if TYPE_CHECKING:
    from kling_mcp.production.tree import Node, ScalarKind

_HALF = re.compile("[\ud800-\udfff]")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)?")
_NOTHING = {"", "~", "null", "Null", "NULL"}
_BOOLEAN = {"true", "True", "TRUE", "false", "False", "FALSE"}
_TEXT_TAGS: set[str | None] = {None, "!", "tag:yaml.org,2002:str"}
_PLAIN_TAGS: set[str | None] = {None}
_BACKSLASH = "in double quotes a backslash begins an escape: write a path with slashes, or in single quotes."
# What the parser says, and what a person mostly did.
_FIXES = (
    ("'@'", 'put a text that begins with @ in quotes, such as prompt: "@Mia waves".'),
    ("'`'", "put a text that begins with a backtick in quotes."),
    ("'%'", "put a text that begins with % in quotes."),
    ("'\\t'", "indent with spaces, not with tabs."),
    ("mapping values are not allowed", "put a text that holds a colon and a space in quotes."),
    ("unknown escape character", _BACKSLASH),
    ("expected escape sequence", _BACKSLASH),
    ("while scanning a quoted scalar", "end the text with the quote that it began with."),
    ("expected <block end>", "give lines of one map the same indentation, and put texts with quotes in quotes."),
    ("could not find expected ':'", "write a colon and a space behind the key."),
)
_OTHERWISE = "correct this line; the mistake may be in the one before."


def parse_yaml(text: str) -> Node | None:
    """The one document of the file; None if it is empty.

    Raises:
        InputError: its syntax is wrong (the first mistake), it has tags, aliases or more than one document, or it is
            too large.
    """
    import yaml  # noqa: PLC0415 - only those who use sheets pay for it

    builder = TreeBuilder()
    documents = 0
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            documents += isinstance(event, yaml.DocumentStartEvent)
            if documents > 1:
                refuse_file("must hold one document", 'another one after "---"', "make a file of it.", _place(event))
            _take(event, builder)
    except yaml.MarkedYAMLError as error:
        _refuse_syntax(error)
    except yaml.reader.ReaderError as error:
        _refuse_character(text, error.position)
    except (ValueError, OverflowError):  # an escape such as "\U00110000" that is no character
        refuse_file("must be valid YAML", "an escape that is no character", "write the character itself.")
    if builder.problems:
        raise InputError(builder.problems)
    return builder.root


def _take(event: Any, builder: TreeBuilder) -> None:
    import yaml  # noqa: PLC0415 - as above

    match event:
        case yaml.AliasEvent():
            fix = 'write the value out, or use "defaults" for what many entries share.'
            actual = f"an alias, *{clean(event.anchor or '', 40)}"
            builder.problems.append(SheetProblem(WHOLE, "must have no aliases", actual, fix, _place(event)))
            builder.scalar(Scalar("nothing", "", _place(event)))
        case yaml.ScalarEvent():
            _check_tag(event, builder, _TEXT_TAGS)
            builder.scalar(_scalar(event))
        case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
            _check_tag(event, builder, _PLAIN_TAGS)
            builder.begin(_place(event), is_map=isinstance(event, yaml.MappingStartEvent))
        case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
            builder.end()


def _scalar(event: Any) -> Scalar:
    place, value = _place(event), _joined(event.value)
    if event.style is not None or event.tag is not None:
        return Scalar("text", value, place)
    kind: ScalarKind = "text"
    if value in _NOTHING:
        kind = "nothing"
    elif value in _BOOLEAN:
        kind = "boolean"
    elif _INTEGER.fullmatch(value):
        kind = "integer"
    elif _NUMBER.fullmatch(value):
        kind = "number"
    return Scalar(kind, value, place, is_loose=True)


def _joined(text: str) -> str:
    """A character that is written as two escapes, as JSON does, is one character."""
    if not _HALF.search(text):
        return text
    with suppress(UnicodeDecodeError):  # a half alone is refused with its place
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    return text


def _check_tag(event: Any, builder: TreeBuilder, allowed: set[str | None]) -> None:
    if event.tag not in allowed:
        fix = "leave it out; a text in quotes is always text."
        problem = SheetProblem(WHOLE, "must have no YAML tags", quote(event.tag, 60), fix, _place(event))
        builder.problems.append(problem)


def _place(event: Any) -> Place:
    return Place(event.start_mark.line + 1, event.start_mark.column + 1)


def _refuse_syntax(error: Any) -> None:
    mark = error.problem_mark or error.context_mark
    place = Place(mark.line + 1, mark.column + 1) if mark else Place()
    said = " ".join(filter(None, (error.context, error.problem)))
    fix = next((fix for sign, fix in _FIXES if sign in said), _OTHERWISE)
    refuse_file("must be valid YAML", clean(said, 160) or "something else", fix, place)


def _refuse_character(text: str, position: int) -> None:
    before = text[:position]
    place = Place(before.count("\n") + 1, position - before.rfind("\n"))
    actual = f"U+{ord(text[position]):04X}" if position < len(text) else "a control character"
    refuse_file("must have no control characters", actual, "remove it.", place)
