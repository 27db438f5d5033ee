"""The repository's own files, for tests that read them all."""

from __future__ import annotations

import ast
import functools
import gc
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
_SKIPPED = {"node_modules", "build", "dist"}  # and everything that begins with a dot


def files_of(*suffixes: str, below: str = "") -> Iterator[Path]:
    """The files with these endings, in order."""
    folder = ROOT / below
    return (path for path in all_files() if path.suffix in suffixes and path.is_relative_to(folder))


@functools.cache
def all_files(*hidden: str) -> tuple[Path, ...]:
    """All of them, looked for once: a folder that is skipped holds thousands of others.

    Folders that begin with a dot are skipped, except those that are called as one of `hidden`.
    """
    found = []
    for folder, folders, names in os.walk(ROOT):
        skipped = {name for name in folders if name.startswith(".") and name not in hidden} | _SKIPPED
        folders[:] = [name for name in folders if name not in skipped]
        found += [Path(folder, name) for name in names]
    return tuple(sorted(found))


@functools.cache
def tree_of(path: Path) -> ast.Module:
    """A file as syntax, which nobody may change."""
    was_enabled = gc.isenabled()
    gc.disable()  # a million nodes, of which none is garbage
    try:
        return ast.parse(path.read_text("utf-8"))
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


@functools.cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """All nodes of that syntax: walking it anew takes ten times as long."""
    return tuple(ast.walk(tree_of(path)))


def named(path: Path) -> str:
    """A path as people write it."""
    return path.relative_to(ROOT).as_posix()
