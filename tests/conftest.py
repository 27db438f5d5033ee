"""Fixtures for every test: virtual time, a simulated Kling, and a real MCP client in front of the real server.

A test that needs real time (a subprocess, a socket) overrides `anyio_backend`.
"""

from __future__ import annotations

import functools
import gc
import io
import logging
import os
import shutil
import signal
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import profiles
import pytest
from costs import coverage_rests, dealt, is_busy, is_reading, is_uncounted, is_waiting, workers
from helpers import ACCESS_KEY, API_KEY, ERAS, OLDEST_HANDSHAKE, SECRET_KEY, Connect, OlderClient, Pictures
from mcp import Client
from mcp.client.session import ElicitationFnT
from mcp.server.mcpserver.resources import ResourceTemplate
from never_twice.crashable import Process, Processes
from PIL import Image
from virtual_time import SingleThreadLoop, VirtualClock

from kling_mcp.account import Account
from kling_mcp.runtime import Runtime
from kling_mcp.server.build import build_server
from kling_mcp.settings import Settings
from kling_mcp.simulator import Faults, Quirks, SimulatorTransport, World

__all__ = ["Connect"]

profiles.load()

# The journal waits for the disk at every step, by design. Memory makes no difference to what is tested, and the tests
# that write take a tenth of the time; a small /dev/shm, as in some containers, would not hold them.
MEMORY = Path("/dev/shm")  # noqa: S108 - pytest makes a directory of its own below it
if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 2_000_000_000:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


# Each of thousands of servers has the same two templates. From their signatures the SDK would build models for each.
ResourceTemplate.from_function = functools.cache(ResourceTemplate.from_function)  # type: ignore[assignment, method-assign]

# A shell starts a background job with this signal ignored, and whatever is started here would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Thousands of modules and tests are no garbage: each round of the collector would walk them again.
gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()  # garbage with it: the little there is costs less than the search for it
    gc.set_threshold(20_000, 20)  # a test ends with less
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """What `-n auto` means; None leaves it to pytest-xdist, which reads the variable."""
    return None if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else workers()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Workers begin with tests that take long, so that none is alone with them at the end.

    The others keep their order, but for those that share what they read.
    """
    waiting = [item for item in items if is_waiting(item.path)]
    busy = [item for item in items if is_busy(item.path)]
    others = [item for item in items if not (is_waiting(item.path) or is_busy(item.path))]
    others.sort(key=lambda item: not is_reading(item.path))
    items[:] = dealt(waiting, busy, others, getattr(config, "workerinput", {}).get("workercount", 1))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    with coverage_rests(after_imports=True):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    if not is_uncounted(item.path):
        return (yield)
    with coverage_rests():
        return (yield)


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    """A command configures logging for good; here it ends with the test."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def anyio_backend() -> Any:
    """Virtual time, and no thread for the state; `tests/store` and others that are about threads have it."""
    return "asyncio", {"loop_factory": SingleThreadLoop}


@pytest.fixture
def clock() -> VirtualClock:
    """Virtual seconds. It can be asked only while a loop runs."""
    return VirtualClock()


@pytest.fixture
def world(clock: VirtualClock) -> World:
    """Kling, which knows one API key and one key pair, each with an account of its own."""
    return World(clock.wall, api_keys=[API_KEY], key_pairs={ACCESS_KEY: SECRET_KEY})


@pytest.fixture
def faults() -> Faults:
    """What goes wrong; nothing at first."""
    return Faults()


@pytest.fixture
def pictures(tmp_path: Path) -> Pictures:
    """Three pictures that Kling would take, no two alike."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    made = Pictures(folder, folder / "front.jpg", folder / "side view.png", folder / "背面.jpg")
    for path, colour in ((made.front, "tomato"), (made.side, "seagreen"), (made.back, "orchid")):
        path.write_bytes(_picture(colour, path.suffix))
    return made


@functools.cache
def _picture(colour: str, suffix: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (400, 500), colour).save(out, Image.registered_extensions()[suffix])
    return out.getvalue()


@pytest.fixture
def settings(tmp_path: Path, pictures: Pictures) -> Settings:
    """An API key, an allowed folder, and state that ends with the test."""
    return Settings(
        api_key=API_KEY, media_dirs=(pictures.folder,), state_dir=tmp_path / "state", output_dir=tmp_path / "results"
    )


@pytest.fixture
async def runtime(settings: Settings, clock: VirtualClock, world: World, faults: Faults) -> AsyncIterator[Runtime]:
    """The parts, put together in front of the simulated Kling."""
    made = Runtime(settings, clock=clock, make_transport=lambda: SimulatorTransport(world, faults))
    yield made
    await made.aclose()


@pytest.fixture
def account(runtime: Runtime) -> Account:
    """The account of the settings' credential."""
    return runtime.own_account()


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    """The protocol era of a behavioural test: it runs once in each."""
    return str(request.param)


@pytest.fixture
def connect(settings: Settings, clock: VirtualClock, world: World, faults: Faults) -> Connect:
    """`connect(era, **settings)`: a client of a server of its own in memory, in front of the same Kling.

    `elicitation` asks a person; without it the client says that it cannot.
    """

    @asynccontextmanager
    async def connected(
        era: str = "auto", elicitation: ElicitationFnT | None = None, **changes: Any
    ) -> AsyncIterator[Client]:
        chosen = Settings(**{**{name: getattr(settings, name) for name in settings.__slots__}, **changes})
        made = Runtime(chosen, clock=clock, make_transport=lambda: SimulatorTransport(world, faults))
        server = build_server(chosen, made)
        target, mode = (OlderClient(server), "legacy") if era == OLDEST_HANDSHAKE else (server, era)
        client = Client(target, mode=mode, elicitation_callback=elicitation)
        async with client:
            yield client

    return connected


@pytest.fixture
async def client(connect: Connect, era: str) -> AsyncIterator[Client]:
    """A connected client, once in each era."""
    async with connect(era) as connected:
        yield connected


@pytest.fixture
def creation(pictures: Pictures) -> dict[str, Any]:
    """The arguments of a creation that succeeds."""
    return {
        "element_name": "Mia",
        "element_description": "Barista, short red hair, green apron",
        "reference_type": "image_refer",
        "frontal_image": str(pictures.front),
        "refer_images": [str(pictures.side)],
        "tags": ["Character"],
    }


@pytest.fixture
def quirks() -> Quirks:
    """How Kling behaves where nothing is known; modules and classes override it."""
    return Quirks()


@pytest.fixture
async def processes(tmp_path: Path, world: World, faults: Faults, quirks: Quirks) -> AsyncIterator[Processes]:
    """Servers on one state folder, to be started and killed."""
    world.quirks = quirks
    async with Processes(tmp_path / "state", world, faults) as started:
        yield started


@pytest.fixture
def server(processes: Processes) -> Process:
    """One of them."""
    return processes.start()
