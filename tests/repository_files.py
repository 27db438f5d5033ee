"""The repository's own files, for tests that read them all."""

from __future__ import annotations

import ast
import functools
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
_SKIPPED = {"node_modules", "build", "dist"}  # and everything that begins with a dot


def files_of(*suffixes: str, below: str = "") -> Iterator[Path]:
    """The files with these endings, in order."""
    folder = ROOT / below
    return (path for path in _files() if path.suffix in suffixes and path.is_relative_to(folder))


@functools.cache
def _files() -> tuple[Path, ...]:
    """All of them, looked for once: a folder that is skipped holds thousands of others."""
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in _SKIPPED and not name.startswith(".")]
        found += [Path(folder, name) for name in names]
    return tuple(sorted(found))


@functools.cache
def tree_of(path: Path) -> ast.Module:
    """A file as syntax, which nobody may change."""
    return ast.parse(path.read_text("utf-8"))


def named(path: Path) -> str:
    """A path as people write it."""
    return path.relative_to(ROOT).as_posix()
