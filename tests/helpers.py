"""What the tests share besides fixtures: the credentials they use, an older handshake, and short ways to ask.

Nothing here stands in for code of ours; Kling is played by the simulator, the client by the SDK's own.
"""

from __future__ import annotations

import os
import random
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import pytest
from mcp import Client
from mcp.client._memory import InMemoryTransport
from mcp_types import CallToolResult, TextContent

from kling_mcp.api.client import KlingClient
from kling_mcp.errors import KlingError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from mcp.client._transport import TransportStreams
    from mcp.server.mcpserver import MCPServer
    from mcp.shared._stream_protocols import WriteStream
    from mcp.shared.message import SessionMessage

    from kling_mcp.simulator import World
    from kling_mcp.simulator.request_log import RequestRecord

# Canaries: no output, log line, result or file may ever hold one of these.
API_KEY = "api-key-CANARY-5b1f0c2e7d"
ACCESS_KEY = "access-key-CANARY-93ab"
SECRET_KEY = "secret-key-CANARY-c40d77a91e6b5530"
CANARIES = (API_KEY, ACCESS_KEY, SECRET_KEY)

LISTS = {"list_elements", "list_preset_elements", "find_elements"}

# Both protocol eras: the oldest handshake that is still common, and the one without. Behavioural tests run in both.
OLDEST_HANDSHAKE = "2025-06-18"
ERAS = (OLDEST_HANDSHAKE, "auto")
EVERY_ERA = (*ERAS, "legacy")  # and the newest handshake

ATTEMPTS = 4  # of a request that may be repeated, the first one included

# A creation that needs no picture, as `KlingClient.create_element` takes it.
VIDEO_CREATION: dict[str, Any] = {
    "element_name": "Host",
    "element_description": "Presenter, grey suit",
    "reference_type": "video_refer",
    "element_video_list": {"refer_videos": [{"video_url": "https://example.com/host.mp4"}]},
}

# The `connect` fixture: a protocol era and changed settings make a connected client.
Connect = Callable[..., AbstractAsyncContextManager[Client]]

Send = Callable[[KlingClient], Awaitable[object]]
# One request of each kind, by the simulator's name of its route.
SENDS: dict[str, Send] = {
    "query": lambda client: client.get_task("880000000000000101"),
    "list": lambda client: client.list_elements(),
    "presets": lambda client: client.list_preset_elements(),
    "create": lambda client: client.create_element(VIDEO_CREATION, external_task_id="kmcp-mia"),
    "delete": lambda client: client.delete_element("320000000000007"),
}


@dataclass(frozen=True, slots=True)
class Pictures:
    """Real picture files in an allowed folder."""

    folder: Path
    front: Path
    side: Path
    back: Path


class OlderClient:
    """An in-memory transport whose handshake asks for `OLDEST_HANDSHAKE`; the SDK's client asks for the newest"""

    def __init__(self, server: MCPServer[Any]) -> None:
        self._inner = InMemoryTransport(server)

    async def __aenter__(self) -> TransportStreams:
        read, write = await self._inner.__aenter__()
        return read, _OlderHandshake(write)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._inner.__aexit__(kind, error, traceback)


class _OlderHandshake:
    def __init__(self, inner: WriteStream[SessionMessage]) -> None:
        self._inner = inner

    async def send(self, item: SessionMessage) -> None:
        message = item.message
        if getattr(message, "method", "") == "initialize":
            message.params["protocolVersion"] = OLDEST_HANDSHAKE  # type: ignore[union-attr,index] # a request with params
        await self._inner.send(item)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def text_of(result: CallToolResult) -> str:
    """The text of a result, all blocks together."""
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


def last_line(result: CallToolResult) -> dict[str, str]:
    """The fields of the line for programs; fails if the call did not."""
    assert result.is_error, text_of(result)
    return dict(field.split("=", 1) for field in text_of(result).splitlines()[-1].split(" "))


def structured(result: CallToolResult) -> dict[str, Any]:
    """The structured content of a success."""
    assert not result.is_error, text_of(result)
    assert result.structured_content is not None
    return dict(result.structured_content)


def in_text(tool: str, content: dict[str, Any]) -> dict[str, Any]:
    """What of a structured content the text must say: all of it, of the rows of a list their short form."""
    if tool in {"generate_video", "generate_image"} and content["task_id"]:
        return {name: value for name, value in content.items() if name != "request"}  # a dry run tells it
    if tool == "find_generations":
        return {**content, "generations": [_short_generation(row) for row in content["generations"]]}
    if tool == "apply_production":
        return {**content, "entries": [_short_entry(row) for row in content["entries"]]}
    if tool == "plan_production":
        shots = {name: [_short_shot(row) for row in rows] for name, rows in content["shots"].items()}
        return {**content, "shots": shots}
    if tool not in LISTS:
        return content
    return {**content, "elements": [_short(row) for row in content["elements"]]}


def _short(row: dict[str, Any]) -> dict[str, Any]:
    left_out = {"owned_by", *(["task_id"] if row["element_id"] else [])}
    return {
        **{name: value for name, value in row.items() if name not in left_out},
        "created_at": row["created_at"][:10],
        "no_voice": "voice=none" if row["element_id"] and not row["voice_id"] else "",
    }


def _short_entry(row: dict[str, Any]) -> dict[str, Any]:
    """One that was there before is no more than its name and its files."""
    files = [part for file in row["files"] for part in os.path.split(file["path"] or file["url"])]
    before = {"name": row["name"], "element_id": row["element_id"]} if row["paid"] == "before" else row
    return {**before, "files": files}


def _short_shot(row: dict[str, Any]) -> dict[str, Any]:
    """Settings are told once for all that is rendered; units are those of one take."""
    files = [part for file in row["files"] for part in os.path.split(file["path"] or file["url"])]
    if row["action"] == "unchanged":
        return {"shot": row["shot"], "files": files}
    settings = row["settings"].split(", ") if row["action"] == "render" else []
    action = row["action"].replace("left_out", "leave out")
    return {**row, "settings": settings, "files": files, "action": action, "prompt": row["prompt"][:30]}


def _short_generation(row: dict[str, Any]) -> dict[str, Any]:
    files = [file["path"] or file["url"] for file in row["files"]]
    left_out = {"external_task_id"} if row["task_id"] else set()
    return {name: value for name, value in row.items() if name not in left_out} | {
        "created_at": row["created_at"][:10],
        "files": files,
    }


def requests_to(world: World, *routes: str) -> list[RequestRecord]:
    """The requests that the simulator saw on these routes, in order."""
    return [request for request in world.requests if request.route in routes]


async def failure_of(client: KlingClient, route: str) -> KlingError:
    """The error that this kind of request ends with."""
    with pytest.raises(KlingError) as caught:
        await SENDS[route](client)
    return caught.value


def dice(seed: int) -> random.Random:
    """Chance that repeats itself."""
    return random.Random(seed)  # noqa: S311 - guards nothing
