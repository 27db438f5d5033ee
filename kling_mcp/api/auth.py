"""Credential and time in, `Authorization` header out. Pure: no network, no files, no environment.

A credential says who calls; an `Authenticator` turns it into a header and keeps its token fresh.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

CredentialKind = Literal["api_key", "key_pair", "sandbox"]

TOKEN_SECONDS = 1800  # fact: jwt-shape
BACKDATED_SECONDS = 5  # fact: jwt-shape
RENEW_BEFORE_SECONDS = 300  # fact: jwt-refresh; a wait of ten minutes never meets an old token
SKEW_WORTH_CORRECTING_SECONDS = 3.0  # a Date header has whole seconds and takes time to arrive


@dataclass(frozen=True, slots=True, repr=False)
class ApiKey:
    """An API key, sent as it is. fact: auth-api-key"""

    secret: str
    kind: CredentialKind = "api_key"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} hidden>"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown."""
        return (self.secret,)


@dataclass(frozen=True, slots=True, repr=False)
class KeyPair:
    """An access key and its secret key; a signed token is made from them. fact: jwt-shape"""

    access_key: str
    secret_key: str
    kind: CredentialKind = "key_pair"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} hidden>"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown; the access key is half a secret and is hidden too."""
        return (self.secret_key, self.access_key)


Credential = ApiKey | KeyPair


def account_fingerprint(credential: Credential, host: str) -> str:
    """A stable name for the account behind a credential at a host; 32 hex digits.

    It is a hash keyed with the credential, so it names state on disk without revealing anything.
    A key pair is named by its access key: replacing the secret keeps the state. fact: region-separate
    """
    key = credential.secret if isinstance(credential, ApiKey) else credential.access_key
    return hmac.new(key.encode(), f"kling-mcp account 1 {host}".encode(), "sha256").hexdigest()[:32]


class Authenticator:
    """Makes the header for each request; mints a token early enough and corrects the clock once told.

    `wall` gives seconds since 1970. Not thread-safe; one event loop uses it.
    """

    def __init__(self, credential: Credential, wall: Callable[[], float]) -> None:
        self._credential = credential
        self._wall = wall
        self._skew = 0.0
        self._token = ""
        self._renew_at = 0.0

    def __repr__(self) -> str:
        return f"<Authenticator {self._credential.kind}>"

    @property
    def kind(self) -> CredentialKind:
        """Which kind of credential this is."""
        return self._credential.kind

    def header(self) -> str:
        """The value of `Authorization`. fact: headers"""
        if isinstance(self._credential, ApiKey):
            return f"Bearer {self._credential.secret}"
        now = self._wall() + self._skew
        if not self._token or now >= self._renew_at:
            self._token = _mint(self._credential, int(now))
            self._renew_at = now + TOKEN_SECONDS - RENEW_BEFORE_SECONDS
        return f"Bearer {self._token}"

    def correct_clock(self, date_header: str) -> bool:
        """Learn the vendor's time from its `Date` header. True if tokens will now differ. fact: jwt-clock

        An API key has no clock, so there is nothing to correct.
        """
        if isinstance(self._credential, ApiKey):
            return False
        skew = clock_skew(date_header, self._wall())
        if skew is None or abs(skew - self._skew) < SKEW_WORTH_CORRECTING_SECONDS:
            return False
        self._skew = skew
        self._token = ""
        return True


def clock_skew(date_header: str, now: float) -> float | None:
    """How many seconds the vendor's clock is ahead of ours; None where the header cannot be read."""
    try:
        return parsedate_to_datetime(date_header).timestamp() - now
    except (ValueError, TypeError, OverflowError):
        return None


def _mint(pair: KeyPair, now: int) -> str:
    """A token of the documented shape. fact: jwt-shape"""
    import jwt  # noqa: PLC0415 - loads cryptography: 40 ms that only key pairs need

    claims = {"iss": pair.access_key, "exp": now + TOKEN_SECONDS, "nbf": now - BACKDATED_SECONDS}
    return jwt.encode(claims, pair.secret_key, algorithm="HS256", headers={"typ": "JWT"})
