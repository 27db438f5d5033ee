"""The site has every page, llms.txt lists them, and a dead link is found; `make docs` builds it in CI."""

from __future__ import annotations

import re
from pathlib import Path

import check_site
import docs_pages
import pytest
import write_llms
from documentation import DOCS, PAGES, without_blocks
from repository_files import ROOT, named


def test_navigation_leads_to_every_page_once() -> None:
    listed = [docs_pages.HOME, *(page.path for page in docs_pages.pages())]
    assert sorted(listed) == sorted(DOCS.glob("*.md")), "list the page in docs/nav.toml"


@pytest.mark.parametrize("page", docs_pages.pages(), ids=lambda page: page.path.stem)
def test_line_about_a_page_is_short_and_no_sentence(page: docs_pages.Page) -> None:
    assert 10 < len(page.tells) < 100
    assert not page.tells.endswith(".")


def test_llms_txt_is_current() -> None:
    assert write_llms.FILE.read_text("utf-8") == write_llms.llms(), "run: python tools/write_llms.py"


def test_llms_txt_links_to_files_that_exist() -> None:
    links = re.findall(r"\]\((\S+)\)", write_llms.llms())
    assert [link for link in links if not (ROOT / link.removeprefix(f"{docs_pages.RAW}/")).is_file()] == []
    beside = re.findall(r"\]\(([^/)]+)\)", write_llms.llms(on_the_site=True))
    assert beside == [page.path.name for page in docs_pages.pages()]


def test_llms_full_txt_holds_every_page() -> None:
    text = write_llms.llms_full()
    assert [page.title for page in docs_pages.pages() if f"# {page.title}" not in text.replace("`", "")] == []
    assert "](../" not in text


def test_link_out_of_the_folder_leads_to_the_repository() -> None:
    said = docs_pages.with_outside_links("see [Security](../SECURITY.md#promised) and [films](films.md)")
    assert said == f"see [Security]({docs_pages.REPOSITORY}/blob/main/SECURITY.md#promised) and [films](films.md)"


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_markdown_has_one_sentence_per_line(path: Path) -> None:
    prose = [line for line in without_blocks(path.read_text("utf-8")).splitlines() if not line.startswith("|")]
    assert [line for line in prose if re.search(r"[.!?] +[A-Z]", line.lstrip("-0123456789.> "))] == []


@pytest.mark.parametrize(
    ("inside", "problem"),
    [
        ('<a href="other.html#here">', ""),
        ('<a href="#top">', ""),
        ('<a href="https://example.com/">', ""),
        (f'<a href="{docs_pages.REPOSITORY}/blob/main/SECURITY.md#promised">', ""),
        ('<a href="lost.html">', "page.html links to lost.html"),
        ('<a href="other.html#lost">', "page.html links to other.html#lost"),
        ('<a href="http://example.com/">', "page.html links to http://example.com/"),
        (
            f'<a href="{docs_pages.REPOSITORY}/blob/main/LOST.md">',
            f"links to {docs_pages.REPOSITORY}/blob/main/LOST.md",
        ),
        ('<img src="lost.png">', "page.html loads lost.png"),
        ('<script src="https://example.com/a.js">', "page.html loads https://example.com/a.js"),
        ('<link rel="stylesheet" href="//example.com/a.css">', "page.html loads //example.com/a.css"),
    ],
)
def test_check_of_the_site_finds_dead_links_and_foreign_files(inside: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(f'<h1 id="top">{inside}', "utf-8")
    (tmp_path / "other.html").write_text('<h1 id="here">', "utf-8")
    found = check_site.problems_of(tmp_path)
    assert [line for line in found if problem and line.endswith(problem)] == found
    assert bool(found) is bool(problem)


def test_check_of_an_empty_site_fails(tmp_path: Path) -> None:
    assert check_site.problems_of(tmp_path) == [f"{tmp_path} has no pages"]
