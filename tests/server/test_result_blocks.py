"""Results in an answer: links to files, and small pictures for chats that show no pages."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import helpers
import pytest
from helpers import OLDEST_HANDSHAKE, Connect, Pictures, structured, text_of
from mcp import Client
from mcp.client import advertise
from mcp_types import CallToolResult, ImageContent, ResourceLink
from PIL import Image

from kling_mcp.runtime import Runtime
from kling_mcp.server.build import build_server
from kling_mcp.settings import Settings
from kling_mcp.settings.spending import SpendingSettings

pytestmark = pytest.mark.anyio

ALLOW = {"spending": SpendingSettings(mode="allow")}
WISH = {"prompt": "A lighthouse", "wait_seconds": 600}
APPS = advertise("io.modelcontextprotocol/ui", {"mimeTypes": ["text/html;profile=mcp-app"]})


async def made(client: Client, tool: str = "generate_image", **arguments: Any) -> CallToolResult:
    result = await client.call_tool(tool, WISH | arguments)
    assert not result.is_error, text_of(result)
    return result


def links(result: CallToolResult) -> list[ResourceLink]:
    return [block for block in result.content if isinstance(block, ResourceLink)]


def shown(result: CallToolResult) -> list[Image.Image]:
    """The pictures of a result, each a JPEG of at most 36 kB, or a sheet of 300 kB."""
    blocks = [block for block in result.content if isinstance(block, ImageContent)]
    assert {block.mime_type for block in blocks} <= {"image/jpeg"}
    files = [base64.b64decode(block.data) for block in blocks]
    assert all(len(file) <= (36_000 if len(files) > 1 else 300_000) for file in files)
    return [Image.open(io.BytesIO(file), formats=("JPEG",)) for file in files]


def exchange(path: Path, target: Path | None) -> None:
    path.unlink()
    if target is None:
        path.write_bytes(b"my secret diary")
    else:
        path.symlink_to(target)


async def test_clip_has_a_link_to_its_file_and_no_picture(connect: Connect, era: str) -> None:
    async with connect(era, **ALLOW) as client:
        result = await made(client, "generate_video")
    (file,) = structured(result)["files"]
    (link,) = links(result)
    path = Path(file["path"])
    assert (link.uri, link.name, link.mime_type, link.size) == (path.as_uri(), path.name, "video/mp4", file["bytes"])
    assert shown(result) == []


@pytest.mark.parametrize("count", [1, 2, 6])
async def test_each_picture_has_a_link_and_is_shown_small_below_its_name(
    connect: Connect, era: str, count: int
) -> None:
    async with connect(era, **ALLOW) as client:
        result = await made(client, count=count)
    paths = [Path(file["path"]) for file in structured(result)["files"]]
    assert [link.uri for link in links(result)] == [path.as_uri() for path in paths]
    assert {link.mime_type for link in links(result)} == {"image/png"}
    pictures = shown(result)
    assert len(pictures) == count
    assert all(max(picture.size) <= 256 for picture in pictures)
    assert all(f'Picture of "{path.name}":' in text_of(result) for path in paths)


async def test_nine_pictures_are_one_numbered_sheet(connect: Connect) -> None:
    async with connect(**ALLOW) as client:
        result = await made(client, count=9)
    assert len(links(result)) == 9
    assert len(shown(result)) == 1
    assert f'9. "{Path(structured(result)["files"][8]["path"]).name}"' in text_of(result)


async def test_picture_is_shown_by_the_wait_that_saves_it(connect: Connect) -> None:
    async with connect(**ALLOW) as client:
        started = await made(client, wait_seconds=0)
        assert (links(started), shown(started)) == ([], [])
        result = await client.call_tool(
            "wait_for_tasks", {"ids": [structured(started)["task_id"]], "wait_seconds": 600}
        )
    assert (len(links(result)), len(shown(result))) == (1, 1)


async def test_client_that_shows_pages_gets_links_alone(settings: Settings, runtime: Runtime) -> None:
    async with Client(build_server(settings, runtime), extensions=[APPS]) as client:
        result = await made(client, max_units=100)
    assert (len(links(result)), len(shown(result))) == (1, 0)


async def test_result_that_is_not_saved_is_a_link_to_kling(connect: Connect, era: str) -> None:
    async with connect(era, output_dir=False, **ALLOW) as client:
        result = await made(client)
    (file,) = structured(result)["files"]
    (link,) = links(result)
    assert (link.uri, link.size) == (file["url"], None)
    assert file["expires_at"] in link.name
    assert shown(result) == []


@pytest.mark.parametrize("instead", ["a link to another file", "no picture"])
async def test_file_that_was_exchanged_is_not_shown(connect: Connect, pictures: Pictures, instead: str) -> None:
    async with connect(**ALLOW) as client:
        path = Path(structured(await made(client))["files"][0]["path"])
        exchange(path, pictures.front if instead == "a link to another file" else None)
        again = await made(client)
    assert structured(again)["files"][0]["path"] == str(path)
    assert shown(again) == []


async def test_dry_run_has_neither_link_nor_picture(connect: Connect) -> None:
    async with connect(**ALLOW) as client:
        result = await made(client, dry_run=True)
    assert (links(result), shown(result)) == ([], [])


async def test_client_of_a_revision_without_links_as_content_gets_none(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(helpers, "OLDEST_HANDSHAKE", "2025-03-26")
    async with connect(OLDEST_HANDSHAKE, **ALLOW) as client:
        result = await made(client)
    assert (len(links(result)), len(shown(result))) == (0, 1)
