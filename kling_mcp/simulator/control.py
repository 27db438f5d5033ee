"""The simulator's own routes under `/_simulator/`: inspect what happened, arm faults, reset.

Kling has nothing like them; they exist only in an app built with `control=True`.
"""

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from kling_mcp.simulator.faults import Faults
from kling_mcp.simulator.routes import CONTROL_PREFIX
from kling_mcp.simulator.world import World


def control_routes(world: World, faults: Faults) -> list[BaseRoute]:
    """The routes, for one world and its faults."""

    async def requests(_: Request) -> Response:
        return JSONResponse([record.as_json() for record in world.requests])

    async def state(_: Request) -> Response:
        return JSONResponse(world.state())

    async def ignored(_: Request) -> Response:
        return JSONResponse(world.ignored_fields)

    async def show(_: Request) -> Response:
        return JSONResponse([fault.as_json() for fault in faults.armed])

    async def arm(request: Request) -> Response:
        try:
            fault = faults.arm(**_read_options(await request.body()))
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse(fault.as_json(), 201)

    async def disarm(_: Request) -> Response:
        faults.clear()
        return Response(status_code=204)

    async def reset(_: Request) -> Response:
        world.reset()
        faults.clear()
        return Response(status_code=204)

    return [
        Route(CONTROL_PREFIX + "requests", requests),
        Route(CONTROL_PREFIX + "state", state),
        Route(CONTROL_PREFIX + "ignored", ignored),
        Route(CONTROL_PREFIX + "faults", show),
        Route(CONTROL_PREFIX + "faults", arm, methods=["POST"]),
        Route(CONTROL_PREFIX + "faults", disarm, methods=["DELETE"]),
        Route(CONTROL_PREFIX + "reset", reset, methods=["POST"]),
    ]


def _read_options(body: bytes) -> dict[str, Any]:
    options = json.loads(body)
    if not isinstance(options, dict) or not isinstance(options.get("name"), str):
        raise ValueError('the body must be a JSON object with "name" and the options of that fault')  # noqa: TRY004 - JSON
    return options
