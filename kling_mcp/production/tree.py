"""What a file says before it is known what it means: texts, numbers, lists and maps, each with its place.

Every format is read into this tree. It is bounded: a sheet of a person is far smaller, and a file may be anybody's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NoReturn

from kling_mcp.errors import InputError
from kling_mcp.production.model import NOWHERE, Place, SheetProblem
from kling_mcp.sanitize import quote

WHOLE = "sheet"  # the argument of a problem with the file as such
MAX_NODES = 50_000
MAX_DEPTH = 12  # a sheet has 4
MAX_KEY_CHARACTERS = 300

ScalarKind = Literal["text", "integer", "number", "boolean", "nothing", "other"]
_WORDS: dict[ScalarKind, str] = {
    "text": "text",
    "integer": "a number",
    "number": "a number",
    "boolean": "true or false",
    "nothing": "nothing",
    "other": "a date or another value",
}


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value; `text` is how it is written. Where `is_loose`, the format has no other sign of a text (YAML)."""

    kind: ScalarKind
    text: str
    place: Place = NOWHERE
    is_loose: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """A key of a map, and its value; `place` is the key's."""

    key: str
    value: Node
    place: Place = NOWHERE


@dataclass(frozen=True, slots=True)
class Mapped:
    """A map, in the order of the file."""

    pairs: tuple[Pair, ...]
    place: Place = NOWHERE


@dataclass(frozen=True, slots=True)
class Listed:
    """A list."""

    items: tuple[Node, ...]
    place: Place = NOWHERE


Node = Scalar | Listed | Mapped


def shown(node: Node) -> str:
    """What a value is, for a problem: `"9:16"`, `5`, `a list`."""
    if isinstance(node, Listed):
        return "a list"
    if isinstance(node, Mapped):
        return "a map of keys and values"
    if node.kind in {"nothing", "other"}:
        return _WORDS[node.kind]
    return quote(node.text, 60) if node.kind == "text" else f"{quote(node.text, 60)}, {_WORDS[node.kind]}"


def refuse_file(rule: str, actual: str, fix: str, place: Place = NOWHERE) -> NoReturn:
    """Raises InputError: the file as such cannot be read any further."""
    raise InputError([SheetProblem(WHOLE, rule, actual, fix, place)])


@dataclass(slots=True)
class _Open:
    """A list or map that is being read; the children of a map are keys and values in turn."""

    is_map: bool
    place: Place
    children: list[Node] = field(default_factory=list)


class TreeBuilder:
    """Makes a tree from what a parser meets, one after another; `problems` are those that do not end the reading.

    Raises InputError for a tree that is too large or too deep.
    """

    def __init__(self) -> None:
        self.root: Node | None = None
        self.problems: list[SheetProblem] = []
        self._open: list[_Open] = []
        self._count = 0

    def scalar(self, scalar: Scalar) -> None:
        """One value, or a key."""
        if any("\ud800" <= character <= "\udfff" for character in scalar.text):
            refuse_file(
                "must be valid Unicode", "half of a surrogate pair", "write the character itself.", scalar.place
            )
        self._add(scalar)

    def begin(self, place: Place, *, is_map: bool) -> None:
        """A list or a map begins."""
        if len(self._open) >= MAX_DEPTH:
            fix = "write it as the example below."
            refuse_file(f"must be nested at most {MAX_DEPTH} deep", "more", fix, place)
        self._open.append(_Open(is_map, place))

    def end(self) -> None:
        """The innermost list or map ends."""
        done = self._open.pop()
        if not done.is_map:
            self._add(Listed(tuple(done.children), done.place))
            return
        keys, values = done.children[::2], done.children[1::2]
        self._add(Mapped(tuple(self._paired(keys, values)), done.place))

    def _add(self, node: Node) -> None:
        self._count += 1
        if self._count > MAX_NODES:
            fix = "make more than one sheet."
            refuse_file(f"must have at most {MAX_NODES} values", "more", fix, node.place)
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node

    def _paired(self, keys: list[Node], values: list[Node]) -> list[Pair]:
        pairs: dict[str, Pair] = {}
        for key, value in zip(keys, values, strict=False):
            text = key.text if isinstance(key, Scalar) else ""
            if not text.strip() or len(text) > MAX_KEY_CHARACTERS:
                actual = shown(key) if not text.strip() else f"{len(text)} characters"
                fix = "write a short name, a colon and a space."
                self.problems.append(SheetProblem(WHOLE, "must have a text for each key", actual, fix, key.place))
            elif earlier := pairs.get(text):
                at = f" in line {earlier.place.line}" if earlier.place.line else ""
                actual = f"{quote(text, 60)} again, first{at}"
                fix = "keep one of them, or rename one."
                self.problems.append(SheetProblem(WHOLE, "must have each key once", actual, fix, key.place))
            else:
                pairs[text] = Pair(text, value, key.place)
        return list(pairs.values())
