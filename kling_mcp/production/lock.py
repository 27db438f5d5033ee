"""The lock file beside a sheet: read, and written entry by entry.

A write is all or nothing, merges with what other processes wrote meanwhile, and never goes through a link. Everything
here is blocking: call it from a worker thread.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, NoReturn

from kling_mcp.concurrency.clock import iso_utc
from kling_mcp.errors import InputError, StorageError
from kling_mcp.production.lock_format import VERSION, WHOLE, lock_of, merged, parse_raw, to_text
from kling_mcp.production.model import Lock, LockedElement, LockedShot, SheetProblem
from kling_mcp.production.sheet_file import LOCK_ENDING
from kling_mcp.results.folder import Folder
from kling_mcp.results.part import claim
from kling_mcp.sanitize import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from kling_mcp.results.part import Part

MAX_LOCK_BYTES = 20_000_000
PATIENCE_SECONDS = 20.0
_PAUSE_SECONDS = 0.02
_NO_ELEMENTS: Mapping[str, LockedElement] = MappingProxyType({})
_NO_SHOTS: Mapping[str, Mapping[int, LockedShot]] = MappingProxyType({})
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_BLANK = f'{{"version": {VERSION}}}'


def lock_path(sheet: Path) -> Path:
    """NAME.lock.json for NAME.yaml."""
    return sheet.with_name(sheet.stem + LOCK_ENDING)


def read_lock(path: Path) -> Lock:
    """What was made so far; a lock without entries if there is no file.

    Args:
        path: real and absolute, see `lock_path`.

    Raises:
        InputError: the file is a link, damaged, or of a newer version; it stays as it is.
        StorageError: it cannot be read.
    """
    with _explained(path), Folder.output(path.parent) as folder:
        return lock_of(parse_raw(_read(folder, path.name) or _BLANK))


def update_lock(
    path: Path,
    *,
    cast: Mapping[str, LockedElement] = _NO_ELEMENTS,
    shots: Mapping[str, Mapping[int, LockedShot]] = _NO_SHOTS,
    now: float,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Put these entries into the file, in place of those of the same name or take; the others stay as they are.

    The element that an entry had before is added to its list of replaced ones.

    Args:
        now: seconds since 1970.
        pause: waits between two tries, while another process writes, or on Windows has the file open.

    Raises:
        InputError: the file is a link, damaged, or of a newer version; it stays as it is.
        StorageError: it cannot be written, or another process did not end its own write in time.
    """
    with _explained(path), Folder.output(path.parent) as folder:
        turn = _wait_for_turn(folder, path, now, pause)
        try:
            text = _read(folder, path.name) or _BLANK
            new = to_text(merged(parse_raw(text), cast, shots, now=iso_utc(round(now * 1000))))
            if new != text:
                _write(folder, path.name, new, pause)
        finally:
            turn.close()


def _wait_for_turn(folder: Folder, path: Path, now: float, pause: Callable[[float], None]) -> Part:
    """The right to write, which ends with the process."""
    key = hashlib.sha256(path.name.encode()).hexdigest()[:24]
    for _ in range(int(PATIENCE_SECONDS / _PAUSE_SECONDS)):
        part = claim(folder, key, now)
        if part is not None:
            return part
        pause(_PAUSE_SECONDS)
    raise StorageError(
        f"Another process has been writing {quote(path.name)} for more than {PATIENCE_SECONDS:.0f} s.",
        advice="Call again; what was made is known, and is not made again.",
    )


def _read(folder: Folder, name: str) -> str:
    """The text of the file; "" if there is none."""
    about = folder.about(name)
    if about is None:
        return ""
    if not stat.S_ISREG(about.st_mode):
        what = "a link" if stat.S_ISLNK(about.st_mode) else "a folder, device or pipe"
        _refuse("must be a regular file", f"{quote(name)}, {what}", "remove it, or put the file itself there.")
    with os.fdopen(folder.open(name, os.O_RDONLY), "rb") as file:
        data = file.read(MAX_LOCK_BYTES + 1)
    if len(data) > MAX_LOCK_BYTES:
        _refuse(f"must have at most {MAX_LOCK_BYTES} bytes", f"{quote(name)} with more", "take an earlier version.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        _refuse("must be UTF-8", f"{quote(name)} in another encoding", "take an earlier version, or save it as UTF-8.")


def _write(folder: Folder, name: str, text: str, pause: Callable[[float], None]) -> None:
    """A new file takes the place of the old one; it has the old one's rights."""
    new = f".{name}.new"
    about = folder.about(name)
    folder.remove(new)  # of a process that was killed: this one has the turn
    try:
        with os.fdopen(folder.open(new, _CREATE), "wb") as file:
            if about is not None and hasattr(os, "fchmod"):
                os.fchmod(file.fileno(), stat.S_IMODE(about.st_mode))  # noqa: TID251 - behind its guard
            file.write(text.encode("utf-8", "replace"))
            file.flush()
            os.fsync(file.fileno())
        folder.replace(new, folder, name, pause=pause)
    except OSError:
        folder.remove(new)
        raise
    folder.sync()


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """What the disk says, as our error."""
    try:
        yield
    except OSError as error:
        reason = {errno.ENOSPC: "the disk is full", errno.EROFS: "the disk is read-only"}.get(error.errno or 0)
        reason = reason or (error.strerror or type(error).__name__).lower()
        raise StorageError(
            f"The lock file {quote(str(path))} cannot be used ({reason}).",
            advice="Make its folder writable, and call again; what was made is known, and is not made again.",
        ) from None


def _refuse(rule: str, actual: str, fix: str) -> NoReturn:
    raise InputError(
        [SheetProblem(WHOLE, rule, actual, fix)], advice="Nothing was made, and the lock file was not changed."
    )
