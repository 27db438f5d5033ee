"""An issuer's public keys: fetched when needed, cached, and rarely fetched again.

Callers choose the key id in their tokens, so an unknown id must not trigger a request each time.
httpx is imported at the first fetch.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import anyio
import jwt

from kling_mcp.api.network import Attempt, open_network
from kling_mcp.errors import ConnectionFailedError
from kling_mcp.guide import guide_to

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx

    from kling_mcp.concurrency.clock import Clock

    Fetch = Callable[[str], Awaitable[bytes]]

logger = logging.getLogger(__name__)

SETTING = "KLING_MCP_OAUTH_JWKS_URL"
KEYS_TTL_SECONDS = 3600.0
KEPT_SECONDS = 86_400.0  # while the issuer cannot be reached
PAUSE_SECONDS = 60.0
PAUSE_WITHOUT_KEYS = 5.0
FETCH_SECONDS = 10.0
MAX_BYTES = 256 * 1024


class KeysUnavailableError(Exception):
    """The issuer's keys cannot be read, and none are cached."""


class JwksCache:
    """The keys behind one address. Use it from one event loop."""

    def __init__(self, url: str, clock: Clock, fetch: Fetch | None = None) -> None:
        """`fetch` replaces the network, for tests."""
        self._url = url
        self._clock = clock
        self._fetch = fetch or fetch_bytes
        self._keys: list[jwt.PyJWK] = []
        self._read_at = self._tried_at = float("-inf")
        self._turn = anyio.Lock()

    async def find(self, kid: str | None) -> jwt.PyJWK | None:
        """The key of this name; without a name the only key there is, and None if there are several.

        Raises:
            KeysUnavailableError: there are no keys.
        """
        key = self._known(kid)
        if key is None or self._age() > KEYS_TTL_SECONDS:
            async with self._turn:
                await self._refresh(kid)
            key = self._known(kid)
        if self._age() > KEPT_SECONDS:
            raise KeysUnavailableError
        return key

    def _known(self, kid: str | None) -> jwt.PyJWK | None:
        if kid is None:
            return self._keys[0] if len(self._keys) == 1 else None
        return next((key for key in self._keys if key.key_id == kid), None)

    def _age(self) -> float:
        return self._clock.monotonic() - self._read_at

    async def _refresh(self, kid: str | None) -> None:
        """Read the keys again, unless another caller just did, or an attempt was made a moment ago."""
        now = self._clock.monotonic()
        is_known = self._known(kid) is not None and self._age() <= KEYS_TTL_SECONDS
        pause = PAUSE_SECONDS if self._keys else PAUSE_WITHOUT_KEYS
        if is_known or now - self._tried_at < pause:
            return
        self._tried_at = now
        try:
            self._keys = _signing_keys(await self._fetch(self._url))
            self._read_at = self._clock.monotonic()
        except (OSError, ValueError, RecursionError, jwt.PyJWTError) as error:
            logger.warning("The keys of the token issuer cannot be read from %s: %s", self._url, error)


def _signing_keys(body: bytes) -> list[jwt.PyJWK]:
    """Keys that can verify signatures; all others, including unknown kinds, are left out."""
    data = json.loads(body)
    listed = data.get("keys") if isinstance(data, dict) else None
    if not isinstance(listed, list) or not all(isinstance(key, dict) for key in listed):
        raise ValueError("the answer is not a key set")
    keys = [key for key in jwt.PyJWKSet.from_dict(data).keys if key.public_key_use in {None, "sig"}]
    return [key for key in keys if key.key_type != "oct"]


async def fetch_bytes(url: str) -> bytes:
    """The content of an address from the settings. Redirects are not followed.

    Raises:
        OSError: it cannot be reached or read.
    """
    import httpx  # noqa: PLC0415 - 130 ms, paid only by who sends something

    try:
        network = open_network(url, SETTING)
        async with Attempt(network.way) as attempt:
            with anyio.fail_after(FETCH_SECONDS):
                return await _fetched(url, network.transport, attempt)
    except ConnectionFailedError as error:
        raise OSError(f"{error.message} {error.advice} {guide_to(error.topic)}") from None
    except httpx.HTTPError as error:
        raise OSError(type(error).__name__) from None


async def _fetched(url: str, transport: httpx.AsyncBaseTransport, attempt: Attempt) -> bytes:
    import httpx  # noqa: PLC0415 - 130 ms, paid only by who sends something

    client = httpx.AsyncClient(transport=transport, trust_env=False, follow_redirects=False, timeout=FETCH_SECONDS)
    headers, extensions = {"Accept": "application/json"}, {"trace": attempt}
    async with client, client.stream("GET", url, headers=headers, extensions=extensions) as response:
        if response.status_code != 200:
            raise OSError(f"HTTP status {response.status_code}")
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MAX_BYTES:
                raise OSError("the answer is too large")
        return bytes(body)
