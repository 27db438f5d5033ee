"""Recognises paths that this server can never see: a chat's sandbox, an upload, another kind of machine.

Pure text: the file system is not touched, so an answer never reveals whether a file exists.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kling_mcp.errors import InputError, Problem
from kling_mcp.sanitize import quote

if TYPE_CHECKING:
    from kling_mcp.media.policy import MediaPolicy

# URI schemes that only mean something inside the chat, the browser or the phone that made them.
CHAT_SCHEMES = frozenset({"sandbox", "attachment", "blob", "cid", "content", "ph", "assets-library", "upload"})

# Where assistants keep uploads and the output of their own code.
_CHAT_FOLDERS = (
    "/mnt/user-data",
    "/mnt/data",
    "/mnt/uploads",
    "/mnt/outputs",
    "/home/claude",
    "/home/oai",
    "/home/sandbox",
    "/tmp/inputs",  # noqa: S108  a place to recognise, never one to write to
    "/tmp/outputs",  # noqa: S108  the same
)
_CHAT_SESSION = re.compile(r"/sessions/[^/]+/mnt(?:/.*)?", re.DOTALL)
_CHAT_FILE_ID = re.compile(r"file[-_][A-Za-z0-9]{16,}")

_UNIX_DRIVE = re.compile(r"(?:/mnt|/cygdrive)?/([A-Za-z])(/.+)", re.DOTALL)
_WINDOWS_DRIVE = re.compile(r"([A-Za-z]):[\\/](.+)", re.DOTALL)
# What Windows opens in place of a file, in any folder and with any ending; blanks and dots at the end do not count.
_DEVICE = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])(?=\s*(?:[.:]|$))", re.IGNORECASE)
_WINDOWS_ABSOLUTE = re.compile(r"[A-Za-z]:[\\/]|\\\\")


def is_chat_upload(path: str) -> bool:
    """Whether this looks like a path or file id from a chat's own sandbox."""
    inside = any(path == folder or path.startswith(folder + "/") for folder in _CHAT_FOLDERS)
    return inside or bool(_CHAT_SESSION.fullmatch(path) or _CHAT_FILE_ID.fullmatch(path))


def is_windows_absolute(path: str) -> bool:
    r"""Whether this is a path with a drive (`C:\x`, `C:/x`) or of a network share (two backslashes)."""
    return _WINDOWS_ABSOLUTE.match(path) is not None


def names_device_or_stream(path: str) -> bool:
    r"""Whether a part of a path of Windows is a device (`C:\x\NUL.png`), or names a stream of a file (`x.png:y`)."""
    parts = re.split(r"[\\/]", re.sub(r"^[A-Za-z]:", "", path))
    return any(":" in part or _DEVICE.match(part.strip()) for part in parts)


def as_drive(path: str) -> str:
    r"""`/c/Users/mia.png`, as Git Bash and others write it, as `C:\Users\mia.png`; any other path as it is."""
    found = _UNIX_DRIVE.fullmatch(path)
    return f"{found[1].upper()}:{found[2]}".replace("/", "\\") if found else path


def as_mounted_drive(path: str) -> str:
    r"""`C:\Users\mia.png` as `/mnt/c/Users/mia.png`, where a Linux on Windows has it; any other path as it is."""
    found = _WINDOWS_DRIVE.fullmatch(path)
    return f"/mnt/{found[1].lower()}/{found[2]}".replace("\\", "/") if found else path


def chat_upload_refused(argument: str, given: str, policy: MediaPolicy) -> InputError:
    """The error for a path from a chat's sandbox."""
    return InputError(
        [
            Problem(
                argument,
                "must not be in the chat's own sandbox or uploads, which this server cannot see",
                quote(given),
                policy.ways_in(),
            )
        ]
    )


def other_machine_refused(argument: str, given: str, policy: MediaPolicy, *, windows: bool) -> InputError:
    """The error for a path from another operating system; `windows` is about this server."""
    here, there = ("Windows", "Linux or macOS") if windows else ("Linux or macOS", "Windows")
    return InputError(
        [
            Problem(
                argument,
                f"must not be a {there} path, because this server runs on {here}",
                quote(given),
                policy.ways_in(),
            )
        ]
    )
