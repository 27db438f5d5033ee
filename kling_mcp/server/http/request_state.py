"""Encrypts the state that clients carry between the rounds of a question with a key that all replicas share.

In the 2026-07-28 protocol, a call that must ask something ends with a question and a state; the client sends both
back with the answer, to any replica. The SDK does the encryption and checks its claims (age, request and caller).
The key is stored with the rest of the state, and nowhere else.
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
PATIENCE_SECONDS = 2.0  # how long start-up waits for the key before serving
RETRY_SECONDS = 5.0


class RequestStateKeys:
    """Seals with the key of the shared state, and opens what any replica sealed with it.

    While the state cannot be read, it uses a key that only this process has: a caller who reaches another replica
    meanwhile must start that call over, and nothing else fails.
    """

    def __init__(self, runtime: Runtime) -> None:
        """Nothing is opened here."""
        self._runtime = runtime
        self._own_key = secrets.token_bytes(KEY_BYTES)
        self._codec = AESGCMRequestStateCodec([self._own_key])

    def security(self) -> RequestStateSecurity:
        """For `build_server`. A state is valid only for the caller and the Kling account it was made for."""
        return RequestStateSecurity(codec=self, bind_principal=self._whose)

    def seal(self, payload: bytes) -> str:
        """As the SDK asks."""
        return self._codec.seal(payload)

    def unseal(self, token: str) -> bytes:
        """As the SDK asks.

        Raises:
            InvalidRequestState: no replica made it, or it was altered.
        """
        return self._codec.unseal(token)

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Read the key before the block, or during it as soon as the state can be read."""
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
                    logger.warning("Client state is encrypted for this process only: %s", error)
                is_told = True
                await self._runtime.clock.sleep(RETRY_SECONDS)
            else:
                self._codec = AESGCMRequestStateCodec([key, self._own_key])
                is_shared.set()

    def _whose(self, ctx: ServerRequestContext[Any, Any]) -> str:
        """The signed-in caller and the account; callers without an account can be asked as well."""
        try:
            account = self._runtime.account_of_caller(getattr(ctx.request, "headers", None)).client.account
        except ConfigurationError:
            account = ""
        return json.dumps([authenticated_principal(ctx), account])
