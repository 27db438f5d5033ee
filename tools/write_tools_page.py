"""Writes docs/tools.md: every tool with all its arguments and everything that its result holds.

    python tools/write_tools_page.py

tests/docs/test_reference.py compares, so a tool that changes without the page fails the build.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from kling_mcp.server.schemas import plain_schema
from kling_mcp.server.tools import NAMES, load
from kling_mcp.server.views.view import View

if TYPE_CHECKING:
    from pydantic import BaseModel

    from kling_mcp.server.tool import ToolSpec

PAGE = Path(__file__).parent.parent / "docs" / "tools.md"

HEAD = """# Tools, arguments and results

This page is written from the code by `tools/write_tools_page.py`.

Every conversation pays for `tools/list`, so it names only the result fields that a program needs (**bold**).
A result always has every field listed here, and no others; empty text, `0` and `[]` mean "none".
A result comes as structured content and as text with the same facts.
Ids are text everywhere.
"""
OVERVIEW = "| tool | what it does | effect |\n|-|-|-|"


def page() -> str:
    """The whole page."""
    tools = [load(name) for name in NAMES]
    rows = {row.__name__: row for tool in tools for row in _rows_below(tool.view)}
    overview = [OVERVIEW, *map(_line, tools), ""]
    return "\n".join([HEAD, *overview, *map(_tool, tools), *(_row(row) for row in rows.values())]).rstrip() + "\n"


def _line(tool: ToolSpec) -> str:
    """A row of the overview, which leads to the tool below."""
    return f"| [`{tool.name}`](#{tool.name}) | {_first_sentence(tool.description)} | {_effect(tool)} |"


def _first_sentence(text: str) -> str:
    """Up to the first full stop that ends a sentence; a bar would end the cell."""
    return re.split(r"(?<=\.)\s", text, maxsplit=1)[0].replace("|", "\\|")


def _effect(tool: ToolSpec) -> str:
    if tool.annotations.destructive_hint:
        return "deletes"
    return "creates" if tool.changes_something else "reads"


def _tool(tool: ToolSpec) -> str:
    lines = [f"## `{tool.name}`", "", *re.split(r"(?<=\.) (?=[A-Z])", tool.description), ""]
    if tool.arguments.model_fields:
        lines += ["| argument | type | default | |", "|-|-|-|-|", *_arguments(tool.arguments), ""]
    return "\n".join([*lines, f"Result: {_fields(tool.view)}.", ""])


def _row(row: type[View]) -> str:
    return f"## A row: {row.__name__}\n\n{(row.__doc__ or '').strip()}\n\n{_fields(row)}.\n"


def _arguments(model: type[BaseModel]) -> list[str]:
    required = set(plain_schema(model).get("required", ()))
    shown = plain_schema(model)["properties"]
    return [
        f"| `{name}` | {_type(node)} | {_default(name, node, required)} | {node.get('description', '')} |"
        for name, node in shown.items()
    ]


def _type(node: dict[str, Any]) -> str:
    if "enum" in node:
        return ", ".join(f"`{word}`" for word in node["enum"])
    if node["type"] == "array":
        return "list of text"
    most = f"to {node['maximum']}" if "maximum" in node else "or more"
    bounds = f", {node['minimum']} {most}" if "minimum" in node else ""
    words = {"string": "text", "boolean": "true or false", "integer": "integer"}
    return words[node["type"]] + bounds


def _default(name: str, node: dict[str, Any], required: set[str]) -> str:
    return "required" if name in required else f"`{node['default']}`" if "default" in node else ""


def _fields(view: type[View]) -> str:
    return ", ".join(_field(view, name) for name in view.model_fields)


def _field(view: type[View], name: str) -> str:
    rows = [row.__name__ for row in _rows_of(view, name)]
    shown = f"**`{name}`**" if name in view.SHOWN else f"`{name}`"
    return f"{shown} (rows: {rows[0]})" if rows else shown


def _rows_of(view: type[View], name: str) -> list[type[View]]:
    inner = get_args(view.model_fields[name].annotation)
    return [row for row in inner if isinstance(row, type) and issubclass(row, View)]


def _rows_below(view: type[View]) -> list[type[View]]:
    rows = [row for name in view.model_fields for row in _rows_of(view, name)]
    return [*rows, *(below for row in rows for below in _rows_below(row))]


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
