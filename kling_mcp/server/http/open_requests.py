"""Requests that are open at the same time: each caller's share of them, and how they end at shutdown.

A stream (an older client's, or a subscription) stays open for as long as its client likes, so at the limit the oldest
one of its caller ends; clients open it again by themselves. A call is never cut off for another: it is refused.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
from starlette.datastructures import Headers

from kling_mcp.server.http.accept import LISTEN
from kling_mcp.server.http.callers import caller_of
from kling_mcp.server.http.refusals import refusal
from kling_mcp.server.http.shares import STRANGERS, FullError, Place, Room

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from kling_mcp.concurrency.clock import Clock

logger = logging.getLogger(__name__)

MOST_CALLS, MOST_STREAMS = 1000, 1000
OF_ONE = 250
OF_STRANGERS = 128
# Strangers' requests begin one after the other beyond a burst, so that their number costs others no time.
STRANGERS_PER_SECOND, STRANGERS_BURST = 50.0, 200
SEND_SECONDS = 60.0  # for the peer to take a part of the answer

_TOO_MANY = "Too many of your requests are open at the same time; try again when some are answered."
_TOO_MANY_STRANGERS = (
    "Too many requests of callers whose Kling credentials have not been accepted yet are open; try again."
)
_RETRY = {"Retry-After": "5"}


@dataclass(eq=False)
class _OpenRequest(Place):
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


class OpenRequests:
    """Gives each caller its share, and closes everything at shutdown."""

    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        self._app = app
        self._clock = clock
        self._calls: Room[_OpenRequest] = Room(MOST_CALLS, of_one=OF_ONE, of_strangers=OF_STRANGERS)
        self._streams: Room[_OpenRequest] = Room(MOST_STREAMS, of_one=OF_ONE, of_strangers=OF_STRANGERS)
        self._answering: set[anyio.CancelScope] = set()
        self._streaming: set[anyio.CancelScope] = set()
        self._answered = anyio.Event()
        self._begin_next = float("-inf")
        self._is_ending = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_stream = scope["method"] == "GET" or Headers(scope=scope).get("mcp-method") == LISTEN
        room, group = (self._streams, self._streaming) if is_stream else (self._calls, self._answering)
        request = _OpenRequest(caller_of(scope).share, gives_way=is_stream)
        try:
            lost = room.take(request)
        except FullError:
            why = _TOO_MANY_STRANGERS if request.share == STRANGERS else _TOO_MANY
            await refusal(503, why, _RETRY)(scope, receive, send)
            return
        for other in lost:
            other.scope.cancel()
        group.add(request.scope)
        try:
            await self._run(request, scope, receive, send)
        finally:
            group.discard(request.scope)
            room.leave(request)
            self._answered.set()

    async def finish(self, seconds: float) -> None:
        """Wait at most `seconds` for all responses, then close everything that is open, including streams."""
        self._is_ending = True
        with anyio.move_on_after(seconds):
            while self._answering:
                self._answered = anyio.Event()
                await self._answered.wait()
        for cancel in [*self._answering, *self._streaming]:
            cancel.cancel()

    async def _run(self, request: _OpenRequest, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun = False

        async def watched(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            # One scope for all: most answers have two parts, which go out without waiting.
            request.scope.deadline = anyio.current_time() + SEND_SECONDS
            await send(message)
            request.scope.deadline = math.inf

        with request.scope:
            if request.share == STRANGERS:
                await self._wait_for_turn()
            await self._app(scope, receive, watched)
        if request.scope.cancelled_caught:
            if anyio.current_time() >= request.scope.deadline:
                logger.info("A caller did not take its answer in time.")
            if has_begun:
                with anyio.move_on_after(1):
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
            else:
                why = "The server is shutting down." if self._is_ending else "This stream made room for a newer one."
                await refusal(503, why, _RETRY)(scope, receive, send)

    async def _wait_for_turn(self) -> None:
        now = self._clock.monotonic()
        earliest = now - STRANGERS_BURST / STRANGERS_PER_SECOND
        self._begin_next = max(self._begin_next, earliest) + 1 / STRANGERS_PER_SECOND
        await self._clock.sleep(self._begin_next - now)
