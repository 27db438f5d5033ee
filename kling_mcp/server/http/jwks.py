"""An issuer's public keys: fetched when needed, cached, and rarely fetched again.

Callers choose the key id in their tokens, so an unknown id must not trigger a request each time.
httpx is imported at the first fetch.
"""

from __future__ import annotations

import json
import logging
import math
from typing import TYPE_CHECKING, Any

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

# Asymmetric only: with a shared secret, anyone who can verify a token can forge one.
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_OF_CURVES = {
    "P-256": ("ES256",),
    "P-384": ("ES384",),
    "P-521": ("ES512",),
    "Ed25519": ("EdDSA",),
    "Ed448": ("EdDSA",),
}
ALGORITHMS = (*_RSA, *dict.fromkeys(name for names in _OF_CURVES.values() for name in names))
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


class KeysUnavailableError(Exception):
    """The issuer's keys, as they are now, are not known; they will be asked for again in `retry_after` seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__()
        self.retry_after = math.ceil(max(1.0, retry_after))


class JwksCache:
    """The keys behind one address. Use it from one event loop."""

    def __init__(self, url: str, clock: Clock, fetch: Fetch | None = None) -> None:
        """`fetch` replaces the network, for tests."""
        self._url = url
        self._clock = clock
        self._fetch = fetch or fetch_bytes
        self._keys: list[jwt.PyJWK] = []
        self._read_at = self._read_at_wall = self._tried_at = float("-inf")
        self._turn = anyio.Lock()

    async def find(self, kid: str | None, algorithm: str) -> jwt.PyJWK | None:
        """The key of this name, for this algorithm; without a name, the only key there is for it.

        Raises:
            KeysUnavailableError: there are no keys.
        """
        key = self._known(kid, algorithm)
        if key is None or self._age() > KEYS_TTL_SECONDS:
            async with self._turn:
                await self._refresh(kid, algorithm)
            key = self._known(kid, algorithm)
        if self._age() > KEPT_SECONDS:
            raise self._unavailable()
        return key

    def require_old(self, kid: str | None, issued_at: float | None) -> None:
        """A name that is not known does not belong to a key that is newer than the last look.

        Args:
            issued_at: when a token with this name was issued, in Unix seconds; None if it does not say.

        Raises:
            KeysUnavailableError: it may.
        """
        is_unknown = kid is not None and all(key.key_id != kid for key in self._keys)
        if is_unknown and (issued_at is None or issued_at > self._read_at_wall):
            raise self._unavailable()

    def _known(self, kid: str | None, algorithm: str) -> jwt.PyJWK | None:
        fitting = [key for key in self._keys if key.algorithm_name == algorithm and kid in {None, key.key_id}]
        return fitting[0] if fitting and (kid is not None or len(fitting) == 1) else None

    def _unavailable(self) -> KeysUnavailableError:
        return KeysUnavailableError(self._tried_at + self._pause() - self._clock.monotonic())

    def _pause(self) -> float:
        return PAUSE_SECONDS if self._keys else PAUSE_WITHOUT_KEYS

    def _age(self) -> float:
        return self._clock.monotonic() - self._read_at

    async def _refresh(self, kid: str | None, algorithm: str) -> None:
        """Read the keys again, unless another caller just did, or an attempt was made a moment ago."""
        now = self._clock.monotonic()
        is_known = self._known(kid, algorithm) is not None and self._age() <= KEYS_TTL_SECONDS
        if is_known or now - self._tried_at < self._pause():
            return
        self._tried_at = now
        try:
            self._keys = _signing_keys(await self._fetch(self._url))
            self._read_at, self._read_at_wall = self._clock.monotonic(), self._clock.wall()
        except (OSError, ValueError, RecursionError) as error:
            logger.warning("The keys of the token issuer cannot be read from %s: %s", self._url, error)


def _signing_keys(body: bytes) -> list[jwt.PyJWK]:
    """Keys that can verify signatures, one for each algorithm; all others, odd ones among them, are left out."""
    data = json.loads(body)
    listed = data.get("keys") if isinstance(data, dict) else None
    dicts = [key for key in listed if isinstance(key, dict)] if isinstance(listed, list) else []
    keys = [key for listed_key in dicts for key in _usable(listed_key)]
    if not keys:
        raise ValueError("the answer holds no key that can be used")
    return keys


def _usable(listed: dict[str, Any]) -> list[jwt.PyJWK]:
    uses, operations = listed.get("use", "sig"), listed.get("key_ops", ["verify"])
    if uses != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return []
    public = {name: value for name, value in listed.items() if name not in _PRIVATE}
    try:
        return [jwt.PyJWK(public, algorithm) for algorithm in _algorithms_of(listed)]
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError) as error:
        logger.warning("A key of the token issuer cannot be read: %s", type(error).__name__)
        return []


def _algorithms_of(listed: dict[str, Any]) -> tuple[str, ...]:
    """Those that the key says, or else all that its kind allows."""
    said = listed.get("alg")
    fitting = _RSA if listed.get("kty") == "RSA" else _OF_CURVES.get(str(listed.get("crv")), ())
    return fitting if said is None else tuple(name for name in fitting if name == said)


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
