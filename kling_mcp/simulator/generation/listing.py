"""Time windows, filters, limits and cursors, as `POST /tasks` and the ledger take them.

facts: tasks-list, tasks-list-filters, ledger-package

A cursor holds the whole window, so what is given beside it has no effect. Must not know tasks.
"""

import base64
import binascii
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from kling_mcp.simulator.codes import refuse_value
from kling_mcp.simulator.generation.fields import Fields

MAX_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` to `end` (ms), newest first, at most `limit` rows, older than the row numbered `below`."""

    start: int
    end: int
    limit: int
    below: int | None = None

    def holds(self, created: float, number: int) -> bool:
        """Whether a row belongs to it; `created` in Unix seconds."""
        return self.start <= round(created * 1000) <= self.end and (self.below is None or number < self.below)

    def after(self, number: int) -> str:
        """The cursor for what follows the row of this number."""
        return base64.urlsafe_b64encode(json.dumps([self.start, self.end, self.limit, number]).encode()).decode()


def read_window(body: Fields, now: float, *, default_span_ms: int | None, default_limit: int) -> Window:
    """The window of a body; without `default_span_ms` both times are required. Raises RefusedError."""
    cursor, limit = body.text("cursor"), body.whole("limit", 1, MAX_LIMIT, default_limit)
    start, end = _moment(body, "start_time"), _moment(body, "end_time")
    if cursor:
        return _decode(cursor)
    if default_span_ms is None and (start is None or end is None):
        raise refuse_value("start_time and end_time are required")
    end = round(now * 1000) if end is None else end
    start = end - (default_span_ms or 0) if start is None else start
    if start >= end:
        raise refuse_value("start_time must be earlier than end_time")
    return Window(start, end, limit)


def read_filters(body: Fields, known: Collection[str]) -> dict[str, list[object]]:
    """The wanted values by key; a filter without values has no effect. Raises RefusedError."""
    wanted: dict[str, list[object]] = {}
    for row in body.rows("filters"):
        key, values = row.choice("key", sorted(known)), row.value("values")
        if not isinstance(values, list):
            raise refuse_value(f"{row.where}values must be an array")
        if values:
            wanted.setdefault(key, []).extend(values)
    return wanted


def fits(wanted: Mapping[str, list[object]], **found: str) -> bool:
    """Whether a row passes every filter."""
    return all(found[key] in values for key, values in wanted.items())


def refuse_unread(body: Fields) -> None:
    """Refuse unknown fields of a listing: they cost nothing, but prove that the client is wrong."""
    if body.unread():
        raise refuse_value(f"unknown field: {body.unread()[0]}")


def _moment(body: Fields, name: str) -> int | None:
    """Milliseconds as a number or as text."""
    found = body.value(name)
    if found is None or found == "":
        return None
    if type(found) is int:
        return found
    if isinstance(found, str) and found.isascii() and found.isdigit() and len(found) < 18:
        return int(found)
    raise refuse_value(f"{name} is invalid")


def _decode(cursor: str) -> Window:
    try:
        start, end, limit, below = json.loads(base64.urlsafe_b64decode(cursor))
    except (binascii.Error, ValueError, TypeError):
        raise refuse_value("cursor is invalid") from None
    return Window(start, end, limit, below)
