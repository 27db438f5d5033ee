"""How requests reach one address: the proxy, the certificates, and what a failure on the way means.

httpx's own reading of the environment is switched off: one unusual variable would make it refuse everything.
httpx is imported at the first request.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import anyio

from kling_mcp.api.certificates import make_tls
from kling_mcp.api.network_causes import Way, explain
from kling_mcp.api.proxies import choose_proxy, unreadable
from kling_mcp.errors import KlingError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from types import TracebackType

    import httpx

    from kling_mcp.api.proxies import Proxy

PROXY_SECONDS = 20.0  # until a proxy that was reached has made the connection


@dataclass(frozen=True, slots=True)
class Network:
    """The way to one address, as the surroundings describe it."""

    transport: httpx.AsyncBaseTransport
    way: Way


def open_network(url: str, setting: str, *, limits: httpx.Limits | None = None) -> Network:
    """A transport for this address, which `setting` names.

    Raises:
        ConnectionFailedError: the address of the proxy, or the certificates, cannot be read.
    """
    import httpx  # noqa: PLC0415 - 130 ms, paid only by who sends something

    proxy = choose_proxy(url, os.environ, _system_proxies(url))
    tls = make_tls(os.environ)
    transport = httpx.AsyncHTTPTransport(
        verify=tls, limits=limits or httpx.Limits(), trust_env=False, proxy=_for_httpx(proxy, tls)
    )
    return Network(transport, way_to(url, setting, proxy))


def load_http_library() -> None:
    """Load what the first request would, for a process that has time before it."""
    import httpx  # noqa: F401, PLC0415 - as above


def settle_async_library() -> None:
    """Where `sniffio` is not installed, say so once: httpcore tries to import it four times for each request.

    Python would look for it on disk every time, which takes longer than anything else that a request does. None in
    `sys.modules` means that a module does not exist.
    """
    if "sniffio" not in sys.modules and find_spec("sniffio") is None:
        sys.modules["sniffio"] = None  # type: ignore[assignment] # as the reference of the import system describes it


def way_to(url: str, setting: str, proxy: Proxy | None = None) -> Way:
    """The way to this address, for sentences."""
    parts = urlsplit(url)
    return Way(
        parts.scheme, parts.hostname or url, parts.port or (443 if parts.scheme == "https" else 80), setting, proxy
    )


def _for_httpx(proxy: Proxy | None, tls: ssl.SSLContext) -> httpx.Proxy | None:
    import httpx  # noqa: PLC0415 - 130 ms, paid only by who sends something

    if proxy is None:
        return None
    credentials = (proxy.user, proxy.password) if proxy.user or proxy.password else None
    try:
        # A SOCKS proxy has no TLS of its own.
        return httpx.Proxy(proxy.url, ssl_context=tls if proxy.scheme == "https" else None, auth=credentials)
    except httpx.InvalidURL:
        raise unreadable(proxy.variable, "it names no host") from None


def _system_proxies(url: str) -> Mapping[str, str]:
    """What Windows and macOS keep in their settings; elsewhere only variables count, which are read by name."""
    from urllib.request import getproxies, getproxies_environment, proxy_bypass  # noqa: PLC0415 - with the first request

    host = urlsplit(url).hostname or ""
    return {} if getproxies_environment() or proxy_bypass(host) else getproxies()


class Attempt:
    """One request on its way: what fails before it is sent leaves as a `ConnectionFailedError`.

    Follows httpcore, as the extension `trace` of the request; a proxy may answer anything before our request is sent.

    Attributes:
        scope: bounds the request; while a proxy has not yet answered, it ends earlier.
    """

    def __init__(self, way: Way, proxy_seconds: float = PROXY_SECONDS) -> None:
        self.scope: anyio.CancelScope | None = None
        self._way = way
        self._proxy_seconds = proxy_seconds
        self._whole_deadline = 0.0
        self._is_at_the_proxy = False
        self._stream: Any = None

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        """One step of httpcore's, by its name."""
        if event == "socks.setup_socks5_connection.started":
            self._wait_for_the_proxy()
        elif event == "http11.send_request_headers.started":
            # A tunnel is asked for first; then comes our request.
            if info["request"].method == b"CONNECT":
                self._wait_for_the_proxy()
            elif self._is_at_the_proxy:
                self._leave_the_proxy()
        elif event.endswith(".connect_tcp.complete"):
            self._stream = info["return_value"]

    def _wait_for_the_proxy(self) -> None:
        """httpcore would wait for ever for the answers of a SOCKS proxy."""
        self._is_at_the_proxy = True
        if self.scope is not None:
            self._whole_deadline = self.scope.deadline
            self.scope.deadline = min(self._whole_deadline, anyio.current_time() + self._proxy_seconds)

    def _leave_the_proxy(self) -> None:
        self._is_at_the_proxy = False
        if self.scope is not None:
            self.scope.deadline = self._whole_deadline

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not isinstance(error, Exception) or isinstance(error, KlingError):
            return
        if self._is_at_the_proxy or _is_before(error):
            if self._stream is not None:
                await self._stream.aclose()  # after a refused handshake, httpcore leaves it open
            raise explain(error, self._way) from None


def _is_before(error: Exception) -> bool:
    import httpx  # noqa: PLC0415 - 130 ms, paid only by who sends something

    return isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.ProxyError)
