"""Writes llms.txt: what this project is and where its pages are, for models that read instead of browse.

    python tools/write_llms.py             llms.txt at the root of the repository
    python tools/write_llms.py --full      all pages as one text, on stdout

The site has both, llms.txt and llms-full.txt; docs/conf.py takes them from here.
tests/docs/test_site.py compares, so a page that is added or renamed without llms.txt fails the build.
"""

from __future__ import annotations

import sys

from docs_pages import HOME, RAW, ROOT, Page, pages, sections, title_of, with_outside_links

FILE = ROOT / "llms.txt"


def summary() -> str:
    """The first paragraph of the home page, as one line."""
    return HOME.read_text("utf-8").split("\n\n")[1].replace("\n", " ")


def llms(*, on_the_site: bool = False) -> str:
    """The list of pages, in the form of llmstxt.org.

    Args:
        on_the_site: whether links lead to pages beside the list, or to the repository, from anywhere.
    """
    lines = [f"# {title_of(HOME.read_text('utf-8'))}", "", f"> {summary()}"]
    for section in sections():
        lines += ["", f"## {section.title}", ""]
        lines += [f"- [{page.title}]({_address(page, on_the_site)}): {page.tells}" for page in section.pages]
    return "\n".join([*lines, ""])


def _address(page: Page, on_the_site: bool) -> str:
    return page.path.name if on_the_site and page.is_of_the_site else f"{RAW}/{page.place}"


def llms_full() -> str:
    """The home page and every other page, one after the other."""
    texts = [path.read_text("utf-8").strip() for path in (HOME, *(page.path for page in pages()))]
    return with_outside_links("\n\n---\n\n".join(texts)) + "\n"


if __name__ == "__main__":
    if "--full" in sys.argv[1:]:
        sys.stdout.write(llms_full())
    else:
        FILE.write_text(llms(), "utf-8")
