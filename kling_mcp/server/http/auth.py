"""Access control of the http transport: tokens, and which settings are required; `addresses` has hosts and origins.

The SDK reads tokens and answers 401 and 403. A caller's token goes no further: it is not stored, not logged, and
never sent to Kling.
"""

from __future__ import annotations

import hashlib
import hmac
from http import HTTPStatus
from typing import TYPE_CHECKING

from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import BearerAuthBackend, RequireAuthMiddleware
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.routes import build_resource_metadata_url, create_protected_resource_routes
from pydantic import AnyHttpUrl
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.responses import JSONResponse

from kling_mcp.errors import ConfigurationError
from kling_mcp.server.http.addresses import is_public
from kling_mcp.server.http.jwks import JwksCache, KeysUnavailableError
from kling_mcp.server.http.jwt_tokens import JwtVerifier
from kling_mcp.settings.values import is_loopback

if TYPE_CHECKING:
    from mcp.server.auth.provider import TokenVerifier
    from starlette.routing import Route
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.settings import Settings
    from kling_mcp.settings.hosting import HostingSettings, OAuthSettings

NOT_KEPT = "[not kept]"
WANTED = (
    "This server wants its own token: send the header Authorization: Bearer TOKEN, with the server's "
    "KLING_MCP_HTTP_TOKEN."
)


def check_access(settings: Settings, host: str) -> None:
    """Refuse to serve if that would not be safe.

    Raises:
        ConfigurationError: lists everything that is missing.
    """
    hosting = settings.hosting
    if not host:
        raise ConfigurationError("--host must name the address to listen on, such as 127.0.0.1 or 0.0.0.0.")
    missing = []
    if not is_loopback(host) and not hosting.allowed_hosts:
        missing.append("KLING_MCP_ALLOWED_HOSTS with the host names that callers use")
    if is_public(settings, host) and not hosting.requires_auth:
        missing.append("KLING_MCP_HTTP_TOKEN or KLING_MCP_OAUTH_ISSUER to keep everyone else out")
    if missing:
        where = f"--host {host}" if not is_loopback(host) else "KLING_MCP_ALLOWED_HOSTS"
        raise ConfigurationError(
            f"{where} opens this server to other computers, which needs {' and '.join(missing)}.",
            advice="To serve only this computer, use --host 127.0.0.1 without KLING_MCP_ALLOWED_HOSTS.",
        )
    if settings.shared_account and not hosting.requires_auth:
        raise ConfigurationError(
            "KLING_MCP_SHARED_ACCOUNT lets callers use this server's Kling account, so they must sign in: "
            "set KLING_MCP_HTTP_TOKEN or KLING_MCP_OAUTH_ISSUER as well."
        )


def verifier_for(hosting: HostingSettings, clock: Clock) -> TokenVerifier | None:
    """The verifier of callers' tokens; None if no token is required."""
    if hosting.oauth is not None:
        return JwtVerifier(hosting.oauth, JwksCache(hosting.oauth.jwks_url, clock))
    return StaticTokenVerifier(hosting.token) if hosting.token else None


def metadata_routes(oauth: OAuthSettings | None) -> list[Route]:
    """Where clients find the issuer of tokens (RFC 9728)."""
    if oauth is None:
        return []
    return create_protected_resource_routes(
        AnyHttpUrl(oauth.resource),
        [AnyHttpUrl(oauth.issuer)],
        list(oauth.scopes) or None,
        resource_name="Kling Elements",
    )


class StaticTokenVerifier:
    """The one token of KLING_MCP_HTTP_TOKEN. Everyone who has it counts as one caller."""

    def __init__(self, token: str) -> None:
        self._digest = _digest(token)

    async def verify_token(self, token: str) -> AccessToken | None:
        """As the SDK asks; it takes as long for a wrong token as for the right one."""
        if not hmac.compare_digest(_digest(token), self._digest):
            return None
        return AccessToken(token=NOT_KEPT, client_id="KLING_MCP_HTTP_TOKEN", scopes=[])


def require_token(app: ASGIApp, hosting: HostingSettings, verifier: TokenVerifier | None) -> ASGIApp:
    """Require a valid token, the SDK's way: 401 without one, 403 if a scope is missing."""
    if verifier is None:
        return app
    oauth = hosting.oauth
    scopes = list(oauth.scopes) if oauth else []
    metadata = build_resource_metadata_url(AnyHttpUrl(oauth.resource)) if oauth else None
    guarded = AuthContextMiddleware(RequireAuthMiddleware(app, scopes, metadata))
    signed_in = AuthenticationMiddleware(guarded, backend=BearerAuthBackend(verifier))
    return _ScopeChallenge(signed_in, scopes) if oauth else _TokenChallenge(signed_in)


class _TokenChallenge:
    """Says in the SDK's refusals which token is wanted: a person copied it into a client's configuration."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._refusal = JSONResponse(
            {"error": "invalid_token", "error_description": WANTED},
            401,
            {"WWW-Authenticate": f'Bearer error="invalid_token", error_description="{WANTED}"'},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_refused = False

        async def with_advice(message: Message) -> None:
            nonlocal is_refused
            if message["type"] == "http.response.start" and message["status"] == HTTPStatus.UNAUTHORIZED:
                is_refused = True
                await self._refusal(scope, receive, send)
            elif not is_refused:
                await send(message)

        await self._app(scope, receive, with_advice)


class _ScopeChallenge:
    """Adds the required scopes to the SDK's refusals, as MCP specifies, and answers 503 if keys are unavailable."""

    def __init__(self, app: ASGIApp, scopes: list[str]) -> None:
        self._app = app
        self._scopes = " ".join(scopes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_scopes(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] in {401, 403} and self._scopes:
                extra = f', scope="{self._scopes}"'.encode()
                message["headers"] = [
                    (name, value + extra if name == b"www-authenticate" else value)
                    for name, value in message["headers"]
                ]
            await send(message)

        try:
            await self._app(scope, receive, with_scopes)
        except KeysUnavailableError as error:
            # The token may be valid, so the caller must not be told to get another one.
            body = {"error": "temporarily_unavailable", "error_description": "The issuer's keys cannot be read."}
            await JSONResponse(body, 503, {"Retry-After": str(error.retry_after)})(scope, receive, send)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
