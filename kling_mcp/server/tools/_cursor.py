"""Cursors: text that works only with the query it came from. A cursor holds no secret and grants nothing."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import TYPE_CHECKING

from kling_mcp.errors import InputError, Problem
from kling_mcp.sanitize import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_CHARACTERS = 300
_DIGITS = 12


def make_cursor(position: Mapping[str, str | int], query: Mapping[str, object]) -> str:
    """A cursor for this position in the answer to this query."""
    packed = json.dumps([_bound_to(query), position], separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def read_cursor(cursor: str, query: Mapping[str, object]) -> dict[str, str | int]:
    """The position; its values are text or integers, otherwise unchecked.

    Raises:
        InputError: the cursor is not ours, or belongs to another query.
    """
    try:
        if len(cursor) > MAX_CHARACTERS:
            raise ValueError  # noqa: TRY301 - one exit for every defect
        bound_to, position = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        values = {str(name): value for name, value in position.items() if type(value) in {str, int}}
    except (ValueError, TypeError, AttributeError, binascii.Error, RecursionError):
        raise InputError([bad_cursor(cursor, "must be the next_cursor of an earlier answer")]) from None
    if bound_to != _bound_to(query):
        raise InputError([bad_cursor(cursor, "must come with the query and the filters that it was given for")])
    return values


def bad_cursor(cursor: str, rule: str) -> Problem:
    """What is wrong with a cursor."""
    fix = "send the same arguments with the cursor unchanged, or leave it empty to start over"
    return Problem("cursor", rule, quote(cursor, 40), fix)


def _bound_to(query: Mapping[str, object]) -> str:
    packed = json.dumps(query, sort_keys=True, ensure_ascii=False).encode("utf-8", "replace")
    return hashlib.sha256(packed).hexdigest()[:_DIGITS]
