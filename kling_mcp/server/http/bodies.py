"""Bodies of requests: how slowly they may arrive, and how much of them is held at once.

A request holds its body until it is answered. The first part of each is free, so a small request never waits for
large ones. Where a caller's share is used up, the oldest body that is still arriving makes room. The SDK limits the
size of a single body.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from kling_mcp.server.http.callers import caller_of
from kling_mcp.server.http.refusals import refusal
from kling_mcp.server.http.shares import FullError, Place, Room

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from kling_mcp.concurrency.clock import Clock

BODY_SECONDS = 60.0  # for the whole body: a peer that drips bytes cannot hold a request
MAX_HELD_BYTES = 256_000_000
FREE_BYTES = 64_000

_FULL = "Your large requests hold as much of the server's memory as they may; try again when some are answered."
_RETRY = {"Retry-After": "5"}


class _RefusedError(Exception):
    """Stop reading the body."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


@dataclass(eq=False)
class _Body(Place):
    """It gives way until it is complete."""

    arrived: int = 0
    is_complete: bool = False
    reading: anyio.CancelScope | None = None  # while it waits for the next part


class Bodies:
    """Limits the time a body may take to arrive, and the bytes of all bodies of a caller together."""

    def __init__(self, app: ASGIApp, clock: Clock, *, largest: int, most_bytes: int = MAX_HELD_BYTES) -> None:
        """`largest` is the size of the largest request; there is always room for two, even for strangers."""
        self._app = app
        self._clock = clock
        of_one, of_strangers = max(largest, most_bytes // 2), max(2 * largest, most_bytes // 8)
        self._room: Room[_Body] = Room(most_bytes, of_one=of_one, of_strangers=of_strangers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = _Body(caller_of(scope).share, gives_way=True)
        deadline = self._clock.monotonic() + BODY_SECONDS

        async def guarded() -> Message:
            if body.is_complete:
                return await receive()
            with anyio.move_on_after(max(0.0, deadline - self._clock.monotonic())) as body.reading:
                if body.gives_way:
                    message = await receive()
                    self._hold(body, message)
                    return message
            if body.gives_way:
                raise _RefusedError(refusal(408, f"The request took longer than {BODY_SECONDS:.0f} seconds to arrive."))
            raise _RefusedError(refusal(503, _FULL, _RETRY))

        try:
            await self._app(scope, guarded, send)
        except _RefusedError as refused:
            await refused.response(scope, receive, send)
        finally:
            self._room.leave(body)

    def _hold(self, body: _Body, message: Message) -> None:
        before = max(0, body.arrived - FREE_BYTES)
        body.arrived += len(message.get("body", b""))
        more = max(0, body.arrived - FREE_BYTES) - before
        if more:
            try:
                lost = self._room.take(body, more)
            except FullError:
                raise _RefusedError(refusal(503, _FULL, _RETRY)) from None
            for other in lost:
                other.gives_way = False
                if other.reading is not None:
                    other.reading.cancel()
        if not message.get("more_body", False):
            body.is_complete = True
            body.gives_way = False
