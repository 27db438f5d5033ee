"""Why a connection failed, in one sentence that names the place, and what cures it.

Pure: an exception and the way that was taken in, an error out. Exceptions are told apart by what lies below them:
httpx wraps the system's own.
"""

from __future__ import annotations

import re
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kling_mcp.api.proxies import place_of
from kling_mcp.errors import ConnectionFailedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kling_mcp.api.proxies import Proxy
    from kling_mcp.errors import Retry
    from kling_mcp.guide import Topic

_NO_PROXY = "If this network needs a proxy, set HTTPS_PROXY."
_STATUS = re.compile(r"(\d{3})\b")
_WRONG_NAME = re.compile(r"mismatch|does not match", re.IGNORECASE)
_WRONG_TIME = re.compile(r"expired|not yet valid|validity period", re.IGNORECASE)
# What a TLS client reads where a server speaks plain http.
_PLAIN_HTTP = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG", "RECORD_TOO_SMALL"}


@dataclass(frozen=True, slots=True)
class Way:
    """Where requests go, the setting that says so, and the proxy on the way."""

    scheme: str
    host: str
    port: int
    setting: str
    proxy: Proxy | None = None

    @property
    def place(self) -> str:
        """Host and port; the port only where it is unusual."""
        usual = self.port == (443 if self.scheme == "https" else 80)
        return self.host if usual else place_of(self.host, self.port)


def explain(error: BaseException, way: Way) -> ConnectionFailedError:
    """The error for a request that was not sent."""
    causes = list(_chain(error))
    for cause in causes:
        # A handshake that waits for more is no failure of its own.
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLWantReadError | ssl.SSLWantWriteError):
            return _tls_failure(cause, way)
    name = type(error).__name__
    if way.proxy is not None:
        return _proxy_failure(name, str(error), causes, way, way.proxy)
    if name == "PoolTimeout":
        return _failure(f"Could not connect to {way.place}: all connections are in use", "Call again in a moment.")
    why, advice = _plain_cause(name, causes, way)
    return _failure(f"Could not connect to {way.place}: {why}", advice)


def _plain_cause(name: str, causes: list[BaseException], way: Way) -> tuple[str, str]:
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return (
            f"the name {way.host} was not found (DNS)",
            f"Check the network and {way.setting}. {_NO_PROXY}",
        )
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return "the connection was refused", f"Check that {way.setting} is right. {_NO_PROXY}"
    if "Timeout" in name or any(isinstance(cause, TimeoutError) for cause in causes):
        return "it did not answer in time", f"Check the network, the firewall and {way.setting}. {_NO_PROXY}"
    return f"the connection failed ({name})", f"Check the network, the firewall and {way.setting}. {_NO_PROXY}"


# --- proxies


def _proxy_failure(name: str, said: str, causes: list[BaseException], way: Way, proxy: Proxy) -> ConnectionFailedError:
    who = f"The proxy {proxy.place} ({proxy.variable})"
    around = f"Check {proxy.variable}, or list {way.host} in NO_PROXY if it can be reached without a proxy."
    if name == "ProxyError":
        return _refused_by_proxy(who, said, way, proxy, around)
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        why = "its name was not found (DNS)"
    elif any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        why = "it refuses connections, so it may not be running"
    elif "Timeout" in name or any(isinstance(cause, TimeoutError) for cause in causes):
        why = "it did not answer in time"
    else:
        why = f"it does not answer as a proxy of its kind, {proxy.scheme}, would ({name})"
    return _failure(f"{who} cannot be used to reach {way.place}: {why}", around, topic="proxies")


def _refused_by_proxy(who: str, said: str, way: Way, proxy: Proxy, around: str) -> ConnectionFailedError:
    """Its words may be anything, so only statuses and known words are shown."""
    found = _STATUS.match(said)
    status = int(found[1]) if found else 0
    wants_password = "auth" in said.lower() or "password" in said.lower() or "Requested" in said
    if status == 407 or (not status and wants_password):
        return proxy_wants_password(proxy, f" answers {status}" if status else "")
    if status == 403 or "not allowed" in said:
        return _failure(
            f"{who} does not allow connections to {way.place}" + (f" (it answers {status})" if status else ""),
            f"Ask its administrator to allow {way.host}. {around}",
            topic="proxies",
        )
    answer = f"it answers {status}" if status else _socks_words(said)
    return _failure(f"{who} could not connect to {way.place}: {answer}", around, topic="proxies")


def proxy_wants_password(proxy: Proxy, answer: str = " answers 407") -> ConnectionFailedError:
    """The proxy wants a user name and a password, or does not accept those it got."""
    verb = f"{answer}: it" if answer else ""
    given = "does not accept the user name and password" if proxy.user else "wants a user name and a password"
    return _failure(
        f"The proxy {proxy.place} ({proxy.variable}){verb} {given}",
        f"Write them into {proxy.variable}, as in {proxy.scheme}://user:password@{proxy.place}, with # as %23 and @ "
        "as %40, and restart the server.",
        retry="never",
        topic="proxies",
    )


def _socks_words(said: str) -> str:
    known = ("Host unreachable", "Network unreachable", "Connection refused", "TTL expired", "General SOCKS")
    word = next((word for word in known if word in said), "it gave no reason")
    return {"General SOCKS": "it gave no reason", "TTL expired": "it did not get there in time"}.get(word, word.lower())


# --- certificates


def _tls_failure(cause: ssl.SSLError, way: Way) -> ConnectionFailedError:
    place = way.place
    if way.proxy is not None and way.proxy.scheme == "https":
        place += f" or of the proxy {way.proxy.place}"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _certificate_failure(getattr(cause, "verify_message", "") or str(cause), place, way)
    reason = str(getattr(cause, "reason", None) or "connection closed")
    if reason in _PLAIN_HTTP:
        return _failure(
            f"{place} does not speak https on this port: it seems to be a port for plain http",
            f"Check the port in {way.setting}"
            + (f", and whether {way.proxy.variable} should begin with http://" if way.proxy else "")
            + ".",
            retry="never",
        )
    words = re.sub(r"[\W_]+", " ", reason).lower()
    return _failure(
        f"No secure connection to {place} could be made ({words})",
        f"A proxy, a firewall or {way.setting} may be the cause.",
        topic="certificates",
    )


def _certificate_failure(said: str, place: str, way: Way) -> ConnectionFailedError:
    if _WRONG_NAME.search(said):
        told = f"The certificate of {place} was issued for another name"
        cure = f"Check {way.setting}, and whether a proxy or a network's login page answers instead."
    elif _WRONG_TIME.search(said):
        told = f"The certificate of {place} has expired or is not valid yet"
        cure = "Check this computer's date, and ask the operator of the server or the proxy to renew it."
    else:
        told = f"The certificate of {place} is not trusted on this computer"
        cure = (
            "If a company or an antivirus inspects traffic, let SSL_CERT_FILE name its certificate as a PEM file, or "
            "install it in the system's store; then restart the server."
        )
    return _failure(told, cure, retry="never", topic="certificates")


# --- shared


def _failure(told: str, advice: str, retry: Retry = "now", topic: Topic = "addresses") -> ConnectionFailedError:
    return ConnectionFailedError(f"{told}; nothing was sent.", retry=retry, advice=advice, topic=topic)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and everything below it; also in groups, as when each of several addresses failed."""
    waiting: list[BaseException] = [error]
    seen: set[int] = set()
    while waiting:
        found = waiting.pop(0)
        if id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        if isinstance(found, BaseExceptionGroup):
            waiting.extend(found.exceptions)
        waiting.extend(below for below in (found.__cause__, found.__context__) if below is not None)
