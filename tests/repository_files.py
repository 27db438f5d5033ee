"""The repository's own files, for tests that read them all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
_SKIPPED = {"node_modules", "build", "dist"}  # and everything that begins with a dot


def files_of(*suffixes: str, below: str = "") -> Iterator[Path]:
    """The files with these endings."""
    for path in sorted((ROOT / below).rglob("*")):
        parts = path.relative_to(ROOT).parts
        if path.suffix in suffixes and not any(part in _SKIPPED or part.startswith(".") for part in parts[:-1]):
            yield path


def named(path: Path) -> str:
    """A path as people write it."""
    return path.relative_to(ROOT).as_posix()
