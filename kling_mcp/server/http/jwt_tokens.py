"""Verifies OAuth access tokens: signature, issuer, audience, times. Tokens are neither stored nor logged."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import jwt
from mcp.server.auth.provider import AccessToken

from kling_mcp.server.http.jwks import ALGORITHMS

if TYPE_CHECKING:
    from kling_mcp.server.http.jwks import JwksCache
    from kling_mcp.settings.hosting import OAuthSettings

logger = logging.getLogger(__name__)

LEEWAY_SECONDS = 30
MAX_TOKEN_CHARACTERS = 16_384


class JwtVerifier:
    """Checks tokens of one issuer for one audience."""

    def __init__(self, oauth: OAuthSettings, keys: JwksCache) -> None:
        self._oauth = oauth
        self._keys = keys

    async def verify_token(self, token: str) -> AccessToken | None:
        """As the SDK expects: None for a token that is not accepted.

        Raises:
            KeysUnavailableError: the issuer's keys cannot be read, or may be newer than ours, so that the token cannot
                be checked.
        """
        try:
            claims = await self._claims_of(token)
        except jwt.PyJWTError as refusal:
            logger.info("A caller's token was rejected: %s", type(refusal).__name__)
            return None
        subject, client = claims.get("sub"), claims.get("client_id") or claims.get("azp")
        return AccessToken(
            token="[not kept]",  # noqa: S106 - a placeholder, not a token
            client_id=str(client or subject or "unnamed"),
            scopes=_scopes_in(claims),
            expires_at=int(claims["exp"]) + LEEWAY_SECONDS,
            resource=self._oauth.resource,
            subject=None if subject is None else str(subject),
            claims={"iss": self._oauth.issuer},
        )

    async def _claims_of(self, token: str) -> dict[str, Any]:
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise jwt.DecodeError
        header = jwt.get_unverified_header(token)
        # Checked before any key is looked up: a token that cannot be valid must not cause a request to the issuer.
        algorithm = str(header.get("alg"))
        if algorithm not in ALGORITHMS:
            raise jwt.InvalidAlgorithmError
        kid = header.get("kid")
        key = await self._keys.find(kid, algorithm)
        if key is None:
            self._keys.require_old(kid, _issued_at(token))
            raise jwt.InvalidKeyError
        return jwt.decode(
            token,
            key,
            algorithms=ALGORITHMS,
            audience=self._oauth.audience,
            issuer=self._oauth.issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iss", "aud"]},
        )


def _issued_at(token: str) -> float | None:
    """What an unchecked token says; it decides only between "not valid" and "not known"."""
    said = jwt.decode(token, options={"verify_signature": False}).get("iat")
    return said if isinstance(said, int | float) else None


def _scopes_in(claims: dict[str, Any]) -> list[str]:
    """`scope` is one text (RFC 9068); some issuers send a list, or call it `scp`."""
    said = claims.get("scope", claims.get("scp", ""))
    parts = said.split() if isinstance(said, str) else said if isinstance(said, list) else []
    return [part for part in parts if isinstance(part, str)]
