"""Which links of results are followed, and when they end."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_mcp.errors import ResultError
from kling_mcp.results.links import HOST_SUFFIXES, LIFETIME_SECONDS, LinkRules, ends_at, without_signature

VENDOR = LinkRules("https://api-singapore.klingai.com")
LOCAL = LinkRules("http://127.0.0.1:8080/kling")

FOLLOWED = [
    "https://p2-kling.klingai.com/bs2/upload/a.mp4?x-kcdn-pid=1&ksTime=6912ab00",
    "https://v15-kling-fdl.klingai.com/a.mp4",
    "https://V15.KlingAI.com/a.mp4",
    "https://klingai.com/a.mp4",
    "https://cdn.kechuangai.com:443/a.png",
    "https://s21_kling.klingai.com/a.mp4",
    "https://a.b.c.klingai.com?x=1",
]
NOT_FOLLOWED = [
    "",
    "a.mp4",
    "http://p2.klingai.com/a.mp4",
    "ftp://p2.klingai.com/a.mp4",
    "file:///etc/passwd",
    "data:video/mp4;base64,AAAA",
    "https://klingai.com.evil.example/a.mp4",
    "https://evilklingai.com/a.mp4",
    "https://evil-klingai.com/a.mp4",
    "https://klingai.com./a.mp4",
    "https://.klingai.com/a.mp4",
    "https://a..klingai.com/a.mp4",
    "https://klingai.com@evil.example/a.mp4",
    "https://me@p2.klingai.com/a.mp4",
    "https://me:word@p2.klingai.com/a.mp4",
    "https://p2.klingai.com:8443/a.mp4",
    "https://p2.klingai.com:80/a.mp4",
    "https://p2.klingai.com:/a.mp4",
    "https://p2.klingai.com:0/a.mp4",
    "https://p2.klingai.com:99999/a.mp4",
    "https://evil.example\\.klingai.com/a.mp4",
    "https://evil.example\\@klingai.com/",
    "https://evil.example/.klingai.com",
    "https://evil.example#.klingai.com",
    "https://evil.example?.klingai.com",
    "https://p2.klingai.com/a b.mp4",
    "https://p2.klingai.com/a\r\nHost: evil",
    "https://p2.klingai.com/\u202egpm",
    "https://p2。klingai。com/a.mp4",
    "https://p2.klingаi.com/a.mp4",  # a Cyrillic letter
    "https://%70.klingai.com/a.mp4",
    "https://127.0.0.1/a.mp4",
    "https://[::1]/a.mp4",
    "https:///klingai.com",
    "https://",
    "https://p2.klingai.com/" + "a" * 9000,
    "http://127.0.0.1:8080/a.mp4",
]


@pytest.mark.parametrize("link", FOLLOWED)
def test_link_to_the_vendor_is_followed(link: str) -> None:
    """fact: gen-links"""
    assert VENDOR.require(link) == link


@pytest.mark.parametrize("link", NOT_FOLLOWED)
def test_link_to_anywhere_else_is_refused_in_a_sentence(link: str) -> None:
    with pytest.raises(ResultError) as caught:
        VENDOR.require(link)
    assert (caught.value.kind, caught.value.created, caught.value.retry) == ("vendor_fault", "yes", "never")
    assert len(caught.value.for_caller()) < 500
    assert "word" not in str(caught.value)


@pytest.mark.parametrize(
    ("link", "is_followed"),
    [
        ("http://127.0.0.1:8080/a.mp4", True),
        ("HTTP://127.0.0.1:8080/a.mp4", True),
        ("https://p2.klingai.com/a.mp4", True),
        ("http://127.0.0.1:8081/a.mp4", False),
        ("http://127.0.0.1/a.mp4", False),
        ("https://127.0.0.1:8080/a.mp4", False),
        ("http://localhost:8080/a.mp4", False),
        ("http://127.0.0.2:8080/a.mp4", False),
        ("http://[::1]:8080/a.mp4", False),
        ("http://me@127.0.0.1:8080/a.mp4", False),
        ("http://2130706433:8080/a.mp4", False),
    ],
)
def test_own_address_is_followed_by_its_exact_origin(link: str, is_followed: bool) -> None:
    if is_followed:
        assert LOCAL.require(link) == link
    else:
        with pytest.raises(ResultError):
            LOCAL.require(link)


@pytest.mark.parametrize(
    ("base_url", "link"),
    [
        ("http://localhost:1", "http://localhost:1/a"),
        ("http://[::1]:8080", "http://[::1]:8080/a"),
        ("https://127.0.0.1", "https://127.0.0.1:443/a"),
    ],
)
def test_loopback_address_has_several_spellings(base_url: str, link: str) -> None:
    assert LinkRules(base_url).require(link) == link


@pytest.mark.parametrize("in_process", [True, False])
def test_simulator_in_this_process_is_followed_whatever_its_address(in_process: bool) -> None:
    rules, link = LinkRules("http://sandbox.invalid", in_process=in_process), "http://sandbox.invalid/files/a.mp4"
    if in_process:
        assert rules.require(link) == link
    else:
        with pytest.raises(ResultError):
            rules.require(link)


@pytest.mark.parametrize("base_url", ["https://gateway.example.com", "http://10.0.0.1", "http://127.0.0.1.example", ""])
def test_address_of_another_computer_opens_nothing(base_url: str) -> None:
    with pytest.raises(ResultError):
        LinkRules(base_url).require(f"{base_url}/a.mp4")


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/b.mp4", "https://p2.klingai.com/b.mp4"),
        ("b.mp4#t=1", "https://p2.klingai.com/x/b.mp4"),
        ("https://cdn.kechuangai.com/b.mp4", "https://cdn.kechuangai.com/b.mp4"),
        ("//cdn.klingai.com/b.mp4", "https://cdn.klingai.com/b.mp4"),
        ("//evil.example/b.mp4", ""),
        ("http://p2.klingai.com/b.mp4", ""),
        ("http://127.0.0.1/b.mp4", ""),
        ("http://169.254.169.254/", ""),
        ("https://[", ""),
        ("", "https://p2.klingai.com/x/a.mp4"),
    ],
)
def test_redirect_is_checked_as_the_link_was(location: str, target: str) -> None:
    if target:
        assert VENDOR.follow("https://p2.klingai.com/x/a.mp4", location) == target
    else:
        with pytest.raises(ResultError):
            VENDOR.follow("https://p2.klingai.com/x/a.mp4", location)


PARTS = st.sampled_from([*"/:@?#[]%.\\-_ x0\t\n", "https:", "//", "klingai.com", "evil.example", "127.0.0.1", "。"])


@given(st.lists(PARTS, max_size=12).map("".join) | st.text(max_size=60))
def test_link_that_is_followed_means_the_same_host_to_the_client(text: str) -> None:
    """Whatever is given: a clear refusal, or a link whose host no other parser reads differently."""
    for link in (text, f"https://{text}", f"https://{text}.klingai.com/a"):
        try:
            allowed = VENDOR.require(link)
        except ResultError:
            continue
        host = httpx.URL(allowed).host
        assert host.endswith(HOST_SUFFIXES)
        assert httpx.URL(allowed).port is None
        assert not httpx.URL(allowed).userinfo


UPDATED = 1_790_000_000_000
BY_RULE = UPDATED / 1000 + LIFETIME_SECONDS


@pytest.mark.parametrize(
    ("query", "ends"),
    [
        ("Expires=1795000000&Signature=x", 1_795_000_000),
        ("ksTime=6afe3a40&x=1", 0x6AFE3A40),
        ("kstime=6AFE3A40", 0x6AFE3A40),
        ("Expires=1795000000&ksTime=6afe3a40", min(1_795_000_000, 0x6AFE3A40)),
        ("", BY_RULE),
        ("Expires=", BY_RULE),
        ("Expires=soon", BY_RULE),
        ("Expires=-1", BY_RULE),
        ("Expires=9999999999999999999999", BY_RULE),
        ("Expires=12", BY_RULE),
        ("ksTime=xyz", BY_RULE),
        ("Expires=６", BY_RULE),
        ("&".join(["a=1"] * 500), BY_RULE),
    ],
)
def test_end_of_a_link_is_read_from_itself_else_from_the_task(query: str, ends: float) -> None:
    """facts: gen-links, outputs-30-days"""
    assert ends_at(f"https://p2.klingai.com/a.mp4?{query}", UPDATED) == ends


def test_link_without_any_date_has_no_known_end() -> None:
    assert ends_at("https://p2.klingai.com/a.mp4", 0) == 0.0
    assert ends_at("https://[", 0) == 0.0


def test_thirty_days_are_counted_from_the_last_change() -> None:
    ends = datetime.fromtimestamp(ends_at("https://p2.klingai.com/a.mp4", UPDATED), UTC)
    assert (ends - datetime.fromtimestamp(UPDATED / 1000, UTC)).days == 30


def test_link_without_signature_has_no_query() -> None:
    assert without_signature("https://p2.klingai.com/a.mp4?Expires=1&Signature=x#t") == "https://p2.klingai.com/a.mp4"
