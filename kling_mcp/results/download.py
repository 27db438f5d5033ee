"""Downloads one result into a part: bounded, resumed after a cut, and checked to be what it should be.

Neither a key nor a cookie is ever sent, and every redirect is checked as the link was. Proxies and certificates are
those of `api.network`. httpx is imported at the first download.
"""

from __future__ import annotations

import random
import re
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import anyio
from anyio import to_thread

from kling_mcp._version import __version__
from kling_mcp.api.network import PROXY_SECONDS, Attempt, Network, open_network
from kling_mcp.api.response_body import GzipError, GzipReader
from kling_mcp.concurrency.backoff import Backoff
from kling_mcp.concurrency.clock import iso_utc
from kling_mcp.errors import ConnectionFailedError, ResultError
from kling_mcp.results.content import START_BYTES, MediaKind, MediaType, describe, is_cut, recognise
from kling_mcp.results.links import refused_form

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    import httpx

    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.results.links import LinkRules
    from kling_mcp.results.part import Part

SETTING = "the proxy setting"  # no variable names these hosts
MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# A file that is new may not be everywhere yet; the others pass by themselves.
_PASSING = frozenset({403, 404, 408, 425, 429, 500, 502, 503, 504})
_WRITE_BYTES = 1 << 20
_RANGE = re.compile(r"bytes\s+([0-9]{1,18})-[0-9]{1,18}/(?:[0-9]{1,18}|\*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DownloadLimits:
    """Bytes and seconds. All tries together get `base` seconds, and one more for each `slowest` bytes that came.

    So a slow line gets what it needs, and a drip ends soon, whatever size was claimed. fact: gen-links (2 to 27 MB)
    """

    video_bytes: int = 2_000_000_000
    picture_bytes: int = 100_000_000
    tries: int = 8
    first_delay: float = 0.5
    longest_delay: float = 15.0
    connect: float = 10.0
    proxy: float = PROXY_SECONDS
    stall: float = 30.0
    base: float = 120.0
    slowest: int = 20_000

    def most_bytes(self, kind: MediaKind) -> int:
        """The largest file of a kind."""
        return self.video_bytes if kind == "video" else self.picture_bytes


class _TryAgainError(Exception):
    """A try failed in a way that may pass; `final` is the error if it does not."""

    def __init__(self, final: ResultError) -> None:
        super().__init__(final.message)
        self.final = final


@dataclass(slots=True)
class _Progress:
    """What the tries for one file share.

    `validator` is what lets a server continue the same file, or "". `waiting` came and is not written yet; `start` are
    the first bytes of what is. `arrived` counts the bytes of all tries.
    """

    link: str
    kind: MediaKind
    part: Part
    started: float
    media: MediaType | None = None
    start: bytes = b""
    validator: str = ""
    arrived: int = 0
    waiting: bytearray = field(default_factory=bytearray)

    @property
    def size(self) -> int:
        return self.part.size + len(self.waiting)

    @property
    def head(self) -> bytes:
        """The first bytes."""
        return (self.start + self.waiting)[:START_BYTES] if len(self.start) < START_BYTES else self.start

    async def restart(self) -> None:
        """Begin with the first byte."""
        self.waiting.clear()
        self.media, self.start, self.validator = None, b"", ""
        await to_thread.run_sync(self.part.restart)

    async def flush(self) -> None:
        """Write what came. Raises OSError."""
        data, self.start = bytes(self.waiting), self.head
        self.waiting.clear()
        await to_thread.run_sync(self.part.write, data)


class Downloader:
    """Downloads results. Keeps no connection between two files, and may be used by several calls at once."""

    def __init__(
        self,
        rules: LinkRules,
        clock: Clock,
        *,
        open_way: Callable[[str], Network] | None = None,
        limits: DownloadLimits | None = None,
        rng: random.Random | None = None,
    ) -> None:
        """`open_way` replaces the network, for tests and the sandbox."""
        self._rules = rules
        self._clock = clock
        self._open_way = open_way or (lambda link: open_network(link, SETTING))
        self._limits = limits or DownloadLimits()
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret

    async def fetch(self, link: str, kind: MediaKind, part: Part, *, ends_at: float = 0.0) -> MediaType:
        """Fill the part with the whole file; returns its type.

        Args:
            ends_at: when the link ends, in seconds since 1970; 0.0 if unknown.

        Raises:
            ResultError: it could not be downloaded, and why.
            OSError: the part could not be written.
        """
        progress = _Progress(link, kind, part, self._clock.monotonic())
        backoff = Backoff(self._limits.first_delay, self._limits.longest_delay, self._rng)
        tries = 0
        while True:
            tries += 1
            try:
                return await self._try(progress)
            except (_TryAgainError, ResultError) as failed:
                if 0 < ends_at <= self._clock.wall():
                    raise link_ended(ends_at) from None
                if isinstance(failed, ResultError):
                    raise
                if tries >= self._limits.tries:
                    raise failed.final from None
            if not progress.validator:
                await progress.restart()
            await self._clock.sleep(backoff.next_delay())
            self._require_time(progress)

    async def _try(self, progress: _Progress) -> MediaType:
        """One request, with its redirects."""
        import httpx  # noqa: PLC0415 - 130 ms, paid only by who sends something

        link = self._rules.require(progress.link)
        try:
            for _ in range(MAX_REDIRECTS + 1):
                target = await self._exchange(link, progress)
                if isinstance(target, MediaType):
                    return target
                link = self._rules.follow(link, target)
        except ConnectionFailedError as error:
            final = ResultError(error.message, kind=error.kind, retry=error.retry, advice=error.advice)
            if error.retry == "never":
                raise final from None
            raise _TryAgainError(final) from None
        except httpx.InvalidURL:
            raise refused_form() from None
        except httpx.HTTPError as error:
            raise _cut(f"the connection broke ({type(error).__name__})") from None
        raise ResultError("The link of this result redirects too often.", kind="vendor_fault", retry="later")

    async def _exchange(self, link: str, progress: _Progress) -> MediaType | str:
        """One request over a connection of its own: the type of the whole file, or where the answer redirects to."""
        import httpx  # noqa: PLC0415 - 130 ms, paid only by who sends something

        limits = self._limits
        network = await to_thread.run_sync(self._open_way, link)  # certificates are read from the disk
        request = httpx.Request("GET", link, headers=_headers(progress))
        async with network.transport as transport:
            try:
                async with Attempt(network.way, limits.proxy) as attempt:
                    request.extensions = {
                        "trace": attempt,
                        "timeout": httpx.Timeout(limits.stall, connect=limits.connect).as_dict(),
                    }
                    with anyio.fail_after(limits.stall + limits.proxy) as attempt.scope:
                        response = await transport.handle_async_request(request)
            except (TimeoutError, httpx.ReadTimeout, httpx.WriteTimeout):
                raise _cut("there was no answer in time") from None
            try:
                location = response.headers.get("location", "")
                if response.status_code in _REDIRECTS and location:
                    return str(location)
                await self._begin(response, progress)
                media = await self._receive(response, progress)
            finally:
                await response.aclose()
        await self._require_end(progress, media)
        return media

    async def _begin(self, response: httpx.Response, progress: _Progress) -> None:
        """Look at the head of the answer: does the file begin, or go on where it was cut?"""
        status, headers = response.status_code, response.headers
        if progress.size and status != 200:
            if status != 206 or not _goes_on(headers, progress):
                if status in {206, 416}:
                    progress.validator = ""  # so that the next try begins at the beginning
                raise _refusal(status)
        elif status != 200:
            raise _refusal(status)
        elif progress.size:
            await progress.restart()
        if progress.size + (_length(headers) or 0) > self._limits.most_bytes(progress.kind):
            raise self._too_large(progress.kind)
        if status == 200:
            progress.validator = _validator(headers)

    async def _receive(self, response: httpx.Response, progress: _Progress) -> MediaType:
        """Read to the end of the body; returns what it is.

        Raises:
            _TryAgainError: it stalled, or ended early.
        """
        most = self._limits.most_bytes(progress.kind)
        try:
            unpacker = GzipReader(response.headers.get("content-encoding", ""))
            async with aclosing(self._pieces(response, progress)) as pieces:
                async for piece in pieces:
                    progress.waiting += unpacker.take(piece, most + 1 - progress.size)
                    if progress.size > most:
                        raise self._too_large(progress.kind)
                    if progress.media is None and progress.size >= START_BYTES:
                        progress.media = _recognised(progress)
                    if len(progress.waiting) >= _WRITE_BYTES:
                        await progress.flush()
                    self._require_time(progress)
            unpacker.finish()
        except GzipError:
            raise _cut("it was not compressed correctly") from None
        finally:
            await progress.flush()
        return progress.media or _recognised(progress)

    async def _pieces(self, response: httpx.Response, progress: _Progress) -> AsyncGenerator[bytes, None]:
        """The body as it comes. Whatever time a disk takes does not count as a stall."""
        arrived, length = 0, _length(response.headers)
        async with aclosing(cast("AsyncGenerator[bytes, None]", response.aiter_raw())) as pieces:
            while True:
                try:
                    with anyio.fail_after(self._limits.stall):
                        piece = await anext(pieces, None)
                except TimeoutError:
                    raise _cut(f"nothing came for {self._limits.stall:.0f} seconds") from None
                if piece is None:
                    break
                arrived += len(piece)
                progress.arrived += len(piece)
                yield piece
        if length is not None and arrived != length:
            raise _cut(f"{arrived} of {length} bytes came")
        if not progress.size:
            raise _cut("the file is empty")

    async def _require_end(self, progress: _Progress, media: MediaType) -> None:
        """The file, whose body ended as it should, has an end of its own. Raises _TryAgainError."""
        part = progress.part

        def lacks_its_end() -> bool:
            with part.reader() as file:
                return is_cut(file, part.size, media)

        if await to_thread.run_sync(lacks_its_end):
            progress.validator = ""
            raise _cut("the end of the file is missing")

    def _require_time(self, progress: _Progress) -> None:
        allowed = self._limits.base + progress.arrived / self._limits.slowest
        if self._clock.monotonic() - progress.started > allowed:
            raise _failed("it took too long")

    def _too_large(self, kind: MediaKind) -> ResultError:
        return ResultError(
            f"This result has more than {self._limits.most_bytes(kind) // 1_000_000} MB and is not downloaded.",
            kind="limit",
            advice="Open its link instead.",
        )


def link_ended(ends_at: float) -> ResultError:
    """The error for a link that has ended. facts: gen-links, outputs-30-days"""
    moment = iso_utc(round(ends_at * 1000)).partition(".")[0].replace("T", " ")
    return ResultError(
        f"The link of this result ended on {moment} UTC, so Kling has removed the file and it can no longer be saved.",
        kind="not_found",
        advice="Another take makes another result, and costs again.",
    )


def _recognised(progress: _Progress) -> MediaType:
    """What the file is, by its first bytes. Raises ResultError if it is not what it should be."""
    media = recognise(progress.head)
    if media is None or media.kind != progress.kind:
        wanted = "a video" if progress.kind == "video" else "a picture"
        raise ResultError(
            f"The link of this result leads to {describe(progress.head)} instead of {wanted}.",
            kind="vendor_fault",
            retry="later",
            advice="A network's login page may have answered in place of Kling; open the link in a browser to see.",
        )
    return media


def _headers(progress: _Progress) -> Mapping[str, str]:
    headers = {
        "User-Agent": f"kling-mcp/{__version__}",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    if progress.size:
        headers |= {"Range": f"bytes={progress.size}-", "If-Range": progress.validator}
    return headers


def _validator(headers: httpx.Headers) -> str:
    """What names this very file for `If-Range`; "" if it cannot be resumed. RFC 9110, 13.1.5"""
    if headers.get("accept-ranges", "").lower() == "none" or _is_packed(headers):
        return ""
    etag = str(headers.get("etag", ""))
    return etag if etag.startswith('"') else str(headers.get("last-modified", ""))


def _goes_on(headers: httpx.Headers, progress: _Progress) -> bool:
    """Whether a part of a file is the next one of the same file."""
    found = _RANGE.fullmatch(headers.get("content-range", "").strip())
    is_same = headers.get("etag", progress.validator) == progress.validator or not progress.validator.startswith('"')
    return found is not None and int(found[1]) == progress.size and is_same and not _is_packed(headers)


def _is_packed(headers: httpx.Headers) -> bool:
    return headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}


def _length(headers: httpx.Headers) -> int | None:
    told = headers.get("content-length", "")
    return int(told) if re.fullmatch(r"[0-9]{1,18}", told) else None


def _refusal(status: int) -> Exception:
    error = ResultError(
        f"The link of this result answers with HTTP status {status}.", kind="vendor_fault", retry="later"
    )
    return _TryAgainError(error) if status in _PASSING or status in {206, 416} else error


def _cut(why: str) -> _TryAgainError:
    return _TryAgainError(_failed(why))


def _failed(why: str) -> ResultError:
    return ResultError(
        f"The result could not be downloaded completely: {why}.", retry="later", advice="Call again later."
    )
