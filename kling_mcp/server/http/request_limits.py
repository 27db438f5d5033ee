"""Limits on requests: how slowly they may arrive, how much is held at once, and how they end at shutdown.

Their content does not matter here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
from starlette.datastructures import Headers
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from kling_mcp.concurrency.clock import Clock

BODY_SECONDS = 60.0  # for the whole body: a peer that drips bytes cannot hold a request
MAX_HELD_BYTES = 256_000_000
_RETRY_SECONDS = "5"
_LISTEN = "subscriptions/listen"


class _RefusedError(Exception):
    """Stop reading the body; `response` says why."""

    def __init__(self, status: int, why: str, headers: dict[str, str]) -> None:
        super().__init__(why)
        self.response = JSONResponse({"error": why}, status, {"Connection": "close", **headers})


class BodyLimits:
    """Limits the time a body may take to arrive, and the bytes of all bodies together.

    A request holds its body until it is answered. The SDK checks the size of a single body.
    """

    def __init__(
        self,
        app: ASGIApp,
        clock: Clock,
        *,
        seconds: float = BODY_SECONDS,
        most_bytes: int = MAX_HELD_BYTES,
    ) -> None:
        self._app = app
        self._clock = clock
        self._seconds = seconds
        self._most = most_bytes
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        deadline = self._clock.monotonic() + self._seconds
        held = 0
        is_complete = False

        async def guarded() -> Message:
            nonlocal held, is_complete
            if is_complete:
                return await receive()
            with anyio.move_on_after(max(0.0, deadline - self._clock.monotonic())):
                message = await receive()
                size = len(message.get("body", b""))
                held += size
                self._held += size
                if self._held > self._most:
                    raise _too_much_at_once()
                is_complete = not message.get("more_body", False)
                return message
            raise _RefusedError(408, f"The request took longer than {self._seconds:.0f} seconds to arrive.", {})

        try:
            await self._app(scope, guarded, send)
        except _RefusedError as refusal:
            await refusal.response(scope, receive, send)
        finally:
            self._held -= held


def _too_much_at_once() -> _RefusedError:
    return _RefusedError(
        503, "The server is handling too many large requests; try again.", {"Retry-After": _RETRY_SECONDS}
    )


class InFlightRequests:
    """Tracks open requests, so that shutdown can wait for responses and close streams."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._answering: set[anyio.CancelScope] = set()
        self._streams: set[anyio.CancelScope] = set()
        self._answered = anyio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_stream = scope["method"] == "GET" or Headers(scope=scope).get("mcp-method") == _LISTEN
        group = self._streams if is_stream else self._answering
        began = False

        async def watched(message: Message) -> None:
            nonlocal began
            began = True
            await send(message)

        with anyio.CancelScope() as cancel:
            group.add(cancel)
            try:
                await self._app(scope, receive, watched)
            finally:
                group.discard(cancel)
                self._answered.set()
        if cancel.cancelled_caught:
            if not began:
                await JSONResponse({"error": "The server is shutting down."}, 503)(scope, receive, send)
            else:
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def finish(self, seconds: float) -> None:
        """Wait at most `seconds` for all responses, then close everything that is open, including streams."""
        with anyio.move_on_after(seconds):
            while self._answering:
                self._answered = anyio.Event()
                await self._answered.wait()
        for cancel in [*self._answering, *self._streams]:
            cancel.cancel()
