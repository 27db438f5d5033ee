"""Other beginnings and other ends of stdin: a byte order mark, other encodings, and a client that died."""

from __future__ import annotations

import codecs
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import API_KEY
from processes import COMMAND, SOON, environ_with

from kling_mcp.server.stdin import StdinReader
from kling_mcp.server.stdio_messages import MAX_LOGGED
from kling_mcp.simulator import World, served_in_background

HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}
LINE = json.dumps(HELLO) + "\n"

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows whose child a launcher is")
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no parent that changes")


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Its two ends; a test may close the second."""
    read, write = os.pipe()
    yield read, write
    for end in (read, write):
        try:
            os.close(end)
        except OSError:
            continue


def served(tmp_path: Path, data: bytes) -> subprocess.CompletedProcess[bytes]:
    """The server after it was sent this, and nothing more."""
    environ = environ_with(KLING_MCP_STATE_DIR=str(tmp_path))
    return subprocess.run(COMMAND, input=data, env=environ, capture_output=True, timeout=SOON, check=True)


def test_byte_order_mark_before_the_first_message_is_skipped(tmp_path: Path) -> None:
    ran = served(tmp_path, codecs.BOM_UTF8 + LINE.encode())
    assert json.loads(ran.stdout)["result"]["serverInfo"]["name"] == "kling-mcp"
    assert ran.stderr == b""


@posix_only
@pytest.mark.parametrize(
    ("redirection", "said"),
    [
        ("<&-", "kling-mcp: stdin is closed,"),
        (">&-", "kling-mcp: stdout is closed,"),
        ("<&- >&-", "kling-mcp: stdin and stdout are closed,"),
        (">/dev/full", "kling-mcp: stdin or stdout cannot be used (No space left on device)"),
    ],
)
def test_streams_that_cannot_be_used_end_the_server_with_a_sentence(
    tmp_path: Path, redirection: str, said: str
) -> None:
    command = ["sh", "-c", f'exec "$@" {redirection}', "sh", *COMMAND]
    environ = environ_with(KLING_MCP_STATE_DIR=str(tmp_path))
    ran = subprocess.run(command, input=LINE.encode(), env=environ, capture_output=True, timeout=SOON, check=False)
    assert ran.returncode == 1
    (line,) = ran.stderr.decode().splitlines()
    assert line.startswith(said)
    assert line.endswith("docs/troubleshooting.md#the-client-does-not-start-the-server")


@posix_only
def test_closed_stderr_leaves_stdout_to_the_protocol(tmp_path: Path) -> None:
    command = ["sh", "-c", 'exec "$@" 2>&-', "sh", *COMMAND]
    environ = environ_with(KLING_MCP_STATE_DIR=str(tmp_path), KLING_MCP_LOG_LEVEL="DEBUG")
    ran = subprocess.run(command, input=LINE.encode(), env=environ, stdout=subprocess.PIPE, timeout=SOON, check=True)
    assert [json.loads(line)["id"] for line in ran.stdout.splitlines()] == [1]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_text_is_named_in_one_line_of_the_log(tmp_path: Path, encoding: str) -> None:
    ran = served(tmp_path, LINE.encode(encoding))
    (line,) = ran.stderr.decode().splitlines()
    assert "The client sends UTF-16 text." in line
    assert ran.stdout == b""


PING = json.dumps({"jsonrpc": "2.0", "id": 99, "method": "ping"}) + "\n"
CALL = '"method": "tools/call", "params": {"name": "get_element", "arguments": {"id": "inner"}}'
PARSE_ERROR, INVALID_REQUEST = -32700, -32600
# A line that is no message, the id that it says, and the code of the answer.
NO_MESSAGES: dict[str, tuple[str, str | int | None, int]] = {
    "cut off": ('{"jsonrpc": "2.0", "id": 7, "method": "ping", "params": {"a', 7, PARSE_ERROR),
    "cut off, with an id of text": ('{"id": "seven", "jsonrpc": "2.0", "method', "seven", PARSE_ERROR),
    "an id inside alone": ('{"jsonrpc": "2.0", ' + CALL + ', "id', None, PARSE_ERROR),
    "two messages on a line": (PING.strip() + PING.strip(), 99, PARSE_ERROR),
    "half a character": ('{"jsonrpc": "2.0", "id": 7, "method": "ping", "params": {"a": "\\ud800"}}', 7, PARSE_ERROR),
    "a comma too many": ('{"jsonrpc": "2.0", "id": 7, "method": "ping",}', 7, PARSE_ERROR),
    "text for people": ("Hello, server", None, PARSE_ERROR),
    "a method that is no text": ('{"jsonrpc": "2.0", "id": 7, "method": 5}', 7, INVALID_REQUEST),
    "no version": ('{"id": 7, "method": 5}', 7, INVALID_REQUEST),
    "an id that is no id": ('{"jsonrpc": "2.0", "id": true, "method": 5}', None, INVALID_REQUEST),
    "a batch": (f"[{PING.strip()}]", None, INVALID_REQUEST),
    "half an answer": ('{"jsonrpc": "2.0", "id": 7, "result": {"a', None, PARSE_ERROR),
    "very deep": ('{"id": 7, "a": ' + "[" * 100_000, 7, PARSE_ERROR),
}


Answered = dict[str, tuple[list[dict[str, Any]], str]]


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Answered:
    """For each of these lines, the answers of a server that got it before a ping, and its line of the log."""
    found: dict[str, list[dict[str, Any]]] = {}
    environ = environ_with(KLING_MCP_STATE_DIR=str(tmp_path_factory.mktemp("state")))
    pipe = subprocess.PIPE
    with subprocess.Popen(COMMAND, env=environ, text=True, stdin=pipe, stdout=pipe, stderr=pipe) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        for name, (line, _, _) in NO_MESSAGES.items():
            server.stdin.write(f"{line}\n{PING}")
            server.stdin.flush()
            found[name] = []
            while not found[name] or "result" not in found[name][-1]:
                found[name].append(json.loads(server.stdout.readline()))
        _, log = server.communicate(timeout=SOON)
    lines = log.splitlines()
    assert len(lines) == len(NO_MESSAGES)
    return {name: (answers, line) for (name, answers), line in zip(found.items(), lines, strict=True)}


@pytest.mark.parametrize("name", NO_MESSAGES)
def test_line_that_is_no_message_is_answered_where_it_says_its_id(name: str, answered: Answered) -> None:
    _, asked, code = NO_MESSAGES[name]
    answers, _ = answered[name]
    errors = [(answer["id"], answer["error"]["code"]) for answer in answers if "error" in answer]
    assert errors == ([] if asked is None else [(asked, code)])
    assert [answer["id"] for answer in answers if "result" in answer] == [99], "the next message is read as usual"


@pytest.mark.parametrize("name", NO_MESSAGES)
def test_line_that_is_no_message_leaves_one_line_in_the_log(name: str, answered: Answered) -> None:
    _, line = answered[name]
    assert "The client sent a line that is no message:" in line
    assert len(line) < 600


def test_flood_of_lines_that_are_no_messages_does_not_fill_the_log(tmp_path: Path) -> None:
    ran = served(tmp_path, b"garbage\n" * 500 + PING.encode())
    assert [json.loads(answer)["id"] for answer in ran.stdout.splitlines()] == [99]
    log = ran.stderr.decode().splitlines()
    assert len(log) == MAX_LOGGED
    assert "Further ones are not logged." in log[-1]


def test_empty_lines_are_no_matter(tmp_path: Path) -> None:
    ran = served(tmp_path, b"\n \r\n" + PING.encode() + b"\n")
    assert [json.loads(answer)["id"] for answer in ran.stdout.splitlines()] == [99]
    assert ran.stderr == b""


@pytest.mark.parametrize("before", ["", "Content-Type: application/vscode-jsonrpc; charset=utf-8\r\n", "\ufeff"])
def test_framing_of_language_servers_is_named_in_one_line_of_the_log(tmp_path: Path, before: str) -> None:
    ran = served(tmp_path, f"{before}Content-Length: {len(LINE)}\r\n\r\n{LINE}".encode())
    (line,) = ran.stderr.decode().splitlines()
    assert "Content-Length" in line
    assert ran.stdout == b""


def test_refused_input_ends_the_server_while_the_pipe_is_open(tmp_path: Path) -> None:
    with subprocess.Popen(
        COMMAND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environ_with(KLING_MCP_STATE_DIR=str(tmp_path)),
    ) as server:
        assert server.stdin is not None
        server.stdin.write(LINE.encode("utf-16"))
        server.stdin.flush()
        assert server.wait(timeout=SOON) == 0


@posix_only
@pytest.mark.parametrize(
    "command",
    [
        COMMAND,
        # A shell that waits for the server, as uvx does, stays alive when the client dies.
        pytest.param(["sh", "-c", f"{shlex.join(COMMAND)}; :"], marks=linux_only),
        pytest.param(["sh", "-ec", shlex.join(["bash", "-c", f"{shlex.join(COMMAND)}; :"]) + "; :"], marks=linux_only),
    ],
    ids=["direct", "launcher", "launchers"],
)
def test_server_ends_after_its_client_died_though_a_sibling_holds_the_pipe(
    tmp_path: Path, pipe: tuple[int, int], command: list[str]
) -> None:
    read, write = pipe
    program = f"import subprocess, sys, signal\nsubprocess.Popen({command!r})\nsignal.pause()\n"
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=read,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environ_with(KLING_MCP_STATE_DIR=str(tmp_path)),
    ) as client:
        assert client.stdout is not None
        assert client.stderr is not None
        os.write(write, LINE.encode())
        assert json.loads(client.stdout.readline())["id"] == 1
        client.send_signal(signal.SIGKILL)
        assert client.stdout.read() == b""  # it ends when the server does
        assert b"The client is gone" in client.stderr.read()


SHOW_CLIENT = shlex.join(
    [sys.executable, "-c", "import os; from kling_mcp.server.launchers import find_client; print(*find_client())"]
)


@linux_only
@pytest.mark.parametrize(
    ("command", "launchers"),
    [
        (["sh", "-c", f"{SHOW_CLIENT}; :"], 1),
        (["bash", "-lc", f"{SHOW_CLIENT}; :"], 1),
        (["sh", "-c", f"sh -c {shlex.quote(f'{SHOW_CLIENT}; :')}; :"], 2),
        (["sh", "script.sh"], 0),  # a script may be the client itself
    ],
)
def test_client_is_what_started_the_launchers(tmp_path: Path, command: list[str], launchers: int) -> None:
    (tmp_path / "script.sh").write_text(f"{SHOW_CLIENT}\n:\n")
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True, text=True)
    found = [int(pid) for pid in ran.stdout.split()]
    assert len(found) == launchers + 1
    assert (found[-1] == os.getpid()) == bool(launchers)


class Parents:
    """The id of the parent process, which changes after some looks."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    def __call__(self) -> int:
        """One look."""
        self.looks -= 1
        return 7 if self.looks >= 0 else 1


def read_by(reader: StdinReader, size: int = 4096) -> bytes:
    """The next bytes."""
    buffer = bytearray(size)
    return bytes(buffer[: reader.readinto(buffer)])


@posix_only
def test_launcher_that_leaves_before_the_first_message_is_no_loss(pipe: tuple[int, int]) -> None:
    parents = Parents(looks=1)
    reader = StdinReader(pipe[0], parent=parents, pause_ms=1)
    os.write(pipe[1], LINE.encode())
    assert read_by(reader) == LINE.encode()
    os.write(pipe[1], b"more\n")
    assert read_by(reader) == b"more\n"
    assert parents.looks < 0


@posix_only
def test_reader_ends_if_no_message_follows_the_death_of_the_parent(pipe: tuple[int, int]) -> None:
    assert read_by(StdinReader(pipe[0], parent=Parents(looks=1), pause_ms=1)) == b""


@posix_only
def test_reader_ends_if_the_parent_dies_after_a_message_and_stays_at_its_end(pipe: tuple[int, int]) -> None:
    reader = StdinReader(pipe[0], parent=Parents(looks=3), pause_ms=1)
    os.write(pipe[1], LINE.encode())
    assert read_by(reader) == LINE.encode()
    assert read_by(reader) == b""
    os.write(pipe[1], LINE.encode())
    assert read_by(reader) == b""


@pytest.mark.parametrize("data", [b"", b"\n", b"{}\n", codecs.BOM_UTF8 + b"{}\n", LINE.encode() * 3000])
def test_reader_gives_every_byte_but_the_mark_in_any_portions(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "input").write_bytes(data)
    with (tmp_path / "input").open("rb") as file:
        reader = StdinReader(file.fileno())
        assert b"".join(iter(lambda: read_by(reader, 7000), b"")) == data.removeprefix(codecs.BOM_UTF8)
    with (tmp_path / "input").open("rb") as file:
        assert read_by(StdinReader(file.fileno()), 2) == data.removeprefix(codecs.BOM_UTF8)[:2]


def test_input_from_a_file_that_ends_at_once_leaves_nothing_half_done(tmp_path: Path) -> None:
    """Every request has its answer, and the same input again makes no second element."""
    creation = {
        "element_name": "Host",
        "element_description": "Presenter, grey suit",
        "reference_type": "video_refer",
        "video_url": "https://example.com/host.mp4",
    }
    calls = [("list_preset_elements", {}), ("create_element", creation)]
    messages = [HELLO, {"jsonrpc": "2.0", "method": "notifications/initialized"}]
    for number, (name, arguments) in enumerate(calls, start=2):
        params = {"name": name, "arguments": arguments}
        messages.append({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params})
    (tmp_path / "input").write_text("".join(json.dumps(message) + "\n" for message in messages))
    world = World(api_keys=[API_KEY])
    with served_in_background(world) as url:
        environ = environ_with(KLING_API_KEY=API_KEY, KLING_BASE_URL=url, KLING_MCP_STATE_DIR=str(tmp_path / "state"))
        for _ in range(2):
            with (tmp_path / "input").open("rb") as file:
                ran = subprocess.run(COMMAND, stdin=file, env=environ, capture_output=True, timeout=SOON, check=True)
            assert sorted(json.loads(line)["id"] for line in ran.stdout.splitlines()) == [1, 2, 3]
    assert world.accepted_creations().total() <= 1
