"""The spellings of a list that clients send: JSON text, JSON within JSON, Python's spelling, wrapped entries. Pure."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

# JSON within JSON within JSON was seen; more is no list that somebody meant.
_MOST_LAYERS = 4
# Brackets and commas for each entry of a text that is worth parsing: each may begin a value.
_MARKS_PER_ENTRY = 10
_WRAP = {"item"}
# One text of a list as Python writes it, with what follows; no part of it can match in two ways, so it is linear.
_PYTHON_TEXT = re.compile(r"""\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")\s*(?:,|\Z)""", re.DOTALL)
_ESCAPED = re.compile(r"\\([\\'\"])")


def unwrap_list(value: Any, most: int) -> Any:
    """The list that `value` spells, with its entries as they are; otherwise `value`.

    Args:
        most: how many entries are looked into; with more the caller refuses the list anyway.
    """
    return _unwrapped(value, most, _MOST_LAYERS)


def _unwrapped(value: Any, most: int, layers: int) -> Any:
    if isinstance(value, dict) and value.keys() == _WRAP:
        value = value["item"]
    if isinstance(value, str) and layers:
        inner = _parsed(value.strip(), most)
        return value if inner is None else _unwrapped(inner, most, layers - 1)
    if not isinstance(value, list) or not layers or len(value) > most:
        return value
    entries: list[Any] = []
    for entry in value:
        inner = _unwrapped(entry, most, layers - 1)
        entries.extend(inner if isinstance(inner, list) else [inner])
    return entries


def _parsed(text: str, most: int) -> Any:
    """What a text says as JSON, or as Python writes a list; None if it is plain text."""
    if not text.startswith(("[", '"[', "{")) or sum(map(text.count, "[{,")) > _MARKS_PER_ENTRY * most:
        return None
    with suppress(ValueError, RecursionError):
        inner = json.loads(text)
        return inner if not isinstance(inner, dict) or inner.keys() == _WRAP else None
    return _python_list(text, most)


def _python_list(text: str, most: int) -> list[str] | None:
    """Only quotes and backslashes count as escaped, so that a Windows path written by hand stays one."""
    if not (text.startswith("[") and text.endswith("]")):
        return None
    inside = text[1:-1].strip()
    found: list[str] = []
    place = 0
    while place < len(inside):
        match = _PYTHON_TEXT.match(inside, place)
        if match is None or len(found) > most:
            return None
        found.append(_ESCAPED.sub(r"\1", match[1] if match[1] is not None else match[2]))
        place = match.end()
    return found
