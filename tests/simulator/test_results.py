"""The files that generations made: links with an end, small clips and pictures that play, and downloads that go wrong.

facts: gen-links, outputs-30-days
"""

from __future__ import annotations

import io
import struct
from typing import Any

import httpx
import pytest
from PIL import Image

from kling_mcp.simulator import Faults, Quirks, World, served_in_background
from simulator.box import HOST, KEY, Box, data
from simulator.generation_box import (
    BODIES,
    FROM_IMAGE,
    FROM_TEXT,
    GENERATIONS,
    MOTION,
    OLD_TEXT,
    OMNI,
    OMNI_IMAGE,
    finished,
    make,
    tasks,
)

pytestmark = pytest.mark.anyio
DAY = 24 * 3600


async def link_of(box: Box, path: str, body: Any = None, name: str = "url") -> str:
    """The link to the first file of a finished generation."""
    return str((await finished(box, path, body))["outputs"][0][name])


async def get(box: Box, link: str, **headers: str) -> httpx.Response:
    """A plain GET: no key, no content type."""
    box.http.headers.clear()
    return await box.http.get(link, headers=headers)


def boxes(content: bytes) -> list[str]:
    """The names of an MP4's outermost boxes, whose sizes must add up."""
    names, place = [], 0
    while place < len(content):
        size, name = struct.unpack_from(">I4s", content, place)
        names.append(name.decode())
        place += size
    assert place == len(content)
    return names


def tracks(content: bytes) -> set[str]:
    return {name for name in ("avc1", "mp4a") if name.encode() in content}


@pytest.mark.parametrize(
    ("path", "settings", "size", "sound"),
    [
        (FROM_TEXT, {}, (320, 180), False),
        (FROM_TEXT, {"aspect_ratio": "9:16"}, (180, 320), False),
        (FROM_TEXT, {"aspect_ratio": "1:1", "audio": "native"}, (240, 240), True),
        ("/text-to-video/kling-3.0-turbo", {}, (320, 180), True),  # fact: gen30-models, sound is always made
        (FROM_IMAGE, {}, (320, 180), False),
        (MOTION, {"character_orientation": "video"}, (320, 180), True),
    ],
)
async def test_clip_is_h264_in_the_shape_that_was_asked_for(
    box: Box, path: str, settings: dict[str, Any], size: tuple[int, int], sound: bool
) -> None:
    reply = await get(box, await link_of(box, path, {**BODIES[path], "settings": settings}))
    assert (reply.status_code, reply.headers["content-type"]) == (200, "video/mp4")
    assert int(reply.headers["content-length"]) == len(reply.content) < 30_000
    assert boxes(reply.content)[:2] == ["ftyp", "moov"]
    assert tracks(reply.content) == ({"avc1", "mp4a"} if sound else {"avc1"})
    assert struct.pack(">HH", *size) in reply.content  # in the sample description


@pytest.mark.parametrize(
    ("path", "ratio", "size"),
    [
        (OMNI_IMAGE, "auto", (320, 320)),
        (OMNI_IMAGE, "21:9", (747, 320)),
        (GENERATIONS, "2:3", (320, 480)),
        (GENERATIONS, "16:9", (569, 320)),
    ],
)
async def test_picture_opens_and_could_be_used_as_an_input(
    box: Box, path: str, ratio: str, size: tuple[int, int]
) -> None:
    reply = await get(box, await link_of(box, path, {**BODIES[path], "aspect_ratio": ratio}))
    assert (reply.status_code, reply.headers["content-type"]) == (200, "image/png")
    with Image.open(io.BytesIO(reply.content)) as picture:
        picture.load()
        assert (picture.format, picture.size) == ("PNG", size)


async def test_every_file_is_its_own_and_the_same_each_time(box: Box) -> None:
    made = [await finished(box, OMNI_IMAGE, {**BODIES[OMNI_IMAGE], "n": 9}), await finished(box, OMNI)]
    made.append(await finished(box, OMNI))
    links = [output["url"] for row in made for output in row["outputs"]]
    contents = [(await get(box, link)).content for link in links]
    assert len(set(contents)) == 11
    assert [(await get(box, link)).content for link in links] == contents


async def test_watermark_is_a_second_link_where_it_was_asked_for(box: Box) -> None:
    body = {**BODIES[FROM_TEXT], "options": {"watermark_info": {"enabled": True}}}
    (output,) = (await finished(box, FROM_TEXT, body))["outputs"]
    assert output["watermark_url"] != output["url"]
    assert (await get(box, output["watermark_url"])).status_code == 200


@pytest.mark.parametrize(("form", "base"), [("Expires", 10), ("ksTime", 16)])
async def test_link_holds_its_end_30_days_after_the_last_update(form: Any, base: int) -> None:
    async with Box(quirks=Quirks(link_expiry=form)) as box:
        row = await finished(box, OMNI)
        link = httpx.URL(row["outputs"][0]["url"])
        ends = int(link.params[form], base)
        assert ends == round(row["update_time"] / 1000) + 30 * DAY
        box.clock.now = ends - 1
        assert (await get(box, str(link))).status_code == 200
        box.clock.now = ends
        ended = await get(box, str(link))
        assert (ended.status_code, "html" in ended.headers["content-type"]) == (403, True)


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        ("Expires=1", "Expires=2", 403),
        ("?", "?x=1&", 403),
        ("?Expires", "#Expires", 403),
        ("/0.mp4", "/1.mp4", 404),
        ("/0.mp4", "/0.png.exe", 404),
        ("/files/", "/files/9", 404),
    ],
)
async def test_changed_link_is_refused(box: Box, old: str, new: str, status: int) -> None:
    link = await link_of(box, OMNI)
    assert old in link
    assert (await get(box, link.replace(old, new))).status_code == status


@pytest.mark.parametrize("failure", ["", "Failure to pass the risk control system"])
async def test_unfinished_or_failed_task_has_no_file(box: Box, failure: str) -> None:
    link = await link_of(box, OMNI)
    finished_id = link.split("/")[-2]
    if failure:
        box.faults.fail_task(failure)
    task_id = await make(box, OMNI)
    box.clock.now += 1000 if failure else 0
    assert (await get(box, link.replace(finished_id, task_id))).status_code == 404


async def test_key_that_is_sent_along_is_recorded(box: Box) -> None:
    """So that a test can demand that none is."""
    link = await link_of(box, OMNI)
    await box.http.get(link)
    await get(box, link)
    assert [record.credential for record in box.world.requests if record.route == "file"] == ["api-key", "none"]


@pytest.mark.parametrize(
    ("ranges", "status", "part"),
    [
        ("bytes=0-99", 206, slice(0, 100)),
        ("bytes=1000-", 206, slice(1000, None)),
        ("bytes=-10", 206, slice(-10, None)),
        ("bytes=10-999999", 206, slice(10, None)),
        ("bytes=999999-", 416, slice(0, 0)),
        ("bytes=9-3", 416, slice(0, 0)),
        ("bytes=-", 200, slice(None)),
        ("lines=1-2", 200, slice(None)),
    ],
)
async def test_range_gives_a_part_of_the_file(box: Box, ranges: str, status: int, part: slice) -> None:
    link = await link_of(box, OMNI)
    whole = await get(box, link)
    reply = await get(box, link, Range=ranges)
    assert (reply.status_code, reply.content) == (status, whole.content[part])
    assert whole.headers["accept-ranges"] == "bytes"
    assert reply.headers["etag"] == whole.headers["etag"]
    size = len(whole.content)
    if status == 206:
        first, last, _ = part.indices(size)
        assert reply.headers["content-range"] == f"bytes {first}-{last - 1}/{size}"
    elif status == 416:
        assert reply.headers["content-range"] == f"bytes */{size}"


async def test_host_may_know_no_ranges() -> None:
    async with Box(quirks=Quirks(file_ranges=False)) as box:
        reply = await get(box, await link_of(box, OMNI), Range="bytes=100-")
        assert (reply.status_code, boxes(reply.content)[0]) == (200, "ftyp")


async def test_cut_download_goes_on_where_it_ended(box: Box) -> None:
    link = await link_of(box, OMNI)
    whole = (await get(box, link)).content
    box.faults.cut_reply(1500)
    part = b""
    with pytest.raises(httpx.RemoteProtocolError):  # noqa: PT012 - the head arrives, the body does not
        async with box.http.stream("GET", link) as reply:
            assert int(reply.headers["content-length"]) == len(whole)
            async for chunk in reply.aiter_bytes():
                part += chunk
    assert part == whole[:1500]
    rest = await get(box, link, Range="bytes=1500-")
    assert part + rest.content == whole


async def test_download_may_trickle_in(box: Box) -> None:
    link = await link_of(box, OMNI)
    size = len((await get(box, link)).content)
    box.faults.slow_body(10, piece_bytes=1000)
    began = box.clock.now
    assert len((await get(box, link)).content) == size
    assert box.clock.now - began == 10 * -(-size // 1000)


async def test_download_may_be_something_else(box: Box) -> None:
    link = await link_of(box, OMNI)
    box.faults.malformed("html", route="file")
    page = await get(box, link)
    assert (page.status_code, page.headers["content-type"].partition(";")[0]) == (200, "text/html")
    box.faults.malformed("empty", route="file")
    assert (await get(box, link)).content == b""
    box.faults.redirect("https://elsewhere.invalid/a.mp4", status=302, route="file")
    moved = await get(box, link)
    assert (moved.status_code, moved.headers["location"]) == (302, "https://elsewhere.invalid/a.mp4")
    for status in (403, 404, 503):
        box.faults.reply_status(status, route="file")
        assert (await get(box, link)).status_code == status
    box.faults.lose_reply_before_commit(route="file")
    with pytest.raises(httpx.RemoteProtocolError):
        await get(box, link)
    assert (await get(box, link)).status_code == 200


async def test_links_may_lie_on_a_host_of_their_own() -> None:
    async with Box(files_origin="https://v21.klingai.com") as box:
        link = await link_of(box, OMNI)
        assert link.startswith("https://v21.klingai.com/_simulator/files/")
        assert (await get(box, link)).status_code == 200


async def test_links_of_older_routes_begin_with_the_address_that_was_called(box: Box) -> None:
    task_id = await make(box, OLD_TEXT)
    box.clock.now += 1000
    (clip,) = data(await box.query(task_id, OLD_TEXT))["task_result"]["videos"]
    assert clip["url"].startswith(HOST + "/_simulator/files/")
    assert [output["url"] for output in (await tasks(box, task_id))[0]["outputs"]] == [clip["url"]]


def test_files_are_served_over_tcp_and_really_cut() -> None:
    world, faults = World(api_keys=[KEY], durations=lambda _kind, _rng: 0.0), Faults()
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    with served_in_background(world, faults, control=False) as url, httpx.Client(base_url=url) as http:
        task_id = http.post(OMNI, json=BODIES[OMNI], headers=headers).json()["data"]["id"]
        (row,) = http.get("/tasks", params={"task_ids": task_id}, headers=headers).json()["data"]
        link = row["outputs"][0]["url"]
        assert link.startswith(url + "/_simulator/files/")
        whole = http.get(link).content
        assert boxes(whole)[0] == "ftyp"
        faults.cut_reply(1000)
        part = b""
        with pytest.raises(httpx.RemoteProtocolError), http.stream("GET", link) as reply:  # noqa: PT012 - the same
            for chunk in reply.iter_bytes():
                part += chunk
        assert part == whole[:1000]
        assert part + http.get(link, headers={"Range": "bytes=1000-"}).content == whole
