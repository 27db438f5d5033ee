"""The pages that clients with MCP Apps show with results: elements, videos and pictures, a cast with its gaps.

Other clients never load them. Each page is one self-contained text, put together from the files beside this one. Its
rows are the tool's structured content; what only the page needs comes in the result's `_meta`, which costs the model
nothing. Thumbnails that have not come with a result are read as resources.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mcp.server.apps import APP_MIME_TYPE, Apps, ResourceCsp
from mcp.server.mcpserver.resources import FunctionResource

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from kling_mcp.library.records import LibraryElement
    from kling_mcp.thumbnails.thumbnails import Thumbnails

GALLERY_URI = "ui://kling-mcp/gallery.html"
RESULTS_URI = "ui://kling-mcp/results.html"
CAST_URI = "ui://kling-mcp/cast.html"
PICTURES_KEY = "io.github.kling-mcp/pictures"

# Where results lie; written out, because a start does not load `results.links`, which a test compares. fact: gen-links
RESULT_HOSTS = (
    "https://klingai.com",
    "https://*.klingai.com",
    "https://kechuangai.com",
    "https://*.kechuangai.com",
)

# The size limit for the view's data in a result: about thirty thumbnails.
MAX_PAGE_CHARACTERS = 120_000

_FOLDER = Path(__file__).parent
_INCLUDE = re.compile(r"^ */\* include ([a-z]+\.(?:css|js)) \*/\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Page:
    """A page as hosts list it. From `hosts` it may load pictures and clips; it connects to nothing."""

    uri: str
    file: str
    title: str
    description: str
    hosts: tuple[str, ...] = ()

    def read(self) -> str:
        """The whole page, with the parts that the pages share."""
        return _INCLUDE.sub(lambda found: _read(found[1]), _read(self.file))


PAGES = {
    page.uri: page
    for page in (
        Page(
            GALLERY_URI,
            "gallery.html",
            "Element gallery",
            "The page that MCP Apps clients show with find_elements.",
        ),
        Page(
            RESULTS_URI,
            "results.html",
            "Videos and pictures",
            "The page that MCP Apps clients show with generations.",
            RESULT_HOSTS,
        ),
        Page(
            CAST_URI,
            "cast.html",
            "Production",
            "The page that MCP Apps clients show with plan_production and apply_production.",
        ),
    )
}


def pages_extension(uris: Collection[str]) -> Apps:
    """The MCP Apps extension with these pages; a tool names its page itself (`ToolSpec.page_uri`)."""
    apps = Apps()
    for page in (page for page in PAGES.values() if page.uri in uris):
        csp = ResourceCsp(connect_domains=[], resource_domains=[*page.hosts], frame_domains=[], base_uri_domains=[])
        apps.add_resource(  # its way for HTML would read each page at the start
            FunctionResource(
                uri=page.uri,
                name=Path(page.file).stem,
                title=page.title,
                description=page.description,
                mime_type=APP_MIME_TYPE,
                meta={"ui": {"csp": csp.model_dump(by_alias=True), "prefersBorder": True}},
                fn=page.read,
            )
        )
    return apps


def _read(file: str) -> str:
    return (_FOLDER / file).read_text(encoding="utf-8")


async def page_data(thumbnails: Thumbnails, elements: Sequence[LibraryElement]) -> dict[str, object]:
    """What the element gallery gets besides the rows: the cached thumbnails by element id; nothing is fetched."""
    shown = [element for element in elements if element.element_id]
    cached = zip(shown, await thumbnails.cached(shown), strict=True)
    return {PICTURES_KEY: await fit_page({element.element_id: jpeg for element, jpeg in cached})}


async def fit_page(drawn: Mapping[str, bytes], *, side: int = 128, most_bytes: int = 5_000) -> dict[str, str]:
    """Pictures by the same keys, as small `data:` URIs; b"" is no picture.

    Those beyond `MAX_PAGE_CHARACTERS` together are left out, last ones first.
    """
    from kling_mcp.server.views.pictures import data_uri, resize  # noqa: PLC0415 - a server that only starts draws nothing

    pictures: dict[str, str] = {}
    left = MAX_PAGE_CHARACTERS
    for key, jpeg in drawn.items():
        if not jpeg:
            continue
        uri = data_uri(await resize(jpeg, side=side, most_bytes=most_bytes))
        if len(uri) > left:
            break
        left -= len(uri)
        pictures[key] = uri
    return pictures
