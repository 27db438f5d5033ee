"""Kling's replies, spoilt: the simulator answers, and what arrives is something else."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx
from helpers import API_KEY
from hypothesis import strategies as st

from fuzz.values import CONTROLS, DIRECTIONS, LAST_LINES, links, texts
from kling_mcp.simulator import Faults, SimulatorTransport, World
from kling_mcp.simulator.routes import match_route

HALVES = "\ud83d\udc00\ud800"


@dataclass(frozen=True, slots=True)
class Said:
    """A reply: `body` as bytes, or as a stream that may never end."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes = b""
    endless: Callable[[], AsyncIterator[bytes]] | None = None

    def response(self) -> httpx.Response:
        return httpx.Response(self.status, headers=list(self.headers), stream=_Stream(self.endless or self._pieces))

    async def _pieces(self) -> AsyncIterator[bytes]:
        # As from a network: large pieces, so that what unfolds must be bounded inside of one.
        for start in range(0, len(self.body), 65_536):
            yield self.body[start : start + 65_536]


class _Stream(httpx.AsyncByteStream):
    def __init__(self, pieces: Callable[[], AsyncIterator[bytes]]) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._pieces():
            yield piece


Spoil = Callable[[Said], Said]


@dataclass
class Spoilt(httpx.AsyncBaseTransport):
    """The simulator behind a proxy at its worst: each reply is spoilt by the next of `spoils`, the last one for ever
    if `for_ever`. `create_was_spoilt` says that nobody could know what became of a creation."""

    world: World
    spoils: list[Spoil]
    for_ever: bool = False
    create_was_spoilt: bool = False
    _kling: SimulatorTransport = field(init=False)

    def __post_init__(self) -> None:
        self._kling = SimulatorTransport(self.world, Faults())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._kling.handle_async_request(request)
        if not self.spoils:
            return response
        spoil = self.spoils[0] if self.for_ever and len(self.spoils) == 1 else self.spoils.pop(0)
        path = request.url.raw_path.partition(b"?")[0].decode("ascii")
        self.create_was_spoilt |= match_route(request.method, path).name in {"create", "voice-create"}
        said = Said(response.status_code, tuple(response.headers.raw), await response.aread())
        return spoil(said).response()


# --- what is in a reply

# Of docs/kling-api.md; "" is any place.
NAMES = [
    *["", "", "", "", "data", "elements", "task_result"],
    *["code", "message", "request_id", "task_id", "task_status", "task_status_msg", "task_info", "external_task_id"],
    *["created_at", "updated_at", "final_unit_deduction", "element_id", "element_name", "element_description"],
    *["reference_type", "element_image_list", "frontal_image", "refer_images", "element_video_list", "refer_videos"],
    *["element_voice_info", "voice_id", "voice_name", "tag_list", "owned_by", "status", "voices", "trial_url"],
]

VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    0.5,
    2**53 + 1,
    829836802793406551,
    10**400,
    -(10**4000),
    1e308,
    float("nan"),
    float("-inf"),
    "",
    " ",
    "succeed",
    "FAILED",
    "deleted",
    "kling",
    "0",
    "9" * 4000,
    "1e999",
    CONTROLS,
    DIRECTIONS,
    HALVES,
    LAST_LINES,
    API_KEY,
    "x" * 200_000,
    "<script>alert(1)</script>",
    [],
    [[]],
    [None, {}, [], "x", 1],
    {},
    {"": ""},
    {"id": {"id": {}}},
    ["o_102", 5, {"tag_id": None}, {"id": "o_102", "name": ["x"]}],
]
values = st.one_of(st.sampled_from(VALUES), texts, links, st.integers(), st.floats())


def places_in(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every container with every key in it, in order."""
    keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    for key in keys:
        yield node, key
        yield from places_in(node[key])


def _nested(value: Any, depth: int) -> Any:
    for _ in range(depth):
        value = [value]
    return value


@dataclass(frozen=True, slots=True)
class Change:
    """What is done at one place of a reply: the place of this number among those of this name, or among all."""

    name: str
    number: int
    how: str
    value: Any


@st.composite
def _changes(draw: st.DrawFn) -> Change:
    how = draw(st.sampled_from(["drop", "set", "set", "set", "set", "repeat", "nest", "empty", "rename"]))
    value = draw({"repeat": st.sampled_from([2, 40, 700]), "nest": st.sampled_from([3, 300, 900])}.get(how, values))
    return Change(draw(st.sampled_from(NAMES)), draw(st.integers(0, 30)), how, value)


_MAX_PLACES = 300


def _changed(body: bytes, changes: list[Change]) -> bytes:
    root = [json.loads(body or b"null")]
    for change in changes:
        places = list(places_in(root))
        if not places or len(places) > _MAX_PLACES:
            break  # what repeats a repetition would be a bomb for the fuzzer
        named = [place for place in places if place[1] == change.name] or places
        holder, key = named[change.number % len(named)]
        value = change.value
        match change.how:
            case "drop" if len(places) > 1:
                del holder[key]
            case "repeat" if isinstance(holder, list) and holder is not root:
                holder[key:key] = [holder[key]] * value
            case "repeat" if isinstance(holder[key], list):
                holder[key] = holder[key] * value
            case "repeat":
                holder[key] = [holder[key]] * value
            case "nest":
                holder[key] = _nested(holder[key], value)
            case "empty":
                holder[key] = type(holder[key])() if holder[key] is not None else {}
            case "rename" if isinstance(holder, dict):
                holder[str(value)[:20]] = holder.pop(key)
            case _:
                holder[key] = value
    return json.dumps(root[0] if root else None).encode()


def changing(changes: list[Change]) -> Spoil:
    """These changes, one after the other."""
    return lambda said: Said(said.status, said.headers, _changed(said.body, changes))


changed = st.lists(_changes(), min_size=1, max_size=5).map(changing)


# --- what is no reply at all

BODIES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "half": lambda body: body[: len(body) // 2],
    "twice": lambda body: body + body,
    "html": lambda _: b"<html><body>" + b"<h1>502</h1>" * 50,
    "array": lambda body: b"[" + body + b"]",
    "number": lambda _: b"0",
    "with a mark": lambda body: b"\xef\xbb\xbf" + body,
    "utf-16": lambda body: body.decode().encode("utf-16"),
    "utf-32": lambda body: body.decode().encode("utf-32"),
    "latin-1": lambda body: body.replace(b"SUCCEED", "réussi".encode("latin-1")),
    "zeros": lambda _: bytes(5000),
    "deep": lambda _: b'{"code":0,"data":' + b"[" * 100_000,
    "deep and closed": lambda _: b'{"code":0,"data":' + b'{"a":' * 900 + b"1" + b"}" * 901,
    "nan": lambda body: body.replace(b'"code":0', b'"code":NaN').replace(b'"code": 0', b'"code": NaN'),
    "huge number": lambda _: b'{"code":0,"data":{"task_id":' + b"9" * 5000 + b"}}",
    "huge code": lambda _: b'{"code":' + b"9" * 4000 + b"}",
    "two codes": lambda body: b'{"code":1201,' + body.lstrip()[1:],
    "code as text": lambda body: body.replace(b'"code":0', b'"code":"0"').replace(b'"code": 0', b'"code": "0"'),
    "deep message": lambda _: b'{"code":1201,"message":' + b'["x",' * 400 + b"1" + b"]" * 400 + b"}",
    "deep request id": lambda _: b'{"code":1201,"request_id":' + b'{"x":' * 400 + b"1" + b"}" * 400 + b"}",
    "a key": lambda _: f'{{"code":1002,"message":"no such key: {API_KEY}","request_id":"{API_KEY}"}}'.encode(),
}
STATUSES = [
    200,
    201,
    204,
    206,
    299,
    300,
    301,
    302,
    304,
    307,
    400,
    401,
    403,
    404,
    408,
    413,
    429,
    451,
    500,
    502,
    503,
    504,
    599,
]


def _replace(name: str, status: int) -> Spoil:
    def spoil(said: Said) -> Said:
        try:
            body = BODIES[name](said.body)
        except UnicodeDecodeError:
            body = said.body
        return Said(status, said.headers, body)

    return spoil


replaced = st.builds(_replace, st.sampled_from(sorted(BODIES)), st.one_of(st.just(200), st.sampled_from(STATUSES)))


# --- how it is wrapped

HEADERS = [
    (b"retry-after", b"999999"),
    (b"retry-after", b"-1"),
    (b"retry-after", "٣".encode()),
    (b"date", b"Thu, 01 Jan 1970 00:00:00 GMT"),
    (b"date", b"Fri, 31 Dec 9999 23:59:59 GMT"),
    (b"date", b"\xff" * 100),
    (b"location", b"http://127.0.0.1/\xff\x1b[31m"),
    (b"location", b"https://example.com/" + b"a" * 5000 + API_KEY.encode()),
    (b"set-cookie", b"session=of-another; Domain=.klingai.com; Path=/"),
    (b"content-type", b"application/json; charset=utf-7"),
    (b"content-type", b"text/html; charset=\xff"),
    (b"x-huge", b"x" * 60_000),
]


def _with_headers(extra: list[tuple[bytes, bytes]], status: int) -> Spoil:
    return lambda said: Said(status or said.status, (*said.headers, *extra), said.body)


wrapped = st.builds(
    _with_headers, st.lists(st.sampled_from(HEADERS), min_size=1, max_size=4), st.sampled_from([0, 0, *STATUSES])
)


def _bomb(layers: int) -> bytes:
    data = b'{"code":0,"data":"' + bytes(110_000_000)
    for _ in range(layers):
        data = gzip.compress(data, 9)
    return data


PACKED: dict[str, tuple[bytes, Callable[[bytes], bytes]]] = {
    "honest gzip": (b"gzip", gzip.compress),
    "honest deflate": (b"deflate", zlib.compress),
    "honest x-gzip": (b"x-gzip", gzip.compress),
    "gzip in name only": (b"gzip", lambda body: body),
    "half of gzip": (b"gzip", lambda body: gzip.compress(body)[: len(body) // 3]),
    "more behind gzip": (b"gzip", lambda body: gzip.compress(body) + b"more" * 100),
    "gzip without a name": (b"identity", gzip.compress),
    "gzip of gzip": (b"gzip, gzip", lambda body: gzip.compress(gzip.compress(body))),
    "a name nobody knows": (b"br-and-better", lambda body: body),
    "many names": (b"gzip, " * 200 + b"gzip", gzip.compress),
    "brotli": (b"br", lambda _: b"\x1b\x00"),
    "zstd": (b"zstd", lambda _: b"\x28\xb5\x2f\xfd"),
    "odd name": (b"GZIP;q=1,,", gzip.compress),
}


def _pack(name: str) -> Spoil:
    label, pack = PACKED[name]
    return lambda said: Said(said.status, (*_without_length(said), (b"content-encoding", label)), pack(said.body))


def _without_length(said: Said) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in said.headers if name.lower() != b"content-length"]


packed = st.sampled_from(sorted(PACKED)).map(_pack)


def bomb(layers: int) -> Spoil:
    """A small body that unfolds to hundreds of megabytes."""
    label = b", ".join([b"gzip"] * layers)
    body = _bomb(layers)
    return lambda said: Said(said.status, (*_without_length(said), (b"content-encoding", label)), body)


async def _flood() -> AsyncIterator[bytes]:
    while True:
        yield b" " * 1_000_000


async def _drip() -> AsyncIterator[bytes]:
    while True:
        await anyio.sleep(20)
        yield b" "


def flood(said: Said) -> Said:
    """A body without an end, as fast as it is read."""
    return Said(said.status, tuple(_without_length(said)), endless=_flood)


def drip(said: Said) -> Said:
    """A body without an end, slow enough that no single read takes too long."""
    return Said(said.status, tuple(_without_length(said)), endless=_drip)


spoils = st.one_of(changed, changed, changed, changed, replaced, replaced, wrapped, packed, st.just(drip))
