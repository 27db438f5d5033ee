"""Reads one JSON object of a generation body, and keeps account of what nothing asked for.

Kling ignores unknown, misspelt and misplaced fields and bills the result (fact: gen-unknown-fields-billed), so
they are not refused but told afterwards. Values that it knows and cannot use are refused.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from kling_mcp.simulator.codes import refuse_value

C = TypeVar("C", bound=str)


class Fields:
    """An object at the place `where` of the body. Reading methods raise RefusedError (1201) for a wrong value."""

    def __init__(self, values: Mapping[str, object], where: str = "") -> None:
        self.where = where
        self._values = values
        self._read: set[str] = set()
        self._children: list[Fields] = []

    def value(self, name: str) -> object:
        """As it is; None if it is absent or null."""
        self._read.add(name)
        return self._values.get(name)

    def text(self, name: str, *, required: bool = False, most: int | None = None) -> str:
        """A string of at most `most` characters, or "" if it is absent."""
        found = self.value(name)
        if found is None:
            found = ""
        if not isinstance(found, str):
            raise refuse_value(f"{self.where}{name} must be a string")
        if required and not found:
            raise refuse_value(f"{self.where}{name} is required")
        if most is not None and len(found) > most:
            raise refuse_value(f"{self.where}{name} must be at most {most} characters")
        return found

    def choice(self, name: str, choices: Sequence[C], default: str = "") -> C:
        """One of the `choices`; without a default it is required."""
        found = self.text(name, required=not default) or default
        for choice in choices:
            if choice == found:
                return choice
        raise refuse_value(f"{self.where}{name} value '{found}' is invalid")

    def whole(self, name: str, least: int, most: int, default: int) -> int:
        """An integer, never as text."""
        found = self.value(name)
        if found is None:
            return default
        if type(found) is not int or not least <= found <= most:
            raise refuse_value(f"{self.where}{name} value '{found}' is invalid")
        return found

    def whole_text(self, name: str, least: int, most: int, default: int) -> int:
        """An integer as text, never as a number (fact: old-duration-text)."""
        found = self.text(name) or str(default)
        if not (found.isascii() and found.isdigit()) or not least <= int(found) <= most:
            raise refuse_value(f"{self.where}{name} value '{found}' is invalid")
        return int(found)

    def flag(self, name: str, *, default: bool) -> bool:
        """A boolean."""
        found = self.value(name)
        if found is None:
            return default
        if not isinstance(found, bool):
            raise refuse_value(f"{self.where}{name} must be a boolean")
        return found

    def inner(self, name: str) -> "Fields":
        """An object within; an empty one if it is absent."""
        found = self.value(name)
        if found is None:
            found = {}
        if not isinstance(found, dict):
            raise refuse_value(f"{self.where}{name} must be an object")
        return self._child(found, f"{self.where}{name}.")

    def rows(self, name: str) -> list["Fields"]:
        """Objects of a list; none if it is absent."""
        found = self.value(name)
        if found is None:
            found = []
        if not isinstance(found, list):
            raise refuse_value(f"{self.where}{name} must be an array")
        if not all(isinstance(row, dict) for row in found):
            raise refuse_value(f"each of {self.where}{name} must be an object")
        return [self._child(row, f"{self.where}{name}[{place}].") for place, row in enumerate(found)]

    def unread(self) -> list[str]:
        """Every field that nothing asked for, with its place."""
        own = [self.where + name for name in self._values if name not in self._read]
        return own + [name for child in self._children for name in child.unread()]

    def _child(self, values: Mapping[str, object], where: str) -> "Fields":
        child = Fields(values, where)
        self._children.append(child)
        return child
