"""`kill -9` of the real server between a creation's request and its reply; then a restart and the same call.

Real processes, real sockets and real time. Kling accepts a used id again here, so nothing rests on its refusal.
"""

from __future__ import annotations

import itertools
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Self

import pytest
from helpers import API_KEY, requests_to
from PIL import Image
from processes import COMMAND, environ_with

from kling_mcp.simulator import Faults, Quirks, World, served_in_background
from kling_mcp.simulator.serving import HOST
from never_twice.wishes import elements_at

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
        }
        self._process = subprocess.Popen(
            COMMAND,
            env=environ_with(**environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
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

    def answers(self, *numbers: int) -> list[dict[str, Any]]:
        """What these requests were answered, in this order."""
        found: dict[int, dict[str, Any]] = {}
        while not found.keys() >= set(numbers):
            heard = self.hear()
            if "id" in heard:
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


@pytest.fixture
def kling() -> Kling:
    return Kling()


@pytest.fixture
def url(kling: Kling) -> Iterator[str]:
    with served_in_background(kling.world, kling.faults) as address:
        yield address


@pytest.fixture
def wish(tmp_path: Path) -> dict[str, Any]:
    for name, colour in (("front.jpg", "tomato"), ("side.png", "seagreen")):
        Image.new("RGB", (400, 500), colour).save(tmp_path / name)
    return {
        "element_name": "Mia",
        "element_description": "Barista",
        "reference_type": "image_refer",
        "frontal_image": str(tmp_path / "front.jpg"),
        "refer_images": [str(tmp_path / "side.png")],
    }


def created(answer: dict[str, Any]) -> dict[str, Any]:
    """The structured content of a creation that succeeded."""
    assert not answer.get("isError"), answer["content"]
    content: dict[str, Any] = answer["structuredContent"]
    return content


def ask_again(url: str, folder: Path, wish: dict[str, Any], *, times: int = 1) -> list[dict[str, Any]]:
    """Start the server anew and repeat the call."""
    with Server(url, folder) as server:
        numbers = [server.create(wish) for _ in range(times)]
        return [created(answer) for answer in server.answers(*numbers)]


def assert_one_element(kling: Kling, told: list[dict[str, Any]]) -> None:
    (task,) = elements_at(kling.world)
    ids = {(one["task_id"], one["external_task_id"], *one["element_ids"]) for one in told}
    assert ids == {(task.task_id, task.external_task_id, task.element_id)}


def test_process_killed_after_the_commit_makes_one_element(
    kling: Kling, url: str, wish: dict[str, Any], tmp_path: Path
) -> None:
    kling.faults.delay(20, after_commit=True, route="create")
    with Server(url, tmp_path) as server:
        server.create(wish)
        kling.wait_for("create", committed=True)
        server.kill()
    told = ask_again(url, tmp_path, wish)
    assert_one_element(kling, told)
    assert told[0]["outcome"] == "recovered"
    assert len(kling.requests("create")) == 1


def test_process_killed_before_the_commit_makes_one_element(
    kling: Kling, url: str, wish: dict[str, Any], tmp_path: Path
) -> None:
    """Kling commits three seconds after the request, when nobody listens any more."""
    kling.faults.delay(3, route="create")
    with Server(url, tmp_path) as server:
        server.create(wish)
        kling.wait_for("create")
        server.kill()
    told = ask_again(url, tmp_path, wish)
    assert_one_element(kling, told)
    assert len(kling.requests("create")) == 1


def test_process_killed_with_five_calls_at_once_makes_one_element(
    kling: Kling, url: str, wish: dict[str, Any], tmp_path: Path
) -> None:
    kling.faults.delay(20, after_commit=True, route="create")
    with Server(url, tmp_path) as server:
        for _ in range(5):
            server.create(wish)
        kling.wait_for("create", committed=True)
        server.kill()
    told = ask_again(url, tmp_path, wish, times=5)
    assert_one_element(kling, told)
    assert len(kling.requests("create")) == 1


def test_process_killed_during_the_lookup_after_a_5002_makes_one_element(
    kling: Kling, url: str, wish: dict[str, Any], tmp_path: Path
) -> None:
    kling.faults.reply_code(5002, after_commit=True, route="create")
    kling.faults.delay(20, route="query")
    with Server(url, tmp_path) as server:
        server.create(wish)
        kling.wait_for("query")
        server.kill()
    told = ask_again(url, tmp_path, wish)
    assert_one_element(kling, told)
    assert told[0]["outcome"] == "recovered"
    assert len(kling.requests("create")) == 1


def test_process_killed_after_refused_connections_makes_one_element(
    kling: Kling, wish: dict[str, Any], tmp_path: Path
) -> None:
    """Nobody listens at first, so the request is made again, arrives, and loses its sender."""
    kling.faults.delay(20, after_commit=True, route="create")
    with ExitStack() as cleanup:
        with unheard_port() as port:
            url = f"http://{HOST}:{port}"
            server = cleanup.enter_context(Server(url, tmp_path))
            server.create(wish)
            assert server.hear()["method"] == "notifications/progress"
            time.sleep(1)  # a first and a second connection are refused meanwhile
        cleanup.enter_context(served_in_background(kling.world, kling.faults, port))
        kling.wait_for("create", committed=True)
        server.kill()
        told = ask_again(url, tmp_path, wish)
    assert_one_element(kling, told)
    assert len(kling.requests("create")) == 1


@contextmanager
def unheard_port() -> Iterator[int]:
    """A port at which nobody listens, and which nobody else takes."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((HOST, 0))
        yield taken.getsockname()[1]
