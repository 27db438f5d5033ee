"""Opens a sheet safely: only inside the allowed folders, a regular file, not large, UTF-8.

It decides nothing of the content.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from kling_mcp.errors import InputError, Problem
from kling_mcp.media.beneath import MovedError, names_in, reached
from kling_mcp.media.files import OPEN_FLAGS, expand_home, find_local
from kling_mcp.media.source import LocalPath, parse_source, unwrap
from kling_mcp.media.spelling import MAX_NAMES_SEEN, is_inside, locate
from kling_mcp.sanitize import quote

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

    from kling_mcp.media.policy import MediaPolicy

ARGUMENT = "path"
MAX_SHEET_BYTES = 1_000_000
ENDINGS = (".yaml", ".yml", ".json", ".toml")
LOCK_ENDING = ".lock.json"
_FORMS = "must be a production sheet: a file that ends in .yaml, .yml, .json or .toml"
_FULL_PATH = "give the full path."
_FIX_SIZE = "make more than one of it; pictures stay files of their own."
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class SheetText:
    """A sheet as it is on the disk. `ending` is one of `ENDINGS`, `digest` the SHA-256 of its bytes in hexadecimal."""

    path: Path
    text: str
    ending: str
    digest: str


def read_sheet_text(path: str, policy: MediaPolicy) -> SheetText:
    """The text of the sheet. Blocking.

    Args:
        path: absolute, or relative to the working directory or to an allowed folder; `~` is the home folder.

    Raises:
        InputError: it is missing or outside of the allowed folders (the same text for both), no regular file, too
            large, or not in UTF-8.
    """
    real = find_sheet(path, policy)
    ending = real.suffix.lower()
    if ending not in ENDINGS or real.name.lower().endswith(LOCK_ENDING):
        fix = "give the sheet that it belongs to." if ending in ENDINGS else "save it under such a name."
        _refuse(_FORMS, quote(real.name), fix)
    data = read_small_file(real, policy, MAX_SHEET_BYTES)
    return SheetText(real, _decode(data), ending, hashlib.sha256(data).hexdigest())


def find_sheet(path: str, policy: MediaPolicy) -> Path:
    """The real path of the sheet, inside an allowed folder. Blocking; raises InputError."""
    value = unwrap(path)
    if not policy.allowed_dirs:
        reason = policy.local_files_off_reason.rstrip(". ") or "KLING_MCP_MEDIA_DIRS names no folder"
        rule = f"must be a local file, and local files are off ({reason})"
        _refuse(rule, quote(value), "set KLING_MCP_MEDIA_DIRS to the folder of the sheet, and restart this server.")
    with _explained(value):
        if ".." in Path(value).parts:
            value = os.path.abspath(expand_home(value))  # noqa: PTH100 - links are followed and checked below
        source = parse_source(value, ARGUMENT, policy)
        if not isinstance(source, LocalPath):
            _refuse("must be the path of a local file", quote(value, 60), "save the sheet here, and give its path.")
        return (
            find_local(source.path, policy) or _in_a_folder(source.path, policy) or _refuse_missing(source.path, policy)
        )


def _in_a_folder(path: str, policy: MediaPolicy) -> Path | None:
    """A relative path from the one allowed folder that has it: callers do not know where this server was started.

    Raises InputError if several have it.
    """
    if _is_full(path):
        return None
    found = {real for folder in policy.allowed_dirs if (real := find_local(str(folder / path), policy))}
    if len(found) > 1:
        told = ", ".join(sorted(quote(str(real)) for real in found))
        _refuse("must be in one of the allowed folders alone, or a full path", f"{quote(path)}: {told}", _FULL_PATH)
    return next(iter(found), None)


def _is_full(path: str) -> bool:
    return Path(expand_home(path)).is_absolute()


def read_small_file(real: Path, policy: MediaPolicy, most: int) -> bytes:
    """The bytes of a regular file inside an allowed folder. Blocking; raises InputError."""
    with _explained(real.name), reached(real, policy) as place:
        _check(place.about(), real.name, most)
        with os.fdopen(place.open(OPEN_FLAGS), "rb") as file:
            _check(os.fstat(file.fileno()), real.name, most)
            data = file.read(most + 1)
    if len(data) > most:
        _refuse(f"must have at most {most} bytes", f"{quote(real.name)} with more", _FIX_SIZE)
    return data


def _check(about: os.stat_result, name: str, most: int) -> None:
    if not stat.S_ISREG(about.st_mode):
        what = "a folder" if stat.S_ISDIR(about.st_mode) else "a link, device or pipe"
        _refuse("must be a regular file", f"{quote(name)}, {what}", "give the path of the file.")
    if about.st_size > most:
        _refuse(f"must have at most {most} bytes", f"{quote(name)} with {about.st_size} bytes", _FIX_SIZE)


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """What the disk says, as a problem."""
    try:
        yield
    except MovedError:
        fix = "call again when nothing moves it or its folder."
        _refuse("must stay where it is while it is read", quote(name), fix)
    except OSError as error:
        _refuse(f"must be readable ({(error.strerror or 'error').lower()})", quote(name), "check its permissions.")


def _decode(data: bytes) -> str:
    if data.startswith(_UTF16):
        _refuse("must be UTF-8", "UTF-16", "save it as UTF-8, as every editor can.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        _refuse("must be UTF-8", f"another encoding in line {line}", "save it as UTF-8, as every editor can.")


def _refuse_missing(path: str, policy: MediaPolicy) -> NoReturn:
    real = locate(expand_home(path), policy)
    if not is_inside(real, policy):
        if not _is_full(path):
            rule = f"must be an existing file in the allowed folders: {policy.folders_named()}"
            near = [name for folder in policy.allowed_dirs for name in _near_sheets(folder / path, policy)]
            _refuse(rule, quote(path), f"did you mean {_either(near)}?" if near else f"check the name, or {_FULL_PATH}")
        rule = f"must be inside the allowed folders: {policy.folders_named()}"
        fix = "move it there, or add its folder to KLING_MCP_MEDIA_DIRS and restart this server."
        _refuse(rule, quote(path), fix)
    near = _near_sheets(real, policy)
    fix = f"did you mean {_either(near)}?" if near else "check the path, or write the sheet there."
    _refuse("must be an existing file", quote(path), fix)


def _near_sheets(wanted: Path, policy: MediaPolicy) -> list[str]:
    """Up to two sheets in the same folder with similar names, apart from their endings."""
    if not is_inside(locate(str(wanted.parent), policy), policy):
        return []
    by_stem: dict[str, list[str]] = {}
    for name in names_in(locate(str(wanted.parent), policy), policy, MAX_NAMES_SEEN):
        if name.lower().endswith(ENDINGS) and not name.lower().endswith(LOCK_ENDING):
            by_stem.setdefault(PurePath(name).stem.lower(), []).append(name)
    close = difflib.get_close_matches(wanted.stem.lower(), by_stem, n=2)
    return [name for stem in close for name in by_stem[stem]][:2]


def _either(names: list[str]) -> str:
    return " or ".join(map(quote, names[:2]))


def _refuse(rule: str, actual: str, fix: str) -> NoReturn:
    raise InputError([Problem(ARGUMENT, rule, actual, fix)])
