"""Reads a built site as a browser without a network would: every link leads somewhere, and nothing is loaded from
elsewhere.

    python tools/check_site.py build/site

Links to this repository must name files that it has; other addresses are counted, not opened.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from docs_pages import RAW, REPOSITORY, ROOT

_LOADED = {("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src")}
_LOADING_RELATIONS = {"stylesheet", "icon", "preload", "prefetch", "modulepreload"}
OURS = (f"{REPOSITORY}/blob/main/", f"{REPOSITORY}/edit/main/", f"{RAW}/")
# Of the pages that Sphinx adds and nobody reads as a page of its own.
EXTRA = {"genindex.html", "search.html"}


@dataclass
class Reader(HTMLParser):
    """What one page links to, loads and can be linked to."""

    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect from one tag."""
        values = {name: value or "" for name, value in attrs}
        self.anchors.update(filter(None, [values.get("id", ""), values.get("name", "") if tag == "a" else ""]))
        self.loaded += [value for name, value in values.items() if (tag, name) in _LOADED]
        if tag == "link" and _LOADING_RELATIONS & set(values.get("rel", "").split()):
            self.loaded.append(values.get("href", ""))
        if tag == "a" and "href" in values:
            self.links.append(values["href"])


@cache
def read(path: Path) -> Reader:
    """A page."""
    reader = Reader()
    reader.feed(path.read_text("utf-8"))
    return reader


def problems_of(site: Path) -> list[str]:
    """One line for everything that is wrong, in the order of the pages."""
    pages = sorted(site.rglob("*.html"))
    found = [] if pages else [f"{site} has no pages"]
    for page in pages:
        loaded = (address for address in read(page).loaded if not _is_loadable(page, address))
        found += [f"{page.name} loads {address}" for address in loaded]
        found += [f"{page.name} links to {link}" for link in read(page).links if not _is_good(page, link)]
    return found


def _is_elsewhere(address: str) -> bool:
    return bool(urlsplit(address).netloc) or urlsplit(address).scheme not in {"", "data"}


def _is_loadable(page: Path, address: str) -> bool:
    return not _is_elsewhere(address) and _leads_somewhere(page, address)


def _is_good(page: Path, link: str) -> bool:
    if ours := next((start for start in OURS if link.startswith(start)), ""):
        return (ROOT / unquote(urlsplit(link.removeprefix(ours)).path)).exists()
    if _is_elsewhere(link):
        return urlsplit(link).scheme in {"https", "mailto"}
    return _leads_somewhere(page, link)


def _leads_somewhere(page: Path, link: str) -> bool:
    """Whether the file exists, and in it the anchor."""
    parts = urlsplit(link)
    if parts.scheme == "data":
        return True
    target = page.parent / unquote(parts.path) if parts.path else page
    if not target.is_file():
        return False
    return not parts.fragment or target.suffix != ".html" or unquote(parts.fragment) in read(target).anchors


def main(site: Path) -> int:
    """Print what is wrong, or what was looked at."""
    problems = problems_of(site)
    links = {link for page in site.rglob("*.html") for link in read(page).links}
    foreign = {link for link in links if _is_elsewhere(link) and not link.startswith(OURS)}
    pages = sum(page.name not in EXTRA for page in site.rglob("*.html"))
    seen = f"{pages} pages, {len(links)} links; {len(foreign)} lead elsewhere and were not opened."
    sys.stdout.writelines(f"{line}\n" for line in [*(f"Problem: {problem}" for problem in problems), seen])
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
