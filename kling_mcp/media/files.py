"""Reads local pictures, only inside the allowed folders.

Symbolic links are resolved before the folder is checked. Errors never reveal whether a file outside exists.
Only regular files are opened; nothing is written.
"""

from __future__ import annotations

import difflib
import itertools
import os
import stat
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from kling_mcp.api.limits import MAX_IMAGE_BYTES
from kling_mcp.errors import InputError, Problem
from kling_mcp.media import foreign_paths
from kling_mcp.sanitize import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.media.policy import MediaPolicy

# If the file is replaced after the check: O_NONBLOCK keeps a pipe from hanging the server, O_NOFOLLOW keeps a link
# from leading outside, and O_NOCTTY keeps a terminal from becoming ours.
_OPEN_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_PICTURE_ENDINGS = (".jpg", ".jpeg", ".png")
_NEAR_NAMES = 3
_MAX_NAMES_SEEN = 5000


def read_local(path: str, argument: str, policy: MediaPolicy) -> bytes:
    """The bytes of the file as they are on disk, at most one more than MAX_IMAGE_BYTES.

    A relative path starts at the working directory; `~` is the home folder.
    Raises InputError, with the same text for every path outside the allowed folders.
    """
    if not policy.allowed_dirs:
        raise _files_off(path, argument, policy)
    real = _resolve_inside(_expand_home(path), path, argument, policy)
    if not os.path.lexists(real):
        # A folder outside the allowed ones is never listed, not even to suggest a name.
        beside = _names(real.parent) if _is_inside(real.parent, policy) else []
        twins = [name for name in beside if _look(name) == _look(real.name)]
        if len(twins) != 1:
            _require_allowed_folder(real, path, argument, policy)
            raise _missing(real.name, beside, path, argument, policy)
        real = _resolve_inside(str(real.parent / twins[0]), path, argument, policy)
    return read_regular(real, path, argument)


def read_regular(path: Path, given: str, argument: str) -> bytes:
    """Read `path`, which must be a resolved regular file; `given` is its name in errors."""
    try:
        _require_regular(path.lstat().st_mode, given, argument)
        descriptor = os.open(path, _OPEN_FLAGS)
        try:
            return read_opened(descriptor, given, argument)
        finally:
            os.close(descriptor)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        rule = f"must be readable by this server ({reason.lower()})"
        fix = "check the file's permissions, or copy it to another allowed folder."
        raise _refused(argument, rule, quote(given), fix) from None


def read_opened(descriptor: int, given: str, argument: str) -> bytes:
    """The bytes of an open descriptor, after checking what was really opened."""
    about = os.fstat(descriptor)
    _require_regular(about.st_mode, given, argument)
    if about.st_size > MAX_IMAGE_BYTES:
        refuse_size(about.st_size, given, argument)
    parts: list[bytes] = []
    # One extra byte reveals a file that grew or misreports its size.
    left = MAX_IMAGE_BYTES + 1
    while left and (part := os.read(descriptor, left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)  # nearly always one part, which join does not copy


def refuse_size(size_bytes: int, given: str, argument: str) -> NoReturn:
    """Raises the InputError for a picture above the byte limit. fact: image-bytes"""
    rule = f"must have at most 10 MB, counted here as {MAX_IMAGE_BYTES} bytes"
    fix = "save it as a JPEG of lower quality, or scale it down."
    raise _refused(argument, rule, f"{quote(given)} with {size_bytes} bytes", fix)


def _expand_home(path: str) -> str:
    """Only `~` and `~/x`: never another user's home."""
    if path[:2] not in {"~", f"~{os.sep}", "~/"}:
        return path
    # Path.expanduser raises for an account without a home folder; this leaves the path as it is.
    return os.path.expanduser(path)  # noqa: PTH111  see above


def _is_inside(real: Path, policy: MediaPolicy) -> bool:
    return any(real.is_relative_to(os.path.realpath(folder)) for folder in policy.allowed_dirs)


def _resolve_inside(path: str, given: str, argument: str, policy: MediaPolicy) -> Path:
    """The path with every link followed, if it lies inside an allowed folder."""
    # Not strict, so that missing and existing files outside get the same answer.
    real = Path(os.path.realpath(path))
    if _is_inside(real, policy):
        return real
    if foreign_paths.is_chat_upload(given):
        raise foreign_paths.chat_upload_refused(argument, given, policy)
    rule = f"must be inside the allowed folders: {policy.folders_named()}"
    fix = (
        "move the file into one of them, or add its folder to KLING_MCP_MEDIA_DIRS and restart this server; "
        "or give an https link."
    )
    raise _refused(argument, rule, quote(given), fix)


def _require_allowed_folder(real: Path, given: str, argument: str, policy: MediaPolicy) -> None:
    """Raises InputError if the allowed folder itself is missing, as that of a disk that is not connected."""
    for folder in policy.allowed_dirs:
        if real.is_relative_to(os.path.realpath(folder)) and not folder.is_dir():
            fix = f"{quote(str(folder))} of KLING_MCP_MEDIA_DIRS is missing: create it, or connect its disk."
            raise _refused(argument, "must be in a folder that exists", quote(given), fix)


def _files_off(path: str, argument: str, policy: MediaPolicy) -> InputError:
    if foreign_paths.is_chat_upload(path):
        return foreign_paths.chat_upload_refused(argument, path, policy)
    reason = policy.local_files_off_reason.rstrip(". ") or "KLING_MCP_MEDIA_DIRS names no folder"
    return _refused(
        argument, f"must not be a local file, because local files are off ({reason})", quote(path), policy.ways_in()
    )


def _require_regular(mode: int, given: str, argument: str) -> None:
    """Raises InputError for folders, devices, pipes and sockets."""
    if stat.S_ISREG(mode):
        return
    what = "a device, pipe or socket"
    if stat.S_ISDIR(mode):
        what = "a folder"
    elif stat.S_ISLNK(mode):
        what = "a broken link"
    rule = "must be a regular file"
    raise _refused(argument, rule, f"{quote(given)}, {what}", "give the path of one JPEG or PNG file.")


def _missing(name: str, beside: Sequence[str], given: str, argument: str, policy: MediaPolicy) -> InputError:
    """The answer for a file that an allowed folder could hold but does not."""
    if foreign_paths.is_chat_upload(given):
        return foreign_paths.chat_upload_refused(argument, given, policy)
    near = _near_names(name, beside)
    if near:
        fix = f"did you mean {' or '.join(quote(name) for name in near)} in the same folder?"
    else:
        fix = (
            "check the path and give it in full. A picture that was only attached to the chat is not on this "
            f"computer: {policy.ways_in()}"
        )
    return _refused(argument, "must be an existing file", quote(given), fix)


def _near_names(wanted: str, beside: Sequence[str]) -> list[str]:
    """Up to three pictures in the same folder with similar names; no other names are revealed."""
    by_key = {_look(name).lower(): name for name in beside if name.lower().endswith(_PICTURE_ENDINGS)}
    close = difflib.get_close_matches(_look(wanted).lower(), by_key, n=_NEAR_NAMES)
    return [by_key[key] for key in close]


def _look(name: str) -> str:
    """The name as displayed: composed accents, and every kind of space as a plain one.

    macOS writes narrow no-break spaces into the names of screenshots and decomposed accents into archives;
    a model that copies such a name types the plain characters.
    """
    composed = unicodedata.normalize("NFC", name)
    return "".join(" " if unicodedata.category(character) == "Zs" else character for character in composed)


def _names(folder: Path) -> list[str]:
    """The first names in the folder, or none if it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in itertools.islice(entries, _MAX_NAMES_SEEN)]
    except OSError:
        return []


def _refused(argument: str, rule: str, actual: str, fix: str) -> InputError:
    return InputError([Problem(argument, rule, actual, fix)])
