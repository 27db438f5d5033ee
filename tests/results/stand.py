"""A store of results on a port of this computer, as Kling's would be: it answers as each test says, byte by byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from helpers import dice
from network_stand import listening

from kling_mcp.concurrency.clock import SystemClock
from kling_mcp.results.download import Downloader, DownloadLimits
from kling_mcp.results.links import LinkRules
from kling_mcp.results.saver import Result, ResultSaver
from kling_mcp.results.sidecar import Description

if TYPE_CHECKING:
    from kling_mcp.concurrency.clock import Clock

Say = Callable[["Ask"], Awaitable[None]]

AT_ONCE = DownloadLimits(tries=3, first_delay=0.0, longest_delay=0.0)
ETAG = '"v1"'


def box(kind: bytes, body: bytes) -> bytes:
    return (len(body) + 8).to_bytes(4, "big") + kind + body


def clip(size: int = 3000, seed: int = 1) -> bytes:
    """The boxes of an MP4, which no program could play."""
    head = box(b"ftyp", b"isom\0\0\2\0isomiso2avc1mp41") + box(b"moov", b"\0" * 100)
    return head + box(b"mdat", dice(seed).randbytes(size - len(head) - 8))


@dataclass
class Ask:
    """One request: its path, its headers in lower case, and how to answer it."""

    path: str
    headers: dict[str, str]
    writer: asyncio.StreamWriter

    @property
    def offset(self) -> int:
        """Where the wanted range begins."""
        return int(self.headers.get("range", "bytes=0-").removeprefix("bytes=").rstrip("-"))

    async def say(self, body: bytes, status: str = "200 OK", /, **headers: str | int) -> None:
        """An answer with exactly these headers; an underscore in a name is a dash."""
        lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
        self.writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode() + body)
        await self.writer.drain()


def whole(body: bytes, **headers: str | int) -> Say:
    return lambda ask: ask.say(body, Content_Length=len(body), **headers)


def cut(body: bytes, at: int, **headers: str | int) -> Say:
    """Only the first bytes come."""
    return lambda ask: ask.say(body[:at], Content_Length=len(body), **headers)


def status(line: str, **headers: str | int) -> Say:
    return lambda ask: ask.say(b"", line, Content_Length=0, **headers)


def rest(body: bytes, **headers: str | int) -> Say:
    """What the range asks for."""

    async def say(ask: Ask) -> None:
        at, size = ask.offset, len(body)
        told: dict[str, str | int] = {"Content_Length": size - at, "ETag": ETAG}
        told["Content_Range"] = f"bytes {at}-{size - 1}/{size}"
        await ask.say(body[at:], "206 Partial Content", **{**told, **headers})

    return say


@dataclass
class Store:
    """`answers` are given in turn, the last one for ever; `asked` are the requests."""

    answers: list[Say] = field(default_factory=list)
    asked: list[Ask] = field(default_factory=list)
    url: str = ""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        ask = Ask(first.split(" ")[1], headers, writer)
        self.asked.append(ask)
        await (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])(ask)

    def link(self, name: str = "a.mp4") -> str:
        return f"{self.url}/{name}?Expires=4000000000&Signature=abc"


@asynccontextmanager
async def storing(*answers: Say) -> AsyncIterator[Store]:
    store = Store(list(answers))
    async with listening(store) as port:
        store.url = f"http://127.0.0.1:{port}"
        yield store


def downloader(store: Store, limits: DownloadLimits = AT_ONCE, clock: Clock | None = None) -> Downloader:
    return Downloader(LinkRules(store.url), clock or SystemClock(), limits=limits, rng=dice(1))


def saver(store: Store, folder: Path | None, limits: DownloadLimits = AT_ONCE) -> ResultSaver:
    return ResultSaver(folder, downloader(store, limits), SystemClock())


def described(**changes: object) -> Description:
    usual = {"kind": "video", "task_id": "880000000000000101", "prompt": "Mama and Sara dance in the kitchen"}
    return Description(**{**usual, **changes})  # type: ignore[arg-type] # any field by its name


def results(store: Store, *names: str) -> list[Result]:
    return [Result(store.link(name), 5.0 if name.endswith(".mp4") else 0.0) for name in names or ["a.mp4"]]


def visible(folder: Path) -> list[str]:
    """The names below a folder, hidden ones too: none may be left."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
