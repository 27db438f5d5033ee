"""A folder that is held open: a name in it keeps meaning what was checked, whatever links appear meanwhile.

Where the system cannot work relative to an open folder (Windows), the real path is compared instead.
Every method works with the disk, so call it from a worker thread, and may raise OSError.
"""

from __future__ import annotations

import os
import stat
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Self

from kling_mcp.concurrency.shared_files import replace_file
from kling_mcp.media.long_paths import extended

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

HAS_HANDLES = os.open in os.supports_dir_fd and hasattr(os, "O_DIRECTORY")
_FOLDER_FLAGS = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
# O_NONBLOCK keeps a pipe that lies in the folder from hanging the server.
_FILE_FLAGS = _NO_LINK | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class NotInsideError(Exception):
    """A name is no folder of its own, but a link or a file; `what` is "a link" or "a file"."""

    def __init__(self, name: str, what: str) -> None:
        super().__init__(name)
        self.name = name
        self.what = what


@dataclass(frozen=True, slots=True)
class Entry:
    """What a folder has under a name; `stamp` changes with a file's content."""

    name: str
    is_folder: bool
    stamp: tuple[int, int, int]


class Folder:
    """An open folder; a context manager. `path` is its name for people."""

    def __init__(self, path: Path, handle: int | None) -> None:
        self.path = path
        self._handle = handle

    @classmethod
    def output(cls, path: Path, *, by_handle: bool = HAS_HANDLES) -> Self:
        """The output folder, which may be a link. It and the folder above it are made if they are missing.

        More is not: a whole path that is missing is mostly that of a disk that is not connected.
        """
        for folder in (path.parent, path):
            if not folder.is_dir():
                folder.mkdir(exist_ok=True)
        return cls(path, os.open(path, _FOLDER_FLAGS) if by_handle else None)

    def enter(self, name: str, *, make: bool = False) -> Folder:
        """The folder of this name, itself and not through a link.

        Raises:
            NotInsideError: the name is a link or a file.
            FileNotFoundError: there is none, and `make` is False.
        """
        if make:
            with suppress(FileExistsError):
                os.mkdir(self._at(name), dir_fd=self._handle)
        if self._handle is None:
            return self._entered_by_path(name)
        try:
            handle = os.open(name, _FOLDER_FLAGS | _NO_LINK, dir_fd=self._handle)
        except OSError:
            self._require_folder(name)
            raise
        return Folder(self.path / name, handle)

    def descend(self, names: Sequence[str], *, make: bool = False) -> Folder:
        """The folder at the end of these names, or this one again; see `enter`. The caller closes it."""
        here = Folder(self.path, None if self._handle is None else os.dup(self._handle))
        for name in names:
            with here:
                below = here.enter(name, make=make)
            here = below
        return here

    def open(self, name: str, flags: int) -> int:
        """A descriptor of the file, never through a link; made with the usual rights."""
        return os.open(self._at(name), flags | _FILE_FLAGS, 0o666, dir_fd=self._handle)

    def about(self, name: str) -> os.stat_result | None:
        """What lies under this name, a link itself; None for nothing."""
        try:
            return os.stat(self._at(name), dir_fd=self._handle, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def is_folder(self, name: str) -> bool:
        """Whether this is a folder of its own."""
        about = self.about(name)
        return about is not None and stat.S_ISDIR(about.st_mode)

    def has_file(self, name: str) -> bool:
        """Whether this is a file that is not empty, or a link: people may keep large files elsewhere."""
        about = self.about(name)
        if about is None:
            return False
        return stat.S_ISLNK(about.st_mode) or (stat.S_ISREG(about.st_mode) and about.st_size > 0)

    @property
    def device(self) -> int:
        """The disk it lies on."""
        return (self.path.stat() if self._handle is None else os.fstat(self._handle)).st_dev

    def link(self, name: str, target: Folder, new_name: str) -> None:
        """Give the file a second name in `target`. Raises FileExistsError, and never replaces."""
        os.link(self._at(name), target._at(new_name), src_dir_fd=self._handle, dst_dir_fd=target._handle)

    def replace(self, name: str, target: Folder, new_name: str, *, pause: Callable[[float], None] = time.sleep) -> None:
        """Move the file to `target`, in place of what is there; `pause` waits, as `replace_file` says."""
        old, new = self._at(name), target._at(new_name)
        replace_file(lambda: os.replace(old, new, src_dir_fd=self._handle, dst_dir_fd=target._handle), pause)

    def remove(self, name: str) -> None:
        """Remove the file, if it is there."""
        with suppress(FileNotFoundError):
            os.unlink(self._at(name), dir_fd=self._handle)

    def names(self) -> list[str]:
        """Everything in the folder. Much cheaper than looking at each: people have thousands of clips in one."""
        with self._scan() as found:
            return [one.name for one in found]

    def entries(self, ending: str) -> list[Entry]:
        """The folders in it, and whatever has a name with this ending; links as what they are."""
        with self._scan() as found:
            return [entry for entry in (_described(one, ending) for one in found) if entry]

    @contextmanager
    def _scan(self) -> Iterator[Iterator[os.DirEntry[str]]]:
        # A descriptor of its own: two threads that list one share their place in the list.
        handle = None if self._handle is None else os.open(".", _FOLDER_FLAGS, dir_fd=self._handle)
        try:
            with os.scandir(extended(str(self.path)) if handle is None else handle) as found:
                yield found
        finally:
            if handle is not None:
                os.close(handle)

    def sync(self) -> None:
        """Make new names last through a power failure, where the system can."""
        if self._handle is not None:
            with suppress(OSError):  # some network file systems refuse it for folders
                os.fsync(self._handle)

    def close(self) -> None:
        """Let it go."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _at(self, name: str) -> str:
        return name if self._handle is not None else extended(str(self.path / name))

    def _require_folder(self, name: str) -> None:
        about = self.about(name)
        if about is not None and not stat.S_ISDIR(about.st_mode):
            raise NotInsideError(name, "a link" if stat.S_ISLNK(about.st_mode) else "a file")

    def _entered_by_path(self, name: str) -> Folder:
        self._require_folder(name)
        path = self.path / name
        # A junction is no symbolic link.
        if not is_same_path(os.path.realpath(path), os.path.join(os.path.realpath(self.path), name)):  # noqa: PTH118 - text
            raise NotInsideError(name, "a link")
        if not Path(extended(str(path))).is_dir():
            raise FileNotFoundError(path)
        return Folder(path, None)


def is_same_path(one: str, other: str, kind: type[PurePath] = PurePath) -> bool:
    """Whether both are one path to the system: to Windows whatever the case, and `realpath` has that of the disk."""
    return kind(one) == kind(other)


def _described(found: os.DirEntry[str], ending: str) -> Entry | None:
    try:
        if not (found.name.endswith(ending) or found.is_dir(follow_symlinks=False)):
            return None
        about = found.stat(follow_symlinks=False)
    except OSError:  # it went away meanwhile
        return None
    return Entry(found.name, stat.S_ISDIR(about.st_mode), (about.st_ino, about.st_size, about.st_mtime_ns))
