"""The gallery: a view of `find_elements` in clients that support MCP Apps. Other clients never load it.

The page is one self-contained file. Its rows are the tool's structured content; thumbnails come in the result's
`_meta`, which costs the model nothing. The page reads missing thumbnails as resources.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mcp.server.apps import Apps, ResourceCsp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.library.records import LibraryElement
    from kling_mcp.thumbnails.thumbnails import Thumbnails

GALLERY_URI = "ui://kling-mcp/gallery.html"
PICTURES_KEY = "io.github.kling-mcp/pictures"
PAGE = Path(__file__).with_name("gallery.html")

# The size limit for the view's data in a result: about thirty thumbnails.
MAX_PAGE_CHARACTERS = 120_000
_SIDE_PX, _MAX_BYTES = 128, 5_000


def gallery_extension() -> Apps:
    """The MCP Apps extension with the page; the tool names the page itself (`ToolSpec.page_uri`)."""
    apps = Apps()
    apps.add_html_resource(
        GALLERY_URI,
        PAGE.read_text(encoding="utf-8"),
        name="gallery",
        title="Element gallery",
        description="The page that MCP Apps clients show with find_elements.",
        # Nothing is loaded from anywhere: pictures are data: URIs.
        csp=ResourceCsp(connect_domains=[], resource_domains=[], frame_domains=[], base_uri_domains=[]),
        prefers_border=True,
    )
    return apps


async def page_data(thumbnails: Thumbnails, elements: Sequence[LibraryElement]) -> dict[str, object]:
    """The page's data besides the rows: the cached thumbnails by element id.

    Nothing is fetched; thumbnails beyond `MAX_PAGE_CHARACTERS` are left out, last rows first.
    """
    from kling_mcp.server.views.pictures import data_uri, resize  # noqa: PLC0415 - a server that only starts draws nothing

    shown = [element for element in elements if element.element_id]
    pictures: dict[str, str] = {}
    left = MAX_PAGE_CHARACTERS
    for element, jpeg in zip(shown, await thumbnails.cached(shown), strict=True):
        if not jpeg:
            continue
        uri = data_uri(await resize(jpeg, side=_SIDE_PX, most_bytes=_MAX_BYTES))
        if len(uri) > left:
            break
        left -= len(uri)
        pictures[element.element_id] = uri
    return {PICTURES_KEY: pictures}
