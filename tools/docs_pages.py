"""The pages of docs/ as docs/nav.toml lists them: for the site, for llms.txt and for the tests of both.

It reads files of docs/ and changes none.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
HOME = DOCS / "index.md"
REPOSITORY = "https://github.com/kling-mcp/kling-mcp"
RAW = "https://raw.githubusercontent.com/kling-mcp/kling-mcp/main"

_OUTSIDE = re.compile(r"\]\(\.\./([^)\s]*)\)")


@dataclass(frozen=True, slots=True)
class Page:
    """A file that the navigation leads to.

    Attributes:
        path: the file, inside docs/ or at the root.
        title: its heading, without code marks.
        tells: what it is for, in one line without a full stop.
    """

    path: Path
    title: str
    tells: str

    @property
    def place(self) -> str:
        """The path from the root, as links write it."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def is_of_the_site(self) -> bool:
        """Whether the site has a page for it."""
        return self.path.parent == DOCS


@dataclass(frozen=True, slots=True)
class Section:
    """Pages under a common title."""

    title: str
    pages: tuple[Page, ...]


def sections() -> list[Section]:
    """The whole navigation.

    Raises:
        FileNotFoundError: a listed page does not exist.
    """
    listed = tomllib.loads((DOCS / "nav.toml").read_text("utf-8"))["section"]
    return [Section(section["title"], (*_pages(section), *_files(section))) for section in listed]


def pages() -> list[Page]:
    """The pages of the site in the order of the navigation, without its home page."""
    return [page for section in sections() for page in section.pages if page.is_of_the_site]


def _pages(section: dict[str, list[dict[str, str]]]) -> tuple[Page, ...]:
    paths = [(DOCS / f"{row['name']}.md", row["tells"]) for row in section.get("pages", [])]
    return tuple(Page(path, title_of(path.read_text("utf-8")), tells) for path, tells in paths)


def _files(section: dict[str, list[dict[str, str]]]) -> tuple[Page, ...]:
    return tuple(Page(ROOT / row["name"], row["title"], row["tells"]) for row in section.get("files", []))


def title_of(text: str) -> str:
    """The first heading of a page.

    Raises:
        ValueError: it has none.
    """
    heading = re.search(r"^# (.+)$", text, re.MULTILINE)
    if heading is None:
        raise ValueError("a page begins with a heading: # Title")
    return heading[1].replace("`", "")


def with_outside_links(text: str) -> str:
    """A page whose links to files outside docs/ lead to the repository, where these can be read."""
    return _OUTSIDE.sub(rf"]({REPOSITORY}/blob/main/\1)", text)


def toctrees() -> str:
    """The navigation in the syntax of the site's generator."""
    return "\n".join(_toctree(section) for section in sections())


def _toctree(section: Section) -> str:
    lines = [
        page.path.stem if page.is_of_the_site else f"{page.title} <{REPOSITORY}/blob/main/{page.place}>"
        for page in section.pages
    ]
    return "\n".join(["", "```{toctree}", ":hidden:", f":caption: {section.title}", "", *lines, "```"])
