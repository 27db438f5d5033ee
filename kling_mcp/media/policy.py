"""Which local files may be read for a caller, and the text that says what else works.

Nothing is read here; `files` reads, and follows this policy.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from kling_mcp.sanitize import quote

if TYPE_CHECKING:
    from pathlib import Path

_MAX_FOLDERS_LISTED = 6


@dataclass(frozen=True, slots=True)
class MediaPolicy:
    """The folders inside which local pictures are read.

    Without `allowed_dirs`, local files are off, and `local_files_off_reason` says why in a sentence. `is_at_shell` says
    that a person or program at a shell gives the paths, where no chat has attachments.
    """

    allowed_dirs: tuple[Path, ...] = ()
    local_files_off_reason: str = ""
    is_at_shell: bool = False

    def allows_name(self, path: str) -> bool:
        """Whether a path, as it is written, lies in an allowed folder; links are not looked at."""
        return any(PurePath(path).is_relative_to(folder) for folder in self.allowed_dirs)

    def folders_named(self) -> str:
        """The allowed folders as they were configured, quoted, for a sentence."""
        named = ", ".join(quote(str(folder)) for folder in self.allowed_dirs[:_MAX_FOLDERS_LISTED])
        more = len(self.allowed_dirs) - _MAX_FOLDERS_LISTED
        return f"{named} and {more} more" if more > 0 else named

    def ways_in(self) -> str:
        """What to do with a picture that this server cannot read where it is."""
        if not self.allowed_dirs:
            return "give an https link to the picture, or a data: URI if it is small."
        return (
            "save the picture on the computer this server runs on, inside an allowed folder "
            f"({self.folders_named()}), and give that full path; "
            "or give an https link to it, or a data: URI if it is small."
        )
