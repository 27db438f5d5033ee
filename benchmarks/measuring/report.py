"""Rounds that take turns, what is said of many readings, and tables of it. Knows nothing of what is measured."""

from __future__ import annotations

import os
import platform
import random
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

PACKAGES = ("mcp", "pydantic", "httpx", "anyio")


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle of many readings, and the quartiles on both sides of it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, readings: Iterable[float]) -> Spread:
        """Of at least one reading."""
        values = list(readings)
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high)

    @property
    def iqr(self) -> float:
        """From quartile to quartile: half of all readings lie within."""
        return self.high - self.low

    def cell(self, digits: int = 0) -> str:
        """As tables show it: the median, and the distance of the quartiles in brackets."""
        return f"{self.median:.{digits}f} ({self.iqr:.{digits}f})"


def ratio(ours: Sequence[float], others: Sequence[float]) -> Spread:
    """Ours by another's, round by round: what slows a whole round down does not count."""
    return Spread.of(mine / other for mine, other in zip(ours, others, strict=True))


def take_turns(
    contestants: Mapping[str, Callable[[], T]], rounds: int, *, warm_up: int = 1, seed: int = 7
) -> dict[str, list[T]]:
    """What each contestant reads in each round; the readings of the warm-up rounds are dropped.

    Every round has all of them, each time in another order, so that nobody always follows the same one.
    """
    dice = random.Random(seed)
    order = list(contestants)
    readings: dict[str, list[T]] = {name: [] for name in contestants}
    for number in range(-warm_up, rounds):
        dice.shuffle(order)
        for name in order:
            reading = contestants[name]()
            if number >= 0:
                readings[name].append(reading)
    return readings


def table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Columns as wide as they must be: the first one of words, the others of figures."""
    cells = [[str(title) for title in titles], *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(titles))]
    lines = (
        "  ".join(cell.rjust(width) if column else cell.ljust(width) for column, (cell, width) in enumerate(pairs))
        for pairs in (list(zip(row, widths, strict=True)) for row in cells)
    )
    return "\n".join(line.rstrip() for line in lines)


def machine() -> list[str]:
    """The computer in two lines, without names or paths that say whose it is."""
    memory = _fact("/proc/meminfo", "MemTotal").removesuffix(" kB")
    gigabytes = f", {int(memory) / 2**20:.0f} GB" if memory else ""
    processor = _fact("/proc/cpuinfo", "model name") or platform.processor() or platform.machine()
    release = platform.release().split("-")[0]
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return [
        f"{processor}, {os.cpu_count()} cores{gigabytes}, {platform.system()} {release}",
        f"{platform.python_implementation()} {platform.python_version()}, {packages}",
    ]


def load() -> str:
    """How busy the computer is with other things."""
    return f"load {os.getloadavg()[0]:.1f}"


def _fact(file: str, name: str) -> str:
    """The first value of this name in one of Linux's files of facts; "" elsewhere."""
    try:
        lines = Path(file).read_text("utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == name), "")
