"""Reads local pictures, only inside the allowed folders.

Symbolic links are resolved before the folder is checked, and none is followed afterwards: see `beneath`. Errors never
reveal whether a file outside exists. Only regular files are opened; nothing is written.
"""

from __future__ import annotations

import difflib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from kling_mcp.api.limits import MAX_IMAGE_BYTES
from kling_mcp.errors import InputError, Problem
from kling_mcp.media import foreign_paths
from kling_mcp.media.beneath import MovedError, exists, names_in, reached
from kling_mcp.media.spelling import MAX_NAMES_SEEN, find_way_out, is_inside, locate, look, spellings
from kling_mcp.sanitize import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.media.policy import MediaPolicy

# If the file is replaced after the check: O_NONBLOCK keeps a pipe from hanging the server, and O_NOCTTY keeps a
# terminal from becoming ours.
OPEN_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
MISSING = "must be an existing file"
_PICTURE_ENDINGS = (".jpg", ".jpeg", ".png")
_NEAR_NAMES = 3


def read_local(path: str, argument: str, policy: MediaPolicy) -> bytes:
    """The bytes of the file as they are on disk, at most one more than MAX_IMAGE_BYTES.

    A relative path starts at the working directory; `~` is the home folder.
    Raises InputError, with the same text for every path outside the allowed folders.
    """
    if not policy.allowed_dirs:
        raise _files_off(path, argument, policy)
    spelled = spellings(expand_home(path))
    _require_starting_point(spelled[0], path, argument)
    try:
        real = find_local(path, policy)
        if real is None:
            raise _not_found(spelled[-1], path, argument, policy)
        _refuse_stub(real.name, path, argument)
        return read_regular(real, path, argument, policy)
    except (OSError, MovedError):  # links and folders were exchanged in the middle of it
        rule = "must stay where it is while it is read"
        raise _refused(argument, rule, quote(path), "call again when nothing moves it or its folder.") from None


def find_local(path: str, policy: MediaPolicy) -> Path | None:
    """The real path of what exists under this name inside an allowed folder, however it is spelled; None for none.

    Raises:
        OSError, MovedError: links and folders were exchanged in the middle of it.
    """
    for spelling in spellings(expand_home(path)):
        real = locate(spelling, policy)
        if exists(real, policy):
            return real
    return None


def read_regular(path: Path, given: str, argument: str, policy: MediaPolicy) -> bytes:
    """Read `path`, which must be a resolved regular file; `given` is its name in errors.

    Raises:
        InputError: it is no regular file, too large, or cannot be read.
        MovedError: it is not inside the allowed folders any more.
    """
    try:
        with reached(path, policy) as place:
            _require_regular(place.about().st_mode, given, argument)
            descriptor = place.open(OPEN_FLAGS)
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


def _require_starting_point(spelling: str, given: str, argument: str) -> None:
    """Raises InputError for a relative path where the working directory was deleted."""
    if not Path(spelling).is_absolute():
        try:
            Path.cwd()
        except OSError:
            rule = "must be a full path, because the folder that this server was started in is gone"
            raise _refused(argument, rule, quote(given), "write out the path, or restart this server.") from None


def expand_home(path: str) -> str:
    """Only `~` and `~/x`: never another user's home."""
    if path[:2] not in {"~", f"~{os.sep}", "~/"}:
        return path
    # Path.expanduser raises for an account without a home folder; this leaves the path as it is.
    return os.path.expanduser(path)  # noqa: PTH111  see above


def _not_found(spelling: str, given: str, argument: str, policy: MediaPolicy) -> InputError:
    """The answer for a path that is outside of the allowed folders, or missing inside."""
    real = locate(spelling, policy)
    if not is_inside(real, policy):
        return _outside(spelling, given, argument, policy)
    _require_allowed_folder(real, given, argument, policy)
    # A folder outside the allowed ones is never listed, not even to suggest a name.
    beside = names_in(real.parent, policy, MAX_NAMES_SEEN)
    stub = look(f".{real.name}.icloud")
    if any(look(name) == stub for name in beside):
        _refuse_stub(f".{real.name}.icloud", given, argument)
    return _missing(real.name, beside, given, argument, policy)


def _outside(spelling: str, given: str, argument: str, policy: MediaPolicy) -> InputError:
    """The same answer for missing and existing files; only a link, which is inside itself, is named."""
    if foreign_paths.is_chat_upload(given):
        return foreign_paths.chat_upload_refused(argument, given, policy)
    link = find_way_out(spelling, policy)
    leads = f", where {quote(str(link))} is a link that leads out of them" if link else ""
    fix = (
        "move the file into one of them, or add its folder to KLING_MCP_MEDIA_DIRS and restart this server; "
        "or give an https link."
    )
    rule = f"must be inside the allowed folders: {policy.folders_named()}"
    return _refused(argument, rule, f"{quote(given)}{leads}", fix)


def _refuse_stub(name: str, given: str, argument: str) -> None:
    """Raises InputError for what iCloud leaves in place of a file: `.IMG_0412.jpg.icloud`."""
    if name.startswith(".") and name.endswith(".icloud"):
        rule = "must be on this computer, and is not downloaded yet from iCloud"
        raise _refused(argument, rule, quote(given), "download it in the Finder, and call again.")


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
    elif policy.is_at_shell:
        fix = f"check the path; a relative one begins at the working directory{_working_dir()}."
    else:
        fix = (
            "check the path and give it in full. A picture that was only attached to the chat is not on this "
            f"computer: {policy.ways_in()}"
        )
    return _refused(argument, MISSING, quote(given), fix)


def _working_dir() -> str:
    """The working directory behind a comma; "" if it was deleted."""
    try:
        return f", {quote(os.getcwd(), 500)}"  # noqa: PTH109 - a name for a sentence
    except OSError:
        return ""


def near_pictures(path: str, policy: MediaPolicy, likeness: float = 0.6) -> list[str]:
    """Up to three pictures in the folder of this path, if it is an allowed one, with names like its own. Blocking."""
    real = locate(path, policy)
    if not is_inside(real, policy):
        return []
    return _near_names(real.name, names_in(real.parent, policy, MAX_NAMES_SEEN), likeness)


def _near_names(wanted: str, beside: Sequence[str], likeness: float = 0.6) -> list[str]:
    """Up to three pictures in the same folder with similar names; no other names are revealed."""
    by_stem: dict[str, list[str]] = {}  # without the ending, which would make any two of them similar
    for name in beside:
        if name.lower().endswith(_PICTURE_ENDINGS):
            by_stem.setdefault(_stem(name), []).append(name)
    close = difflib.get_close_matches(_stem(wanted), by_stem, n=_NEAR_NAMES, cutoff=likeness)
    return [name for stem in close for name in by_stem[stem]][:_NEAR_NAMES]


def _stem(name: str) -> str:
    return look(name).lower().rpartition(".")[0] or look(name).lower()


def _refused(argument: str, rule: str, actual: str, fix: str) -> InputError:
    return InputError([Problem(argument, rule, actual, fix)])
