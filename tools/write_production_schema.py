"""Writes docs/production.schema.json, and the tables of keys in docs/production.md.

    python tools/write_production_schema.py

tests/production/test_schema.py compares, so a key that changes without them fails the build.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from kling_mcp.production.keys import CAST_KEYS, SHOT_KEYS
from kling_mcp.production.schema import production_schema

if TYPE_CHECKING:
    from kling_mcp.production.keys import Key

DOCS = Path(__file__).parent.parent / "docs"
SCHEMA = DOCS / "production.schema.json"
PAGE = DOCS / "production.md"

_FORMS = {
    "text": "text",
    "id": "text in quotes",
    "texts": "list of texts",
    "ids": "list of texts",
    "integer": "whole number",
    "picture": "picture",
    "pictures": "list of pictures",
}


def schema_text() -> str:
    """The file."""
    return json.dumps(production_schema(), ensure_ascii=False, indent=2) + "\n"


def page(text: str) -> str:
    """The page with current tables."""
    for name, keys in (("cast", CAST_KEYS), ("shots", SHOT_KEYS)):
        begin, end = f"<!-- keys of {name} -->\n", f"<!-- end of keys of {name} -->"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        table = "\n".join(["| key | value | default | |", "|-|-|-|-|", *map(_row, keys)])
        text = f"{before}{begin}{table}\n{end}{after}"
    return text


def _row(key: Key) -> str:
    value = ", ".join(f"`{choice}`" for choice in key.choices) or _FORMS[key.form]
    if key.form == "integer":
        value += f", {key.least} to {key.most}"
    default = f"`{key.default}`" if key.default is not None else ""
    return f"| `{key.name}` | {value} | {default} | {key.help} |"


if __name__ == "__main__":
    SCHEMA.write_text(schema_text(), "utf-8")
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
