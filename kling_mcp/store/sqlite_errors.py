"""Why the state file cannot be used, as errors for the caller: what is wrong, and what cures it. Nothing was sent."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from kling_mcp.errors import ConnectionFailedError, StorageError
from kling_mcp.store.sqlite_file import is_full, is_locked, lock_failure, primary_code

if TYPE_CHECKING:
    from pathlib import Path

_UNWRITABLE = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_FULL}


def explained(error: sqlite3.Error | OSError, folder: Path | None) -> StorageError:
    """The error for a caller. `folder` is None for memory. Asks the folder whether it has locks."""
    where = f"the state folder {folder}" if folder else "memory"
    if is_full(error):
        return StorageError(
            f"The disk of {where} is full, so a creation could not be recorded before sending it.",
            kind="limit",
            advice="Nothing was sent. Free some space and call again.",
        )
    if folder is not None and (refused := lock_failure(folder)) is not None:
        return _creations_are_off(
            f"The state folder {folder} has no file locks ({refused.strerror}), as on some network shares",
            "Set KLING_MCP_STATE_DIR to a folder on a disk of this computer, and restart the server.",
        )
    if is_locked(error):
        return StorageError(
            f"Another process holds {where} locked.", kind="busy", advice="Nothing was sent. Call again."
        )
    return _creations_are_off(
        f"{where[0].upper()}{where[1:]} cannot be written ({error})",
        "Make the folder writable, or set KLING_MCP_STATE_DIR to one that is.",
    )


def explained_sandbox(path: Path, error: Exception) -> ConnectionFailedError:
    """The error for a caller of the sandbox of a shell, whose simulated Kling is kept at `path`: nothing was done."""
    if is_locked(error):
        return ConnectionFailedError(
            f"Another process holds the sandbox in {path.parent} locked.",
            kind="busy",
            topic="state",
            advice="Nothing was sent. Call again.",
        )
    if isinstance(error, OSError) or primary_code(error) in _UNWRITABLE:
        said = f"The state folder {path.parent} cannot be written ({error}), and the sandbox is kept there"
        cure = "Make the folder writable, or set KLING_MCP_STATE_DIR to one that is."
    else:
        said = f"The file of the sandbox, {path}, cannot be read ({error})"
        cure = "Remove the file: the sandbox begins anew."
    return ConnectionFailedError(
        f"{said}, so nothing was sent.", kind="read_only", retry="never", topic="state", advice=cure
    )


def newer_file(path: Path) -> StorageError:
    """The file has tables that this version cannot use; it was not touched."""
    return _creations_are_off(
        f"The state file {path} was made by a newer version of kling-mcp",
        "Upgrade kling-mcp, or set KLING_MCP_STATE_DIR to another folder, and restart the server.",
    )


def _creations_are_off(why: str, cure: str) -> StorageError:
    return StorageError(
        f"{why}, so creations are off; reading works.",
        kind="read_only",
        retry="never",
        advice=cure,
    )
