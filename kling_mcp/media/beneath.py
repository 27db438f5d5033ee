"""Reaches what lies in an allowed folder step by step from that folder, so that no link can lead out of it.

A path is resolved and checked by its name, and names can change their meaning before they are used: here every part is
opened relative to the one above it, and none may be a link any more. Where the system cannot do that (Windows), what
was opened is compared with what the name means.
"""

from __future__ import annotations

import errno
import itertools
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kling_mcp.media.long_paths import extended

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kling_mcp.media.policy import MediaPolicy

HAS_HANDLES = os.open in os.supports_dir_fd and hasattr(os, "O_DIRECTORY")
# O_PATH needs no right to list a folder on the way.
_FOLDER_FLAGS = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0)
# O_DIRECTORY keeps what is no folder from being opened: a pipe would wait for its writer.
_LISTED_FLAGS = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_IS_LINK = {errno.ELOOP, errno.EMLINK, errno.ENOTDIR}


class MovedError(Exception):
    """The path has become a link, or its folder another one, since it was checked."""


class Place:
    """Where something lies: its name in a folder that is held open, or its path."""

    def __init__(self, name: str | Path, handle: int | None) -> None:
        self._name = name
        self._handle = handle

    def about(self) -> os.stat_result:
        """What lies there, a link itself. Raises OSError."""
        return os.stat(self._at(), dir_fd=self._handle, follow_symlinks=False)

    def open(self, flags: int) -> int:
        """A descriptor of it, never through a link. Raises OSError, MovedError."""
        try:
            opened = os.open(self._at(), flags | _NO_LINK, dir_fd=self._handle)
        except OSError as error:
            raise _as_moved(error) from None
        if self._handle is None and not self._is_still(opened):
            os.close(opened)
            raise MovedError
        return opened

    def _at(self) -> str:
        return str(self._name) if self._handle is not None else extended(str(self._name))

    def _is_still(self, opened: int) -> bool:
        """Whether the path, which had no links, means this file and has none now."""
        return os.path.realpath(self._name) == str(self._name) and os.path.samestat(self.about(), os.fstat(opened))


def base_of(real: Path, policy: MediaPolicy) -> str | None:
    """The outermost allowed folder, without links, in which a path without links lies; None if it is in none."""
    bases = (os.path.realpath(folder) for folder in policy.allowed_dirs)
    return min((base for base in bases if real.is_relative_to(base)), key=len, default=None)


@contextmanager
def reached(real: Path, policy: MediaPolicy, *, by_handle: bool = HAS_HANDLES) -> Iterator[Place]:
    """The place of a path without links, inside an allowed folder.

    Raises:
        MovedError: it is not inside, or a part of it is a link now.
        OSError: a folder on the way cannot be opened.
    """
    base = base_of(real, policy)
    if base is None:
        raise MovedError
    if not by_handle:
        yield Place(real, None)
        return
    handle = os.open(base, _FOLDER_FLAGS)
    try:
        *folders, name = real.relative_to(base).parts or (".",)
        for folder in folders:
            try:
                below = os.open(folder, _FOLDER_FLAGS | _NO_LINK, dir_fd=handle)
            except OSError as error:
                raise _as_moved(error) from None
            os.close(handle)
            handle = below
        yield Place(name, handle)
    finally:
        os.close(handle)


def exists(real: Path, policy: MediaPolicy) -> bool:
    """Whether something lies there, a link included."""
    try:
        with reached(real, policy) as place:
            place.about()
    except (OSError, ValueError, MovedError):
        return False
    return True


def names_in(folder: Path, policy: MediaPolicy, most: int) -> list[str]:
    """The first names in a folder without links; none if it is not inside, or cannot be listed."""
    try:
        with reached(folder, policy) as place:
            opened = place.open(_LISTED_FLAGS) if HAS_HANDLES else None
            try:
                with os.scandir(folder if opened is None else opened) as entries:
                    return [entry.name for entry in itertools.islice(entries, most)]
            finally:
                if opened is not None:
                    os.close(opened)
    except (OSError, ValueError, MovedError):
        return []


def _as_moved(error: OSError) -> OSError | MovedError:
    return MovedError() if error.errno in _IS_LINK else error
