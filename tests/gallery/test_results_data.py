"""What the page of videos and pictures gets beside the rows, and who does not get it."""

from __future__ import annotations

import base64
import io
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from helpers import API_KEY, structured, text_of
from mcp import Client
from mcp.client import advertise
from mcp_types import CallToolResult
from PIL import Image
from virtual_time import VirtualClock

from kling_mcp.account import Account
from kling_mcp.api.generations import GenerationApi
from kling_mcp.generation.memo import GenerationMemo
from kling_mcp.results.saver import SavedFile
from kling_mcp.runtime import Runtime
from kling_mcp.server.build import build_server
from kling_mcp.server.gallery import MAX_PAGE_CHARACTERS
from kling_mcp.server.gallery.results import RESULTS_KEY, is_out_of_sight, results_data
from kling_mcp.settings import Settings
from kling_mcp.settings.spending import SpendingSettings
from kling_mcp.simulator import SimulatorTransport, World

pytestmark = pytest.mark.anyio

APPS = advertise("io.modelcontextprotocol/ui", {"mimeTypes": ["text/html;profile=mcp-app"]})
WISH = {"prompt": "@Mia as an astronaut", "count": 2, "wait_seconds": 600}
DAY = 24 * 3600.0
KLING = "https://v21.klingai.com/a.png"

Open = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture
async def open_client(settings: Settings, clock: VirtualClock, world: World) -> Open:
    """`open_client(era, apps=True, **settings)`: a client that may pay, and shows pages unless it is said not to."""
    world.add_element(world.account_of(API_KEY), "Mia")

    @asynccontextmanager
    async def opened(era: str = "auto", *, apps: bool = True, **changes: Any) -> AsyncIterator[Client]:
        said = {"spending": SpendingSettings(mode="allow"), **changes}
        chosen = Settings(**{**{name: getattr(settings, name) for name in settings.__slots__}, **said})
        runtime = Runtime(chosen, clock=clock, make_transport=lambda: SimulatorTransport(world))
        async with Client(build_server(chosen, runtime), mode=era, extensions=[APPS] if apps else None) as client:
            yield client

    return opened


def for_page(result: CallToolResult) -> dict[str, Any]:
    """What the page gets, and no model."""
    assert not result.is_error, text_of(result)
    data: dict[str, Any] = (result.meta or {})[RESULTS_KEY]
    return data


def size_of(uri: str) -> tuple[int, int]:
    head, _, content = uri.partition(",")
    assert head == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(content)), formats=("JPEG",)) as image:
        return image.size


@pytest.mark.parametrize("era", ["legacy", "auto"])
async def test_pictures_come_with_their_request_and_small(open_client: Open, era: str) -> None:
    async with open_client(era) as client:
        result = await client.call_tool("generate_image", {**WISH, "aspect_ratio": "16:9", "take": 3})
    made, data = structured(result), for_page(result)
    assert data["requests"] == {
        made["task_id"]: {
            "prompt": "@Mia as an astronaut",
            "model": "3.0-omni",
            "elements": ["Mia"],
            "settings": {"resolution": "1k", "aspect_ratio": "16:9", "count": "2"},
            "take": 3,
        }
    }
    assert data["saves"] is True
    assert list(data["pictures"]) == [file["path"] for file in made["files"]]
    assert {size_of(uri) for uri in data["pictures"].values()} == {(256, 144)}
    assert "base64" not in json.dumps(made)


async def test_wait_and_search_say_what_the_first_call_said(open_client: Open) -> None:
    async with open_client() as client:
        clip = {"prompt": "@Mia waves", "aspect_ratio": "9:16", "wait_seconds": 0}
        first = await client.call_tool("generate_video", clip)
        task = structured(first)["task_id"]
        for _ in range(3):  # a clip with a reference may take fifteen minutes
            waited = await client.call_tool("wait_for_tasks", {"ids": [task], "wait_seconds": 600})
        found = await client.call_tool("find_generations", {})
    assert structured(waited)["tasks"][0]["files"]
    assert for_page(first)["requests"][task]["settings"]["aspect_ratio"] == "9:16"
    assert for_page(first)["requests"] == for_page(waited)["requests"] == for_page(found)["requests"]
    assert for_page(waited)["pictures"] == {}  # of a clip there is none


async def test_search_draws_only_what_the_page_cannot_load(open_client: Open, clock: VirtualClock) -> None:
    async with open_client() as client:
        made = structured(await client.call_tool("generate_image", WISH))
        before = await client.call_tool("find_generations", {})
        await clock.sleep(31 * DAY)
        after = await client.call_tool("find_generations", {})
    assert for_page(before)["pictures"] == {}
    assert list(for_page(after)["pictures"]) == [file["path"] for file in made["files"]]


async def test_generation_of_another_program_has_no_request(
    open_client: Open, account: Account, clock: VirtualClock
) -> None:
    body = {"model_name": "kling-v3", "prompt": "A plane", "n": 1}
    other = await GenerationApi(account.client).create("/v1/images/generations", body, external_task_id="studio-1")
    await clock.sleep(60)  # lists are late
    async with open_client() as client:
        result = await client.call_tool("find_generations", {})
    assert [row["task_id"] for row in structured(result)["generations"]] == [other.task_id]
    assert for_page(result)["requests"] == {}


async def test_page_learns_that_a_server_saves_nothing(open_client: Open) -> None:
    async with open_client(output_dir=False) as client:
        made = await client.call_tool("generate_image", WISH)
        found = await client.call_tool("find_generations", {})
    assert (for_page(made)["saves"], for_page(found)["saves"]) == (False, False)
    assert for_page(made)["pictures"] == {}


@pytest.mark.parametrize("era", ["legacy", "auto"])
async def test_clients_without_apps_get_nothing_for_the_page(open_client: Open, era: str) -> None:
    async with open_client(era, apps=False) as client:
        made = await client.call_tool("generate_image", WISH)
        waited = await client.call_tool("wait_for_tasks", {"ids": [structured(made)["task_id"]]})
        found = await client.call_tool("find_generations", {})
    assert all(RESULTS_KEY not in (result.meta or {}) for result in (made, waited, found))


async def test_small_pictures_are_bounded_together(tmp_path: Path) -> None:
    files = []
    for number in range(30):
        path = tmp_path / f"{number}.png"
        Image.frombytes("RGB", (300, 300), os.urandom(270_000)).save(path)
        files.append(SavedFile(path=str(path), url=KLING, expires_at="", mime_type="image/png", seconds=0.0))
    data: Any = (await results_data([], files, saves=True))[RESULTS_KEY]
    assert 5 < len(data["pictures"]) < 30
    assert list(data["pictures"]) == [file.path for file in files[: len(data["pictures"])]]
    assert len("".join(data["pictures"].values())) <= MAX_PAGE_CHARACTERS


async def test_exchanged_file_has_no_picture_and_texts_are_cleaned(tmp_path: Path) -> None:
    path = tmp_path / "diary.png"
    path.write_text("my secret diary")
    file = SavedFile(path=str(path), url=KLING, expires_at="", mime_type="image/png", seconds=0.0)
    memo = GenerationMemo(prompt="a\u202eb\x1b[31m", model="3.0", elements=(("7", ""),), settings={"duration": 5})
    data: Any = (await results_data([("1", memo), ("", memo)], [file], saves=True))[RESULTS_KEY]
    assert data["pictures"] == {}
    assert list(data["requests"]) == ["1"]
    assert not set(data["requests"]["1"]["prompt"]) & set("\u202e\x1b")
    assert (data["requests"]["1"]["elements"], data["requests"]["1"]["settings"]) == (["7"], {"duration": "5"})


@pytest.mark.parametrize(
    ("url", "expires_at", "is_out"),
    [
        (KLING, "", False),
        (KLING, "2026-01-01T00:00:01.000Z", False),
        (KLING, "2026-01-01T00:00:00.000Z", True),
        ("", "", True),
        ("https://klingai.com.example.com/a.png", "2027-01-01T00:00:00.000Z", True),
        ("http://127.0.0.1:8123/a.png", "2027-01-01T00:00:00.000Z", True),
    ],
)
async def test_page_loads_living_links_to_kling_alone(url: str, expires_at: str, is_out: bool) -> None:
    file = SavedFile(path="/a.png", url=url, expires_at=expires_at, mime_type="image/png", seconds=0.0)
    assert is_out_of_sight(file, 1_767_225_600.0) is is_out
