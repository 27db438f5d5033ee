"""Checks the Authorization header: an API key as it is, or a JWT made from a key pair.

facts: auth-api-key, jwt-shape

Knows credentials, never an account's contents. Must not log or keep a token.
"""

import base64
import binascii
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal

from kling_mcp.simulator.codes import RefusedError

CredentialKind = Literal["none", "api-key", "jwt", "other"]
SANDBOX_API_KEY = "sandbox-api-key"


@dataclass(frozen=True, slots=True)
class Keyring:
    """The accepted credentials. `accounts` says which ones share an account (fact: slots).

    With `any_api_key`, every token that is not a JWT is accepted as an API key with its own account.
    """

    api_keys: frozenset[str] = field(default=frozenset(), repr=False)
    any_api_key: bool = False
    key_pairs: Mapping[str, str] = field(default_factory=dict, repr=False)
    accounts: Mapping[str, str] = field(default_factory=dict, repr=False)

    def account_name(self, credential: str) -> str:
        """The account of an API key or access key; never the credential itself."""
        if credential == SANDBOX_API_KEY:
            return self.accounts.get(credential, "sandbox")
        return self.accounts.get(credential, f"account-{sha256(credential.encode()).hexdigest()[:8]}")

    def admit(self, authorization: str | None, now: float) -> str:
        """Return the name of the account that the header belongs to.

        `now` is the server's time in Unix seconds. Raises RefusedError with 1000 to 1004.
        """
        scheme, _, token = (authorization or "").strip().partition(" ")
        if not token.strip():
            raise RefusedError(1001)
        if scheme.lower() != "bearer":
            raise RefusedError(1002)
        token = token.strip()
        if token in self.api_keys or (self.any_api_key and "." not in token):  # fact: auth-api-key
            return self.account_name(token)
        return self.account_name(self._admit_jwt(token, now))

    def _admit_jwt(self, token: str, now: float) -> str:
        parts = token.split(".")
        if len(parts) != 3:  # fact: msg-garbage-key
            found = 0 if len(parts) == 1 else len(parts)
            raise RefusedError(1002, f"The token was expected to have 3 parts, but got {found}")
        head, claims, signature = (_decode(part) for part in parts)
        if _as_object(head) != {"alg": "HS256", "typ": "JWT"}:  # fact: jwt-shape
            raise RefusedError(1002, "The token's header is invalid")
        issuer, valid_from, expires = _read_claims(_as_object(claims))
        secret = self.key_pairs.get(issuer)
        signed = token.rpartition(".")[0].encode()
        if secret is None or not hmac.compare_digest(_sign(secret, signed), signature):
            raise RefusedError(1000)
        if valid_from > now:  # fact: jwt-clock
            raise RefusedError(1003)
        if expires <= now:
            raise RefusedError(1004)
        return issuer


def credential_kind(authorization: str | None) -> CredentialKind:
    """The kind of credential by its form alone, for the request log."""
    scheme, _, token = (authorization or "").strip().partition(" ")
    if not token.strip():
        return "none"
    if scheme.lower() != "bearer":
        return "other"
    return "jwt" if token.count(".") == 2 and token.strip().startswith("eyJ") else "api-key"


def _sign(secret: str, signed: bytes) -> bytes:
    return hmac.new(secret.encode(), signed, sha256).digest()


def _decode(part: str) -> bytes:
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise RefusedError(1002, "The token is not base64url") from None


def _as_object(content: bytes) -> dict[str, object]:
    try:
        value = json.loads(content)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise RefusedError(1002, "The token contains no JSON object")
    return value


def _read_claims(claims: dict[str, object]) -> tuple[str, int, int]:
    issuer, valid_from, expires = claims.get("iss"), claims.get("nbf"), claims.get("exp")
    if not isinstance(issuer, str) or type(valid_from) is not int or type(expires) is not int:
        raise RefusedError(1002, "The token needs iss, nbf and exp in whole seconds")  # fact: jwt-shape
    return issuer, valid_from, expires
