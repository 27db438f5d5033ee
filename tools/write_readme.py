"""Writes into README.md what the code knows better: the tools of each toolset.

    python tools/write_readme.py

tests/test_readme.py compares, so a tool that changes without the README fails the build.
"""

from __future__ import annotations

from pathlib import Path

from kling_mcp.server.tools import NAMES, TOOLSETS

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
    rows = [f"| `{name}` | {_names(name)} |" for name in TOOLSETS]
    return "\n".join(["| toolset | tools |", "|-|-|", *rows, f"| always there | {_names('')} |"])


def _names(toolset: str) -> str:
    """The tools of a toolset, or those of none, which are always offered, in the order of the list."""
    tools = TOOLSETS.get(toolset) or frozenset(NAMES).difference(*TOOLSETS.values())
    return ", ".join(f"`{name}`" for name in NAMES if name in tools)


if __name__ == "__main__":
    README.write_text(with_tools(README.read_text("utf-8")), "utf-8")
