"""Why the state file cannot be used, as errors for the caller: what is wrong, and what cures it. Nothing was sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_mcp.errors import StorageError
from kling_mcp.store.sqlite_file import is_full, is_locked, lock_failure

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path


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
