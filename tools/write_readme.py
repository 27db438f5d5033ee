"""Writes into README.md what the code knows better: the table of tools.

    python tools/write_readme.py

tests/test_readme.py compares, so a tool that changes without the README fails the build.
"""  # noqa: INP001 - a script, not a module of a package

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from kling_mcp.server.tools import NAMES, load

if TYPE_CHECKING:
    from kling_mcp.server.tool import ToolSpec

README = Path(__file__).parent.parent / "README.md"
START, END = "<!-- tools: written by tools/write_readme.py -->", "<!-- end of tools -->"


def with_tools(readme: str) -> str:
    """The README with the table of tools as it must be.

    Raises:
        ValueError: the marks between which it stands are not there.
    """
    before, start, rest = readme.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise ValueError(f"README.md has lost its marks {START} and {END}")
    return f"{before}{START}\n{_table()}\n{END}{after}"


def _table() -> str:
    rows = [f"| `{tool.name}` | {_first_sentence(tool.description)} | {_effect(tool)} |" for tool in map(load, NAMES)]
    return "\n".join(["| tool | what it does | effect |", "|-|-|-|", *rows])


def _first_sentence(text: str) -> str:
    """Up to the first full stop that ends a sentence; a bar would end the cell."""
    return re.split(r"(?<=\.)\s", text, maxsplit=1)[0].replace("|", "\\|")


def _effect(tool: ToolSpec) -> str:
    if tool.annotations.destructive_hint:
        return "deletes"
    return "creates" if tool.changes_something else "reads"


if __name__ == "__main__":
    README.write_text(with_tools(README.read_text("utf-8")), "utf-8")
