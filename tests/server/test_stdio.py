"""The server as clients start it, as a process: nothing but protocol on stdout, and the same server in both eras."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import anyio
import pytest
from helpers import ACCESS_KEY, API_KEY, CANARIES, SECRET_KEY, structured
from mcp import Client, StdioServerParameters
from mcp_types import Tool
from PIL import Image
from processes import COMMAND, environ_with, uncounted

from kling_mcp.server.build import build_server
from kling_mcp.settings import Settings
from kling_mcp.simulator import World, served_in_background

ERAS = ("legacy", "auto")

# Runs at the start of every Python that finds it, before anything of ours: a dependency at its worst. It prints at
# once, on many imports while the server starts and serves, and at the end; through Python and past it.
NOISE = """
import atexit, builtins, os
found = builtins.__import__
def noisy(name, *args, **more):
    if name.partition(".")[0] in {"mcp", "httpx", "PIL", "pydantic"}:
        print("NOISE of importing", name)
        os.write(1, b"NOISE below Python\\n")
    return found(name, *args, **more)
builtins.__import__ = noisy
print("NOISE at the start")
def end():
    print("NOISE at the end")
    os.write(1, b"NOISE at the very end\\n")
atexit.register(end)
"""


@pytest.fixture(scope="module")
def world() -> World:
    """A Kling that is done at once."""
    key_pairs = {ACCESS_KEY: SECRET_KEY}
    return World(api_keys=[API_KEY], key_pairs=key_pairs, durations=lambda _kind, _rng: 0.0)


@pytest.fixture(scope="module")
def kling(world: World) -> Iterator[str]:
    """Its address."""
    with served_in_background(world) as url:
        yield url


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures, the noisy dependency, and room for state."""
    made = tmp_path_factory.mktemp("stdio")
    for name, colour in (("front.jpg", "tomato"), ("side view.jpg", "seagreen")):
        Image.new("RGB", (400, 500), colour).save(made / name)
    noisy = made / "noisy"
    noisy.mkdir()
    (noisy / "sitecustomize.py").write_text(NOISE)
    return made


def _creation(folder: Path, name: str) -> dict[str, Any]:
    return {
        "element_name": name,
        "element_description": "made over stdio",
        "reference_type": "image_refer",
        "frontal_image": str(folder / "front.jpg"),
        "refer_images": [str(folder / "side view.jpg")],
    }


def _settings(kling: str, folder: Path, state: str) -> dict[str, str]:
    return {
        "KLING_BASE_URL": kling,
        "KLING_API_KEY": API_KEY,
        "KLING_MCP_MEDIA_DIRS": str(folder),
        "KLING_MCP_STATE_DIR": str(folder / state),
    }


class Line:
    """A server process, spoken to line by line."""

    def __init__(self, **environ: str) -> None:
        self.process = subprocess.Popen(
            COMMAND,
            env=uncounted(environ_with(**environ)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        self.heard: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
        self.process.wait()

    def send(self, method: str, number: int | None = None, **params: Any) -> None:
        """A request, or a notification without a number."""
        message = {"jsonrpc": "2.0", "method": method, "params": params} | ({} if number is None else {"id": number})
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def ask(self, method: str, number: int, **params: Any) -> dict[str, Any]:
        """The answer to a request; whatever comes before it is kept in `heard` too."""
        self.send(method, number, **params)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.heard.append(line)
            message: dict[str, Any] = json.loads(line)
            if message.get("id") == number:
                return message
        raise AssertionError(self.end()[1])

    def greet(self) -> None:
        """The handshake of the legacy era."""
        client = {"name": "line", "version": "1"}
        self.ask("initialize", 0, protocolVersion="2025-06-18", capabilities={}, clientInfo=client)
        self.send("notifications/initialized")

    def end(self) -> tuple[str, str]:
        """Close stdin, wait, and give all of stdout and stderr."""
        out, err = self.process.communicate(timeout=20)
        return "".join(self.heard) + out, err


# --- stdout belongs to the protocol


@dataclass(frozen=True, slots=True)
class Finished:
    """A session with a noisy dependency and logging at debug, after its end."""

    code: int
    out: str
    err: str
    answers: list[dict[str, Any]]


@pytest.fixture(scope="module")
def noisy_session(kling: str, folder: Path) -> Finished:
    """Successes, refusals and failures, with every canary in the environment."""
    calls: list[tuple[str, dict[str, Any]]] = [
        ("check_setup", {}),
        ("create_element", _creation(folder, "Noisy")),
        ("create_element", _creation(folder, "Far too long a name for Kling") | {"frontal_image": "/etc/passwd"}),
        ("get_element", {"id": "no-such-task"}),
    ]
    environ = {
        "PYTHONPATH": str(folder / "noisy"),
        "PYTHONUNBUFFERED": "",  # else what is printed before our first line of code is out already
        "KLING_MCP_LOG_LEVEL": "DEBUG",
        "KLING_ACCESS_KEY": ACCESS_KEY,
        "KLING_SECRET_KEY": SECRET_KEY,
    }
    with Line(**environ, **_settings(kling, folder, "noisy-state")) as line:
        line.greet()
        answers = [
            line.ask("tools/call", number, name=name, arguments=arguments)["result"]
            for number, (name, arguments) in enumerate(calls, start=1)
        ]
        out, err = line.end()
        return Finished(line.process.returncode, out, err, answers)


def test_every_line_on_stdout_is_protocol_whatever_is_printed_and_logged(noisy_session: Finished) -> None:
    messages = [json.loads(line) for line in noisy_session.out.splitlines()]
    assert len(messages) >= 5
    assert all(message["jsonrpc"] == "2.0" for message in messages)
    assert [answer.get("isError", False) for answer in noisy_session.answers] == [False, False, True, True]
    assert noisy_session.code == 0


def test_printed_text_goes_to_stderr_from_the_start_to_the_very_end(noisy_session: Finished) -> None:
    for noise in ("at the start", "of importing mcp", "of importing httpx", "below Python", "at the end", "very end"):
        assert noise in noisy_session.err
    assert " DEBUG mcp" in noisy_session.err


def test_stdio_output_holds_no_secret(noisy_session: Finished) -> None:
    assert "httpcore" in noisy_session.err, "the libraries that handle the key have logged"
    for canary in CANARIES:
        assert canary not in noisy_session.out
        assert canary not in noisy_session.err


# --- how it ends


def test_ctrl_c_ends_the_stdio_server_at_once_and_quietly(folder: Path) -> None:
    """A server that waits for its client's next line must not need one to end."""
    with Line(KLING_MCP_STATE_DIR=str(folder / "interrupted")) as line:
        line.greet()
        line.process.send_signal(signal.SIGINT)
        assert line.process.wait(timeout=2) == 130
        assert line.end()[1] == ""


def test_client_that_leaves_before_its_answer_is_no_failure(folder: Path) -> None:
    with Line(KLING_MCP_STATE_DIR=str(folder / "left-alone")) as line:
        line.greet()
        assert line.process.stdin is not None
        assert line.process.stdout is not None
        assert line.process.stderr is not None
        line.process.stdout.close()
        line.send("tools/list", 7)
        line.process.stdin.close()
        assert line.process.stderr.read() == ""
        assert line.process.wait(timeout=10) == 0


# --- a real client, in both eras


@dataclass(frozen=True, slots=True)
class Visit:
    """What a client of one era saw."""

    tools: list[Tool]
    task: dict[str, Any]
    progress: list[float]
    found: dict[str, Any]


@pytest.fixture(scope="module")
def visits(kling: str, folder: Path) -> dict[str, Visit]:
    """One client of each era, at the same time, each with a server process of its own.

    Each asks twice for the same element: the second call finds the task done, so that no test waits for it.
    """
    done: dict[str, Visit] = {}

    async def visit(era: str) -> None:
        heard: list[float] = []

        async def hear(progress: float, total: float | None, message: str | None) -> None:
            heard.append(progress)

        environ = environ_with(**_settings(kling, folder, f"state-{era}"))
        server = StdioServerParameters(command=COMMAND[0], args=COMMAND[1:], env=environ)
        async with Client(server, mode=era) as client:
            tools = (await client.list_tools()).tools
            wish = _creation(folder, f"Mia {era}")
            first = structured(await client.call_tool("create_element", wish))
            task = structured(await client.call_tool("create_element_and_wait", wish, progress_callback=hear))
            assert task["task_id"] == first["task_id"]
            found = structured(await client.call_tool("get_element", {"id": task["task_id"]}))
            done[era] = Visit(tools, task, heard, found)

    async def both() -> None:
        async with anyio.create_task_group() as group:
            for era in ERAS:
                group.start_soon(visit, era)

    anyio.run(both)
    return done


@pytest.mark.parametrize("era", ERAS)
def test_element_is_created_and_found_again(visits: dict[str, Visit], era: str) -> None:
    visit = visits[era]
    assert visit.task["task_status"] == "succeed"
    assert len(visit.task["element_ids"]) == 1
    assert visit.found["element_ids"] == visit.task["element_ids"]
    assert visit.found["elements"][0]["element_name"] == f"Mia {era}"


@pytest.mark.parametrize("era", ERAS)
def test_progress_arrives_and_rises(visits: dict[str, Visit], era: str) -> None:
    progress = visits[era].progress
    assert progress
    assert progress == sorted(set(progress))


def test_tools_are_the_same_in_both_eras_and_in_memory(visits: dict[str, Visit]) -> None:
    async def in_memory() -> list[Tool]:
        async with Client(build_server(Settings())) as client:
            return (await client.list_tools()).tools

    expected = anyio.run(in_memory)
    assert [tool.name for tool in expected]
    for visit in visits.values():
        assert visit.tools == expected
