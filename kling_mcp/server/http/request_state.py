"""What a client carries from one round of a question to the next is sealed with a key that every replica has.

A call of the 2026-07-28 protocol that has to ask something ends with a question and a state, and the client sends
both back with the answer, to whichever replica comes next. The sealing itself, and its claims (how old it may be, for
which request and for whom it was made), are the SDK's own. The key lies with the rest of the state, and nowhere else.
"""

from __future__ import annotations

import json
import logging
import secrets
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
from mcp.server.request_state import AESGCMRequestStateCodec, RequestStateSecurity, authenticated_principal

from kling_mcp.concurrency.background import run_in_background
from kling_mcp.errors import ConfigurationError, StorageError
from kling_mcp.store.shared_keys import KEY_BYTES, shared_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mcp.server.context import ServerRequestContext

    from kling_mcp.runtime import Runtime

logger = logging.getLogger(__name__)

KEY_NAME = "request-state"
PATIENCE_SECONDS = 2.0  # the state is asked for the key as long before the first request is let in
RETRY_SECONDS = 5.0


class RequestStateKeys:
    """Seals with the key of the shared state, and opens what any replica sealed with it.

    While the state cannot be read it seals with a key of its own, which only this process opens: whoever comes to
    another replica meanwhile has to begin that call anew, and nothing else stops.
    """

    def __init__(self, runtime: Runtime) -> None:
        """Nothing is opened here."""
        self._runtime = runtime
        self._own_key = secrets.token_bytes(KEY_BYTES)
        self._codec = AESGCMRequestStateCodec([self._own_key])

    def security(self) -> RequestStateSecurity:
        """What `build_server` takes. A state counts only for the caller and the Kling account it was made for."""
        return RequestStateSecurity(codec=self, bind_principal=self._whose)

    def seal(self, payload: bytes) -> str:
        """As the SDK asks."""
        return self._codec.seal(payload)

    def unseal(self, token: str) -> bytes:
        """As the SDK asks.

        Raises:
            InvalidRequestState: no replica made it, or somebody changed it.
        """
        return self._codec.unseal(token)

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """The key is read before the block, or within it as soon as the state can be read."""
        is_shared = anyio.Event()
        async with run_in_background(lambda: self._fetch(is_shared)):
            with anyio.move_on_after(PATIENCE_SECONDS):
                await is_shared.wait()
            yield

    async def _fetch(self, is_shared: anyio.Event) -> None:
        is_told = False
        while not is_shared.is_set():
            try:
                key = await shared_key(self._runtime.store, KEY_NAME)
            except StorageError as error:
                if not is_told:
                    logger.warning("Questions to callers are sealed for this process alone: %s", error)
                is_told = True
                await self._runtime.clock.sleep(RETRY_SECONDS)
            else:
                self._codec = AESGCMRequestStateCodec([key, self._own_key])
                is_shared.set()

    def _whose(self, ctx: ServerRequestContext[Any, Any]) -> str:
        """Whoever is signed in, and the account; a caller without one can be asked something, too."""
        try:
            account = self._runtime.account_of_caller(getattr(ctx.request, "headers", None)).client.account
        except ConfigurationError:
            account = ""
        return json.dumps([authenticated_principal(ctx), account])
