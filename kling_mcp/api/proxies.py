"""Which proxy leads to an address, by the variables that every program follows: HTTPS_PROXY, ALL_PROXY, NO_PROXY.

Pure: variables in, a choice out. They are read here and not by httpx, which refuses all work if one of them is unusual.
No text of this module contains a user name or a password.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from kling_mcp.errors import ConnectionFailedError
from kling_mcp.guide import guide_to
from kling_mcp.sanitize import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger(__name__)

SYSTEM = "the system's proxy setting"
# Desktops write `socks://` for SOCKS 5. httpx leaves the look-up of names to a SOCKS proxy, with and without the h.
_SCHEMES = {"http": "http", "https": "https", "socks": "socks5", "socks5": "socks5", "socks5h": "socks5"}
_PORTS = {"http": 80, "https": 443, "socks5": 1080}
_HOST_PATTERN = re.compile(r"[\w*?-]+(?:\.[\w*?-]+)*\.?")
_EXAMPLE = "http://proxy.example:8080"


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy, and the variable that names it. `repr` shows no credential."""

    variable: str
    scheme: str
    host: str
    port: int
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def place(self) -> str:
        """Host and port, for sentences."""
        return place_of(self.host, self.port)

    @property
    def url(self) -> str:
        """The address without credentials."""
        return f"{self.scheme}://{self.place}"


def place_of(host: str, port: int) -> str:
    """Host and port as one word."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def choose_proxy(url: str, environ: Mapping[str, str], system: Mapping[str, str] | None = None) -> Proxy | None:
    """The proxy for this address, or None for a direct connection.

    Args:
        url: where requests go.
        environ: the environment.
        system: proxies from the system's settings by scheme; they count only if no variable names a proxy.

    Raises:
        ConnectionFailedError: the proxy's address cannot be read.
    """
    parts = urlsplit(url)
    if is_exempt(parts.hostname or "", parts.port or _PORTS[parts.scheme], environ):
        return None
    # A plain address is a trial on this computer: a variable that would stop the real one is reported there, too.
    schemes = ("http", "https") if parts.scheme == "http" else (parts.scheme,)
    chosen = [_configured(scheme, environ, system or {}) for scheme in schemes]
    proxy, *_ = [read_proxy(*found) if found else None for found in chosen]
    return proxy


def _configured(scheme: str, environ: Mapping[str, str], system: Mapping[str, str]) -> tuple[str, str] | None:
    """The variable and its value."""
    for name in (f"{scheme}_proxy", f"{scheme}_proxy".upper(), "all_proxy", "ALL_PROXY"):
        # In a CGI program, HTTP_PROXY is a header of the request.
        # A file of variables for Docker keeps the quotes around a value.
        if (value := environ.get(name, "").strip().strip("\"'")) and not (
            name == "HTTP_PROXY" and "REQUEST_METHOD" in environ
        ):
            return name, value
    value = (system.get(scheme) or system.get("all") or "").strip()
    return (SYSTEM, value) if value else None


def read_proxy(variable: str, value: str) -> Proxy:
    """A proxy's address, as the variable holds it; without a scheme it is an http proxy.

    Raises:
        ConnectionFailedError: a sentence that names the variable, and shows nothing of the value.
    """
    scheme, _, rest = value.partition("://") if "://" in value else ("http", "", value)
    known = _SCHEMES.get(scheme.lower())
    if known is None or ("://" not in value and re.match(r"\w+:/", value)):
        raise unreadable(variable, "it must begin with http://, https://, socks5:// or socks5h://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in rest[len(authority) :]:
        raise unreadable(variable, "its user name or password holds a character that must be escaped", _ESCAPES)
    credentials, _, place = authority.rpartition("@")
    try:
        parts = urlsplit(f"//{place}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise unreadable(variable, "its port is not a number from 1 to 65535", _ESCAPES) from None
    if not host or port == 0 or not re.fullmatch(r"[\w.:%-]+", host):
        raise unreadable(variable, "it names no host", _ESCAPES)
    user, _, password = credentials.partition(":")
    return Proxy(variable, known, host, port or _PORTS[known], unquote(user), unquote(password))


_ESCAPES = "In a user name or password, write # as %23, / as %2F, ? as %3F, @ as %40 and : as %3A. "


def unreadable(variable: str, why: str, hint: str = "") -> ConnectionFailedError:
    return ConnectionFailedError(
        f"The proxy address in {variable} cannot be read: {why}. Nothing was sent.",
        retry="never",
        advice=f"Write it as {_EXAMPLE}. {hint}Then restart the server.",
        topic="proxies",
    )


# --- NO_PROXY


def is_exempt(host: str, port: int, environ: Mapping[str, str]) -> bool:
    """Whether NO_PROXY lists this host: by name, with its subdomains, by address or by network."""
    listed = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    entries = [entry for entry in re.split(r"[\s,;]+", listed) if entry]
    return any([_covers(entry.lower(), host.lower().rstrip("."), port) for entry in entries])  # noqa: C419 - log all


def _covers(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    if entry == "<local>":  # Windows' way to say: every name without a dot
        return "." not in host and ":" not in host
    pattern, wanted_port = _without_port(entry.rpartition("://")[2])
    if wanted_port not in {None, port}:
        return False
    if (network := _network(pattern)) is not None:
        address = _address(host)
        return address is not None and address in network
    if not _HOST_PATTERN.fullmatch(pattern.lstrip(".")):
        shown = "" if "@" in entry else f" {quote(entry, 60)}"
        left_out = shown or " it holds an @"
        logger.warning(
            "NO_PROXY has an entry that cannot be read and is left out:%s. %s", left_out, guide_to("proxies")
        )
        return False
    pattern = pattern.strip(".").removeprefix("*.")
    return fnmatchcase(host, pattern) or host.endswith(f".{pattern}")


def _without_port(entry: str) -> tuple[str, int | None]:
    """`host:port` or `[address]:port` taken apart; a plain IPv6 address has no port."""
    found = re.fullmatch(r"\[([0-9a-f:.%]+)\](?::(\d{1,5}))?|([^:]*):(\d{1,5})", entry)
    if found is None:
        return entry, None
    port = found[2] or found[4]
    return found[1] or found[3], int(port) if port else None


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
