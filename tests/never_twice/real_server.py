"""A real server process that speaks MCP over stdio, in front of a simulated Kling behind a real socket."""

from __future__ import annotations

import itertools
import json
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

import preloaded
from helpers import API_KEY, requests_to
from processes import environ_with, uncounted

from kling_mcp.simulator import Faults, Quirks, World

if TYPE_CHECKING:
    from pathlib import Path

    from kling_mcp.simulator.request_log import RequestRecord

PATIENCE = 60.0  # seconds until a test gives up; none takes nearly that long
TASK_SECONDS = 0.5


class Kling:
    """The simulator, whose tasks are short."""

    def __init__(self) -> None:
        self.faults = Faults()
        quirks = Quirks(refuse_used_external_id=False)
        self.world = World(api_keys=[API_KEY], quirks=quirks, durations=lambda _kind, _rng: TASK_SECONDS)

    def requests(self, route: str) -> list[RequestRecord]:
        """Those that have arrived as a whole."""
        return [request for request in requests_to(self.world, route) if request.body_sha256]

    def wait_for(self, route: str, *, committed: bool = False) -> None:
        """Until such a request has arrived, or has been carried out."""
        ends = time.monotonic() + PATIENCE
        while not any(request.committed or not committed for request in self.requests(route)):
            assert time.monotonic() < ends, f"no request to {route}"
            time.sleep(0.005)


class Server:
    """A server process that speaks MCP over stdio."""

    def __init__(self, url: str, folder: Path) -> None:
        environ = {
            "KLING_BASE_URL": url,
            "KLING_API_KEY": API_KEY,
            "KLING_MCP_MEDIA_DIRS": str(folder),
            "KLING_MCP_STATE_DIR": str(folder / "state"),
            "KLING_MCP_OUTPUT_DIR": str(folder / "results"),
            "KLING_MCP_SPENDING": "allow",
        }
        self._process = preloaded.Command(
            env=uncounted(environ_with(**environ)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        hello = {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "a client that kills", "version": "1"},
        }
        self.answers(self.ask("initialize", hello))
        self._say({"method": "notifications/initialized"})
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def ask(self, method: str, params: dict[str, Any]) -> int:
        """Send a request; its number."""
        number = next(self._numbers)
        self._say({"id": number, "method": method, "params": params})
        return number

    def create(self, wish: dict[str, Any]) -> int:
        """Send a creation; the number of the request."""
        arguments = {**wish, "wait_seconds": int(PATIENCE), "allow_duplicate_name": True}
        meta = {"progressToken": 1}
        return self.ask("tools/call", {"name": "create_element_and_wait", "arguments": arguments, "_meta": meta})

    def film(self, prompt: str) -> int:
        """Send a paid request; the number of the request."""
        arguments = {"prompt": prompt, "wait_seconds": int(PATIENCE)}
        return self.ask("tools/call", {"name": "generate_video", "arguments": arguments})

    def give_up(self, number: int) -> None:
        """Cancel a request, as a client does that has waited long enough."""
        self._say({"method": "notifications/cancelled", "params": {"requestId": number, "reason": "time-out"}})

    def answers(self, *numbers: int) -> list[dict[str, Any]]:
        """What these requests were answered, in this order."""
        found: dict[int, dict[str, Any]] = {}
        while not found.keys() >= set(numbers):
            heard = self.hear()
            if "result" in heard:
                found[heard["id"]] = heard["result"]
        return [found[number] for number in numbers]

    def hear(self) -> dict[str, Any]:
        """The next line."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the server has ended"
        heard: dict[str, Any] = json.loads(line)
        return heard

    def kill(self) -> None:
        """`kill -9`, and see it gone."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
        self._process.wait()

    def _say(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self._process.stdin.flush()


def created(answer: dict[str, Any]) -> dict[str, Any]:
    """The structured content of a creation that succeeded."""
    assert not answer.get("isError"), answer["content"]
    content: dict[str, Any] = answer["structuredContent"]
    return content
