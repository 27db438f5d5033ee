"""The real server and every module on a system without what Windows lacks: see `poor_system`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from helpers import API_KEY, structured
from mcp import Client, StdioServerParameters
from PIL import Image
from processes import environ_with

from kling_mcp.simulator import World, served_in_background

POOR = [sys.executable, str(Path(__file__).with_name("poor_system.py"))]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="is such a system")

# Everything but what needs an extra; `__main__` would run.
EVERY_MODULE = """
import importlib, pkgutil, sys
sys.path.insert(0, sys.argv[1])
import poor_system
poor_system.impoverish()
import kling_mcp
names = [found.name for found in pkgutil.walk_packages(kling_mcp.__path__, "kling_mcp.", onerror=lambda _: None)]
names = [name for name in names if not name.endswith("__main__") and "postgres" not in name]
for name in names:
    importlib.import_module(name)
print(len(names))
"""


@pytest.fixture
def anyio_backend() -> str:
    """A process needs real time."""
    return "asyncio"


@pytest.fixture(scope="module")
def kling() -> Iterator[str]:
    """The address of a Kling that is done at once."""
    world = World(api_keys=[API_KEY], durations=lambda _kind, _rng: 0.0)
    with served_in_background(world) as url:
        yield url


def run(*words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environ = environ_with(**settings)
    return subprocess.run([*POOR, *words], capture_output=True, text=True, env=environ, check=False, timeout=60)


def test_every_module_can_be_imported() -> None:
    command = [sys.executable, "-c", EVERY_MODULE, str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True, env=environ_with(), check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 300


@pytest.mark.anyio
async def test_server_over_stdio_makes_a_character_and_saves_a_picture(kling: str, tmp_path: Path) -> None:
    for name in ("front.jpg", "side.jpg"):
        Image.new("RGB", (400, 500), "tomato").save(tmp_path / name)
    environ = environ_with(
        KLING_BASE_URL=kling,
        KLING_API_KEY=API_KEY,
        KLING_MCP_STATE_DIR=str(tmp_path / "state"),
        KLING_MCP_MEDIA_DIRS=str(tmp_path),
        KLING_MCP_OUTPUT_DIR=str(tmp_path / "films"),
        KLING_MCP_SPENDING="allow",
    )
    character = {
        "element_name": "Mia",
        "element_description": "A red square",
        "reference_type": "image_refer",
        "frontal_image": str(tmp_path / "front.jpg"),
        "refer_images": [str(tmp_path / "side.jpg")],
        "wait_seconds": 30,
    }
    picture: dict[str, Any] = {"prompt": "@Mia waves", "save_as": "scenes/con", "max_units": 100, "wait_seconds": 60}
    server = StdioServerParameters(command=POOR[0], args=POOR[1:], env=environ)
    async with Client(server) as client:
        made = structured(await client.call_tool("create_element_and_wait", character))
        drawn = structured(await client.call_tool("generate_image", picture))
    assert made["task_status"] == "succeed"
    [file] = drawn["files"]
    assert Path(file["path"]).parent == tmp_path / "films" / "scenes"
    assert Path(file["path"]).stem == "_con", "a name that Windows has for itself"
    assert await anyio.Path(file["path"]).read_bytes()


def test_commands_work_without_a_terminal(tmp_path: Path) -> None:
    settings = {"KLING_MCP_SANDBOX": "1", "KLING_MCP_STATE_DIR": str(tmp_path)}
    assert run("check", **settings).returncode == 0
    assert run("tasks", **settings).returncode == 0


def test_server_over_http_answers(tmp_path: Path) -> None:
    command = [*POOR, "serve", "--transport", "http", "--port", "0"]
    environ = environ_with(KLING_MCP_SANDBOX="1", KLING_MCP_STATE_DIR=str(tmp_path))
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environ) as process:
        assert process.stderr is not None
        address = re.search(r"http://\S+(?=/mcp)", process.stderr.readline())
        try:
            assert address is not None
            ask = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1]).read().decode())"
            asked = [sys.executable, "-c", ask, f"{address[0]}/healthz"]
            said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
        finally:
            process.terminate()
        assert json.loads(said)
    assert process.returncode in {0, -15}
