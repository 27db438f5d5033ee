"""What this package knows of Kling's API, read from docs/kling-api.md: each fact with its id, source and mark.

That page is the only place where facts are written down. Code and tests cite them by id (`fact: id-as-string`), and
`test_facts` holds both sides together. A fact that no code or test cites has its reason here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).parents[1] / "docs" / "kling-api.md"

# The marks and what may be the source of each, as the page explains them.
SOURCES = {
    "seed": {"Element page"},
    "doc": {"vendor's pages", "vendor's script"},
    "live": {"one measurement"},
    "live2": {"several measurements"},
    "one": {"one third party"},
    "guess": {"ours"},
}

_HEAD = ["fact", "what holds", "mark", "source", "date"]
DEFERRED = {
    "host-old": "never called",
    "library-old-separate": "never called",
    "no-read-lag": "nothing relies on it",
    "multi-shot": "it costs; no tool calls it",
    "multi-shot-angles": "it costs; no tool calls it",
    "voice-presets-shape": "a list of voices is read whatever number of voices a record has",
    "gen-older-stays": "nothing relies on it",
    "gen-recover": "every kind of task is recovered so, whatever is known of one",
    "old-voice-list": "voices are read on their own route",
    "gen-callback": "a callback is never trusted: Kling is asked",
}


class Fact(NamedTuple):
    """One row of the page. `section` is the anchor of the heading above it; `deferred` says why nothing cites it."""

    id: str
    statement: str
    marks: tuple[str, ...]
    sources: tuple[str, ...]
    date: str
    section: str
    deferred: str


def anchor_of(heading: str) -> str:
    """The anchor that a heading has on the pages of a repository."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def read_facts(page: str) -> Iterator[Fact]:
    """The facts of a page: the rows of every table that has their columns."""
    section, in_facts = "", False
    for line in page.splitlines():
        if line.startswith("#"):
            section = anchor_of(line.lstrip("#"))
        cells = [cell.strip() for cell in line.strip("|").split(" | ")] if line.startswith("|") else []
        if cells == _HEAD:
            in_facts = True
        elif not cells:
            in_facts = False
        elif in_facts and not line.startswith("|-"):
            id_, statement, marks, sources, date = cells
            fact_id = id_.strip("`")
            split = (tuple(marks.split(", ")), tuple(sources.split(", ")))
            yield Fact(fact_id, statement, *split, date, section, DEFERRED.get(fact_id, ""))


FACTS = tuple(read_facts(PAGE.read_text("utf-8")))
