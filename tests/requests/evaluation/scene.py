"""The stage of one request: its start state on the simulator, the real server in front of it, and what was called.

Names in `${...}` stand for what only the stage knows: ids (`${KEY}`, `${KEY.task}`, `${voice.KEY}`,
`${official.NAME}`), paths (`${picture.NAME}`, `${folder}`), what an earlier chat was answered
(`${earlier.1.task_id}`), and elements made on the way (`${made.NAME}`, `${made.NAME.task}`).
It judges nothing.
"""

from __future__ import annotations

import base64
import errno
import os
import re
import socket
import ssl
import time
from collections import Counter
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from mcp import Client
from mcp_types import TextContent
from PIL import Image
from virtual_time import VirtualClock

from evaluation.sheets import Start
from kling_mcp.runtime import Runtime
from kling_mcp.server.build import build_server
from kling_mcp.settings import Settings
from kling_mcp.simulator import Faults, Pack, Quirks, SimulatorTransport, World
from kling_mcp.simulator.presets import preset_elements, preset_voices
from kling_mcp.simulator.validation import TAG_NAMES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping

    from evaluation.sheets import Earlier, Picture, Request
    from kling_mcp.simulator.records import ElementTask

KEY = "api-key-CANARY-of-the-requests-7c1e"  # must never be shown by anything
EPOCH = 1_790_000_000.0
ENDLESS = 600  # a task that takes so long does not end while anybody waits
_NAME = re.compile(r"\$\{([^}]+)\}")
_TAG_IDS = {name: tag_id for tag_id, name in TAG_NAMES.items()}


@dataclass(frozen=True, slots=True)
class Step:
    """A call and its answer: all text of the result, its structured content, and how many pictures it shows."""

    tool: str
    arguments: dict[str, Any]
    text: str
    structured: dict[str, Any] | None
    is_error: bool
    pictures: int = 0

    @property
    def kind(self) -> str:
        """The kind of a failure, "" for a success, "?" for a failure that is none of this server's."""
        if not self.is_error:
            return ""
        found = re.match(r"kind=(\w+) created=\w+ retry=\w+ code=\S+ request_id=\S+$", self.text.splitlines()[-1])
        return found[1] if found else "?"


@dataclass(frozen=True, slots=True)
class Ending:
    """What the request left behind at Kling: the difference to the start, and what there is.

    `created` counts accepted creations, `deleted` holds element ids, `existing` own elements by name, those on
    their way included, `sent` requests by route. `made` are the tasks that were accepted.
    """

    created: int
    deleted: frozenset[str]
    existing: Counter[str]
    sent: Counter[str]
    made: tuple[ElementTask, ...]
    units: Decimal = Decimal(0)


class Scene:
    """One request's stage. `folder` must be new; `epoch` is the true time at the virtual loop's second 0.

    Where `base_url` is set, servers have it in their environment, as if Kling were there; `kling` is what to serve.
    """

    def __init__(self, request: Request, folder: Path, *, epoch: float = EPOCH) -> None:
        self.request = request
        self.steps: list[Step] = []
        self.facts: dict[str, str] = {"folder": str(folder / "pictures")}
        self._folder = folder
        self._clock = VirtualClock(epoch)
        self.base_url = ""
        start = request.start
        packs = [Pack(kind, units) for kind, units in start.packs.items()] or None
        self._world = World(self._clock.wall, api_keys=[KEY], quirks=Quirks(**start.quirks), packs=packs)
        if start.task_seconds:
            self._world.durations = lambda _kind, _rng: start.task_seconds
        self._faults = Faults()
        self.kling = self._world, self._faults
        self._client: Client | None = None

    @asynccontextmanager
    async def opened(self, era: str = "auto") -> AsyncIterator[Client]:
        """Set the stage and connect a client."""
        await self.set_up()
        async with self._connected(era, self.request.start) as self._client:
            yield self._client

    async def set_up(self) -> float:
        """Set the stage; how many virtual seconds that took."""
        start, began = self.request.start, self._clock.wall()
        self._place_elements()
        self._place_pictures()
        for number, earlier in enumerate(start.earlier, 1):
            await self._play_earlier(number, earlier)
        await self._clock.sleep(start.later)
        for fault in start.faults:
            self._faults.arm(**fault)
        self._before = self._look()
        return self._clock.wall() - began

    def go_on_in_real_time(self, most_seconds: float) -> None:
        """From now on Kling has this computer's clock, and its tasks take at most so long.

        Those of a request that is about a task that does not end still take what it says.
        """
        start = self.request.start
        self._world.clock = time.time
        if start.task_seconds < ENDLESS:
            self._world.durations = lambda _kind, _rng: min(start.task_seconds or most_seconds, most_seconds)

    async def call(self, tool: str, arguments: dict[str, Any]) -> Step:
        """Call a tool and remember what came of it."""
        assert self._client is not None
        step = await _call(self._client, tool, arguments)
        self.steps.append(step)
        return step

    def refuse(self, tool: str, text: str) -> Step:
        """Remember a call that never reached the server."""
        step = Step(tool, {}, text, None, is_error=True)
        self.steps.append(step)
        return step

    def words(self) -> str:
        """What the person says, who may quote a placeholder of a configuration."""
        return self._known(self.request.says)

    def ending(self) -> Ending:
        """The difference that was made until now."""
        before, now = self._before, self._look()
        made = tuple(task for task in self._tasks() if task.number > before.number)
        self.facts |= {f"made.{task.element_name}": task.element_id for task in made}
        self.facts |= {f"made.{task.element_name}.task": task.task_id for task in made}
        return Ending(
            created=now.created - before.created,
            deleted=now.deleted - before.deleted,
            existing=Counter(
                task.element_name for task in self._tasks() if task.deleted_at is None and not task.failure
            ),
            sent=now.sent - before.sent,
            made=made,
            units=now.units - before.units,
        )

    def resolve(self, value: Any, more: Mapping[str, Any] | None = None) -> Any:
        """The value with every `${...}` in it replaced, at any depth; `more` are names beside the stage's own.

        Raises:
            KeyError: nothing has this name.
        """
        return resolve(value, {**self.facts, **(more or {})})

    # ---- inside

    def _place_pictures(self) -> None:
        for picture in self.request.start.pictures:
            known = picture.model_copy(update={"text": self._known(picture.text)})
            self.facts[f"picture.{picture.name}"] = str(_draw(self._folder, known))
        (self._folder / "pictures").mkdir(parents=True, exist_ok=True)

    def _place_elements(self) -> None:
        start, account = self.request.start, self._world.account_of(KEY)
        self.facts |= {f"official.{task.element_name}": task.element_id for task in preset_elements()}
        self.facts |= {f"voice.{task.voice_name}": task.voice_id for task in preset_voices()}
        for wanted in start.voices:
            self.facts[f"voice.{wanted.key}"] = self._world.add_voice(account, wanted.name).voice_id
        for row in start.elements:
            made = self._world.add_element(
                account,
                row.name,
                description=row.description * row.times,
                reference_type=row.kind,
                tags=tuple(_TAG_IDS[tag] for tag in row.tags),
                status=row.status,
                voice_id=self.facts[f"voice.{row.voice}"] if row.voice else "",
                external_task_id=row.external_task_id,
                created_at=row.created.timestamp() if row.created else None,
            )
            self.facts |= {row.key: made.element_id, f"{row.key}.task": made.task_id}
        for number in range(start.crowd):
            since = self._clock.wall() - start.crowd + number
            name = f"Extra {number + 1:03}"
            self._world.add_element(account, name, description="One of the crowd", created_at=since)

    async def _play_earlier(self, number: int, earlier: Earlier) -> None:
        """In a server process of its own, which is gone when the request comes."""
        for fault in earlier.faults:
            self._faults.arm(**fault)
        async with self._connected("auto", Start()) as client:
            step = await _call(client, earlier.tool, self.resolve(earlier.arguments))
        self._faults.clear()
        self.facts |= {f"earlier.{number}.{path}": value for path, value in leaves(step.structured or {})}

    @asynccontextmanager
    async def _connected(self, era: str, start: Start) -> AsyncIterator[Client]:
        environ = self.environment(start)
        settings = Settings.from_env(environ, tolerant=True)
        runtime = Runtime(settings, clock=self._clock, make_transport=self._way_to_kling(start))
        with _surrounded_by(environ), _full_disk() if start.is_full else nullcontext():
            async with Client(build_server(settings, runtime), mode=era) as client:
                yield client

    def environment(self, start: Start) -> dict[str, str]:
        """The server's variables: those that every server here has, and what the request says."""
        usual = {
            **({"KLING_BASE_URL": self.base_url} if self.base_url else {}),
            "KLING_API_KEY": KEY,
            "KLING_MCP_MEDIA_DIRS": self.facts["folder"],
            "KLING_MCP_STATE_DIR": str(self._folder / "state"),
            "KLING_MCP_OUTPUT_DIR": str(self._folder / "results"),
        }
        # An unfilled placeholder of a client looks like a name of this stage, and must arrive as it is.
        return usual | {name: self._known(text) for name, text in start.environment.items()}

    def _known(self, text: str) -> str:
        return with_known_names(text, self.facts)

    def _way_to_kling(self, start: Start) -> Callable[[], httpx.AsyncBaseTransport] | None:
        if start.network == "real" or "KLING_MCP_SANDBOX" in start.environment:
            return None
        if start.network in _CLOSED:
            return partial(_Closed, start.network)
        return lambda: SimulatorTransport(self._world, self._faults)

    def _tasks(self) -> list[ElementTask]:
        return list(self._world.account_of(KEY).elements.values())

    def _look(self) -> _Look:
        return _Look(
            number=max((task.number for task in self._tasks()), default=0),
            created=self._world.accepted_creations().total(),
            deleted=frozenset(task.element_id for task in self._tasks() if task.deleted_at is not None),
            sent=Counter(record.route for record in self._world.requests),
            units=sum(
                (task.units for task in self._world.account_of(KEY).tasks.values() if not task.failure), Decimal(0)
            ),
        )


@dataclass(frozen=True, slots=True)
class _Look:
    number: int
    created: int
    deleted: frozenset[str]
    sent: Counter[str]
    units: Decimal


class _Closed(httpx.AsyncBaseTransport):
    """A network on which Kling cannot be reached, as httpx reports it."""

    def __init__(self, why: str) -> None:
        self._why = why

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no connection", request=request) from _CLOSED[self._why]


_CLOSED: dict[str, Exception] = {
    "untrusted": ssl.SSLCertVerificationError(1, "certificate verify failed: self-signed certificate in chain"),
    "name": socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
}


@contextmanager
def _surrounded_by(environ: Mapping[str, str]) -> Iterator[None]:
    """What other programs read, too, is read from the process: proxies and certificates."""
    own = {name: text for name, text in environ.items() if not name.startswith("KLING_")}
    before = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    try:
        yield
    finally:
        for name, text in before.items():
            if text is None:
                del os.environ[name]
            else:
                os.environ[name] = text


@contextmanager
def _full_disk() -> Iterator[None]:
    """A disk on which no further file gets its name, as the system reports it."""
    link = os.link

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    os.link = full
    try:
        yield
    finally:
        os.link = link


async def _call(client: Client, tool: str, arguments: dict[str, Any]) -> Step:
    result = await client.call_tool(tool, arguments)
    text = "\n".join(block.text for block in result.content if isinstance(block, TextContent))
    pictures = sum(block.type == "image" for block in result.content)
    structured = dict(result.structured_content) if result.structured_content is not None else None
    return Step(tool, arguments, text, structured, bool(result.is_error), pictures)


def _draw(folder: Path, picture: Picture) -> Path:
    path = folder / ("elsewhere" if picture.outside else "pictures") / picture.name
    path.parent.mkdir(parents=True, exist_ok=True)
    if picture.text:
        path.write_text(picture.text, "utf-8")
    else:
        drawn = Image.new("RGB", (picture.width, picture.height), picture.colour)
        # A spot that depends on the name: no two files of a scene are the same picture.
        spot = sum(picture.name.encode()) % 256
        drawn.paste((spot, 255 - spot, len(picture.name) * 8 % 256), (10, 10, 60, 60))
        drawn.save(path)
    return path


def sent_form(place: str) -> str:
    """A picture as Kling gets it: a link as it is, a file's bytes as bare Base64."""
    return place if place.startswith("https:") else base64.b64encode(Path(place).read_bytes()).decode()


def tag_ids(names: tuple[str, ...]) -> list[str]:
    """Kling's ids of these tags, sorted."""
    return sorted(_TAG_IDS[name] for name in names)


def resolve(value: Any, facts: Mapping[str, Any]) -> Any:
    """See `Scene.resolve`."""
    if isinstance(value, str):
        return _NAME.sub(lambda found: str(facts[found[1]]), value)
    if isinstance(value, dict):
        return {name: resolve(each, facts) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [resolve(each, facts) for each in value]
    return value


def with_known_names(text: str, facts: Mapping[str, str]) -> str:
    """The text with the names replaced that mean something here; others stay as they are."""
    return _NAME.sub(lambda found: facts.get(found[1], found[0]), text)


def known_texts(texts: Iterable[str], facts: Mapping[str, str]) -> list[str]:
    """These texts resolved, without those whose names stand for nothing here, such as an element never made."""
    return [resolve(text, facts) for text in texts if all(name in facts for name in _NAME.findall(text))]


def leaves(value: object, path: str = "") -> list[tuple[str, str]]:
    """Every text in a structure with its path, such as `elements.0.element_id`."""
    if isinstance(value, dict):
        return [leaf for name, each in value.items() for leaf in leaves(each, f"{path}.{name}".lstrip("."))]
    if isinstance(value, list):
        return [leaf for place, each in enumerate(value) for leaf in leaves(each, f"{path}.{place}".lstrip("."))]
    return [(path, value)] if isinstance(value, str) else []
