"""How long a download may take, on a clock that jumps: stalls, slow drips, pauses between tries, other callers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path

import anyio
import httpx
import pytest
from helpers import dice
from virtual_time import VirtualClock

from kling_mcp.api.network import Network, way_to
from kling_mcp.errors import ResultError
from kling_mcp.results.download import SETTING, Downloader, DownloadLimits
from kling_mcp.results.folder import Folder
from kling_mcp.results.links import LinkRules
from kling_mcp.results.part import claim
from kling_mcp.results.saver import Result, ResultSaver, SavedFile
from kling_mcp.results.sidecar import key_of
from results.stand import clip, described, visible

pytestmark = pytest.mark.anyio

LINK = "https://p2.klingai.com/a.mp4"
CLIP = clip(100_000)
Answer = Callable[[httpx.Request], httpx.Response]


class Drip(httpx.AsyncByteStream):
    """A body in pieces, with a pause before each."""

    def __init__(self, pause: float, piece: int, body: bytes = CLIP) -> None:
        self._pause = pause
        self._piece = piece
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._body), self._piece):
            await anyio.sleep(self._pause)
            yield self._body[start : start + self._piece]


def downloader(clock: VirtualClock, *answers: Answer, limits: DownloadLimits | None = None) -> Downloader:
    """One whose requests are answered in turn, the last answer for ever."""
    left = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        return (left.pop(0) if len(left) > 1 else left[0])(request)

    def open_way(link: str) -> Network:
        return Network(httpx.MockTransport(answer), way_to(link, SETTING))

    return Downloader(LinkRules(), clock, open_way=open_way, limits=limits, rng=dice(1))


def drip(pause: float, piece: int) -> Answer:
    return lambda _: httpx.Response(200, stream=Drip(pause, piece), headers={"content-length": str(len(CLIP))})


async def save(made: Downloader, folder: Path, clock: VirtualClock) -> SavedFile:
    (row,) = await ResultSaver(folder, made, clock).save([Result(LINK, 5.0)], described(save_as="x"))
    return row


def error_of(row: SavedFile) -> ResultError:
    assert row.error is not None
    return row.error


async def test_slow_line_is_given_the_time_that_the_size_needs(tmp_path: Path, clock: VirtualClock) -> None:
    limits = DownloadLimits(base=10.0, slowest=1_000)
    row = await save(downloader(clock, drip(10.0, 10_000), limits=limits), tmp_path, clock)
    assert row.bytes == len(CLIP)
    assert 100 <= clock.monotonic() < 110


async def test_drip_below_the_slowest_line_ends(tmp_path: Path, clock: VirtualClock) -> None:
    limits = DownloadLimits(base=10.0, slowest=1_000)
    error = error_of(await save(downloader(clock, drip(20.0, 1_000), limits=limits), tmp_path, clock))
    assert (error.kind, error.retry) == ("network", "later")
    assert "it took too long" in error.message
    assert clock.monotonic() <= 20
    assert visible(tmp_path) == []


async def test_drip_that_claims_to_be_huge_ends_as_soon(tmp_path: Path, clock: VirtualClock) -> None:
    def endless(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=Drip(20.0, 10), headers={"content-length": "1900000000"})

    error = error_of(await save(downloader(clock, endless), tmp_path, clock))
    assert "it took too long" in error.message
    assert clock.monotonic() < 150


async def test_stall_is_a_cut(tmp_path: Path, clock: VirtualClock) -> None:
    row = await save(downloader(clock, drip(31.0, 50_000), drip(0.0, 50_000)), tmp_path, clock)
    assert row.bytes == len(CLIP)
    assert 30 <= clock.monotonic() < 32


async def test_tries_are_bounded_and_further_and_further_apart(tmp_path: Path, clock: VirtualClock) -> None:
    moments: list[float] = []

    def busy(_: httpx.Request) -> httpx.Response:
        moments.append(clock.monotonic())
        return httpx.Response(503)

    limits = DownloadLimits()
    error = error_of(await save(downloader(clock, busy), tmp_path, clock))
    assert (error.kind, len(moments)) == ("vendor_fault", limits.tries)
    pauses = [after - before for before, after in pairwise(moments)]
    ceilings = [min(limits.longest_delay, limits.first_delay * 2**number) for number in range(len(pauses))]
    assert all(ceiling / 2 <= pause <= ceiling for pause, ceiling in zip(pauses, ceilings, strict=True))


async def test_silent_server_is_given_up(tmp_path: Path, clock: VirtualClock) -> None:
    class Silent(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await anyio.sleep(10_000)
            raise AssertionError(request)

    made = Downloader(LinkRules(), clock, open_way=lambda link: Network(Silent(), way_to(link, SETTING)), rng=dice(1))
    assert "could not be downloaded" in error_of(await save(made, tmp_path, clock)).message
    assert clock.monotonic() < 500


async def test_result_that_another_process_saves_is_waited_for(tmp_path: Path, clock: VirtualClock) -> None:
    made = downloader(clock, drip(0.0, 50_000))
    with Folder.output(tmp_path) as root:
        held = claim(root, key_of(described().task_id, 1), 0.0)
        assert held is not None

        async def let_go() -> None:
            await clock.sleep(30)
            held.close()

        async with anyio.create_task_group() as group:
            group.start_soon(let_go)
            row = await save(made, tmp_path, clock)
    assert row.bytes == len(CLIP)
    assert 30 <= clock.monotonic() < 33


async def test_result_that_another_process_never_finishes_is_left_to_later(tmp_path: Path, clock: VirtualClock) -> None:
    with Folder.output(tmp_path) as root:
        held = claim(root, key_of(described().task_id, 1), 0.0)
        assert held is not None
        error = error_of(await save(downloader(clock, drip(0.0, 50_000)), tmp_path, clock))
        held.close()
    assert (error.kind, error.retry) == ("busy", "later")
