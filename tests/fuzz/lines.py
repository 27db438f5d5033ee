"""The server as a process, spoken to in lines of bytes."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from typing import TYPE_CHECKING, Any, Self

from processes import COMMAND, environ_with, uncounted

from fuzz.properties import check_message

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Not a measure: how long an answer may be missing before it counts as lost.
LOST_AFTER_SECONDS = 20.0


class Lines:
    """One process for many conversations. Everything it writes is checked as it is read."""

    def __init__(self, command: Sequence[str] = COMMAND, **environ: str) -> None:
        self.process = subprocess.Popen(
            command,
            env=uncounted(environ_with(**environ)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._heard: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.asked = 0
        self._answered: set[str] = set()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        greeting = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "f", "version": "1"}}
        self.exchange([{"jsonrpc": "2.0", "method": "initialize", "params": greeting}])
        self.write(b'{"jsonrpc":"2.0","method":"notifications/initialized"}')
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()

    def write(self, line: bytes) -> None:
        """One line, whatever is in it."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def exchange(self, requests: Iterable[dict[str, Any]], noise: Iterable[bytes] = ()) -> list[dict[str, Any]]:
        """Send noise and requests, and give the requests' answers in their order: each has exactly one."""
        wanted: list[str] = []
        for line in noise:
            self.write(line)
        # The last one proves that everything before it was read.
        for request in [*requests, {"jsonrpc": "2.0", "method": "ping"}]:
            self.asked += 1
            wanted.append(f"fuzz {self.asked}")
            self.write(json.dumps({**request, "id": wanted[-1]}).encode())
        answers: dict[str, dict[str, Any]] = {}
        while len(answers) < len(wanted):
            message = self._hear()
            number = message.get("id")
            if isinstance(number, str) and number.startswith("fuzz "):
                assert number not in self._answered, f"an answer that came twice: {message}"
                self._answered.add(number)
                answers |= {number: message} if number in wanted else {}
        return [answers[number] for number in wanted[:-1]]

    def _hear(self) -> dict[str, Any]:
        line = self._heard.get(timeout=LOST_AFTER_SECONDS)
        assert line, "the server has ended"
        message: dict[str, Any] = json.loads(line)
        check_message(message)
        return message

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._heard.put(line)
        self._heard.put(b"")
