"""The network between a replica and its database, which breaks at a chosen moment."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

# Cut before a request reaches the server, or after its answer left there: only one of them has happened. "unnoticed"
# is before it, too, but the server goes on waiting for its client until the wire is closed.
Moment = Literal["before", "after", "unnoticed"]


@dataclass(slots=True)
class _Cut:
    word: bytes
    moment: Moment
    times: int


class Wire:
    """A loopback address that leads to the server's socket. It is cut once for each `cut`."""

    def __init__(self, server_socket: Path) -> None:
        self._server_socket = server_socket
        self._cuts: list[_Cut] = []
        self._open: list[socket.socket] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def cut(self, word: str, moment: Moment, times: int = 1) -> None:
        """Break the connection at the next request that holds this word."""
        self._cuts.append(_Cut(word.encode(), moment, times))

    def cut_all(self) -> None:
        """Break every connection now."""
        for end in self._open:
            _close(end)
        self._open.clear()

    def close(self) -> None:
        """No way leads there any more."""
        _close(self._listener)
        self.cut_all()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                server = socket.socket(socket.AF_UNIX)
                try:
                    server.connect(str(self._server_socket))
                except OSError:
                    _close(client)
                    continue
                self._open += [client, server]
                _Pair(self, client, server).start()

    def due(self, request: bytes) -> Moment | None:
        """Whether, and when, this request breaks the connection."""
        for cut in self._cuts:
            if cut.times and cut.word in request:
                cut.times -= 1
                return cut.moment
        return None


class _Pair:
    """One connection through the wire."""

    def __init__(self, wire: Wire, client: socket.socket, server: socket.socket) -> None:
        self._wire = wire
        self._client = client
        self._server = server
        self._is_last_answer = False

    def start(self) -> None:
        threading.Thread(target=self._requests, daemon=True).start()
        threading.Thread(target=self._answers, daemon=True).start()

    def _requests(self) -> None:
        with suppress(OSError):
            while data := self._client.recv(65_536):
                moment = self._wire.due(data)
                if moment == "unnoticed":
                    _close(self._client)
                    return
                if moment == "before":
                    break
                self._is_last_answer = self._is_last_answer or moment == "after"
                self._server.sendall(data)
        self._end()

    def _answers(self) -> None:
        with suppress(OSError):
            while data := self._server.recv(65_536):
                if self._is_last_answer:
                    break
                self._client.sendall(data)
        self._end()

    def _end(self) -> None:
        _close(self._client)
        _close(self._server)


def _close(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
