"""Sends requests over one shared httpx client: authenticate, send, decode, retry.

httpx is imported at the first request, because it takes 130 ms to load.
"""

from __future__ import annotations

import random
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import anyio

from kling_mcp._version import __version__
from kling_mcp.api.auth import host_of
from kling_mcp.api.network import PROXY_SECONDS, Attempt, open_network, way_to
from kling_mcp.api.network_causes import proxy_wants_password
from kling_mcp.api.protocol import HttpReply, Request, decode, lost_reply, request_id_of
from kling_mcp.api.request_body import RequestBody
from kling_mcp.api.response_body import ACCEPTED, GzipError, GzipReader
from kling_mcp.api.retry import RetryPolicy, delay_before_retry
from kling_mcp.errors import (
    AuthError,
    ClockError,
    ConnectionFailedError,
    KlingError,
    RequestError,
    UnexpectedReplyError,
)
from kling_mcp.observability import telemetry
from kling_mcp.observability.logs import hidden_in_logs
from kling_mcp.redact import redact_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import httpx

    from kling_mcp.api.auth import Authenticator
    from kling_mcp.concurrency.clock import Clock

SETTING = "KLING_BASE_URL"
MAX_CONNECTIONS = 200  # ten times what one account may use
MAX_REPLY_BYTES = 64 * 1024 * 1024  # a page of 500 records with links is near 2 MB
SLOWEST_BYTES_PER_SECOND = 16_000  # an eighth of a megabit: a line on which four large pictures take most of an hour


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `exchange` bounds one attempt as a whole: a peer that drips bytes cannot hold a call.

    `write` is for one chunk of a body, and so the longest pause of the line, however long the body is.
    """

    connect: float = 10.0
    proxy: float = PROXY_SECONDS
    read: float = 40.0
    write: float = 120.0
    exchange: float = 300.0

    def for_body(self, size: int) -> Timeouts:
        """The same for a request with a body of `size` bytes, over the slowest line that we wait for.

        The answer is waited for longer, too: buffers of the system and of proxies take megabytes at once, and pass
        them on as slowly as the line is.
        """
        seconds = size / SLOWEST_BYTES_PER_SECOND
        return replace(self, read=self.read + seconds, exchange=self.exchange + seconds)

    def for_httpx(self) -> httpx.Timeout:
        """As httpx takes them; it knows nothing of `proxy` and `exchange`."""
        import httpx  # noqa: PLC0415 - 130 ms, paid only by who sends something

        return httpx.Timeout(connect=self.connect, read=self.read, write=self.write, pool=self.connect)


class Sender:
    """One connection pool to one host, shared by every credential; open until `aclose`.

    Attributes:
        requests_sent: attempts that reached the network layer, for `diagnostics` and benchmarks.
        last_date: the last `Date` header seen, for `diagnostics`.
    """

    def __init__(
        self,
        base_url: str,
        clock: Clock,
        *,
        make_transport: Callable[[], httpx.AsyncBaseTransport] | None = None,
        retry: RetryPolicy | None = None,
        timeouts: Timeouts | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.requests_sent = 0
        self.last_date = ""
        self._clock = clock
        self._make_transport = make_transport
        self._retry = retry or RetryPolicy()
        self._timeouts = timeouts or Timeouts()
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret
        self._client: httpx.AsyncClient | None = None
        self._way = way_to(self.base_url, SETTING)

    @property
    def host(self) -> str:
        """The host name that requests go to."""
        return host_of(self.base_url)

    async def send(self, request: Request, auth: Authenticator) -> Any:
        """The `data` of Kling's answer.

        Raises:
            KlingError: whatever `protocol.decode` raises, `ConnectionFailedError`, or a lost reply.
        """
        started = self._clock.monotonic()
        attempt = 0
        clock_corrected = False
        while True:
            attempt += 1
            authorization = auth.header()
            try:
                return await self._attempt(request, auth, authorization)
            except (ClockError, AuthError):
                # Kling refused the token, so nothing was done: retry once with the vendor's time.
                if clock_corrected or not auth.correct_clock(self.last_date, refused=authorization):
                    raise
                clock_corrected = True
            except KlingError as error:
                elapsed = self._clock.monotonic() - started
                delay = delay_before_retry(
                    self._retry, error, request.effect, attempt=attempt, elapsed=elapsed, rng=self._rng
                )
                if delay is None:
                    raise
                await self._clock.sleep(delay)

    async def aclose(self) -> None:
        """Close the pool; a later request opens a new one."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _attempt(self, request: Request, auth: Authenticator, authorization: str) -> Any:
        self.requests_sent += 1
        with telemetry.kling_request(request.operation, self._clock) as exchange, hidden_in_logs(auth.secrets):
            reply = _hide_secrets(await self._exchange(request, authorization), auth)
            self.last_date = reply.headers.get("date", "")
            exchange.http_status = reply.status
            if request.effect != "read":
                exchange.request_id = request_id_of(reply)
            if reply.status == 407 and self._way.proxy is not None:
                raise proxy_wants_password(self._way.proxy)
            try:
                return decode(request, reply)
            except (UnexpectedReplyError, RequestError) as error:
                raise self._blaming_the_path(error) from None

    def _blaming_the_path(self, error: UnexpectedReplyError | RequestError) -> KlingError:
        """A path in the address leads to a page that does not exist, or to Kling's 1202: our own paths do exist."""
        path = urlsplit(self.base_url).path.strip("/")
        if error.http_status != 404 or error.code not in {None, 1202} or not path:
            return error
        return ConnectionFailedError(
            f"{self._way.place} has no API below /{path} (HTTP 404), so nothing was done.",
            retry="never",
            code=error.code,
            request_id=error.request_id,
            advice=f"Drop the path /{path} from {SETTING}, or correct it: kling-mcp adds /v1 itself. "
            "Then restart the server.",
        )

    async def _exchange(self, request: Request, authorization: str) -> HttpReply:
        import httpx  # noqa: PLC0415 - 130 ms, paid only by who sends something

        client = self._open()
        body = None if request.body is None else RequestBody(request.body)
        limits = self._timeouts.for_body(len(body) if body else 0)
        try:
            async with Attempt(self._way, self._timeouts.proxy) as attempt:
                with anyio.fail_after(limits.exchange) as attempt.scope:
                    options = {"timeout": limits.for_httpx(), "extensions": {"trace": attempt}}
                    return await self._receive(client, request, body, authorization, options)
        except (httpx.TimeoutException, TimeoutError):
            raise lost_reply(request, f"{self.host} did not answer in time", still_at_work=True) from None
        except httpx.HTTPError as error:
            raise lost_reply(
                request,
                f"The connection to {self.host} broke ({type(error).__name__}) before the answer arrived",
            ) from None

    async def _receive(
        self,
        client: httpx.AsyncClient,
        request: Request,
        body: RequestBody | None,
        authorization: str,
        options: dict[str, Any],
    ) -> HttpReply:
        headers = {"Authorization": authorization, "Content-Type": "application/json"}  # fact: headers
        if body is None:
            return await self._ask(client, request, headers, options)
        headers["Content-Length"] = str(len(body))  # otherwise it would be sent chunked, which some gateways refuse
        # httpx leaves requests in reference cycles; closing the stream releases its pictures.
        async with aclosing(body.stream(request.upload)) as chunks:
            return await self._ask(client, request, headers, {"content": chunks, **options})

    async def _ask(
        self, client: httpx.AsyncClient, request: Request, headers: Mapping[str, str], options: dict[str, Any]
    ) -> HttpReply:
        outgoing = client.build_request(
            request.method,
            self.base_url + request.path,
            params=dict(request.params) or None,
            headers=headers,
            **options,
        )
        response = await client.send(outgoing, stream=True)
        try:
            body = await _unpacked(response)
        except GzipError:
            body = b""  # treated like any other unreadable body
        finally:
            await response.aclose()
        if body is None:
            raise _too_large(request, response.status_code)
        headers = {name.lower(): value for name, value in response.headers.items()}
        return HttpReply(response.status_code, headers, body)

    def _open(self) -> httpx.AsyncClient:
        if self._client is None:
            from http.cookiejar import CookieJar, DefaultCookiePolicy  # noqa: PLC0415 - comes with httpx

            import httpx  # noqa: PLC0415 - 130 ms, paid only by who sends something

            self._client = httpx.AsyncClient(
                transport=self._make_transport() if self._make_transport else self._transport(),
                trust_env=False,
                follow_redirects=False,  # credentials are never sent to another address
                # All accounts share this client: a session cookie of one must not reach another.
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
                headers={
                    "User-Agent": f"kling-mcp/{__version__}",
                    "Accept": "application/json",
                    "Accept-Encoding": ACCEPTED,
                },
            )
        return self._client

    def _transport(self) -> httpx.AsyncBaseTransport:
        import httpx  # noqa: PLC0415 - 130 ms, paid only by who sends something

        # Keep all of them: connections closed after a burst would have to be reopened for the next.
        limits = httpx.Limits(
            max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_CONNECTIONS, keepalive_expiry=30
        )
        network = open_network(self.base_url, SETTING, limits=limits)
        self._way = network.way
        return network.transport


async def _unpacked(response: httpx.Response) -> bytes | None:
    """The body; None if it is too large, compressed or decompressed.

    Raises:
        GzipError: the body does not match its encoding.
    """
    unpacker = GzipReader(response.headers.get("content-encoding", ""))
    body = bytearray()
    arrived = 0
    # Raw, as it came over the network: see `response_body`.
    async for piece in cast("httpx.AsyncByteStream", response.stream):
        arrived += len(piece)
        body += unpacker.take(piece, MAX_REPLY_BYTES + 1 - len(body))
        if max(arrived, len(body)) > MAX_REPLY_BYTES:
            return None
    unpacker.finish()
    return bytes(body)


def _hide_secrets(reply: HttpReply, auth: Authenticator) -> HttpReply:
    """Kling or a proxy may echo secrets; remove them here, so that they cannot be shown later."""
    secrets = auth.secrets
    headers = {
        name: redact_bytes(value.encode(), secrets).decode("utf-8", "replace") for name, value in reply.headers.items()
    }
    return HttpReply(reply.status, headers, redact_bytes(reply.body, secrets))


def _too_large(request: Request, http_status: int) -> KlingError:
    what = f"The answer is larger than {MAX_REPLY_BYTES // 2**20} MiB and was not read"
    if request.effect != "read":
        return lost_reply(request, what)
    return UnexpectedReplyError(f"{what}.", http_status=http_status, advice="Ask for a smaller page_size.")
