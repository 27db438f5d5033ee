"""The settings that matter only for a server over http. `settings` reads the environment.

Every error names the variable, and none shows the value of a secret.
"""

from __future__ import annotations

import base64
import binascii
import logging
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kling_mcp.errors import ConfigurationError
from kling_mcp.settings.values import read_address

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from kling_mcp.settings.environment import Environment

logger = logging.getLogger(__name__)

MAX_REQUEST_MB = 44
# Remote callers send pictures as links; two pictures of a few megabytes still fit as data: URIs.
MAX_REQUEST_MB_FROM_OTHERS = 12
CREATES_PER_MINUTE, CREATES_PER_DAY = 30, 1000
_MAX_CREATES = 1_000_000
_SHORT_TOKEN = 16
_HOST = re.compile(r"(?:\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?)(?::[0-9]{1,5})?")
_SCOPE = re.compile(r"[!#-\[\]-~]+")  # RFC 6749, section 3.3


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthSettings:
    """Which tokens are accepted: those that `issuer` signed with a key from `jwks_url` for `audience`.

    `resource` is this server's address as clients know it, with its path.
    """

    issuer: str
    jwks_url: str
    audience: str
    resource: str
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HostingSettings:
    """Validated; `repr` shows no secret.

    Without sign-in, `token` is "" and `oauth` is None. `max_request_mb` is 0 for the default, which depends on who can
    reach the server. `creates_per_minute` and `creates_per_day` are None for the transport's default and 0 for no
    limit. `audit_log` is a file, False for none, or None for the transport's default.
    """

    token: str = ""
    oauth: OAuthSettings | None = None
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    public_url: str = ""
    webhook_secrets: tuple[str, ...] = ()
    audit_log: Path | bool | None = None
    max_request_mb: int = 0
    creates_per_minute: int | None = None
    creates_per_day: int | None = None

    def __repr__(self) -> str:
        signing_in = "token" if self.token else "oauth" if self.oauth else "none"
        return f"<HostingSettings signing_in={signing_in} allowed_hosts={self.allowed_hosts}>"

    @property
    def callback_base_url(self) -> str:
        """The base address for callbacks, or "": Kling calls only public https addresses."""
        return self.public_url if self.public_url.startswith("https://") else ""

    @property
    def requires_auth(self) -> bool:
        """Whether callers are authenticated."""
        return bool(self.token or self.oauth)

    def largest_request_bytes(self, *, is_public: bool) -> int:
        """The size limit of a request; if only this computer can send it, as much as Kling accepts."""
        megabytes = self.max_request_mb or (MAX_REQUEST_MB_FROM_OTHERS if is_public else MAX_REQUEST_MB)
        return megabytes * 1_000_000

    def creations_allowed(self, *, over_http: bool) -> tuple[int, int]:
        """Per minute and per day; 0 for no limit. Over stdio there is one user, so no limit by default."""
        defaults = (CREATES_PER_MINUTE, CREATES_PER_DAY) if over_http else (0, 0)
        said = (self.creates_per_minute, self.creates_per_day)
        minute, day = (default if value is None else value for value, default in zip(said, defaults, strict=True))
        return minute, day


def read_hosting(env: Environment) -> HostingSettings:
    """Read and validate.

    Raises:
        ConfigurationError: one sentence that names the variable.
    """
    url = env.text("KLING_MCP_PUBLIC_URL")
    public_url = env.read("nothing", lambda: _read_public_url(url), "")
    token = env.tolerant_secret("KLING_MCP_HTTP_TOKEN", "nothing")
    hosts, origins = env.names("KLING_MCP_ALLOWED_HOSTS"), env.names("KLING_MCP_ALLOWED_ORIGINS")
    secrets = env.tolerant_secret("KLING_WEBHOOK_SECRET", "nothing")
    size = partial(env.number, "KLING_MCP_MAX_REQUEST_MB", 0, 1, MAX_REQUEST_MB)
    return HostingSettings(
        token=token,
        oauth=env.read("nothing", lambda: _read_sign_in(env, token, public_url), None),
        allowed_hosts=env.read("nothing", lambda: _read_hosts(hosts), ()),
        allowed_origins=env.read("nothing", lambda: tuple(_read_origin(value) for value in origins), ()),
        public_url=public_url,
        webhook_secrets=env.read("nothing", lambda: _read_webhook_secrets(secrets), ()),
        audit_log=env.read("changing", lambda: _read_audit_log(env), None),
        max_request_mb=env.read("nothing", size, 0),
        creates_per_minute=env.read("creating", lambda: _number_or_none(env, "KLING_MCP_CREATES_PER_MINUTE"), None),
        creates_per_day=env.read("creating", lambda: _number_or_none(env, "KLING_MCP_CREATES_PER_DAY"), None),
    )


def _read_public_url(value: str) -> str:
    """Without a final slash. Callbacks and `/mcp` lie below it, so the address of `/mcp` itself is another one."""
    address = read_address("KLING_MCP_PUBLIC_URL", value).rstrip("/")
    if address.endswith("/mcp"):
        raise ConfigurationError(
            "KLING_MCP_PUBLIC_URL must be this server's public address without /mcp, such as https://kling.example.com."
        )
    return address


def _read_sign_in(env: Environment, token: str, public_url: str) -> OAuthSettings | None:
    """Whose tokens are accepted, if it is not the one `token`."""
    oauth = _read_oauth(env, public_url)
    if token and oauth:
        raise ConfigurationError("KLING_MCP_HTTP_TOKEN and KLING_MCP_OAUTH_ISSUER are both set; keep only one of them.")
    if 0 < len(token) < _SHORT_TOKEN:
        logger.warning(
            "KLING_MCP_HTTP_TOKEN is short enough to be guessed; use `openssl rand -hex 32` to make a better one."
        )
    return oauth


def _read_webhook_secrets(value: str) -> tuple[str, ...]:
    """Kling's secrets for callbacks; two during rotation. Errors never show the value."""
    secrets = tuple(part for part in value.split(",") if part)
    for secret in secrets:
        try:
            encoded = secret.removeprefix("whsec_")
            key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not secret.startswith("whsec_") or not key:
            raise ConfigurationError(
                "KLING_WEBHOOK_SECRET must look like `whsec_<Base64>`, or two of them separated by a comma during "
                "rotation."
            )
    return secrets


def _read_audit_log(env: Environment) -> Path | bool | None:
    name = "KLING_MCP_AUDIT_LOG"
    if env.text(name).lower() in {"0", "off", "no", "false"}:
        return False
    return env.full_path(name, "a file, or 0 for none")


def _read_oauth(env: Environment, public_url: str) -> OAuthSettings | None:
    """All OAuth settings, or None."""
    issuer, jwks_url = env.text("KLING_MCP_OAUTH_ISSUER"), env.text("KLING_MCP_OAUTH_JWKS_URL")
    audience, scopes = env.text("KLING_MCP_OAUTH_AUDIENCE"), env.names("KLING_MCP_OAUTH_SCOPES")
    read_address("KLING_MCP_OAUTH_ISSUER", issuer)
    read_address("KLING_MCP_OAUTH_JWKS_URL", jwks_url, with_query=True)
    if not (issuer or jwks_url or audience or scopes):
        return None
    for name, value in (("KLING_MCP_OAUTH_ISSUER", issuer), ("KLING_MCP_OAUTH_JWKS_URL", jwks_url)):
        if not value:
            raise ConfigurationError(f"{name} is missing; OAuth needs it together with the other settings.")
    if odd := [scope for scope in scopes if not _SCOPE.fullmatch(scope)]:
        raise ConfigurationError(f"KLING_MCP_OAUTH_SCOPES holds {odd[0][:40]!r}, which is not a valid scope.")
    resource = f"{public_url}/mcp" if public_url else audience
    if not re.match(r"https?://", resource):
        raise ConfigurationError(
            "KLING_MCP_PUBLIC_URL must be set to this server's public address, such as https://kling.example.com: "
            "clients that sign in with OAuth need it."
        )
    if not public_url:
        read_address("KLING_MCP_OAUTH_AUDIENCE", resource)
    return OAuthSettings(
        issuer=issuer, jwks_url=jwks_url, audience=audience or resource, resource=resource, scopes=scopes
    )


def _read_hosts(values: Iterable[str]) -> tuple[str, ...]:
    """Names as in a `Host` header, in lower case."""
    hosts = tuple(value.lower() for value in values)
    for host in hosts:
        if not _HOST.fullmatch(host):
            raise ConfigurationError(
                "KLING_MCP_ALLOWED_HOSTS must list the host names that callers use, such as kling.example.com, with a "
                f"port only if it matters; {host[:60]!r} is not one."
            )
    return hosts


def _read_origin(value: str) -> str:
    """Scheme, host and port, as browsers send them."""
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    origin = f"{parts.scheme}://{host}" + ("" if port is None else f":{port}")
    if parts.scheme not in {"http", "https"} or not parts.hostname or value.lower().rstrip("/") != origin:
        raise ConfigurationError(
            "KLING_MCP_ALLOWED_ORIGINS must list the origins of web pages that may call this server, such as "
            f"https://chat.example.com; {value[:60]!r} is not one."
        )
    return origin


def _number_or_none(env: Environment, name: str) -> int | None:
    is_set = env.text(name, must_be_filled=True)
    return env.number(name, 0, 0, _MAX_CREATES) if is_set else None
