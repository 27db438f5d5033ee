"""The page as a file: it needs nothing else, and nothing that comes from outside can become markup in it."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from kling_mcp.server.gallery import PAGE, PICTURES_KEY
from kling_mcp.server.resources import PICTURE_URI

TEXT = PAGE.read_text(encoding="utf-8")
SCRIPT = TEXT[TEXT.index("<script>") : TEXT.index("</script>")]


class Tags(HTMLParser):
    """Every start tag of the page with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(TEXT)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))


TAGS = Tags().found


def test_the_page_stays_small() -> None:
    assert len(TEXT.encode()) < 40_000


def test_gallery_page_loads_nothing_from_the_network() -> None:
    assert not re.search(r"https?://\w|wss?://|//\w+\.\w", TEXT)
    assert not re.search(r"@import|url\(\w|import\(|fetch\(|XMLHttpRequest|EventSource|sendBeacon|Worker\(", TEXT)
    for tag, attributes in TAGS:
        assert tag not in {"link", "base", "iframe", "object", "embed", "img", "video", "audio", "form", "a"}
        assert not attributes.keys() & {"src", "href", "srcset", "srcdoc", "action", "style"}


def test_texts_reach_the_page_as_text_alone() -> None:
    sinks = (
        r"innerHTML|outerHTML|insertAdjacentHTML|setHTML|createContextualFragment|DOMParser|document\.write"
        r"|\beval\(|new Function|setTimeout\(\"|javascript:|\.srcdoc|setAttribute\(\"on"
    )
    assert not re.search(sinks, TEXT)
    assert not [name for _, attributes in TAGS for name in attributes if name.startswith("on")]


def test_gallery_page_stores_nothing_in_the_browser() -> None:
    assert not re.search(r"localStorage|sessionStorage|indexedDB|document\.cookie|caches\.", TEXT)


def test_the_page_forbids_itself_every_connection() -> None:
    (policy,) = [
        attributes["content"]
        for tag, attributes in TAGS
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules == {
        "default-src": "'none'",
        "script-src": "'unsafe-inline'",
        "style-src": "'unsafe-inline'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_only_messages_of_the_host_are_heard() -> None:
    assert "event.source !== parent" in SCRIPT


def test_every_part_that_the_script_names_is_there_once() -> None:
    ids = [attributes["id"] for _, attributes in TAGS if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'\$\("([\w-]+)"\)', SCRIPT)) <= set(ids)


@pytest.mark.parametrize("tag", ["input", "select", "textarea", "ul"])
def test_every_control_has_a_name_for_a_screen_reader(tag: str) -> None:
    for found, attributes in TAGS:
        if found == tag and attributes.get("type") != "checkbox" and attributes.get("id") != "notes":
            assert attributes.get("aria-label"), attributes


def test_the_page_and_the_server_mean_the_same_names() -> None:
    assert f'"{PICTURES_KEY}"' in SCRIPT
    before, after = PICTURE_URI.split("{id}")
    assert f'"{before}" + encodeURIComponent(entry.row.id) + "{after}"' in SCRIPT
