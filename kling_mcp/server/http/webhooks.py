"""`POST /callbacks/kling/…`: Kling says that a task has changed, and waiting calls poll it.

The endpoint is open to everyone, so it trusts nothing: the address must be one that this server made, the body must
be small, and signed if a secret is set; all it triggers is a poll. Losing a callback only costs time, because waits
poll anyway. fact: signature-legacy-unknown
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from typing import TYPE_CHECKING

import anyio
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse

from kling_mcp.api.webhooks import (
    MAX_BODY_BYTES,
    TOLERANCE_SECONDS,
    check_signature,
    read_task_id,
    signing_keys,
)
from kling_mcp.errors import CallbackError, StorageError
from kling_mcp.observability import telemetry
from kling_mcp.tasks.callback_urls import CALLBACKS

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.runtime import Runtime

logger = logging.getLogger(__name__)

PREFIX = f"{CALLBACKS}/"
_BODY_SECONDS = 10.0
_MAX_REMEMBERED = 10_000
MOST_AT_ONCE = 64


def add_callbacks(app: Starlette, runtime: Runtime) -> tuple[str, ...]:
    """Accept callbacks if Kling is asked for them; returns the path prefixes that then need no token."""
    if not runtime.callback_urls.is_enabled:
        return ()
    app.add_route(PREFIX + "{part}", _CallbackEndpoint(runtime).answer, methods=["POST"])
    return (CALLBACKS,)


class _CallbackEndpoint:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._keys = signing_keys(runtime.settings.hosting.webhook_secrets)
        self._heard = SeenDeliveries(runtime.clock)
        self._running = 0

    async def answer(self, request: Request) -> Response:
        """200 for valid and repeated callbacks, 4xx for refused ones. fact: callback-answer"""
        if self._running >= MOST_AT_ONCE:
            return JSONResponse({"error": "Too many callbacks are arriving at the same time."}, 503)
        self._running += 1
        try:
            outcome = await self._take(request)
        except CallbackError as error:
            # At INFO, because anyone can send one.
            logger.info("A callback was refused: %s", error.message)
            telemetry.count_callback("refused")
            return JSONResponse({"error": error.message}, error.http_status)
        except StorageError as error:
            logger.warning("A callback could not be looked up: %s", error)
            telemetry.count_callback("failed")
            return JSONResponse({"error": "The state cannot be read just now."}, 503)
        finally:
            self._running -= 1
        telemetry.count_callback(outcome)
        return JSONResponse({"status": "ok"})

    async def _take(self, request: Request) -> str:
        """The outcome for telemetry.

        Raises:
            CallbackError: it is refused.
            StorageError: the state cannot be read.
        """
        body = await _read(request)
        if self._keys:
            check_signature(request.headers, body, self._keys, self._runtime.clock.wall())
        task_id = read_task_id(body)
        part = request.path_params["part"]
        names = await self._runtime.callback_urls.waiters_for(part, task_id)
        if not names:
            raise CallbackError("No creation has this address.", http_status=404)
        if self._heard.is_repeated(part, request.headers.get("webhook-id", "")):
            return "repeated"
        for account, name in names:
            self._runtime.notify(account, name)
        return "woke"


class SeenDeliveries:
    """Which callbacks were seen, for as long as their signatures are valid. fact: callback-repeats

    Each replica has its own: a repeat that it misses only causes one extra poll.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._times: OrderedDict[tuple[str, str], float] = OrderedDict()

    def is_repeated(self, part: str, webhook_id: str) -> bool:
        """Whether this one was seen before; remembers it. One without an id is always new."""
        now = self._clock.monotonic()
        while self._times and (
            len(self._times) >= _MAX_REMEMBERED or next(iter(self._times.values())) < now - 2 * TOLERANCE_SECONDS
        ):
            self._times.popitem(last=False)
        if not webhook_id:
            return False
        is_known = (part, webhook_id) in self._times
        self._times.setdefault((part, webhook_id), now)
        return is_known


async def _read(request: Request) -> bytes:
    """The body.

    Raises:
        CallbackError: it is too large, too slow, or was cut off.
    """
    body = bytearray()
    try:
        with anyio.fail_after(_BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise CallbackError("The callback is too large.", http_status=413)
    except TimeoutError:
        raise CallbackError("The callback took too long to arrive.", http_status=408) from None
    except ClientDisconnect:
        raise CallbackError("The callback was cut off.", http_status=400) from None
    return bytes(body)
