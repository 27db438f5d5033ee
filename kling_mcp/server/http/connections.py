"""Connections as such: what arrives on them is bounded, and a refused request ends its connection.

By itself uvicorn lets silent connections use up their number, reads refused requests to their end, and parses bodies
in chunks of a byte. This changes its protocol class in a few places, whose names have been the same for years;
`tests/hosting/test_connections.py` checks the behaviour on real sockets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

    from uvicorn.protocols.http.h11_impl import RequestResponseCycle

MOST_HEAD_BYTES = 32_000
FREE_CHUNKS, LEAST_CHUNK_BYTES = 1_000, 64  # each chunk costs as much as a thousand bytes
LINGER_SECONDS, LINGER_BYTES = 2.0, 1_000_000
FLUSH_SECONDS = 60.0
_HEAD = b"HTTP/1.1 "  # how h11 begins every answer


class GuardedProtocol(H11Protocol):
    """One connection."""

    most_connections: ClassVar[int] = 3_000

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.conn = _BoundedParser(h11.SERVER, MOST_HEAD_BYTES)
        self._waits_since = self.loop.time()
        self._dropped = 0

    @property
    def waits_since(self) -> float | None:
        """Since when it waits for a request; None while one is being answered."""
        cycle: RequestResponseCycle | None = self.cycle
        return self._waits_since if cycle is None or cycle.response_complete else None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """If there are too many, the one that has waited longest for a request makes room."""
        super().connection_made(cast("asyncio.Transport", AnswerTransport(transport, self)))
        if len(self.connections) > self.most_connections:
            everyone = cast("set[GuardedProtocol]", self.connections)
            waiting = {other: since for other in everyone if (since := other.waits_since) is not None}
            min(waiting, key=lambda other: waiting[other]).transport.abort()

    def data_received(self, data: bytes) -> None:
        """What comes after the end was decided is dropped unparsed."""
        if not self.transport.is_closing():
            super().data_received(data)
            return
        self._dropped += len(data)
        if self._dropped > LINGER_BYTES:
            self.transport.abort()

    def on_response_complete(self) -> None:
        """A request that was answered before it was complete is not read any further."""
        self._waits_since = self.loop.time()
        if self.is_cut_short:
            self.transport.close()
        super().on_response_complete()

    @property
    def is_cut_short(self) -> bool:
        """Whether the peer is in the middle of a request, or has sent what is none."""
        return self.conn.their_state in {h11.SEND_BODY, h11.ERROR}

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request; the app, if it has begun, is told that the peer is gone."""
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            super().send_400_response(msg)
        else:
            self.transport.close()


class _BoundedParser(h11.Connection):
    """Refuses what is costly or ambiguous, as if it were no http."""

    _chunks = _arrived = 0

    def send(self, event: Any) -> Any:
        """An answer to an unfinished request says that it ends the connection, so that the peer uses another one."""
        if isinstance(event, h11.Response) and self.their_state is h11.SEND_BODY:
            headers = [*event.headers.raw_items(), (b"connection", b"close")]
            event = h11.Response(status_code=event.status_code, headers=headers, reason=event.reason)
        return super().send(event)

    def next_event(self) -> Any:
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._chunks = self._arrived = 0
            names = {name for name, _ in event.headers}
            if names >= {b"content-length", b"transfer-encoding"}:
                raise h11.RemoteProtocolError("two lengths")  # proxies may believe the other one
            if sum(len(name) + len(value) for name, value in event.headers) + len(event.target) > MOST_HEAD_BYTES:
                raise h11.RemoteProtocolError("the head is too large", error_status_hint=431)
        elif isinstance(event, h11.Data):
            self._chunks += event.chunk_start
            self._arrived += len(event.data)
            if self._chunks > FREE_CHUNKS and self._arrived < LEAST_CHUNK_BYTES * self._chunks:
                raise h11.RemoteProtocolError("the chunks are too small")
        return event


class AnswerTransport:
    """A transport that sends the head of an answer together with what follows it, which halves the system calls.

    At the end it waits a moment for a cut-short peer to read the answer: a reset would take it away.
    """

    def __init__(self, transport: asyncio.Transport, protocol: GuardedProtocol) -> None:
        self._transport = transport
        self._protocol = protocol
        self._has_ended = False
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """A head is held until the next piece, but not beyond this turn of the loop: nothing may follow for long."""
        if self._head:
            self._transport.writelines((self._head, data))
            self._head = b""
        elif data.startswith(_HEAD):
            self._head = data
            self._protocol.loop.call_soon(self._send_head)
        else:
            self._transport.write(data)

    def _send_head(self) -> None:
        head, self._head = self._head, b""
        if head:
            self._transport.write(head)

    def is_closing(self) -> bool:
        return self._has_ended or self._transport.is_closing()

    def close(self) -> None:
        """Answer first, and then end."""
        if self.is_closing():
            return
        self._has_ended = True
        self._send_head()
        if self._protocol.is_cut_short and self._transport.can_write_eof():
            self._transport.write_eof()
            self._transport.resume_reading()
            self._protocol.loop.call_later(LINGER_SECONDS, self._transport.abort)
            return
        if self._transport.get_write_buffer_size():
            self._protocol.loop.call_later(FLUSH_SECONDS, self._transport.abort)
        self._transport.close()
