"""Connections as such: one on which nobody asks anything in time is closed.

uvicorn waits for ever for the head of a first request, so a thousand silent connections would keep everybody else out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

    from uvicorn.protocols.http.h11_impl import RequestResponseCycle

HEAD_SECONDS = 20.0


class HeaderTimeoutProtocol(H11Protocol):
    """Gives each request's head so many seconds to arrive; bodies are the guards' to watch."""

    head_seconds: ClassVar[float] = HEAD_SECONDS
    _alarm: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Somebody has come."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Something was said: a whole head, or a part of one."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Somebody has gone."""
        self._stop_watching()
        super().connection_lost(exc)

    def _is_asked_nothing(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    def _watch(self) -> None:
        if not self._is_asked_nothing():
            self._stop_watching()
        elif self._alarm is None:
            self._alarm = self.loop.call_later(self.head_seconds, self._give_up)

    def _stop_watching(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _give_up(self) -> None:
        self._alarm = None
        if self._is_asked_nothing() and not self.transport.is_closing():
            self.transport.close()
