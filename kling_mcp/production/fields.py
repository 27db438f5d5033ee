"""Reads the values of a map by a table of keys, and collects every problem with its place.

Values have the right form afterwards; whether they fit together is for `check_cast` and `check_shots`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kling_mcp.api.ids import MAX_SAFE_INTEGER
from kling_mcp.choices import nearest
from kling_mcp.production.model import NOWHERE, Place, SheetProblem
from kling_mcp.production.tree import Listed, Mapped, Scalar, shown
from kling_mcp.production.unknown_keys import fix_of, meant_by
from kling_mcp.sanitize import identifier, quote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kling_mcp.errors import InputError, Problem
    from kling_mcp.production.keys import Key
    from kling_mcp.production.tree import Node

_MAX_LIST = 100
_MAX_INTEGER_DIGITS = 15
_INDEX = re.compile(r"(.*?)(\[([0-9]+)\])?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Slot:
    """A value that was read: a text, a whole number, or texts with the place of each. `path` is the way to it."""

    value: str | int | tuple[str, ...]
    path: str
    place: Place
    items: tuple[Place, ...] = ()
    is_default: bool = False

    @property
    def text(self) -> str:
        """The value of a text key."""
        return self.value if isinstance(self.value, str) else ""

    @property
    def texts(self) -> tuple[str, ...]:
        """The value of a list key."""
        return self.value if isinstance(self.value, tuple) else ()


class Problems:
    """Every problem of a sheet."""

    def __init__(self) -> None:
        self._found: dict[str, SheetProblem] = {}
        self._unread: set[str] = set()

    def set_aside(self, path: str) -> None:
        """A value could not be read, and that was noted: what else its absence breaks is no problem of its own."""
        self._unread.add(path)

    def is_set_aside(self, path: str) -> bool:
        """Whether there is a value that could not be read."""
        return path in self._unread

    def refuse(self, argument: str, rule: str, actual: str, fix: str, place: Place = NOWHERE) -> None:
        """Note a problem; the same one of a default that many entries share counts once."""
        if argument not in self._unread:
            problem = SheetProblem(argument, rule, actual, fix, place)
            self._found.setdefault(str(problem), problem)

    def relay(self, problem: Problem, path: str, place: Place) -> None:
        """Note what a rule for a value found, under the value's own name."""
        if path not in self._unread:
            own = SheetProblem(path, problem.rule, problem.actual, problem.fix, place)
            self._found.setdefault(str(own), own)

    def relay_all(self, error: InputError, path: str, place: Place) -> None:
        """The same for everything that was found."""
        for problem in error.problems:
            self.relay(problem, path, place)

    def in_order(self) -> list[SheetProblem]:
        """As they stand in the file; those without a place last."""
        return sorted(
            self._found.values(), key=lambda problem: (not problem.place.line, problem.place.line, problem.place.column)
        )

    def __bool__(self) -> bool:
        return bool(self._found)


def way(path: str, key: str) -> str:
    """The way to what stands under a key: `cast."Mia Rossi"` for that name below cast."""
    named = identifier(key)
    return f"{path}.{named}" if path else named


def split_index(argument: str) -> tuple[str, int | None]:
    """`images[2]` as name and index, `prompt` as name and None."""
    found = _INDEX.fullmatch(argument)
    return (found[1], int(found[3]) if found[3] else None) if found else (argument, None)


def pairs_of(node: Node, path: str, what: str, such_as: str, problems: Problems) -> Mapped:
    """The node as a map; an empty one after noting that it is none.

    Args:
        what: the keys that it should have, in words.
        such_as: what to write instead.
    """
    if isinstance(node, Mapped):
        return node
    if not (isinstance(node, Scalar) and node.kind == "nothing"):
        problems.refuse(path, f"must be a map of {what}", shown(node), f"write {such_as}.", node.place)
    return Mapped((), node.place)


def read_fields(node: Mapped, path: str, keys: Sequence[Key], problems: Problems) -> dict[str, Slot]:
    """The values that could be read, by key. A key without a value (null) counts as left out."""
    table = {key.name: key for key in keys}
    slots: dict[str, Slot] = {}
    for pair in node.pairs:
        key = table.get(pair.key)
        if key is None:
            meant = refuse_key(pair.key, path, tuple(table), problems, pair.place)
            if meant and not any(other.key == meant for other in node.pairs):
                problems.set_aside(way(path, meant))  # it is not missing, but misspelled
        elif not (isinstance(pair.value, Scalar) and pair.value.kind == "nothing"):
            slot = _read(pair.value, way(path, key.name), key, problems)
            if slot is not None:
                slots[key.name] = slot
            else:
                problems.set_aside(way(path, key.name))
    return slots


def refuse_key(given: str, path: str, known: Sequence[str], problems: Problems, place: Place) -> str:
    """Note an unknown key; returns the one that was probably meant, or ""."""
    meant = meant_by(given, known)
    fix = fix_of(given, meant, known)
    problems.refuse(way(path, given), f"must be one of the keys {', '.join(known)}", quote(given, 60), fix, place)
    return meant


def _read(node: Node, path: str, key: Key, problems: Problems) -> Slot | None:
    if key.form == "integer":
        return _read_integer(node, path, key, problems)
    if key.form in {"texts", "ids", "pictures"}:
        return _read_list(node, path, key, problems)
    text = _read_text(node, path, key, problems)
    return None if text is None else Slot(text, path, node.place)


def _read_list(node: Node, path: str, key: Key, problems: Problems) -> Slot | None:
    """One bare value is a list of one."""
    is_list = isinstance(node, Listed)
    items = node.items if isinstance(node, Listed) else (node,)
    most = key.most or _MAX_LIST
    if len(items) > most:
        problems.refuse(path, f"must hold at most {most} values", f"{len(items)}", "leave some out.", node.place)
        return None
    texts = [
        _read_text(item, f"{path}[{index}]" if is_list else path, key, problems) for index, item in enumerate(items)
    ]
    if any(text is None for text in texts):
        return None
    return Slot(tuple(text or "" for text in texts), path, node.place, tuple(item.place for item in items))


def _read_text(node: Node, path: str, key: Key, problems: Problems) -> str | None:
    text = _text_of(node, path, key, problems)
    if text is None:
        return None
    if key.longest and len(text) > key.longest:
        rule = f"must have at most {key.longest} characters"
        problems.refuse(path, rule, f"{len(text)} characters", "shorten it.", node.place)
        return None
    if key.choices and text not in key.choices:
        *others, last = key.choices
        meant = nearest(text, key.choices)
        fix = f"did you mean {meant}?" if meant else "choose one of them."
        problems.refuse(path, f"must be {', '.join(others)} or {last}", shown(node), fix, node.place)
        return None
    return text


def _text_of(node: Node, path: str, key: Key, problems: Problems) -> str | None:
    """A text as it is written. In YAML a number is one, too, but never where an id is wanted: programs round those."""
    if not isinstance(node, Scalar) or node.kind in {"nothing", "other"}:
        problems.refuse(path, "must be a text", shown(node), "write one text, in quotes.", node.place)
        return None
    if node.kind == "text" or (node.is_loose and key.form not in {"id", "ids"}):
        return node.text
    rule, fix = "must be a text in quotes", f"write {quote(node.text, 60)}."
    if key.form in {"id", "ids"} and node.kind in {"integer", "number"}:
        rule = "must be in quotes, because programs round long numbers"
        if node.kind == "number" or _is_large(node.text):
            fix = f"take the id as text from find_elements or find_voices; if this one was not rounded yet, {fix}"
    problems.refuse(path, rule, shown(node), fix, node.place)
    return None


def _is_large(digits: str) -> bool:
    return len(digits) > len(str(MAX_SAFE_INTEGER)) or abs(int(digits)) > MAX_SAFE_INTEGER


def _read_integer(node: Node, path: str, key: Key, problems: Problems) -> Slot | None:
    """A whole number; digits in quotes are one, too."""
    if isinstance(node, Scalar) and re.fullmatch(rf"[-+]?[0-9]{{1,{_MAX_INTEGER_DIGITS}}}", node.text):
        value = int(node.text)
        if key.least <= value and (value <= key.most or not key.most):
            return Slot(value, path, node.place)
    bounds = f"{key.least}" if key.least == key.most else f"a whole number from {key.least} to {key.most}"
    problems.refuse(path, f"must be {bounds}", shown(node), "choose one.", node.place)
    return None


def as_defaults(slots: Mapping[str, Slot]) -> dict[str, Slot]:
    """The values marked as shared by all entries that have none of their own."""
    return {name: replace(slot, is_default=True) for name, slot in slots.items()}
