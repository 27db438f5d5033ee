"""Puts the simulator behind an httpx client in the same process, connection failures included.

The only module of the simulator that imports httpx. Must not decide what goes wrong: `faults` does.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import anyio
import httpx
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kling_mcp.simulator.app import DROP, PATIENCE, PLAN, Sleep, build_app
from kling_mcp.simulator.fault_actions import Ending, Plan, Refuse
from kling_mcp.simulator.faults import Faults
from kling_mcp.simulator.routes import CONTROL_PREFIX, FILES_PREFIX, match_route
from kling_mcp.simulator.world import World
from kling_mcp.simulator.world_file import WorldFile, WorldFileError

# Makes the error for a file that cannot be used, from its path and what is wrong.
Unusable = Callable[[Path, Exception], Exception]


class SimulatorTransport(httpx.AsyncBaseTransport):
    """`httpx.AsyncClient(transport=SimulatorTransport(world, faults))` talks to that world; the host is ignored.

    Raises what httpx raises over a network: ConnectError or ConnectTimeout before anything arrives, ReadError or
    RemoteProtocolError for a lost reply, ReadTimeout when the reply takes longer than the client's read time-out.
    `sleep` performs delays and time-outs (seconds); the default runs on any event loop, even a virtual one.
    """

    def __init__(
        self,
        world: World,
        faults: Faults | None = None,
        *,
        control: bool = False,
        sleep: Sleep = anyio.sleep,
    ) -> None:
        self.world = world
        self.faults = Faults() if faults is None else faults
        self._sleep = sleep
        self._app: ASGIApp = build_app(world, self.faults, control=control, sleep=sleep)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass one request to the app, and return its reply or raise how the connection ends."""
        raw_path = request.url.raw_path.partition(b"?")[0].decode("ascii")
        if raw_path.startswith(CONTROL_PREFIX) and not raw_path.startswith(FILES_PREFIX):
            return await httpx.ASGITransport(self._app).handle_async_request(request)
        timeouts: Mapping[str, float | None] = request.extensions.get("timeout", {})
        plan = self.faults.plan(match_route(request.method, raw_path).name)
        if isinstance(plan.reply, Refuse):
            await self._refuse(plan.reply, request, timeouts.get("connect"))
        courier = _Courier(self._app, plan, timeouts.get("read"))
        try:
            return await httpx.ASGITransport(courier).handle_async_request(request)
        except _DroppedError as dropped:
            error, text = _ERRORS[dropped.ending]
            failure = error(text, request=request)
            if courier.head is None:
                raise failure from None
            return httpx.Response(
                courier.head["status"], headers=courier.head["headers"], stream=_CutStream(courier.body, failure)
            )

    async def _refuse(self, fault: Refuse, request: httpx.Request, patience: float | None) -> None:
        if not fault.timeout:
            raise httpx.ConnectError("All connection attempts failed", request=request)
        await (anyio.sleep_forever() if patience is None else self._sleep(patience))
        raise httpx.ConnectTimeout("Connecting timed out", request=request)


class WorldFileTransport(httpx.AsyncBaseTransport):
    """Like `SimulatorTransport`, on a world that is kept in a file.

    A file that cannot be used is an error that `unusable` makes; without it, a Kling that cannot be reached.
    """

    def __init__(self, world: World, file: WorldFile, unusable: Unusable | None = None) -> None:
        self._inner = SimulatorTransport(world)
        self._file = file
        self._unusable = unusable

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Carry out one request."""
        try:
            async with self._file.request(may_change=request.method != "GET"):
                return await self._inner.handle_async_request(request)
        except WorldFileError as error:
            if self._unusable:
                raise self._unusable(error.path, error.reason) from None
            raise httpx.ConnectError(f"The sandbox cannot be used: {error}", request=request) from None


class _DroppedError(Exception):
    def __init__(self, ending: Ending) -> None:
        super().__init__(ending)
        self.ending = ending


class _CutStream(httpx.AsyncByteStream):
    """What arrived of a body before its connection ended."""

    def __init__(self, body: bytes, failure: httpx.TransportError) -> None:
        self._body = body
        self._failure = failure

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body
        raise self._failure


class _Courier:
    """Passes the plan to the app, and the app's order to drop the connection back.

    `head` and `body` are what the app had sent by then.
    """

    def __init__(self, app: ASGIApp, plan: Plan, patience: float | None) -> None:
        self._app = app
        self._plan = plan
        self._patience = patience
        self.head: Message | None = None
        self.body = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ending: Ending | None = None

        async def watch(message: Message) -> None:
            nonlocal ending
            if message["type"] == DROP:
                ending = message["ending"]
                return
            if message["type"] == "http.response.start":
                self.head = message
            elif self._plan.cut is not None:  # kept only where it can be needed
                self.body += message.get("body", b"")
            await send(message)

        await self._app({**scope, PLAN: self._plan, PATIENCE: self._patience}, receive, watch)
        if ending is not None:
            raise _DroppedError(ending)


_ERRORS: Mapping[Ending, tuple[type[httpx.TransportError], str]] = MappingProxyType(
    {
        "closed": (httpx.RemoteProtocolError, "Server disconnected without sending a response."),
        "reset": (httpx.ReadError, "Connection reset by peer"),
        "hang": (httpx.ReadTimeout, "Reading timed out"),
    }
)
