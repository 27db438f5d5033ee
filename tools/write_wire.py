"""Writes what clients see of each tool into kling_mcp/server/tools/wire/.

    python tools/write_wire.py

tests/server/test_schemas.py compares, so a tool that changes without its file fails the build. Read the difference
before you commit it: it is what models are told.
"""

from __future__ import annotations

import json

from kling_mcp.server.tools import NAMES, WIRE, load


def as_file(name: str) -> str:
    """The text of a tool's file."""
    return json.dumps(load(name).on_wire(), indent=2) + "\n"


if __name__ == "__main__":
    for name in NAMES:
        (WIRE / f"{name}.json").write_text(as_file(name), encoding="utf-8")
