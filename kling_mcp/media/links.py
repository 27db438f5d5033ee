"""The rules for links that Kling itself will open: pictures, videos, callbacks.

Pure text: no host name is resolved and nothing is fetched.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from pathlib import PurePosixPath
from urllib.parse import SplitResult, unquote, urlsplit

from kling_mcp.api.limits import MAX_LINK_CHARACTERS
from kling_mcp.errors import InputError, Problem
from kling_mcp.sanitize import clean, quote

_PRIVATE_SUFFIXES = (".localhost", ".local", ".internal", ".lan", ".intranet", ".home.arpa")
_FIX_PUBLIC = "give an https link that opens without signing in, from anywhere on the internet."


def show_link(link: str) -> str:
    """The link, quoted, without possible secrets: user names, passwords, signed queries."""
    base = re.split("[?#]", link, maxsplit=1)[0]
    scheme, _, rest = base.partition(":")
    _, at, after = rest.rpartition("@")
    cut = "…" if len(base) < len(link) else ""
    if at:
        return quote(f"{scheme}://…@{after}{cut}")
    if "@" in link[len(base) :] and "/" not in rest.lstrip("/"):
        # What looks like a host and a query may be a password with a question mark.
        return quote(f"{scheme}://…")
    return quote(base + cut)


def require_link(text: str, argument: str, *, public: bool = True) -> str:
    """The link as given, if it may be sent to Kling.

    With `public=False` a private host is allowed: a callback that never arrives does no harm.
    Raises InputError, whose text never shows a password or a query.
    """
    refusal = _form_problem(text) or _address_problem(text, public=public)
    if refusal:
        rule, fix = refusal
        raise InputError([Problem(argument, rule, show_link(text), fix)])
    return text


def is_private_host(link: str) -> bool:
    """Whether only machines near this one could open the (well-formed) link."""
    return _is_private(_host(urlsplit(link)))


def extension(link: str) -> str:
    """The lower-case extension of the link's path with its dot, or ""."""
    return PurePosixPath(unquote(urlsplit(link).path)).suffix.lower()


def _form_problem(text: str) -> tuple[str, str] | None:
    """What is wrong with the text before it is parsed, as (rule, fix)."""
    if len(text) > MAX_LINK_CHARACTERS:
        return (
            f"must have at most {MAX_LINK_CHARACTERS} characters, not {len(text)}",
            "give a shorter link.",
        )
    if re.match(r"http:", text, re.IGNORECASE):
        return "must be https, because http is not sent to Kling", "give the https form of this link."
    if not re.match(r"https://", text, re.IGNORECASE):
        return "must start with https://", _FIX_PUBLIC
    # Spaces, line ends, invisible characters: parsers disagree on all of them.
    if "\\" in text or " " in text or clean(text, limit=len(text) + 1) != text:
        return (
            "must have no spaces, backslashes, control or invisible characters",
            "write a space as %20 and remove the other characters.",
        )
    return None


def _address_problem(text: str, *, public: bool) -> tuple[str, str] | None:
    """What is wrong with the host part, as (rule, fix)."""
    try:
        parts = urlsplit(text)
        host, _ = _host(parts), parts.port
    except ValueError:
        return "must have a valid host and port", _FIX_PUBLIC
    if "@" in parts.netloc:
        return "must not carry a user name or password", "remove the part before the @."
    if not host or "%" in host or not all(host.split(".")) or _is_odd_number(host):
        return "must have a valid host name", _FIX_PUBLIC
    if public and _is_private(host):
        return "must be a link that Kling can open, not one to this computer or to a private network", _FIX_PUBLIC
    return None


def _host(parts: SplitResult) -> str:
    """The host as a browser would read it: full-width letters folded, no final dot."""
    return unicodedata.normalize("NFKC", parts.hostname or "").removesuffix(".")


def _is_odd_number(host: str) -> bool:
    """Whether this is an IPv4 address in disguise: `2130706433`, `127.1`, `0x7f.1`."""
    last = host.rsplit(".", 1)[-1]
    return re.fullmatch(r"[0-9]+|0x[0-9a-f]*", last) is not None and _address(host) is None


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_private(host: str) -> bool:
    address = _address(host)
    if address is not None:
        return not address.is_global or address.is_multicast
    return "." not in host or host.endswith(_PRIVATE_SUFFIXES)
