"""The file that a result is written to until it is whole: hidden, and claimed by one process at a time.

The claim is a lock of the system's, which ends with the process: what a killed process left is known to be abandoned.
Call everything here from a worker thread; it may raise OSError.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from kling_mcp.results.folder import Folder

_BEGIN, _END = ".kling-mcp-", ".part"
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL
_ABANDONED_SECONDS = 24 * 3600
_MAX_ROUNDS = 20
# What file systems without hard links answer (FAT, exFAT, some network shares and phones).
_NO_LINKS = {errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL}


class Part:
    """An open file without a name that people see, until `publish`.

    Attributes:
        size: bytes written.
    """

    def __init__(self, folder: Folder, name: str, file: int) -> None:
        self._folder = folder
        self._name = name
        self._file = file
        self.restart()

    def restart(self) -> None:
        """Empty it."""
        os.ftruncate(self._file, 0)
        os.lseek(self._file, 0, os.SEEK_SET)
        self.size = 0
        self._digest = hashlib.sha256()

    def write(self, data: bytes) -> None:
        """Append. After an OSError the file must be restarted or given up."""
        left = memoryview(data)
        while left:
            left = left[os.write(self._file, left) :]
        self._digest.update(data)
        self.size += len(data)

    @property
    def sha256(self) -> str:
        """Of everything written, hexadecimal."""
        return self._digest.hexdigest()

    def reader(self) -> BinaryIO:
        """What was written, from its beginning. Nothing may be written afterwards."""
        file = os.fdopen(os.dup(self._file), "rb")
        file.seek(0)
        return file

    def publish(self, target: Folder, name: str) -> None:
        """Give the whole file its name, all at once.

        Raises:
            FileExistsError: the name is taken; nothing was changed.
        """
        os.fsync(self._file)
        try:
            self._folder.link(self._name, target, name)
        except OSError as error:
            if isinstance(error, FileExistsError) or error.errno not in _NO_LINKS:
                raise
            self._publish_without_links(target, name)
        target.sync()

    def _publish_without_links(self, target: Folder, name: str) -> None:
        """An empty file takes the name first, so that nothing is replaced but that."""
        os.close(target.open(name, _CREATE))
        if sys.platform == "win32":  # it moves no open file
            self._release()
        try:
            self._folder.replace(self._name, target, name)
        except OSError:
            target.remove(name)
            raise

    def close(self) -> None:
        """Remove it, if it was not published by moving, and give up the claim."""
        with suppress(OSError):
            self._folder.remove(self._name)
        self._release()
        if sys.platform == "win32":  # it removes no open file
            with suppress(OSError):
                self._folder.remove(self._name)

    def _release(self) -> None:
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)


def claim(folder: Folder, key: str, now: float) -> Part | None:
    """A new part for `key`, a word of hexadecimal digits; None while another call or process has one.

    What an ended process left under this key is removed. `now` is in seconds since 1970.
    """
    name = f"{_BEGIN}{key}{_END}"
    for _ in range(_MAX_ROUNDS):
        try:
            file = folder.open(name, _CREATE)
        except FileExistsError:
            if not _remove_if_abandoned(folder, name, now):
                return None
            continue
        locked = _lock(file)
        if locked is None:
            # No locks on this disk: two processes may download the same result, and only one publishes it.
            os.close(file)
            folder.remove(name)
            name = f"{_BEGIN}{key}-{secrets.token_hex(4)}{_END}"
            return Part(folder, name, folder.open(name, _CREATE))
        if locked and _is_still(folder, name, file):
            return Part(folder, name, file)
        os.close(file)  # another process took the new file for an abandoned one
    return None


def remove_abandoned(folder: Folder, now: float) -> None:
    """Remove the parts of processes that have ended. What cannot be removed stays."""
    for name in folder.names():
        if name.startswith(_BEGIN) and name.endswith(_END):
            with suppress(OSError):
                _remove_if_abandoned(folder, name, now)


def _remove_if_abandoned(folder: Folder, name: str, now: float) -> bool:
    """Whether the part is gone now. Its content is never touched: it may already have a second name."""
    try:
        file = folder.open(name, os.O_RDONLY)
    except FileNotFoundError:
        return True
    except PermissionError:  # another user's, or on Windows one that is being removed
        return False
    except OSError:  # a link, or no file at all
        folder.remove(name)
        return True
    try:
        locked = _lock(file)
        if locked is None:
            locked = now - os.fstat(file).st_mtime > _ABANDONED_SECONDS
        if locked and _is_still(folder, name, file):
            with suppress(PermissionError):  # Windows removes no open file
                folder.remove(name)
    finally:
        os.close(file)
    if locked and sys.platform == "win32":
        folder.remove(name)
    return locked


def _is_still(folder: Folder, name: str, file: int) -> bool:
    found, own = folder.about(name), os.fstat(file)
    return found is not None and (found.st_ino, found.st_dev) == (own.st_ino, own.st_dev)


def _lock(file: int) -> bool | None:
    """Whether the file is ours until it is closed; None if this disk has no locks."""
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415, TID251 - exists on Windows alone

            # A byte behind the end of any result: a lock there hinders no reader.
            os.lseek(file, 0x7FFF_FFFE, os.SEEK_SET)
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415, TID251 - does not exist on Windows

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK} else None
    return True
