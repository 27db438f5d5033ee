"""Every regular expression of the package, used as it is used, takes time in proportion to its text."""

from __future__ import annotations

import ast
import functools
import importlib
import re
import time
from typing import Any

import pytest
from repository_files import files_of, named

# Of one text: a linear pattern takes a thousandth of it, a quadratic one several times as much.
MOST_CPU_SECONDS = 0.03
CHARACTERS = 10_000
METHODS = {"search", "match", "fullmatch", "sub", "split", "finditer", "findall"}
_PIECE = re.compile(r"[A-Za-z0-9_]+|[^\s\\]")

Use = tuple[str, re.Pattern[Any], str]


@functools.cache
def uses() -> list[Use]:
    """Where a pattern stands, the pattern, and the method that it is used with; `search` for all that search."""
    found: dict[tuple[str, str], Use] = {}
    for path in files_of(".py", below="kling_mcp"):
        if "/simulator/" in named(path):
            continue
        module = named(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        # Not `tree_of`, which would keep them: every worker asks for the uses when it collects the tests.
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            method, owner = node.func.attr, node.func.value
            if method not in METHODS or not isinstance(owner, ast.Name):
                continue
            pattern = _pattern_of(owner.id, node, module)
            if pattern is not None:
                kind = method if method in {"match", "fullmatch"} else "search"
                where = f"{module}:{owner.id if owner.id != 're' else node.lineno}.{kind}"
                found[where, kind] = (where, pattern, kind)
    return list(found.values())


def _pattern_of(owner: str, call: ast.Call, module: str) -> re.Pattern[Any] | None:
    if owner == "re":
        given = call.args[0]
        return re.compile(given.value) if isinstance(given, ast.Constant) else None
    value = getattr(importlib.import_module(module), owner, None)
    return value if isinstance(value, re.Pattern) else None


def pieces(pattern: re.Pattern[Any]) -> list[str]:
    """Words and signs that stand in the pattern, and some of what classes mean."""
    source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    return list(dict.fromkeys([" ", "a", "-", ".", "1", *_PIECE.findall(source)]))[:18]


def hostile_texts(pattern: re.Pattern[Any]) -> set[str]:
    """Long runs of what the pattern looks for, which end with what it cannot match."""
    parts = pieces(pattern)
    starts = ["", *parts]
    pairs = {one + other for one in starts for other in parts}
    runs = {pair * (CHARACTERS // len(pair)) for pair in pairs}
    runs |= {start + part * (CHARACTERS // len(part)) for start in starts for part in parts}
    return {f"{run}\0!" for run in runs}


def slow_text(pattern: re.Pattern[Any], method: str) -> str:
    """The beginning of the first text that takes far too long; "" if there is none."""
    for text in sorted(hostile_texts(pattern)):
        given = text.encode("latin-1", "replace") if isinstance(pattern.pattern, bytes) else text
        started = time.thread_time()
        getattr(pattern, method)(given)
        if time.thread_time() - started > MOST_CPU_SECONDS:
            return repr(text[:40])
    return ""


@pytest.mark.parametrize(("pattern", "method"), [use[1:] for use in uses()], ids=[use[0] for use in uses()])
def test_pattern_reads_its_text_in_linear_time(pattern: re.Pattern[Any], method: str) -> None:
    assert slow_text(pattern, method) == ""


def test_quadratic_pattern_is_found_among_linear_ones() -> None:
    assert slow_text(re.compile(r"\s*x"), "search")
    assert slow_text(re.compile(r"\s*x"), "match") == ""
    assert len(uses()) > 60
