"""Which `Host` and `Origin` headers are answered, checked before anything is read (DNS rebinding), and CORS.

Both headers come from strangers: they are compared in lower case, and only names of a plain form are shown or logged.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware

from kling_mcp.server.http.refusals import refusal
from kling_mcp.settings.values import is_loopback

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from kling_mcp.settings import Settings

logger = logging.getLogger(__name__)

_MAX_SHOWN = 100
_HOST = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9](?:[a-z0-9._-]{0,251}[a-z0-9])?)(?::[0-9]{1,5})?")
_ORIGIN = re.compile(rf"https?://({_HOST.pattern})")
_BROWSERS_MAY_READ = ("Mcp-Session-Id", "WWW-Authenticate", "Retry-After")


def is_public(settings: Settings, host: str) -> bool:
    """Whether other computers can reach a server on this host, directly or through a proxy that it answers to."""
    return not is_loopback(host) or not all(map(is_loopback, settings.hosting.allowed_hosts))


class AddressRules:
    """The names that a server answers to, and the pages that may call it.

    A server on loopback answers to every name of this computer, and while it is not public, to the pages on it.
    """

    def __init__(self, settings: Settings, host: str) -> None:
        """`host` is where it listens."""
        hosting = settings.hosting
        self._hosts = frozenset(hosting.allowed_hosts)
        self._origins = frozenset(hosting.allowed_origins)
        self._is_near = is_loopback(host)
        self._serves_near_pages = not is_public(settings, host)
        self._requires_auth = hosting.requires_auth

    def why_not_host(self, header: str) -> str:
        """Why a request with this `Host` is refused; "" if it is not. A name without a port allows every port."""
        name = header.lower()
        found = _HOST.fullmatch(name)
        if found and (name in self._hosts or found[1] in self._hosts or (self._is_near and is_loopback(name))):
            return ""
        if not found or len(name) > _MAX_SHOWN:
            return "This server answers only to the host names in KLING_MCP_ALLOWED_HOSTS."
        more = "" if self._requires_auth else ", and require signing in with KLING_MCP_HTTP_TOKEN"
        return (
            f"This server does not answer to the host name {found[1]}. If callers need that name, set "
            f"KLING_MCP_ALLOWED_HOSTS={found[1]} on the server{more}."
        )

    def why_not_origin(self, header: str) -> str:
        """Why a page with this `Origin` is refused; "" if it is not, or if no page sent the request."""
        origin = header.lower()
        found = _ORIGIN.fullmatch(origin)
        if not origin or origin in self._origins or (found and self._serves_near_pages and is_loopback(found[1])):
            return ""
        if not found or len(origin) > _MAX_SHOWN:
            return "Only web pages of the origins in KLING_MCP_ALLOWED_ORIGINS may call this server."
        return (
            f"Web pages of {origin} may not call this server. To allow them, set KLING_MCP_ALLOWED_ORIGINS={origin} "
            "on the server."
        )


class AddressCheck:
    """Refuses foreign hosts with 421 and foreign pages with 403, unread. Only pages need the answers of CORS."""

    def __init__(self, app: ASGIApp, rules: AddressRules) -> None:
        self._app = app
        self._app_for_pages = add_cors(app)
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        status, why = 421, self._rules.why_not_host(headers.get("host", ""))
        if not why:
            status, why = 403, self._rules.why_not_origin(origin or "")
        if not why:
            await (self._app if origin is None else self._app_for_pages)(scope, receive, send)
            return
        logger.info("Refused with %d: %s", status, why)  # at INFO, because anyone can cause it
        await refusal(status, why)(scope, receive, send)


def add_cors(app: ASGIApp) -> ASGIApp:
    """Let the pages that `AddressCheck` lets through call from a browser, which asks beforehand without a token.

    Any header may be sent, since browsers add no credentials by themselves: no cookie means anything here.
    """
    return CORSMiddleware(
        app,
        allow_origin_regex=r".+",
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["*"],
        expose_headers=_BROWSERS_MAY_READ,
    )
