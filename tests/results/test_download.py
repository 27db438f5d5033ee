"""Downloads from a real server on this computer: whole files, cuts, lies, and links that lead elsewhere."""

from __future__ import annotations

import asyncio
import gzip
from pathlib import Path

import pytest
from media.pictures import jpeg, other, png
from network_stand import VARIABLES, listening

from kling_mcp.errors import ResultError
from kling_mcp.results.content import MediaKind, MediaType
from kling_mcp.results.download import MAX_REDIRECTS, DownloadLimits
from kling_mcp.results.folder import Folder
from kling_mcp.results.part import claim
from results.stand import (
    AT_ONCE,
    ETAG,
    Ask,
    Say,
    Store,
    box,
    clip,
    cut,
    downloader,
    rest,
    status,
    storing,
    whole,
)

pytestmark = pytest.mark.anyio

CLIP = clip(3000)


@pytest.fixture
def anyio_backend() -> str:
    """Sockets need real time."""
    return "asyncio"


async def fetched(
    store: Store, folder: Path, kind: MediaKind = "video", *, limits: DownloadLimits = AT_ONCE, ends_at: float = 0.0
) -> tuple[MediaType, bytes]:
    """The type and the bytes of what lies behind the store's link."""
    with Folder.output(folder) as root:
        part = claim(root, "ab", 0.0)
        assert part is not None
        try:
            media = await downloader(store, limits).fetch(store.link(), kind, part, ends_at=ends_at)
            with part.reader() as file:
                return media, file.read()
        finally:
            part.close()


async def refusal(
    store: Store, folder: Path, kind: MediaKind = "video", *, limits: DownloadLimits = AT_ONCE, ends_at: float = 0.0
) -> ResultError:
    with pytest.raises(ResultError) as caught:
        await fetched(store, folder, kind, limits=limits, ends_at=ends_at)
    assert caught.value.created == "yes"
    return caught.value


async def test_request_carries_nothing_but_what_a_download_needs(tmp_path: Path) -> None:
    """fact: gen-links"""
    async with storing(whole(CLIP, Set_Cookie="a=b", ETag=ETAG)) as store:
        await fetched(store, tmp_path)
        await fetched(store, tmp_path)
    assert [ask.path for ask in store.asked] == ["/a.mp4?Expires=4000000000&Signature=abc"] * 2
    for ask in store.asked:
        assert set(ask.headers) == {"host", "user-agent", "accept", "accept-encoding", "connection"}


@pytest.mark.parametrize(
    ("content", "kind", "extension"),
    [
        (CLIP, "video", ".mp4"),
        (box(b"ftyp", b"qt  \0\0\0\0qt  ") + box(b"moov", b"x") + box(b"mdat", b"y" * 50), "video", ".mov"),
        (b"\x1aE\xdf\xa3" + b"webm" * 20, "video", ".webm"),
        (jpeg(64, 64), "image", ".jpg"),
        (png(64, 64), "image", ".png"),
        (other("WEBP"), "image", ".webp"),
        (b"\0\0\0\x18ftypisom", "video", ".mp4"),  # shorter than what is usually looked at
    ],
)
async def test_type_follows_from_the_content(tmp_path: Path, content: bytes, kind: MediaKind, extension: str) -> None:
    async with storing(whole(content, Content_Type="application/octet-stream")) as store:
        media, data = await fetched(store, tmp_path, kind)
    assert (media.extension, data) == (extension, content)


@pytest.mark.parametrize(
    ("content", "kind", "what"),
    [
        (b"<!doctype html><html>Sign in to this network</html>", "video", "an HTML page instead of a video"),
        (b'{"code": 1303, "message": "busy"}', "video", "a text file instead of a video"),
        (b"<?xml version='1.0'?><Error>AccessDenied</Error>", "image", "a text file instead of a picture"),
        (CLIP, "image", "an MP4 video instead of a picture"),
        (png(64, 64), "video", "a picture instead of a video"),
        (other("GIF"), "image", "a GIF picture instead of a picture"),
        (b"\0\0\0\x18ftypheic\0\0\0\0" + b"x" * 50, "video", "a HEIC picture instead of a video"),
        (b"\0" * 5000, "video", "an unknown format instead of a video"),
        (b"x", "video", "a text file instead of a video"),
    ],
)
async def test_content_of_another_kind_is_refused_and_named(
    tmp_path: Path, content: bytes, kind: MediaKind, what: str
) -> None:
    async with storing(whole(content, Content_Type="video/mp4")) as store:
        error = await refusal(store, tmp_path, kind)
    assert error.message == f"The link of this result leads to {what}."
    assert (error.kind, error.retry, len(store.asked)) == ("vendor_fault", "later", 1)


@pytest.mark.parametrize("validator", [{"ETag": ETAG}, {"Last_Modified": "Mon, 02 Nov 2026 10:00:00 GMT"}])
@pytest.mark.parametrize("at", [0, 3, 1500, 2999])
async def test_cut_download_goes_on_where_it_ended(tmp_path: Path, at: int, validator: dict[str, str]) -> None:
    async with storing(cut(CLIP, at, **validator), rest(CLIP, ETag=next(iter(validator.values())))) as store:
        if not at:
            store.answers[1] = whole(CLIP)
        _, data = await fetched(store, tmp_path)
    assert data == CLIP
    wanted = {"range": f"bytes={at}-", "if-range": next(iter(validator.values()))} if at else {}
    assert {name: store.asked[1].headers.get(name) for name in wanted} == wanted


async def test_large_file_goes_on_from_what_is_on_the_disk(tmp_path: Path) -> None:
    large = clip(5_000_000)
    async with storing(cut(large, 3_500_000, ETag=ETAG), rest(large)) as store:
        _, data = await fetched(store, tmp_path)
    assert data == large
    assert store.asked[1].headers["range"] == "bytes=3500000-"


async def test_download_that_is_cut_often_is_bounded(tmp_path: Path) -> None:
    async with storing(cut(CLIP, 500, ETag=ETAG), status("503 Busy")) as store:
        error = await refusal(store, tmp_path)
    assert (error.kind, error.retry, len(store.asked)) == ("vendor_fault", "later", AT_ONCE.tries)


async def test_download_that_stays_cut_fails_as_a_matter_of_the_network(tmp_path: Path) -> None:
    async with storing(cut(CLIP, 500)) as store:
        error = await refusal(store, tmp_path)
    assert (error.kind, error.retry, len(store.asked)) == ("network", "later", AT_ONCE.tries)
    assert "could not be downloaded completely" in error.message


CHANGED = clip(2500, seed=2)


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(whole(CHANGED, ETag='"v2"'), id="whole-anew"),
        pytest.param(rest(CHANGED, ETag='"v2"'), id="another-tag"),
        pytest.param(rest(CHANGED, Content_Range="bytes 7-2499/2500"), id="another-place"),
        pytest.param(rest(CHANGED, Content_Range="lines 1-2"), id="no-range"),
        pytest.param(rest(CHANGED, Content_Encoding="gzip"), id="packed"),
        pytest.param(status("416 Range Not Satisfiable"), id="no-such-range"),
    ],
)
async def test_file_that_cannot_go_on_begins_again(tmp_path: Path, second: Say) -> None:
    async with storing(cut(CLIP, 1000, ETag=ETAG), second, whole(CHANGED)) as store:
        _, data = await fetched(store, tmp_path)
    assert data == CHANGED
    assert all("range" not in ask.headers for ask in store.asked[2:])


@pytest.mark.parametrize(
    "headers", [{}, {"ETag": 'W/"weak"'}, {"ETag": ETAG, "Accept_Ranges": "none"}], ids=["none", "weak", "no-ranges"]
)
async def test_file_without_a_sure_mark_begins_again_after_a_cut(tmp_path: Path, headers: dict[str, str]) -> None:
    async with storing(cut(CLIP, 1000, **headers), whole(CLIP)) as store:
        _, data = await fetched(store, tmp_path)
    assert data == CLIP
    assert "range" not in store.asked[1].headers


async def test_gzip_without_being_asked_for_is_unpacked(tmp_path: Path) -> None:
    packed = gzip.compress(CLIP)
    async with storing(
        cut(packed, 500, Content_Encoding="gzip", ETag=ETAG), whole(packed, Content_Encoding="gzip")
    ) as s:
        _, data = await fetched(s, tmp_path)
    assert data == CLIP
    assert "range" not in s.asked[1].headers


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "gzip"])
async def test_encoding_that_cannot_be_undone_is_never_saved(tmp_path: Path, encoding: str) -> None:
    async with storing(whole(CLIP, Content_Encoding=encoding)) as store:
        assert "compressed" in (await refusal(store, tmp_path)).message


async def test_gzip_bomb_ends_at_the_limit(tmp_path: Path) -> None:
    bomb = gzip.compress(CLIP + b"\0" * 3_000_000)
    async with storing(whole(bomb, Content_Encoding="gzip")) as store:
        error = await refusal(store, tmp_path, limits=DownloadLimits(video_bytes=100_000))
    assert (error.kind, len(store.asked)) == ("limit", 1)


class TestLengths:
    async def test_length_that_is_too_large_is_a_cut(self, tmp_path: Path) -> None:
        async with storing(lambda ask: ask.say(CLIP, Content_Length=len(CLIP) + 1)) as store:
            assert (await refusal(store, tmp_path)).kind == "network"

    async def test_length_that_is_too_small_is_found_by_the_boxes(self, tmp_path: Path) -> None:
        async with storing(lambda ask: ask.say(CLIP, Content_Length=1000), whole(CLIP)) as store:
            _, data = await fetched(store, tmp_path)
        assert data == CLIP

    @pytest.mark.parametrize(("content", "kind"), [(CLIP, "video"), (png(300, 300), "image"), (other("WEBP"), "image")])
    async def test_body_without_length_is_whole_if_the_file_says_so(
        self, tmp_path: Path, content: bytes, kind: MediaKind
    ) -> None:
        async with storing(lambda ask: ask.say(content[:-20]), lambda ask: ask.say(content)) as store:
            _, data = await fetched(store, tmp_path, kind)
        assert (data, len(store.asked)) == (content, 2)

    async def test_chunked_body_is_read_to_its_end(self, tmp_path: Path) -> None:
        async def chunked(ask: Ask) -> None:
            body = b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in (CLIP[:1], CLIP[1:900], CLIP[900:]))
            await ask.say(body + b"0\r\n\r\n", Transfer_Encoding="chunked")

        async with storing(chunked) as store:
            _, data = await fetched(store, tmp_path)
        assert data == CLIP

    @pytest.mark.parametrize("told", [{"Content_Length": 10**12}, {}])
    async def test_huge_file_is_not_read(self, tmp_path: Path, told: dict[str, int]) -> None:
        async with storing(lambda ask: ask.say(clip(300_000), **told)) as store:
            error = await refusal(store, tmp_path, limits=DownloadLimits(video_bytes=100_000))
        assert (error.kind, error.retry, len(store.asked)) == ("limit", "never", 1)

    async def test_pictures_have_a_limit_of_their_own(self, tmp_path: Path) -> None:
        async with storing(whole(png(300, 300))) as store:
            error = await refusal(store, tmp_path, "image", limits=DownloadLimits(picture_bytes=100))
        assert error.kind == "limit"

    async def test_empty_file_is_asked_for_again(self, tmp_path: Path) -> None:
        async with storing(whole(b""), whole(CLIP)) as store:
            _, data = await fetched(store, tmp_path)
        assert data == CLIP
        async with storing(whole(b"")) as store:
            assert "empty" in (await refusal(store, tmp_path)).message


class TestRedirects:
    async def test_redirect_within_the_allowed_hosts_is_followed(self, tmp_path: Path) -> None:
        async with storing(status("302 Found", Location="/b.mp4"), whole(CLIP)) as store:
            _, data = await fetched(store, tmp_path)
        assert (data, [ask.path for ask in store.asked][1:]) == (CLIP, ["/b.mp4"])

    @pytest.mark.parametrize("line", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
    async def test_redirect_to_another_port_of_this_computer_is_not_followed(
        self, tmp_path: Path, host: str, line: str
    ) -> None:
        secret = Store([whole(CLIP)])
        async with listening(secret) as port, storing(status(line, Location=f"http://{host}:{port}/x")) as store:
            error = await refusal(store, tmp_path)
        assert (error.kind, error.retry, secret.asked) == ("vendor_fault", "never", [])

    @pytest.mark.parametrize(
        "target", ["http://169.254.169.254/", "https://evil.example/a.mp4", "file:///etc/passwd", "//x"]
    )
    async def test_redirect_to_elsewhere_is_not_followed(self, tmp_path: Path, target: str) -> None:
        async with storing(status("302 Found", Location=target)) as store:
            assert "not followed" in (await refusal(store, tmp_path)).message

    async def test_redirects_are_bounded(self, tmp_path: Path) -> None:
        async with storing(status("302 Found", Location="/again")) as store:
            assert "redirects too often" in (await refusal(store, tmp_path)).message
        assert len(store.asked) == MAX_REDIRECTS + 1


class TestAnswers:
    @pytest.mark.parametrize("line", ["403 Forbidden", "404 Not Found", "429 Slow Down", "500 Oops", "502 Bad Gateway"])
    async def test_status_that_may_pass_is_tried_again(self, tmp_path: Path, line: str) -> None:
        async with storing(status(line), whole(CLIP)) as store:
            _, data = await fetched(store, tmp_path)
        assert data == CLIP

    @pytest.mark.parametrize("line", ["400 Bad Request", "401 Unauthorized", "204 No Content", "302 Found"])
    async def test_status_that_stays_ends_the_download(self, tmp_path: Path, line: str) -> None:
        async with storing(status(line)) as store:
            error = await refusal(store, tmp_path)
        assert (error.kind, error.retry, len(store.asked)) == ("vendor_fault", "later", 1)
        assert line.split(" ", maxsplit=1)[0] in error.message

    @pytest.mark.parametrize("answer", [status("403 Forbidden"), status("400 Bad"), whole(b"<html>gone</html>")])
    async def test_link_that_ended_is_called_so_and_not_tried_again(self, tmp_path: Path, answer: Say) -> None:
        """facts: gen-links, outputs-30-days"""
        async with storing(answer) as store:
            error = await refusal(store, tmp_path, ends_at=1_790_000_000.0)
        assert "ended on 2026-09-21 14:13:20 UTC" in error.message
        assert (error.kind, error.retry, len(store.asked)) == ("not_found", "never", 1)

    async def test_refused_connection_names_host_and_cause(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        async with storing(whole(CLIP)) as store:
            pass
        error = await refusal(store, tmp_path)
        assert (error.kind, error.retry) == ("network", "now")
        assert "the connection was refused" in error.message

    async def test_broken_certificates_are_not_tried_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
        async with storing(whole(CLIP)) as store:
            error = await refusal(store, tmp_path)
        assert (error.kind, error.retry, store.asked) == ("network", "never", [])
        assert "SSL_CERT_FILE" in error.message

    async def test_noise_instead_of_http_is_a_failure_of_the_network(self, tmp_path: Path) -> None:
        async def noise(ask: Ask) -> None:
            ask.writer.write(b"\x16\x03\x01 what is this")
            await ask.writer.drain()

        async with storing(noise) as store:
            assert (await refusal(store, tmp_path)).kind == "network"


async def test_connection_that_hangs_is_given_up(tmp_path: Path) -> None:
    async def hang(ask: Ask) -> None:
        await ask.say(CLIP[:100], Content_Length=len(CLIP))
        await asyncio.sleep(60)

    short = DownloadLimits(tries=1, stall=0.2)
    async with storing(hang) as store:
        assert "0 seconds" in (await refusal(store, tmp_path, limits=short)).message
