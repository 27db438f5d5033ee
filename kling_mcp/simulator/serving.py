"""Serves the simulator over TCP on the loopback address, for `kling-mcp simulate` and tests with real processes.

A lost reply really ends the connection here. Must not log requests: they carry credentials.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from kling_mcp.simulator.app import DROP, build_app
from kling_mcp.simulator.faults import Faults
from kling_mcp.simulator.world import World

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOST = "127.0.0.1"


def serve(
    world: World,
    faults: Faults | None = None,
    port: int = 0,
    *,
    control: bool = True,
    on_listening: Callable[[str], None] | None = None,
) -> None:
    """Serve until interrupted. `port` 0 takes a free one; `on_listening` gets the base URL.

    Raises OSError if the port is taken.
    """
    with contextlib.closing(_listen(port)) as listener:
        server = _build_server(world, faults, control=control)
        if on_listening is not None:
            on_listening(_base_url(listener))
        server.run(sockets=[listener])


@contextlib.contextmanager
def served_in_background(
    world: World, faults: Faults | None = None, port: int = 0, *, control: bool = True
) -> Iterator[str]:
    """Serve in a thread while the block runs; yields the base URL. Raises OSError if the port is taken."""
    with contextlib.closing(_listen(port)) as listener:
        server = _build_server(world, faults, control=control)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield _base_url(listener)
        finally:
            server.should_exit = True
            thread.join()


def _listen(port: int) -> socket.socket:
    # Listen before the server runs, so that no client can come too early.
    listener = socket.create_server((HOST, port))
    # asyncio does this for its own sockets. Without it, a reply's body waits 40 ms for the client's ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _base_url(listener: socket.socket) -> str:
    return f"http://{HOST}:{listener.getsockname()[1]}"


def _build_server(world: World, faults: Faults | None, *, control: bool) -> "uvicorn.Server":
    import uvicorn  # noqa: PLC0415 - a sandbox within the process needs no server
    from uvicorn.protocols.http.h11_impl import H11Protocol  # noqa: PLC0415 - comes with uvicorn

    class DroppingProtocol(H11Protocol):
        """Gives every connection an app that can end that connection."""

        # asyncio declares a BaseTransport and always passes a full one; uvicorn relies on that, too.
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self.app = _Dropping(self.app, transport)

    config = uvicorn.Config(
        build_app(world, faults, control=control),
        http=DroppingProtocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,  # its lines contain query strings, which may be secret
        date_header=False,  # the world's clock sets the date
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config)


class _Dropping:
    """Ends the TCP connection when the app says so instead of answering."""

    def __init__(self, app: "ASGIApp", transport: asyncio.Transport) -> None:
        self._app = app
        self._transport = transport

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        ending = ""

        async def watch(message: "Message") -> None:
            nonlocal ending
            if message["type"] == DROP:
                ending = message["ending"]
            else:
                await send(message)

        await self._app(scope, receive, watch)
        if not ending:
            return
        if ending == "reset":
            # Lingering for zero seconds makes closing send RST instead of FIN.
            linger = struct.pack("ii", 1, 0)
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._transport.abort()
        await receive()  # until the server has noticed; otherwise it would try to answer 500
