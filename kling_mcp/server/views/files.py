"""A result of a generation as callers see it: where it is, and why it is not saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_mcp.sanitize import clean, quote
from kling_mcp.server.views.view import View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.results.saver import SavedFile

_LINK = 2048


class FileRow(View):
    """One result. `path` is "" if it is not on this computer's disk; `seconds` is 0 for a picture."""

    path: str
    url: str
    expires_at: str
    mime_type: str
    seconds: float
    bytes: int


def file_row(file: SavedFile) -> FileRow:
    """A result as callers see it."""
    return FileRow(
        path=file.path,
        url=clean(file.url, _LINK),
        expires_at=file.expires_at,
        mime_type=file.mime_type,
        seconds=file.seconds,
        bytes=file.bytes,
    )


def file_warnings(files: Sequence[SavedFile]) -> list[str]:
    """Why files are not saved, or not where they were wanted, a sentence each."""
    errors = [f"{file.error.message} {file.error.advice}".strip() if file.error else file.note for file in files]
    return list(dict.fromkeys(filter(None, errors)))


def file_text(row: FileRow) -> str:
    """One result in a line: where it is, and until when its link lives."""
    facts = [
        row.path and f"path={quote(row.path, 1000)}",
        row.url and f"url={row.url}",
        row.expires_at and f"link ends {row.expires_at}",
        row.mime_type,
        row.seconds and f"{row.seconds:g} s",
        row.bytes and f"{row.bytes} bytes",
    ]
    return "- " + "; ".join(str(fact) for fact in facts if fact)
