"""Results as content blocks: a link to each file, and small pictures for chats that show no pages.

Pictures are only drawn from files on this computer's disk; nothing is fetched. Each is a small JPEG made here.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import to_thread
from mcp_types import ResourceLink

from kling_mcp.sanitize import clean, quote
from kling_mcp.server.views.pictures import captioned
from kling_mcp.thumbnails.fetch import NoPictureError
from kling_mcp.thumbnails.render import MAX_ON_SHEET, make_thumbnail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_types import ContentBlock

    from kling_mcp.results.saver import SavedFile
    from kling_mcp.server.tool_context import ToolContext

MAX_LINKS = 100
MAX_FILE_BYTES = 60_000_000  # a 4k PNG that hardly compresses
_NAME, _LINK = 200, 8192
# O_NONBLOCK keeps a pipe that took the file's place from hanging the call.
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


async def result_blocks(files: Sequence[SavedFile], call: ToolContext) -> tuple[ContentBlock, ...]:
    """What this client can use: links, and pictures where no page shows them."""
    blocks: list[ContentBlock] = []
    if call.caller.knows_resource_links:
        blocks += filter(None, map(_link, files[:MAX_LINKS]))
    if call.caller.shows_pictures and not call.caller.shows_pages:
        blocks += await _pictures(files)
    return tuple(blocks)


def _link(file: SavedFile) -> ResourceLink | None:
    """A link to the file on the disk, else to Kling's; None where there is neither."""
    path = Path(file.path)
    if file.path:
        uri = path.as_uri()
    elif file.url.startswith(("https://", "http://")) and clean(file.url, _LINK) == file.url:
        uri = file.url
    else:
        return None
    return ResourceLink(
        uri=uri,
        name=clean(path.name, _NAME) if file.path else f"Result at Kling, until {file.expires_at or 'it ends'}",
        mime_type=file.mime_type or None,
        size=file.bytes or None,
    )


async def _pictures(files: Sequence[SavedFile]) -> Sequence[ContentBlock]:
    saved = [Path(file.path) for file in files if file.path and file.mime_type.startswith("image/")]
    drawn = [(path, await draw_file(path)) for path in saved[:MAX_ON_SHEET]]
    shown = [(quote(path.name, _NAME), jpeg) for path, jpeg in drawn if jpeg]
    return await captioned([caption for caption, _ in shown], [jpeg for _, jpeg in shown])


async def draw_file(path: Path) -> bytes:
    """A small JPEG of a picture on the disk; b"" if the file is no picture, too large, or not there itself."""
    return await to_thread.run_sync(_thumbnail, path)


def _thumbnail(path: Path) -> bytes:
    try:
        if path.is_symlink():  # not every system has O_NOFOLLOW
            return b""
        descriptor = os.open(path, _FLAGS)
        with os.fdopen(descriptor, "rb") as file:
            about = os.fstat(descriptor)
            if not stat.S_ISREG(about.st_mode) or about.st_size > MAX_FILE_BYTES:
                return b""
            return make_thumbnail(file.read(MAX_FILE_BYTES))
    except (OSError, NoPictureError):
        return b""
