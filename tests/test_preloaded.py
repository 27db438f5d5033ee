"""What is started from the loaded process is what a start makes of it: words, streams, folder, environment, ending."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import preloaded
import pytest
from processes import COMMAND, environ_with, until

from kling_mcp.store.process_owner import is_process_gone

PATIENCE = 60
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every start is a whole one")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # real time


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return environ_with(KLING_MCP_SANDBOX="1", KLING_MCP_STATE_DIR=str(tmp_path / "state"))


def ran(command: list[str], environ: dict[str, str], folder: Path, said: str) -> tuple[int, str, str]:
    done = subprocess.run(
        command, env=environ, cwd=folder, input=said, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--version"], 0),
        (["chekc"], 2),
        (["call", "find_elements", "@query.json", "-", "--json"], 0),
        (["call", "get_element", "id=Zoë 小美"], 1),
    ],
    ids=str,
)
def test_quick_start_prints_and_ends_as_a_whole_start(
    words: list[str], code: int, environ: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "query.json").write_text('{"query": "Mia"}', "utf-8")
    starts = (preloaded.command(), COMMAND)
    quick, whole = (ran([*start, *words], environ, tmp_path, '{"limit": 5}') for start in starts)
    assert quick == whole
    assert quick[0] == code


def test_environment_of_one_command_is_not_that_of_the_next(environ: dict[str, str], tmp_path: Path) -> None:
    command = [*preloaded.command(), "call", "check_setup", "--json"]
    _, faulty, _ = ran(command, environ | {"KLING_MCP_MAX_CREATES": "some"}, tmp_path, "")
    _, right, _ = ran(command, environ, tmp_path, "")
    assert "KLING_MCP_MAX_CREATES" in json.loads(faulty)["result"]["problems"][0]
    assert json.loads(right)["result"]["problems"] == []


@linux_only
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_signal_reaches_the_command_and_its_end_is_seen(number: signal.Signals, environ: dict[str, str]) -> None:
    with preloaded.Command(env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        server.send_signal(number)
        server.wait(PATIENCE)
    assert server.returncode == 128 + number
    with pytest.raises(ProcessLookupError):
        os.kill(server.pid_of_command, 0)


@linux_only
@pytest.mark.anyio
async def test_command_ends_when_its_launcher_is_killed(environ: dict[str, str]) -> None:
    with preloaded.Command(env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        os.kill(server.pid, signal.SIGKILL)
    await until(lambda: is_process_gone(str(server.pid_of_command)))
