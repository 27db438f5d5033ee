"""The pages that people read, and the blocks in them, for the tests that hold pages and code together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from repository_files import ROOT, named

DOCS = ROOT / "docs"
# What stands at the root and in docs/.
PAGES = (*sorted(ROOT.glob("*.md")), *sorted(DOCS.glob("*.md")))

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


class Block(NamedTuple):
    """A fenced block of a page; `line` is that of its first line."""

    path: Path
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        """As editors open it."""
        return f"{named(self.path)}:{self.line}"


def blocks_of(path: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in their order."""
    page = path.read_text("utf-8")
    for found in _BLOCK.finditer(page):
        yield Block(path, page.count("\n", 0, found.start(2)) + 1, found[1], found[2])


def without_blocks(page: str) -> str:
    """A page's prose, headings and tables."""
    return _BLOCK.sub("", page)


def tables_of(path: Path) -> list[list[list[str]]]:
    """The rows of every table of a page, without the heads; a bar inside a cell does not count."""
    tables: list[list[list[str]]] = []
    in_rows = False
    for line in without_blocks(path.read_text("utf-8")).splitlines():
        if line.startswith("|-"):
            tables.append([])
            in_rows = True
        elif in_rows and line.startswith("|"):
            cells = re.split(r"(?<!\\)\|", line.strip().removeprefix("|").removesuffix("|"))
            tables[-1].append([cell.strip() for cell in cells])
        else:
            in_rows = False
    return tables


def bare(cell: str) -> str:
    """A cell that is nothing but code, without its marks; "" for any other."""
    return cell[1:-1] if re.fullmatch(r"`[^`]+`", cell) else ""
