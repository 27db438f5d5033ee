"""The simulated Kling over ASGI: reads requests, simulates delays and lost replies, writes replies with their Date.

`exchange` decides what a request does; only HTTP and waiting are handled here. Keeps no state of its own.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import formatdate
from hashlib import sha256

import anyio
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from kling_mcp.simulator.control import control_routes
from kling_mcp.simulator.credentials import credential_kind
from kling_mcp.simulator.exchange import Exchange
from kling_mcp.simulator.fault_actions import Ending, Plan
from kling_mcp.simulator.faults import Faults
from kling_mcp.simulator.replies import Reply, proxy_page
from kling_mcp.simulator.request_log import SECRET_HEADERS, RequestRecord
from kling_mcp.simulator.routes import Match, match_route
from kling_mcp.simulator.world import World

Sleep = Callable[[float], Awaitable[None]]

# A custom ASGI message: end the connection in this way, without a response.
DROP = "simulator.drop"
# Scope keys that the in-process transport fills in: its plan for the request, and the client's read time-out.
PLAN = "simulator.plan"
PATIENCE = "simulator.patience"


def build_app(
    world: World, faults: Faults | None = None, *, control: bool = False, sleep: Sleep = anyio.sleep
) -> Starlette:
    """The app that answers like Kling.

    `control` adds the routes under `/_simulator/`; `sleep` performs delays (seconds).
    Lost replies need an owner of the connection: `SimulatorTransport` in process, `serve` over TCP.
    """
    armed = Faults() if faults is None else faults
    desk = _Handler(world, armed, sleep)
    routes: list[BaseRoute] = control_routes(world, armed) if control else []
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    return Starlette(routes=[*routes, Route("/{path:path}", desk.answer, methods=methods)])


class _NoReply(Response):
    """No response at all: the connection ends."""

    def __init__(self, ending: Ending) -> None:
        super().__init__()
        self._ending = ending

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Leave the ending to the owner of the connection; a hanging one first lasts as long as the client."""
        if self._ending == "hang" and scope.get(PATIENCE) is None:
            await receive()  # the body has been read, so the next message says that the client disconnected
        await send({"type": DROP, "ending": self._ending})


@dataclass(frozen=True, slots=True)
class _Handler:
    world: World
    faults: Faults
    sleep: Sleep

    async def answer(self, request: Request) -> Response:
        self.world.settle()
        match = match_route(request.method, request.scope["raw_path"].decode("latin-1"))
        plan: Plan = request.scope.get(PLAN) or self.faults.plan(match.name)
        visit = self._open(request, match, plan)
        try:
            body = await _read(request, self.world.max_body_bytes)
        except ClientDisconnect:  # a client that was killed: half a request is none
            return _NoReply("closed")
        if body is None:
            visit.record.status = 413
            return _as_response(proxy_page(413), visit)  # fact: body-40mb
        visit.body = body
        visit.record.body_bytes, visit.record.body_sha256 = len(body), sha256(body).hexdigest()
        outcome = await self._play(visit, request.scope.get(PATIENCE))
        if not isinstance(outcome, Reply):
            return _NoReply(outcome)
        response = _as_response(outcome, visit)
        if plan.cut is None and plan.trickle is None:
            return response
        return _PiecemealReply(response, plan, self.sleep)

    def _open(self, request: Request, match: Match, plan: Plan) -> Exchange:
        authorization = request.headers.get("authorization")
        record = RequestRecord(
            number=self.world.next_number(),
            time=self.world.clock(),
            method=request.method,
            path=request.url.path,
            route=match.name,
            query=request.url.query,
            headers={name: text for name, text in request.headers.items() if name not in SECRET_HEADERS},
            credential=credential_kind(authorization),
            faults=list(plan.names),
        )
        self.world.record(record)
        return Exchange(
            world=self.world,
            faults=self.faults,
            plan=plan,
            record=record,
            item_id=match.item_id,
            authorization=authorization,
            origin=str(request.base_url).rstrip("/"),
        )

    async def _play(self, visit: Exchange, patience: float | None) -> Reply | Ending:
        """The outcome after its delay. `patience` is the client's read time-out, if known."""
        delay = visit.plan.delay
        seconds = delay.seconds if delay else 0.0
        leaves = patience is not None and delay is not None and seconds >= patience
        outcome: Reply | Ending = "hang"
        if delay is not None and not delay.after_commit:
            if leaves:
                self.world.defer(self.world.clock() + seconds, visit.outcome)
            else:
                await self._wait_before(visit, seconds)
                outcome = visit.outcome()
        else:
            outcome = visit.outcome()
            if leaves:
                visit.record.status = visit.record.code = None
                outcome = "hang"
            elif delay is not None:
                await self.sleep(seconds)
        if outcome == "hang" and patience is not None:
            await self.sleep(patience)
        return outcome

    async def _wait_before(self, visit: Exchange, seconds: float) -> None:
        """Wait before doing the work, which happens even if the client is cancelled meanwhile."""
        due = self.world.clock() + seconds
        try:
            await self.sleep(seconds)
        except anyio.get_cancelled_exc_class():
            self.world.defer(due, visit.outcome)
            raise


class _PiecemealReply(Response):
    """A body that comes in pieces and may end too early, as faults say. The head is that of the whole."""

    def __init__(self, whole: Response, plan: Plan, sleep: Sleep) -> None:
        super().__init__()
        self._whole, self._plan, self._sleep = whole, plan, sleep

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the pieces; a cut is left to the owner of the connection."""
        body, cut, trickle = bytes(self._whole.body), self._plan.cut, self._plan.trickle
        end = len(body) if cut is None else min(cut.after_bytes, len(body))
        size = max(end, 1) if trickle is None else trickle.piece_bytes
        head = {"status": self._whole.status_code, "headers": self._whole.raw_headers}
        await send({"type": "http.response.start", **head})
        for start in range(0, end, size):
            if trickle is not None:
                await self._sleep(trickle.seconds)
            await send({"type": "http.response.body", "body": body[start : min(start + size, end)], "more_body": True})
        if end < len(body):
            await send({"type": DROP, "ending": "closed"})
        else:
            await send({"type": "http.response.body", "body": b""})


def _as_response(reply: Reply, visit: Exchange) -> Response:
    headers = dict(reply.headers)
    date = visit.plan.date
    text = formatdate(visit.server_time(), usegmt=True) if date is None else date.text
    if text:
        headers["date"] = text
    return Response(reply.body, reply.status, headers, reply.media_type)


async def _read(request: Request, most: int) -> bytes | None:
    """The body, or None if it is longer than `most` bytes."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            return None
    return bytes(body)
