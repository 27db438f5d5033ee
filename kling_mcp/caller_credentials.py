"""Which credential a request uses: the caller's own, from its headers, or the server's, from the settings."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import sha256
from typing import TYPE_CHECKING

from kling_mcp.api.auth import ApiKey, Credential, KeyPair
from kling_mcp.errors import ConfigurationError
from kling_mcp.settings import Settings, missing_credentials
from kling_mcp.settings.values import Region, read_region, refuse_half_a_pair, refuse_token_as_key, validated_secret

if TYPE_CHECKING:
    from collections.abc import Mapping

SANDBOX_KEY, SANDBOX_URL = "sandbox", "http://sandbox.invalid"
CALLER_HEADERS = ("X-Kling-Api-Key", "X-Kling-Access-Key", "X-Kling-Secret-Key", "X-Kling-Region")


class ProvedCredentials:
    """The fingerprints of credentials that Kling has accepted, most recently used last.

    An invented credential never gets in, so it cannot push out a real one.
    """

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._names: OrderedDict[str, None] = OrderedDict()

    def note(self, fingerprint: str, is_accepted: bool) -> None:
        """Kling has accepted it, or has refused it."""
        self._names.pop(fingerprint, None)
        if is_accepted:
            self._names[fingerprint] = None
            if len(self._names) > self._most:
                self._names.popitem(last=False)

    def __contains__(self, fingerprint: str) -> bool:
        if fingerprint not in self._names:
            return False
        self._names.move_to_end(fingerprint)
        return True


def own_credential(settings: Settings) -> Credential:
    """The credential from the settings; the API key if both are set (auth-api-key-everywhere).

    Raises:
        ConfigurationError: `missing_credentials`, or a setting that Kling needs is wrong.
    """
    if settings.sandbox:
        return ApiKey(SANDBOX_KEY, "sandbox")
    settings.require("kling")
    if settings.api_key:
        return ApiKey(settings.api_key)
    if settings.access_key:
        return KeyPair(settings.access_key, settings.secret_key)
    raise missing_credentials(settings.fault_sentences("credential"))


def read_caller_headers(headers: Mapping[str, str]) -> tuple[Credential | None, Region | None]:
    """A caller's own credential and region; header names are case-insensitive.

    Raises:
        ConfigurationError: names the header and never shows its value.
    """
    said: dict[str, str] = {}
    for name, value in headers.items():
        if (lower := name.lower()).startswith("x-kling-") and said.setdefault(lower, value) != value:
            raise ConfigurationError(f"{name} is sent twice with different values; send one.")

    def secret(name: str) -> str:
        return validated_secret(name, said.get(name.lower(), ""))

    api_key = secret("X-Kling-Api-Key")
    refuse_token_as_key(api_key, "X-Kling-Api-Key")
    access_key, secret_key = secret("X-Kling-Access-Key"), secret("X-Kling-Secret-Key")
    refuse_half_a_pair(access_key, secret_key, "X-Kling-Access-Key", "X-Kling-Secret-Key")
    wanted = said.get("x-kling-region", "").strip()
    region = read_region(wanted, "X-Kling-Region") if wanted else None
    if api_key:
        return ApiKey(api_key), region
    return (KeyPair(access_key, secret_key) if access_key else None), region


def sandbox_credential(caller: Credential) -> ApiKey:
    """The key of a caller's own account in the sandbox, which needs no credentials but keeps callers apart.

    The whole credential counts, and the simulated Kling never sees it.
    """
    return ApiKey(f"{SANDBOX_KEY}-{sha256(repr(caller.secrets).encode()).hexdigest()}", "sandbox")


def no_caller_credentials() -> ConfigurationError:
    """The error for a request that needs its own credentials and has none."""
    return ConfigurationError(
        "This request has no Kling credentials.",
        kind="missing_credentials",
        topic="keys-regions-and-the-clock",
        advice="Over http each caller sends its own: the header X-Kling-Api-Key, or X-Kling-Access-Key "
        "with X-Kling-Secret-Key, in the headers of the client's configuration.",
    )
