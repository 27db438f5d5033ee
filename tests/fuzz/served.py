"""A real server with a real client in memory, in front of the simulator or of whatever a transport answers."""

from __future__ import annotations

import functools
import io
import logging
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx
from helpers import API_KEY, CANARIES, text_of
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, Tool
from PIL import Image
from virtual_time import VirtualClock

from fuzz.guards import MAX_CALL_SECONDS
from fuzz.properties import LAST_LINE, check_refusal, check_result
from kling_mcp.runtime import Runtime
from kling_mcp.server.build import build_server
from kling_mcp.settings import Settings
from kling_mcp.simulator import Faults, SimulatorTransport, World
from kling_mcp.thumbnails.fetch import PictureFetcher

# State waits for the disk at every step; memory makes no difference to what is proved.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - holds directories of our own

MakeTransport = Callable[[World], httpx.AsyncBaseTransport]
# Words of arguments that stand for something that exists in the example's account.
FRONT, SIDE, OUTSIDE = "@front", "@side", "@outside"
ELEMENT, TASK, NAME, VOICE = "@element", "@task", "@name", "@voice"
STANDINS = (FRONT, SIDE, OUTSIDE, ELEMENT, TASK, NAME, VOICE)


@dataclass(frozen=True, slots=True)
class Served:
    """A server, and everything that can be said to it."""

    client: Client
    world: World
    clock: VirtualClock
    tools: dict[str, Tool]
    known: dict[str, str]
    log: list[str] = field(default_factory=list)

    async def call(
        self,
        name: str,
        arguments: Any,
        *,
        rows_asked: int = 0,
        knows_what_was_created: Callable[[], bool] = lambda: True,
    ) -> CallToolResult:
        """Call a tool, and hold its answer against the contract.

        `knows_what_was_created` is false where Kling's own words on a creation did not arrive.
        """
        before, began = self._tasks(), self.clock.monotonic()
        # A client of ours says no to an answer that breaks the output schema, too.
        result = await self.client.call_tool(name, self._meant(arguments))
        defects = "\n".join(self.log)
        assert not defects, defects
        check_result(self.tools[name], result, rows_asked=rows_asked)
        assert self.clock.monotonic() - began < MAX_CALL_SECONDS
        if (
            result.is_error
            and knows_what_was_created()
            and (last := LAST_LINE.fullmatch(text_of(result).splitlines()[-1]))
        ):
            assert last["created"] != "no" or self._tasks() == before, "created=no, and Kling has one more"
        return result

    async def ask(self, question: Callable[[], Any]) -> Any:
        """Anything but a call of a tool: an answer, or None where the protocol's own error says no."""
        try:
            answer = await question()
        except MCPError as error:
            check_refusal(error.message)
            answer = None
        defects = "\n".join(self.log)
        assert not defects, defects
        return answer

    async def is_alive(self) -> None:
        """The next client finds everything as it was."""
        assert len((await self.client.list_tools()).tools) == len(self.tools)

    def _tasks(self) -> int:
        return len(self.world.account_of(API_KEY).elements)

    def _meant(self, value: Any) -> Any:
        """The value with the stand-ins replaced, also inside longer texts."""
        if isinstance(value, str):
            for word, meant in self.known.items():
                value = value.replace(word, meant)
            return value
        if isinstance(value, list):
            return [self._meant(item) for item in value]
        if isinstance(value, dict):
            return {name: self._meant(inner) for name, inner in value.items()}
        return value


@asynccontextmanager
async def served(
    make_transport: MakeTransport | None = None, *, fetcher: PictureFetcher | None = None, **changes: Any
) -> AsyncIterator[Served]:
    """A server of its own with fresh state. `make_transport` plays Kling; the simulator does by default."""
    clock = VirtualClock()
    world = World(clock.wall, api_keys=[API_KEY], durations=lambda _kind, _rng: 5.0)
    element = world.add_element(world.account_of(API_KEY), "Mia", description="Barista", tags=("o_102",))
    voice = world.add_voice(world.account_of(API_KEY), "Mia's voice")
    with tempfile.TemporaryDirectory(dir=MEMORY) as place, _defects() as log:
        folder = Path(place)
        known = {
            **_files(folder),
            ELEMENT: element.element_id,
            TASK: element.task_id,
            NAME: "Mia",
            VOICE: voice.voice_id,
        }
        settings = Settings(
            **{"api_key": API_KEY, "media_dirs": (folder / "allowed",), "state_dir": folder / "state", **changes}
        )
        runtime = Runtime(
            settings,
            clock=clock,
            make_transport=lambda: make_transport(world) if make_transport else SimulatorTransport(world, Faults()),
            fetcher=fetcher,
        )
        async with Client(build_server(settings, runtime), mode="auto", read_timeout_seconds=None) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            made = Served(client, world, clock, tools, known, log)
            yield made
            with anyio.CancelScope(shield=True):
                await made.is_alive()


def _files(folder: Path) -> dict[str, str]:
    """Two pictures in the allowed folder, and one beside it."""
    allowed = folder / "allowed"
    allowed.mkdir()
    made = {FRONT: allowed / "front.jpg", SIDE: allowed / "side.png", OUTSIDE: folder / "outside.png"}
    for shade, path in enumerate(made.values()):
        path.write_bytes(_picture(shade, path.suffix))
    return {word: str(path) for word, path in made.items()}


@functools.cache
def _picture(shade: int, suffix: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (320, 320), (90 * shade, 120, 60)).save(out, Image.registered_extensions()[suffix])
    return out.getvalue()


@contextmanager
def _defects() -> Iterator[list[str]]:
    """What the server's log says of defects: tracebacks, and secrets wherever they stand."""
    found: list[str] = []
    handler = _Ear(found)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield found
    finally:
        root.removeHandler(handler)


class _Ear(logging.Handler):
    def __init__(self, found: list[str]) -> None:
        super().__init__()
        self._found = found

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record)
        # The SDK logs its own refusals, such as a prompt without its argument, with tracebacks.
        if (record.exc_info and record.name.startswith("kling_mcp")) or any(canary in line for canary in CANARIES):
            self._found.append(line)
