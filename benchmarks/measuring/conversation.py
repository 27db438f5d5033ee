"""A server started as a process and spoken to in bare lines of JSON: no client library stands in the way.

Every moment is told in seconds since just before the process was started.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

HANDSHAKE = "2025-06-18"  # every contestant speaks it
NEWEST = "2026-07-28"
PATIENCE_SECONDS = 60.0
_CLIENT = {"name": "benchmark", "version": "1"}
_ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": NEWEST,
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": _CLIENT,
}
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT")


class NoAnswerError(Exception):
    """The server refused, ended or kept silent; the text says which."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process took of the computer until it was ended: seconds of processor time, megabytes at most."""

    cpu: float
    peak_mb: float


class Conversation:
    """One server, from its start to its end. Close it with `end`, or leave the `with` block."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str] | None = None) -> None:
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process
        self._lines = b""
        self._last_id = 0
        self._cost: Cost | None = None
        self._began = time.perf_counter()
        self._process = subprocess.Popen(
            command,
            env={**inherited, **(environ or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            bufsize=0,
        )

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    def hello(self) -> tuple[dict[str, Any], float]:
        """The handshake of the older protocol: the answer and its moment."""
        params = {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": _CLIENT}
        answer = self.ask("initialize", params)
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return answer

    def ask(self, method: str, params: Mapping[str, Any] | None = None) -> tuple[dict[str, Any], float]:
        """The result of a request and the moment at which its line was there.

        Raises:
            NoAnswerError: it was refused, or nothing came.
        """
        self._last_id += 1
        self._send({"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params or {}})
        while True:
            line = self.line()
            moment = self.moment()
            # Some servers print greetings where only the protocol may stand.
            message = json.loads(line) if line.startswith(b"{") else {}
            if message.get("id") == self._last_id and "method" not in message:
                if "error" in message:
                    raise NoAnswerError(f"refused {method}: {message['error'].get('message', '')}")
                return message["result"], moment

    def ask_newest(self, method: str) -> tuple[dict[str, Any], float]:
        """The same in the newest protocol, which has no handshake."""
        return self.ask(method, {"_meta": _ENVELOPE})

    def tools(self, *, newest: bool = False) -> tuple[list[dict[str, Any]], float]:
        """All pages of `tools/list`, and the moment at which the last one was there."""
        found: list[dict[str, Any]] = []
        envelope: dict[str, Any] = {"_meta": _ENVELOPE} if newest else {}
        params: dict[str, Any] = envelope
        while True:
            page, moment = self.ask("tools/list", params)
            found += page["tools"]
            if not page.get("nextCursor"):
                return found, moment
            params = {**envelope, "cursor": page["nextCursor"]}

    def line(self) -> bytes:
        """The next line that the process writes."""
        assert self._process.stdout is not None
        until = time.perf_counter() + PATIENCE_SECONDS
        while b"\n" not in self._lines:
            if not select.select([self._process.stdout], [], [], max(0.0, until - time.perf_counter()))[0]:
                raise NoAnswerError("was silent for a minute")
            chunk = os.read(self._process.stdout.fileno(), 1 << 20)
            if not chunk:
                raise NoAnswerError(f"ended: {self._last_words()}")
            self._lines += chunk
        line, _, self._lines = self._lines.partition(b"\n")
        return line

    def moment(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._began

    def end(self) -> Cost:
        """End the process at once: what it does in order to end shall not count. Only the first call ends it."""
        if self._cost is None:
            os.kill(self._process.pid, signal.SIGKILL)  # Popen.kill would take the figures away where it has ended
            _, status, usage = os.wait4(self._process.pid, 0)
            self._process.returncode = os.waitstatus_to_exitcode(status)
            for stream in (self._process.stdin, self._process.stdout, self._complaints):
                if stream is not None:
                    stream.close()
            self._cost = Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
        return self._cost

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end()

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
        except BrokenPipeError:
            raise NoAnswerError(f"ended: {self._last_words()}") from None

    def _last_words(self) -> str:
        self._complaints.seek(0)
        said = self._complaints.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(said) if line.strip()), "without a word")[:120]
