"""The table of a run with a model: one row a request, with reasons and costs. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_WIDEST = 400


@dataclass(slots=True)
class Row:
    """All runs of one request."""

    id: str
    theme: str
    runs: int = 0
    passed: int = 0
    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    is_estimated: bool = False
    reasons: Counter[str] = field(default_factory=Counter)


def as_table(rows: Iterable[Row], title: str) -> str:
    """Markdown: a heading, a row a request, and a line with the sums."""
    rows = list(rows)
    lines = [
        f"# {title}",
        "",
        "| theme | request | passed | calls | tokens in | tokens out | seconds | reasons |",
        "|-|-|-|-|-|-|-|-|",
        *map(_line, rows),
        "",
        summary(rows),
    ]
    return "\n".join(lines) + "\n"


def summary(rows: Iterable[Row]) -> str:
    """One line: how many runs passed, and what they cost."""
    rows = list(rows)
    runs, passed = sum(row.runs for row in rows), sum(row.passed for row in rows)
    tokens_in, tokens_out = sum(row.tokens_in for row in rows), sum(row.tokens_out for row in rows)
    guess = " (estimated)" if any(row.is_estimated for row in rows) else ""
    return (
        f"{passed} of {runs} runs of {len(rows)} requests passed; "
        f"{tokens_in} tokens in and {tokens_out} out{guess}, {sum(row.seconds for row in rows):.1f} seconds."
    )


def _line(row: Row) -> str:
    told = "; ".join(f"{reason} ({times}x)" if times > 1 else reason for reason, times in row.reasons.most_common())
    cell = " ".join(told.replace("|", "\\|").split())[:_WIDEST]
    mark = "~" if row.is_estimated else ""
    return (
        f"| {row.theme} | {row.id} | {row.passed}/{row.runs} | {row.calls} | {mark}{row.tokens_in} "
        f"| {mark}{row.tokens_out} | {row.seconds:.1f} | {cell} |"
    )
