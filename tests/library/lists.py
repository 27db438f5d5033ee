"""Kling's lists as tests want them: pages that fail, and a count of what was asked."""

from __future__ import annotations

import httpx

from kling_mcp.simulator import Faults, SimulatorTransport, World


class Lists(httpx.AsyncBaseTransport):
    """The simulator behind a proxy that answers 500 for some pages, by route and number."""

    def __init__(self, world: World, faults: Faults | None = None) -> None:
        self._kling = SimulatorTransport(world, faults)
        self.broken: set[tuple[str, int]] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        route = "presets" if "presets" in request.url.path else "list"
        if (route, int(request.url.params.get("pageNum", 0))) in self.broken:
            return httpx.Response(500, text="the page is not to be had")
        return await self._kling.handle_async_request(request)


def pages_asked(world: World, route: str = "list") -> list[int]:
    """The pages that were read of a list, in order."""
    numbers = [
        dict(pair.split("=") for pair in request.query.split("&"))
        for request in world.requests
        if request.route == route
    ]
    return [int(number["pageNum"]) for number in numbers]
