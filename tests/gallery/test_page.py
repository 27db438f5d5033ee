"""The pages as files: they need nothing else, and nothing that comes from outside can become markup in them."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import get_args

import pytest

from kling_mcp.production.decide import CastAction, ShotAction
from kling_mcp.production.outcome import OutcomeStatus
from kling_mcp.results.links import HOST_SUFFIXES
from kling_mcp.server.gallery import CAST_URI, GALLERY_URI, PAGES, PICTURES_KEY, RESULT_HOSTS, RESULTS_URI
from kling_mcp.server.gallery.cast import CAST_KEY
from kling_mcp.server.gallery.results import RESULTS_KEY
from kling_mcp.server.resources import PICTURE_URI

HOSTS = " ".join(RESULT_HOSTS)


class Tags(HTMLParser):
    """Every start tag of a page with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))


@pytest.fixture(params=list(PAGES))
def uri(request: pytest.FixtureRequest) -> str:
    """One page after the other."""
    return str(request.param)


@pytest.fixture
def text(uri: str) -> str:
    return PAGES[uri].read()


@pytest.fixture
def tags(text: str) -> list[tuple[str, dict[str, str]]]:
    return Tags(text).found


def script_of(text: str) -> str:
    return text[text.index("<script>") : text.index("</script>")]


def policy_of(text: str) -> dict[str, str]:
    (policy,) = [
        attributes["content"]
        for tag, attributes in Tags(text).found
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    return dict(rule.strip().split(" ", 1) for rule in policy.split(";"))


def test_every_page_stays_small(text: str) -> None:
    assert len(text.encode()) < 40_000


def test_shared_parts_are_in_every_page(text: str) -> None:
    assert "/* include" not in text
    assert ":root {" in text
    assert "ui/initialize" in text


def test_page_names_no_host_but_the_ones_of_results(text: str, tags: list[tuple[str, dict[str, str]]]) -> None:
    rest = text
    for host in RESULT_HOSTS:
        rest = rest.replace(host, "")
    assert not re.search(r"https?://\w|wss?://|//\w+\.\w", rest)
    assert not re.search(r"@import|url\(\w|import\(|fetch\(|XMLHttpRequest|EventSource|sendBeacon|Worker\(", text)
    for tag, attributes in tags:
        assert tag not in {"link", "base", "iframe", "object", "embed", "img", "video", "audio", "form", "a"}
        assert not attributes.keys() & {"src", "href", "srcset", "srcdoc", "action", "style"}


def test_texts_reach_the_page_as_text_alone(text: str, tags: list[tuple[str, dict[str, str]]]) -> None:
    sinks = (
        r"innerHTML|outerHTML|insertAdjacentHTML|setHTML|createContextualFragment|DOMParser|document\.write"
        r"|\beval\(|new Function|setTimeout\(\"|javascript:|\.srcdoc|setAttribute\(\"on"
    )
    assert not re.search(sinks, text)
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]


def test_page_stores_nothing_in_the_browser(text: str) -> None:
    assert not re.search(r"localStorage|sessionStorage|indexedDB|document\.cookie|caches\.", text)


@pytest.mark.parametrize(
    ("uri", "loads"),
    [
        (GALLERY_URI, {"img-src": "data:"}),
        (CAST_URI, {"img-src": "data:"}),
        (RESULTS_URI, {"img-src": f"data: {HOSTS}", "media-src": HOSTS}),
    ],
)
def test_page_forbids_itself_every_connection_that_it_does_not_need(text: str, loads: dict[str, str]) -> None:
    assert policy_of(text) == {
        "default-src": "'none'",
        "script-src": "'unsafe-inline'",
        "style-src": "'unsafe-inline'",
        "base-uri": "'none'",
        "form-action": "'none'",
        **loads,
    }


def test_results_come_from_the_hosts_that_the_server_follows() -> None:
    """fact: gen-links"""
    assert [*RESULT_HOSTS] == [f"https://{first}{suffix}" for suffix in HOST_SUFFIXES for first in ("", "*.")]
    names = ", ".join(f'"{suffix}"' for suffix in HOST_SUFFIXES)
    assert f"const HOSTS = [{names}];" in script_of(PAGES[RESULTS_URI].read())


def test_links_are_opened_without_a_referrer() -> None:
    metas = [attributes for tag, attributes in Tags(PAGES[RESULTS_URI].read()).found if tag == "meta"]
    assert {"name": "referrer", "content": "no-referrer"} in metas


def test_only_messages_of_the_host_are_heard(text: str) -> None:
    assert "event.source !== parent" in script_of(text)


def test_every_part_that_the_script_names_is_there_once(text: str, tags: list[tuple[str, dict[str, str]]]) -> None:
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'\$\("([\w-]+)"\)', script_of(text))) <= set(ids)


@pytest.mark.parametrize("tag", ["input", "select", "textarea", "ul"])
def test_every_control_has_a_name_for_a_screen_reader(tags: list[tuple[str, dict[str, str]]], tag: str) -> None:
    for found, attributes in tags:
        if found == tag and attributes.get("type") != "checkbox" and attributes.get("id") != "notes":
            assert attributes.get("aria-label"), attributes


def test_pages_and_the_server_mean_the_same_names() -> None:
    gallery, results, cast = (script_of(PAGES[uri].read()) for uri in (GALLERY_URI, RESULTS_URI, CAST_URI))
    assert f'"{PICTURES_KEY}"' in gallery
    assert f'"{RESULTS_KEY}"' in results
    assert f'"{CAST_KEY}"' in cast
    before, after = PICTURE_URI.split("{id}")
    for page in (gallery, cast):
        assert f'"{before}" + encodeURIComponent(unread.get(face)) + "{after}"' in page


@pytest.mark.parametrize(
    ("uri", "tools"),
    [
        (GALLERY_URI, ["find_elements", "find_voices"]),
        (RESULTS_URI, ["find_generations", "wait_for_tasks"]),
        (CAST_URI, ["plan_production"]),
    ],
)
def test_page_calls_no_tool_that_costs(text: str, tools: list[str]) -> None:
    """What costs is asked for in words, and the assistant asks before it is paid."""
    assert sorted(re.findall(r'name: "(\w+)", arguments:', script_of(text))) == tools
    assert script_of(text).count('"tools/call"') == len(tools)


def test_page_of_a_production_knows_every_state_of_an_entry() -> None:
    states = script_of(PAGES[CAST_URI].read()).split("const CAST = {")[1].split("const ACTIONS")[0]
    cast, shots = (re.findall(r"(\w+): \[\"", part) for part in states.split("const SHOTS = {"))
    assert {*get_args(CastAction), *get_args(OutcomeStatus), "orphan"} == {*cast}
    assert {*get_args(ShotAction), *get_args(OutcomeStatus), "stuck"} == {*shots}
