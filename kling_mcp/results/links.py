"""Which links of results are followed, and when they end.

Pure text: no name is resolved and nothing is opened. A link must have exactly the form that is checked here, so no two
parsers can read it differently.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urljoin, urlsplit

from kling_mcp.errors import ResultError
from kling_mcp.sanitize import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

# First labels change, so hosts are known by suffix. fact: gen-links
HOST_SUFFIXES = ("klingai.com", "kechuangai.com")
LIFETIME_SECONDS = 30 * 24 * 3600
MAX_LINK_CHARACTERS = 8192  # signatures are long

_HOST = r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\]"
_LINK = re.compile(rf"(https?)://({_HOST})(?::([1-9][0-9]{{0,4}}))?(?:[/?][\x21-\x7e]*)?", re.IGNORECASE)
_PORTS = {"https": 443, "http": 80}
# An end outside of these years is no time that Kling meant.
_EARLIEST, _LATEST = 1_577_836_800, 4_102_444_800  # 2020, 2100

Origin = tuple[str, str, int]


class LinkRules:
    """https to the vendor's hosts, and the origin of the API's address where that is this computer; nowhere else."""

    def __init__(self, base_url: str = "", *, in_process: bool = False) -> None:
        """
        Args:
            base_url: the address of the API; it counts only if it is a loopback address.
            in_process: it counts in any case, because no network lies behind it.
        """
        origin = _origin(base_url)
        self._own = origin if origin and (in_process or _is_loopback(origin[1])) else None

    def require(self, link: str) -> str:
        """The link without its fragment, if it may be followed.

        Raises:
            ResultError: it may not; the text shows at most the host.
        """
        link = link.partition("#")[0]
        origin = _origin(link)
        if origin is None:
            raise refused_form()
        scheme, host, port = origin
        if origin == self._own:
            return link
        if not any(host == suffix or host.endswith(f".{suffix}") for suffix in HOST_SUFFIXES):
            raise _refused(f"leads to {quote(host, 80)}")
        if scheme != "https":
            raise _refused("is not encrypted")
        if port != _PORTS["https"]:
            raise _refused(f"leads to port {port}")
        return link

    def follow(self, link: str, location: str) -> str:
        """Where a redirect of `link` leads, if it may be followed. Raises ResultError."""
        try:
            target = urljoin(link, location)
        except ValueError:
            raise refused_form() from None
        return self.require(target)


def ends_at(link: str, updated_at: int) -> float:
    """When the link ends, in seconds since 1970: as it says itself, else 30 days after `updated_at`. fact: gen-links

    Args:
        updated_at: of the task, in milliseconds; 0 if unknown.

    Returns 0.0 if neither is known.
    """
    told = min(_told_ends(link), default=0.0)
    return told or (updated_at / 1000 + LIFETIME_SECONDS if updated_at > 0 else 0.0)


def without_signature(link: str) -> str:
    """The link without query and fragment: it names the file, and opens nothing."""
    return re.split("[?#]", link, maxsplit=1)[0]


def refused_form() -> ResultError:
    """The error for a text that is no link."""
    return _refused("is not an https link in its usual form")


def _told_ends(link: str) -> Iterator[float]:
    try:
        query = parse_qsl(urlsplit(link).query, max_num_fields=100)
    except ValueError:
        return
    for name, value in query:
        base = {"expires": 10, "kstime": 16}.get(name.lower(), 0)
        if base and re.fullmatch(r"[0-9A-Fa-f]{1,16}" if base == 16 else r"[0-9]{1,16}", value):
            seconds = int(value, base)
            if _EARLIEST <= seconds <= _LATEST:
                yield float(seconds)


def _origin(link: str) -> Origin | None:
    """Scheme, host in lower case and port; None for anything that is no plain link."""
    found = _LINK.fullmatch(link) if len(link) <= MAX_LINK_CHARACTERS else None
    if found is None:
        return None
    scheme, host, port = found[1].lower(), found[2].lower(), int(found[3] or 0)
    return (scheme, host, port or _PORTS[scheme]) if port <= 65535 else None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _refused(why: str) -> ResultError:
    return ResultError(
        f"The link of this result {why}, so it is not followed.",
        kind="vendor_fault",
        advice=f"Only https links to {' and '.join(HOST_SUFFIXES)} are; look at the link before you open it yourself.",
    )
