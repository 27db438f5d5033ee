"""The tables of a run: one row a request, with reasons and costs, or two versions side by side. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_WIDEST = 400


@dataclass(slots=True)
class Row:
    """All runs of one request. `units` are what Kling was to take for what these runs made."""

    id: str
    theme: str
    runs: int = 0
    passed: int = 0
    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    units: Decimal = Decimal(0)
    seconds: float = 0.0
    is_estimated: bool = False
    reasons: Counter[str] = field(default_factory=Counter)


def as_table(rows: Iterable[Row], title: str) -> str:
    """Markdown: a heading, a row a request, and a line with the sums."""
    rows = list(rows)
    lines = [
        f"# {title}",
        "",
        "| theme | request | passed | calls | tokens in | tokens out | units | seconds | reasons |",
        "|-|-|-|-|-|-|-|-|-|",
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
        f"{tokens_in} tokens in and {tokens_out} out{guess}, {_plain(sum(row.units for row in rows))} units, "
        f"{sum(row.seconds for row in rows):.1f} seconds."
    )


def _line(row: Row) -> str:
    told = "; ".join(f"{reason} ({times}x)" if times > 1 else reason for reason, times in row.reasons.most_common())
    cell = " ".join(told.replace("|", "\\|").split())[:_WIDEST]
    mark = "~" if row.is_estimated else ""
    return (
        f"| {row.theme} | {row.id} | {row.passed}/{row.runs} | {row.calls} | {mark}{row.tokens_in} "
        f"| {mark}{row.tokens_out} | {_plain(row.units)} | {row.seconds:.1f} | {cell} |"
    )


def _plain(number: Decimal | int) -> str:
    """Without zeros behind the point."""
    told = f"{Decimal(number):f}"
    return told.rstrip("0").rstrip(".") if "." in told else told


# ---- two versions

_COMPARED: tuple[tuple[str, Callable[[Row], Decimal | int]], ...] = (
    ("passed", lambda row: row.passed),
    ("calls", lambda row: row.calls),
    ("tokens", lambda row: row.tokens_in + row.tokens_out),
    ("units", lambda row: row.units),
)


def as_comparison(first: Sequence[Row], second: Sequence[Row], title: str) -> str:
    """Markdown: what each request took with A and with B, those first that only one of them passed, and the sums.

    Only requests that both versions did; a run that was broken off may have left some out.
    """
    others = {row.id: row for row in second}
    pairs = [(row, others[row.id]) for row in first if row.id in others]
    pairs.sort(key=lambda pair: pair[0].passed == pair[1].passed)
    names = [f"{name} {version}" for name, _ in _COMPARED for version in "AB"]
    lines = [f"# {title}", "", f"| theme | request | {' | '.join(names)} |", f"|-|-|{'-|' * len(names)}"]
    lines += [f"| {a.theme} | {a.id} | {_side_by_side([a], [b])} |" for a, b in pairs]
    lines += [f"| | **all** | {_side_by_side([a for a, _ in pairs], [b for _, b in pairs])} |", ""]
    lines += [f"A: {summary(a for a, _ in pairs)}", "", f"B: {summary(b for _, b in pairs)}"]
    return "\n".join(lines) + "\n"


def _side_by_side(first: Sequence[Row], second: Sequence[Row]) -> str:
    return " | ".join(
        _plain(sum((Decimal(read(row)) for row in rows), Decimal(0)))
        for _, read in _COMPARED
        for rows in (first, second)
    )
