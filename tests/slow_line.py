"""A slow line to the simulated Kling: bodies go out chunk by chunk, as fast as the line is. Only time is simulated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import httpx

if TYPE_CHECKING:
    from kling_mcp.simulator import SimulatorTransport

MEGABIT = 125_000  # bytes per second


class SlowLine(httpx.AsyncBaseTransport):
    """The network in front of the simulator, with so many bytes per second upstream."""

    def __init__(self, kling: SimulatorTransport, bytes_per_second: float = MEGABIT) -> None:
        self._kling = kling
        self._rate = bytes_per_second

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        arrived = bytearray()
        assert isinstance(request.stream, httpx.AsyncByteStream)
        async for chunk in request.stream:
            arrived += chunk
            await anyio.sleep(len(chunk) / self._rate)
        whole = httpx.Request(
            request.method, request.url, headers=request.headers, content=bytes(arrived), extensions=request.extensions
        )
        return await self._kling.handle_async_request(whole)
