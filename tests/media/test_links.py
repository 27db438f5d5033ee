"""Links are checked as text: what Kling cannot open, or must not be handed, is refused here."""

from __future__ import annotations

import pytest

from kling_mcp.api.limits import MAX_LINK_CHARACTERS
from kling_mcp.errors import InputError, Problem
from kling_mcp.media.links import require_link


def refusal(link: str, *, public: bool = True) -> Problem:
    with pytest.raises(InputError) as caught:
        require_link(link, "frontal_image", public=public)
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize(
    "link",
    [
        "https://example.com/mia.png",
        "https://example.com",
        "https://example.com:8443/a?b=c&d=%20#e",
        "https://EXAMPLE.com./mia.png",
        "https://пример.рф/米娅.png",
        "https://xn--e1afmkfd.xn--p1ai/a",
        "https://8.8.8.8/mia.png",
        "https://[2606:4700::1111]/mia.png",
        "https://a_b.example.com/@user/mia.png",
        "https://example.com/" + "x" * (MAX_LINK_CHARACTERS - 20),
    ],
)
def test_a_public_link_passes_unchanged(link: str) -> None:
    assert require_link(link, "frontal_image") == link


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "pictures.localhost",
        "nas.local",
        "nas",
        "build.corp.internal",
        "127.0.0.1",
        "127.8.9.1",
        "10.0.0.7",
        "192.168.1.2",
        "172.16.3.4",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104  a host to refuse
        "224.0.0.1",
        "[::1]",
        "[::]",
        "[fe80::1]",
        "[fd00::1]",
        "[::ffff:127.0.0.1]",
        "１２７.０.０.１",
    ],
)
def test_a_link_that_only_this_network_can_open_is_refused(host: str) -> None:
    assert "that Kling can open" in refusal(f"https://{host}/mia.png").rule
    assert require_link(f"https://{host}:8443/cb", "callback_url", public=False)


@pytest.mark.parametrize("host", ["2130706433", "127.1", "0x7f000001", "0x7f.0.0.1", "0177.0.0.0x1", "1.2.3.4.5"])
def test_an_address_in_disguise_is_refused(host: str) -> None:
    assert "valid host" in refusal(f"https://{host}/mia.png", public=False).rule


@pytest.mark.parametrize(
    ("link", "rule"),
    [
        ("http://example.com/a.png", "must be https"),
        ("HTTP://example.com/a.png", "must be https"),
        ("ftp://example.com/a.png", "start with https://"),
        ("https:/example.com/a.png", "start with https://"),
        ("https:example.com", "start with https://"),
        ("https:///a.png", "valid host"),
        ("https://", "valid host"),
        ("https://..", "valid host"),
        ("https://a..b/a.png", "valid host"),
        ("https://127%2e0.0.1/a.png", "valid host"),
        ("https://[::1/a.png", "valid host"),
        ("https://example.com:https/a.png", "valid host"),
        ("https://example.com:99999/a.png", "valid host"),
        ("https://example.com/my photo.png", "no spaces"),
        ("https://example.com/a\tb.png", "no spaces"),
        ("https://example.com/a\u200bb.png", "no spaces"),
        ("https://example.com\\@evil.example/a.png", "no spaces"),
        ("https://mia@example.com/a.png", "user name or password"),
        ("https://example.com/" + "x" * (MAX_LINK_CHARACTERS - 19), "at most 2048"),
    ],
)
def test_a_malformed_link_is_refused_with_its_rule(link: str, rule: str) -> None:
    assert rule in refusal(link).rule


@pytest.mark.parametrize(
    "link",
    [
        "https://mia:canary@example.com/a.png",
        "https://mia:can/ary-canary@example.com/a.png",
        "http://mia:canary@example.com/a.png",
        "https://mia:canary?canary@example.com/a.png",
        "https://mia:canary#@example.com/a.png",
        "https:\\\\mia:canary@example.com/a.png",
        "https://localhost/a.png?X-Signature=canary",
        "https://nas/a.png?token=canary#canary",
    ],
)
def test_a_refused_link_keeps_its_secrets(link: str) -> None:
    assert "canary" not in str(refusal(link))


def test_a_refused_link_is_still_recognisable() -> None:
    assert refusal("http://example.com/a.png?to=mia@example.com").actual == '"http://example.com/a.png…"'
    assert refusal("https://mia:pw@example.com/a.png").actual == '"https://…@example.com/a.png"'
