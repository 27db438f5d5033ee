"""Writes into docs/errors.md and docs/limits.md what the code knows better: kinds, codes and numbers.

    python tools/write_reference.py

tests/docs/test_reference.py compares, so a kind or a limit that changes without its page fails the build.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from kling_mcp.api.codes import CODES
from kling_mcp.errors import Kind
from kling_mcp.generation.targets import TARGETS
from kling_mcp.server import resource_tables
from kling_mcp.server.tools import load

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kling_mcp.generation.targets import InputLimit

DOCS = Path(__file__).parent.parent / "docs"
START, END = "<!-- written by tools/write_reference.py: {} -->", "<!-- end -->"


def pages() -> dict[Path, str]:
    """The pages as they must be.

    Raises:
        ValueError: a page has lost the marks of a table.
    """
    tables = {
        "errors.md": {"kinds": _kinds(), "codes": _codes()},
        "limits.md": {"creation": _creation(), "targets": _targets()},
    }
    return {DOCS / name: _with_tables(DOCS / name, parts) for name, parts in tables.items()}


def _with_tables(path: Path, tables: Mapping[str, str]) -> str:
    text = path.read_text("utf-8")
    for name, table in tables.items():
        before, start, rest = text.partition(START.format(name))
        _, end, after = rest.partition(END)
        if not (start and end):
            raise ValueError(f"{path.name} has lost the marks of its table of {name}")
        text = f"{before}{start}\n{table}\n{end}{after}"
    return text


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    first, *rest = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    return "\n".join([first, "|-" * len(head) + "|", *rest])


def _kinds() -> str:
    codes: dict[str, list[str]] = defaultdict(list)
    for code, rule in CODES.items():
        codes[rule.kind].append(f"{code}")
    rows = [(f"`{kind}`", resource_tables.KINDS[kind], ", ".join(codes[kind])) for kind in get_args(Kind)]
    return _table(("kind", "what it means", "Kling's codes"), rows)


def _codes() -> str:
    rows = [
        (f"{code}", f"{rule.http_status}", rule.meaning, f"`{rule.kind}`", f"`{rule.retry}`", rule.created_on_create)
        for code, rule in CODES.items()
    ]
    return _table(("code", "status", "what Kling means", "kind", "retry", "created"), rows)


def _creation() -> str:
    """From the resource that assistants read, so that people and assistants read the same."""
    limits: dict[str, dict[str, Any]] = json.loads(resource_tables.limits())["creation"]
    rows = [
        (_what(name), f"{row['limit']:,} {row['unit']}" if "unit" in row else row["limit"])
        for name, row in limits.items()
    ]
    return _table(("what", "limit"), rows)


def _what(name: str) -> str:
    """An argument in code marks, a property in words."""
    return f"`{name}`" if name in load("create_element").arguments.model_fields else name.replace("_", " ")


def _targets() -> str:
    head = ("model", "beside", "elements", "at most", "of them from clips", "pictures and elements together")
    return _table(head, [(f"`{name}`", *_limit(limit)) for name, target in TARGETS.items() for limit in target.limits])


def _limit(limit: InputLimit) -> tuple[str, ...]:
    kinds = {"image": "from pictures", "video": "from clips", "both": "both"}
    shared = "" if limit.shared is None else f"{limit.shared}"
    return (limit.beside or "always", kinds[limit.kinds], f"{limit.most}", f"{limit.most_videos}", shared)


if __name__ == "__main__":
    for page, text in pages().items():
        page.write_text(text, "utf-8")
