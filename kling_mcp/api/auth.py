"""Credential and time in, `Authorization` header out. Pure: no network, no files, no environment.

A credential says who calls; an `Authenticator` turns it into a header and keeps its token fresh.
"""

from __future__ import annotations

import hmac
import warnings
from collections import deque
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

CredentialKind = Literal["api_key", "key_pair", "sandbox"]

TOKEN_SECONDS = 1800  # fact: jwt-shape
BACKDATED_SECONDS = 5  # fact: jwt-shape
RENEW_BEFORE_SECONDS = 300  # fact: jwt-refresh; a ten-minute wait never uses an old token
SKEW_WORTH_CORRECTING_SECONDS = 3.0  # a Date header has whole seconds and takes time to arrive
_TOKENS_REMEMBERED = 8  # replies to requests with an older token may still arrive


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


def host_of(base_url: str) -> str:
    """The host name that requests to this address go to; fingerprints belong to it."""
    return urlsplit(base_url).hostname or base_url


def account_fingerprint(credential: Credential, host: str) -> str:
    """A stable name for the account behind a credential at a host; 32 hex digits.

    It is a hash keyed with the credential, so it names state on disk without revealing anything.
    A key pair is named by its access key: replacing the secret keeps the state. fact: region-separate
    """
    key = credential.secret if isinstance(credential, ApiKey) else credential.access_key
    return hmac.new(key.encode(), f"kling-mcp account 1 {host}".encode(), "sha256").hexdigest()[:32]


def credential_fingerprint(credential: Credential, host: str) -> str:
    """A stable name for a whole credential at a host; 32 hex digits, which reveal nothing.

    It names cached copies of Kling's data, which half of a key pair must not be enough to find.
    """
    key = "\0".join(credential.secrets)
    return hmac.new(key.encode(), f"kling-mcp credential 1 {host}".encode(), "sha256").hexdigest()[:32]


class Authenticator:
    """Makes the header for each request; renews tokens in time and corrects the clock on request.

    `wall` gives seconds since 1970. Not thread-safe; one event loop uses it.
    """

    def __init__(self, credential: Credential, wall: Callable[[], float]) -> None:
        self._credential = credential
        self._wall = wall
        self._skew = 0.0
        self._tokens: deque[str] = deque(maxlen=_TOKENS_REMEMBERED)
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
        if not self._tokens or now >= self._renew_at:
            self._tokens.append(_mint(self._credential, int(now)))
            self._renew_at = now + TOKEN_SECONDS - RENEW_BEFORE_SECONDS
        return f"Bearer {self._tokens[-1]}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown, even if a server echoes it: the credential and the tokens made from it."""
        return () if self.kind == "sandbox" else (*self._credential.secrets, *self._tokens)

    def correct_clock(self, date_header: str, *, refused: str) -> bool:
        """Learn the vendor's time from its `Date` header. fact: jwt-clock

        An API key has no clock, so there is nothing to correct.

        Args:
            refused: the header that was not accepted.

        Returns:
            Whether the next header differs from the refused one: this call corrected the clock, or another did
            while the refused request was in flight.
        """
        if isinstance(self._credential, ApiKey):
            return False
        skew = clock_skew(date_header, self._wall())
        if skew is not None and abs(skew - self._skew) >= SKEW_WORTH_CORRECTING_SECONDS:
            self._skew = skew
            self._renew_at = 0.0
        return self.header() != refused


def clock_skew(date_header: str, now: float) -> float | None:
    """How many seconds the vendor's clock is ahead of ours; None if the header cannot be read."""
    try:
        return parsedate_to_datetime(date_header).timestamp() - now
    except (ValueError, TypeError, OverflowError):
        return None


def _mint(pair: KeyPair, now: int) -> str:
    """A token of the documented shape. fact: jwt-shape"""
    import jwt  # noqa: PLC0415 - loads cryptography: 40 ms that only key pairs need

    claims = {"iss": pair.access_key, "exp": now + TOKEN_SECONDS, "nbf": now - BACKDATED_SECONDS}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of short keys: their length is Kling's choice, not the user's
        return jwt.encode(claims, pair.secret_key, algorithm="HS256", headers={"typ": "JWT"})
