"""Whether results can be saved in a folder, found out before somebody pays for them; leaves nothing behind."""

from __future__ import annotations

import errno
import os
import tempfile
from typing import TYPE_CHECKING

from kling_mcp.media.long_paths import extended

if TYPE_CHECKING:
    from pathlib import Path


def why_unusable(path: Path) -> str:
    """Why nothing can be saved in this output folder, in the system's words; "" if something can.

    The folder and the one above it may be missing, as for `Folder.output`, if they can be made. Works with the disk,
    so call it from a worker thread.
    """
    try:
        _require_usable(path)
    except OSError as error:
        return (error.strerror or type(error).__name__).lower()
    return ""


def _require_usable(path: Path) -> None:
    there = next((folder for folder in (path, path.parent, path.parent.parent) if os.path.lexists(folder)), None)
    if there is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    # The rights of a folder are only part of the answer: the disk may be read-only, or none, such as /proc.
    with tempfile.TemporaryFile(dir=extended(str(there))):
        pass
