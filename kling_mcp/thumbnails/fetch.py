"""Fetches a picture from an untrusted link, without being led into a private network.

Each host name is resolved once, its address is checked, and the connection goes to that address, so that the name
cannot resolve differently the second time; the certificate is still checked against the name. Redirects repeat all
of this. No cookie, credential or referrer is ever sent. Nothing is decoded here.

httpx is imported at the first fetch.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import anyio

from kling_mcp._version import __version__
from kling_mcp.api.certificates import make_tls
from kling_mcp.api.limits import MAX_IMAGE_BYTES
from kling_mcp.errors import ConnectionFailedError, InputError
from kling_mcp.media.formats import name_format
from kling_mcp.media.links import require_link
from kling_mcp.thumbnails.public_addresses import is_public

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

    import httpx

    Resolver = Callable[[str], Awaitable[list[str]]]
    TransportMaker = Callable[[], httpx.AsyncBaseTransport]

logger = logging.getLogger(__name__)

PORT = 443
PICTURES_AT_ONCE = 6
MAX_REDIRECTS = 3
_MAX_ADDRESSES = 2
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_SIGNATURE_BYTES = 12
_ODD = "its link is not a public https address"
# Kling's own hosts and every CDN match; spellings that two parsers could read differently do not.
_HOST_NAME = re.compile(r"(?=.{4,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]")


class NoPictureError(Exception):
    """There is no picture to show; `reason` is half a sentence without any foreign text."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """Seconds and bytes. `total` covers one picture, including redirects and name look-ups."""

    total: float = 10.0
    connect: float = 4.0
    max_bytes: int = MAX_IMAGE_BYTES


class PictureFetcher:
    """Fetches pictures over https from public addresses. Keeps no connection between two pictures.

    Callers hold `gate` while they fetch: it limits how many pictures are in memory at once.
    """

    def __init__(
        self,
        *,
        resolve: Resolver | None = None,
        make_transport: TransportMaker | None = None,
        limits: FetchLimits | None = None,
    ) -> None:
        """`resolve` and `make_transport` replace name look-up and network, for tests."""
        self._resolve = resolve or resolve_name
        self._make_transport = make_transport or self._direct_transport
        self._limits = limits or FetchLimits()
        self.gate = anyio.Semaphore(PICTURES_AT_ONCE)
        self._tls: ssl.SSLContext | None = None

    async def fetch(self, link: str) -> bytes:
        """The bytes of a JPEG, PNG or WebP picture; only its first bytes were checked.

        Raises:
            NoPictureError: the link must not be opened, or does not lead to a picture.
        """
        import httpx  # noqa: PLC0415 - 130 ms, paid only by who sends something

        try:
            with anyio.fail_after(self._limits.total):
                return await self._follow(link)
        except (TimeoutError, httpx.TimeoutException):
            raise NoPictureError("its link did not answer in time") from None
        except httpx.HTTPError:
            raise NoPictureError("its link could not be opened") from None
        except ConnectionFailedError as error:
            logger.warning("Pictures cannot be fetched: %s", error.message)
            raise NoPictureError("the certificates to trust cannot be read") from None

    async def _follow(self, link: str) -> bytes:
        for _ in range(MAX_REDIRECTS + 1):
            outcome = await self._get(link)
            if isinstance(outcome, bytes):
                return outcome
            try:
                link = urljoin(link, outcome)
            except ValueError:
                raise NoPictureError(_ODD) from None
        raise NoPictureError("its link redirects too often")

    async def _get(self, link: str) -> bytes | str:
        """The picture, or where the answer redirects to."""
        import httpx  # noqa: PLC0415 - 130 ms, paid only by who sends something

        host, path = _taken_apart(link)
        addresses = await self._public_addresses(host)
        for tried, address in enumerate(addresses, start=1):
            try:
                return await self._exchange(host, address, path)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if tried == len(addresses):
                    raise
        raise NoPictureError("the host in its link does not exist")

    async def _public_addresses(self, host: str) -> list[str]:
        """The addresses of a name, all checked; one private address refuses them all."""
        if _is_address(host):
            addresses = [host]
        else:
            try:
                addresses = await self._resolve(host)
            except (OSError, UnicodeError):
                raise NoPictureError("the host in its link does not exist") from None
        if not all(map(is_public, addresses)):
            raise NoPictureError("its link points into a private network")
        return addresses[:_MAX_ADDRESSES]

    async def _exchange(self, host: str, address: str, path: str) -> bytes | str:
        """One request over a new connection: a reused one was checked for another name."""
        import httpx  # noqa: PLC0415 - 130 ms, paid only by who sends something

        limits = self._limits
        request = httpx.Request(
            "GET",
            httpx.URL(scheme="https", host=address, port=PORT, raw_path=path.encode("ascii")),
            headers={
                "Host": f"[{host}]" if ":" in host else host,
                "User-Agent": f"kling-mcp/{__version__}",
                "Accept": "image/jpeg, image/png, image/webp",
                "Accept-Encoding": "identity",
                "Connection": "close",
            },
            extensions={
                "sni_hostname": host,  # also the name checked in the certificate
                "timeout": httpx.Timeout(limits.total, connect=limits.connect).as_dict(),
            },
        )
        async with self._make_transport() as transport:
            response = await transport.handle_async_request(request)
            try:
                return await self._read(response)
            finally:
                await response.aclose()

    async def _read(self, response: httpx.Response) -> bytes | str:
        if response.status_code in _REDIRECTS and (location := response.headers.get("location")):
            return str(location)
        if response.status_code != 200:
            raise NoPictureError(f"its link answers with HTTP status {response.status_code}")
        body = bytearray()
        looked = False
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > self._limits.max_bytes:
                raise NoPictureError("it is too large")
            if not looked and len(body) >= _MAX_SIGNATURE_BYTES:
                looked = _require_picture(body)
        _require_picture(body)
        return bytes(body)

    def _direct_transport(self) -> httpx.AsyncBaseTransport:
        """A direct connection: a proxy would resolve the name again by itself."""
        import httpx  # noqa: PLC0415 - 130 ms, paid only by who sends something

        if self._tls is None:
            self._tls = make_tls(os.environ)
        return httpx.AsyncHTTPTransport(verify=self._tls, limits=httpx.Limits(max_connections=1))


async def resolve_name(host: str) -> list[str]:
    """The addresses of a name, as the system gives them. Raises OSError or UnicodeError."""
    found = await anyio.getaddrinfo(host, PORT, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(entry[4][0] for entry in found))


def name_picture(data: bytes | bytearray) -> str:
    """`jpeg`, `png`, `webp`, or "" for anything else, by the first bytes."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return name_format(bytes(data[:_MAX_SIGNATURE_BYTES]))


def _require_picture(body: bytearray) -> bool:
    if not name_picture(body):
        raise NoPictureError("its link does not lead to a picture")
    return True


def _taken_apart(link: str) -> tuple[str, str]:
    """The host, and the path with its query; both plain ASCII.

    Raises:
        NoPictureError: the link is not https, or has a user, another port or an unusual host.
    """
    try:
        parts = urlsplit(require_link(link, "link"))
        host = (parts.hostname or "").removesuffix(".")
        port = parts.port
    except (InputError, ValueError):
        raise NoPictureError(_ODD) from None
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if port not in {None, PORT} or not (_is_address(host) or _HOST_NAME.fullmatch(host)) or not path.isascii():
        raise NoPictureError(_ODD)
    return host, path


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
