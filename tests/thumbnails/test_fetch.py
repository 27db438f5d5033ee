"""The guarded fetcher: no link may lead it into a private network, and nothing but a picture comes back."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import anyio
import httpx
import pytest
from media.pictures import jpeg, other, png

from kling_mcp.thumbnails.fetch import MAX_REDIRECTS, FetchLimits, NoPictureError, PictureFetcher, resolve_name
from thumbnails.internet import ALSO_PUBLIC, PUBLIC, Internet, picture, redirect

pytestmark = pytest.mark.anyio

PICTURE = jpeg(32, 32)
GOOD = "https://cdn.example.com/mia.jpg?sign=1"

# Where a link may try to lead: this computer, its network, a cloud's metadata, in every spelling that some
# program somewhere reads as an address.
PRIVATE_LINKS = [
    "https://127.0.0.1/",
    "https://127.0.0.1:443/",
    "https://127.8.9.10/x.jpg",
    "https://0.0.0.0/",
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://192.168.0.1/",
    "https://100.64.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://168.63.129.16/",
    "https://100.100.100.200/",
    "https://192.0.0.192/",
    "https://198.18.0.1/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    "https://[::1]/",
    "https://[::]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::ffff:169.254.169.254]/",
    "https://[::127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://[2002:7f00:1::]/",
    "https://[2001:0:4136:e378:8000:63bf:80ff:fffe]/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fc00::1]/",
    "https://[fd00:ec2::254]/latest/meta-data/",
    "https://2130706433/",
    "https://017700000001/",
    "https://0x7f000001/",
    "https://0x7f.0x0.0x0.0x1/",
    "https://0177.0.0.1/",
    "https://0177.0.0.01/",
    "https://127.1/",
    "https://127.0.1/",
    "https://127.0.0.1./",
    "https://2852039166/",  # 169.254.169.254
    "https://0xa9fea9fe/",
    "https://0251.0376.0251.0376/",
    "https://１２７.0.0.1/",
    "https://①②⑦.⓪.⓪.①/",
    "https://127。0。0。1/",
    "https://127.0.0.1%2f@example.com/",
    "https://%31%32%37.0.0.1/",
    "https://localhost/",
    "https://LOCALHOST/",
    "https://localhost./",
    "https://printer/",
    "https://router.lan/",
    "https://box.local/",
    "https://metadata.google.internal/",
    "https://ex ample.com/",
    "https://exa\\mple.com/",
    "https://exämple.com/",
    "https://-.example.com/",
    "https://.example.com/",
    "https:///x.jpg",
    "https://",
    "",
    "x",
    "http://cdn.example.com/x.jpg",
    "HTTP://cdn.example.com/x.jpg",
    "ftp://cdn.example.com/x.jpg",
    "file:///etc/passwd",
    "gopher://cdn.example.com/",
    "data:image/png;base64,AAAA",
    "javascript:alert(1)",
    "https://user@cdn.example.com/x.jpg",
    "https://user:word@cdn.example.com/x.jpg",
    "https://cdn.example.com:22/x.jpg",
    "https://cdn.example.com:8443/x.jpg",
    "https://cdn.example.com:99999/x.jpg",
    "https://cdn.example.com:x/",
    "https://cdn.example.com/\r\nHost: evil",
    "https://cdn.example.com/\u202egpj.exe",
    "https://cdn.example.com/" + "a" * 2100,
]

# Names that resolve, to where they must not.
PRIVATE_NAMES = {
    "loopback.example.com": ["127.0.0.1"],
    "inner.example.com": ["10.1.2.3"],
    "linked.example.com": ["169.254.169.254"],
    "six.example.com": ["::1"],
    "mapped.example.com": ["::ffff:10.0.0.1"],
    "scoped.example.com": ["fe80::1%2"],
    "both.example.com": [PUBLIC, "192.168.1.1"],
    "127.0.0.1.nip.example.com": ["127.0.0.1"],
}


ODD, PRIVATE = "its link is not a public https address", "its link points into a private network"


def make_internet() -> Internet:
    made = Internet()
    made.host("cdn.example.com", picture(PICTURE))
    for name, addresses in PRIVATE_NAMES.items():
        made.host(name, picture(PICTURE), addresses)
    return made


@pytest.fixture
def internet() -> Internet:
    return make_internet()


async def refusal(fetcher: PictureFetcher, link: str) -> str:
    with pytest.raises(NoPictureError) as caught:
        await fetcher.fetch(link)
    return caught.value.reason


async def outcome_of(link: str) -> tuple[str, list[str]]:
    """Why a link is refused, or "" if it is not, and the connections that were opened for it."""
    internet = make_internet()
    try:
        await internet.fetcher().fetch(link)
    except NoPictureError as refused:
        return refused.reason, internet.connections
    return "", internet.connections


async def outcome_of_redirect(link: str, status: int = 302) -> tuple[str, list[str]]:
    """The same for a public link that leads to this one."""
    internet = make_internet()
    internet.host("first.example.com", redirect(link, status=status))
    try:
        await internet.fetcher().fetch("https://first.example.com/")
    except NoPictureError as refused:
        return refused.reason, internet.connections
    return "", internet.connections


async def test_private_or_odd_links_open_no_connection() -> None:
    outcomes = {link: await outcome_of(link) for link in PRIVATE_LINKS}
    assert {link: outcome for link, outcome in outcomes.items() if outcome not in [(ODD, []), (PRIVATE, [])]} == {}


async def test_redirects_to_private_or_odd_links_open_no_connection() -> None:
    # The others are no links by themselves: in a redirect they stay on the public host.
    links = [link for link in PRIVATE_LINKS if re.match(r"(?i)https?://[^/]|(?!https?:)\w+:", link)]
    outcomes = {link: await outcome_of_redirect(link) for link in links}
    refused = [(ODD, [PUBLIC]), (PRIVATE, [PUBLIC])]
    assert {link: outcome for link, outcome in outcomes.items() if outcome not in refused} == {}


@pytest.mark.parametrize(
    "target",
    [
        "https://[",
        "//[",
        "https://]/a.jpg",
        "https://[::1",
        "https://[v1.x]/",
        "https://[fe80::1%25eth0]/",
        "https://first.example.com:port/",
        "https://first.example.com:99999999/",
        "https://user@first.example.com/",
        "https://first.example.com\uff0f.attacker.example.com/",
        "http://first.example.com/",
        "javascript:alert(1)",
        "/\x00",
        "/\r\nX: y",
        "/" + "a" * 70_000,
        "/ä" * 100,
        "\\\\first.example.com",
    ],
    ids=lambda target: ascii(target)[:40],
)
async def test_malformed_redirect_is_a_picture_that_is_missing(target: str) -> None:
    reason, connections = await outcome_of_redirect(target)
    assert reason == ODD
    assert connections == [PUBLIC]


async def test_host_names_with_a_private_address_open_no_connection() -> None:
    outcomes = {name: await outcome_of(f"https://{name}/x.jpg") for name in PRIVATE_NAMES}
    assert outcomes == dict.fromkeys(PRIVATE_NAMES, (PRIVATE, []))


async def test_redirects_to_host_names_with_a_private_address_open_no_connection() -> None:
    cases = [(name, status) for name in PRIVATE_NAMES for status in (301, 302, 303, 307, 308)]
    outcomes = {case: await outcome_of_redirect(f"https://{case[0]}/x.jpg", case[1]) for case in cases}
    assert outcomes == dict.fromkeys(cases, (PRIVATE, [PUBLIC]))


async def test_a_name_is_looked_up_once_and_the_judged_address_is_connected_to(internet: Internet) -> None:
    internet.host("rebinding.example.com", picture(PICTURE), [PUBLIC], ["127.0.0.1"])
    assert await internet.fetcher().fetch("https://rebinding.example.com/x.jpg") == PICTURE
    assert internet.asked == ["rebinding.example.com"]
    assert internet.connections == [PUBLIC]


async def test_a_name_that_answers_differently_after_a_redirect_is_refused(internet: Internet) -> None:
    internet.host("rebinding.example.com", redirect("/again.jpg"), [PUBLIC], ["127.0.0.1"])
    reason = await refusal(internet.fetcher(), "https://rebinding.example.com/x.jpg")
    assert reason == "its link points into a private network"
    assert internet.connections == [PUBLIC]


async def test_the_request_is_for_the_name_and_carries_nothing_of_ours(internet: Internet) -> None:
    assert await internet.fetcher().fetch(GOOD) == PICTURE
    (request,) = internet.requests
    assert str(request.url) == f"https://{PUBLIC}/mia.jpg?sign=1"
    assert request.headers["host"] == "cdn.example.com"
    assert request.extensions["sni_hostname"] == "cdn.example.com"
    sent = {name.lower() for name in request.headers}
    assert sent == {"host", "user-agent", "accept", "accept-encoding", "connection"}


async def test_an_address_of_the_second_kind_is_written_in_brackets(internet: Internet) -> None:
    internet.host(f"[{ALSO_PUBLIC}]", picture(PICTURE))
    assert await internet.fetcher().fetch(f"https://[{ALSO_PUBLIC}]/x.jpg") == PICTURE
    assert internet.connections == [ALSO_PUBLIC]
    assert internet.asked == []


async def test_the_next_address_of_a_name_is_tried_where_the_first_cannot_be_reached(internet: Internet) -> None:
    internet.host("two.example.com", picture(PICTURE), [ALSO_PUBLIC, PUBLIC, "1.1.1.1"])
    internet.unreachable = {ALSO_PUBLIC}
    assert await internet.fetcher().fetch("https://two.example.com/x.jpg") == PICTURE
    assert internet.connections == [ALSO_PUBLIC, PUBLIC]


async def test_a_name_with_many_dead_addresses_does_not_become_a_scan(internet: Internet) -> None:
    internet.host("many.example.com", picture(PICTURE), ["1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4"])
    internet.unreachable = {"1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4"}
    assert await refusal(internet.fetcher(), "https://many.example.com/x.jpg") == "its link could not be opened"
    assert internet.connections == ["1.1.1.1", "1.1.1.2"]


async def test_a_few_redirects_are_followed_each_with_a_look_up_of_its_own(internet: Internet) -> None:
    internet.host("first.example.com", redirect("https://second.example.com/a"), ["1.1.1.1"])
    internet.host("second.example.com", redirect("/b", "//cdn.example.com/c"), ["2606:4700::1111"])
    assert await internet.fetcher().fetch("https://first.example.com/") == PICTURE
    assert internet.connections == ["1.1.1.1", "2606:4700::1111", "2606:4700::1111", PUBLIC]


async def test_an_endless_redirect_ends(internet: Internet) -> None:
    internet.host("loop.example.com", redirect("https://loop.example.com/"))
    assert await refusal(internet.fetcher(), "https://loop.example.com/") == "its link redirects too often"
    assert len(internet.connections) == MAX_REDIRECTS + 1


async def test_a_dead_link_says_so(internet: Internet) -> None:
    internet.host("gone.example.com", lambda _: httpx.Response(404))
    internet.host("nowhere.example.com", lambda _: httpx.Response(302))
    internet.host("empty.example.com", picture(PICTURE), [])
    fetch = internet.fetcher()
    assert await refusal(fetch, "https://gone.example.com/") == "its link answers with HTTP status 404"
    assert await refusal(fetch, "https://nowhere.example.com/") == "its link answers with HTTP status 302"
    assert await refusal(fetch, "https://unknown.example.com/") == "the host in its link does not exist"
    assert await refusal(fetch, "https://empty.example.com/") == "the host in its link does not exist"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>not found</html>",
        b"\xff\xd8",
        other("GIF"),
        b"RIFF\x00\x00\x00\x00WAVEfmt ",
        b"<svg onload=alert(1)>",
    ],
)
async def test_content_that_is_no_picture_is_refused(internet: Internet, content: bytes) -> None:
    internet.host("page.example.com", picture(content))
    assert await refusal(internet.fetcher(), "https://page.example.com/") == "its link does not lead to a picture"


@pytest.mark.parametrize("content", [jpeg(32, 32), png(32, 32), other("WEBP")])
async def test_each_of_the_three_formats_comes_back_as_it_was_sent(internet: Internet, content: bytes) -> None:
    internet.host("cdn.example.com", picture(content, "text/plain"))
    assert await internet.fetcher().fetch(GOOD) == content


class Drip(httpx.AsyncByteStream):
    """A body without an end; `read` counts what was taken of it."""

    def __init__(self, first: bytes, pause: float) -> None:
        self._first = first
        self._pause = pause
        self.read = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        piece = self._first
        while True:
            self.read += len(piece)
            yield piece
            await anyio.sleep(self._pause)
            piece = bytes(1000)


async def test_reading_stops_at_the_size_cap(internet: Internet) -> None:
    body = Drip(PICTURE, pause=0)
    internet.host("cdn.example.com", lambda _: httpx.Response(200, stream=body))
    assert await refusal(internet.fetcher(FetchLimits(max_bytes=50_000)), GOOD) == "it is too large"
    assert body.read <= 52_000


async def test_reading_stops_at_the_first_bytes_that_are_no_picture(internet: Internet) -> None:
    body = Drip(b"<!doctype html>", pause=0)
    internet.host("cdn.example.com", lambda _: httpx.Response(200, stream=body))
    assert await refusal(internet.fetcher(), GOOD) == "its link does not lead to a picture"
    assert body.read == len(b"<!doctype html>")


async def test_a_body_that_drips_is_given_up_after_ten_seconds(internet: Internet) -> None:
    internet.host("cdn.example.com", lambda _: httpx.Response(200, stream=Drip(PICTURE, pause=3)))
    started = anyio.current_time()
    assert await refusal(internet.fetcher(), GOOD) == "its link did not answer in time"
    assert anyio.current_time() - started == pytest.approx(10)


async def test_a_name_server_that_is_silent_is_given_up_too() -> None:
    async def silent(_: str) -> list[str]:
        await anyio.sleep_forever()
        return []

    fetcher = PictureFetcher(resolve=silent)
    assert await refusal(fetcher, GOOD) == "its link did not answer in time"


async def test_the_systems_own_look_up_gives_addresses() -> None:
    # The only name that resolves everywhere without a network.
    assert {"127.0.0.1", "::1"} & set(await resolve_name("localhost"))


async def test_reasons_of_failed_fetches_do_not_repeat_the_link(internet: Internet) -> None:
    internet.host("gone.example.com", lambda _: httpx.Response(403))
    reason = await refusal(internet.fetcher(), "https://gone.example.com/x.jpg?signature=CANARY")
    assert "CANARY" not in reason
    assert "example" not in reason
