"""What the tests share besides fixtures: the credentials they use, an older handshake, and short ways to ask.

Nothing here stands in for code of ours; Kling is played by the simulator, the client by the SDK's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from mcp.client._memory import InMemoryTransport
from mcp_types import CallToolResult, TextContent

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from anyio.streams.memory import MemoryObjectSendStream
    from mcp.client._transport import TransportStreams
    from mcp.server.mcpserver import MCPServer
    from mcp.shared.message import SessionMessage

    from kling_mcp.simulator import World
    from kling_mcp.simulator.recording import RequestRecord

# Canaries: no output, log line, result or file may ever hold one of these.
API_KEY = "api-key-CANARY-5b1f0c2e7d"
ACCESS_KEY = "access-key-CANARY-93ab"
SECRET_KEY = "secret-key-CANARY-c40d77"
CANARIES = (API_KEY, ACCESS_KEY, SECRET_KEY)

# Both protocol eras, and the oldest handshake that the issue names.
OLDEST_HANDSHAKE = "2025-06-18"
ERAS = (OLDEST_HANDSHAKE, "legacy", "auto")


@dataclass(frozen=True, slots=True)
class Pictures:
    """Real picture files in an allowed folder."""

    folder: Path
    front: Path
    side: Path
    back: Path


class OlderClient:
    """An in-memory transport whose handshake asks for `OLDEST_HANDSHAKE`; the SDK's client always asks for its newest.

    `answered` is the version that the server chose.
    """

    def __init__(self, server: MCPServer[Any]) -> None:
        self._inner = InMemoryTransport(server)

    async def __aenter__(self) -> TransportStreams:
        read, write = await self._inner.__aenter__()
        return read, _OlderHandshake(write)  # type: ignore[return-value] # send and aclose are all that is used

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._inner.__aexit__(kind, error, traceback)


class _OlderHandshake:
    def __init__(self, inner: MemoryObjectSendStream[SessionMessage]) -> None:
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


def requests_to(world: World, *routes: str) -> list[RequestRecord]:
    """The requests that the simulator saw on these routes, in order."""
    return [request for request in world.requests if request.route in routes]
