"""The start test of a release: it passes the server that users start, and fails what only looks like one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from processes import COMMAND, environ_with

from kling_mcp import __version__

PROGRAM = Path(__file__).with_name("answers.py")


def asked(*words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROGRAM), "--seconds", "60", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environ_with(**settings))


def test_server_that_users_start_passes_whatever_is_set_here() -> None:
    done = asked("--version", __version__, *COMMAND, KLING_MCP_TOOLSETS="nonsense", KLING_API_KEY="")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(" tools\n")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("", "ended without an answer"),
        ("print('Welcome!')", "wrote to stdout what is no message: b'Welcome!"),
        ("import sys; sys.exit('no key')", "no key"),
        ("""print('{"id": 1, "error": {"code": -32000}}')""", "answered {'code': -32000}"),
    ],
    ids=["silent", "chatty", "exits", "refuses"],
)
def test_program_that_is_no_server_fails_with_what_it_said(code: str, said: str) -> None:
    done = asked(sys.executable, "-c", code)
    assert done.returncode == 1
    assert said in done.stderr


def test_server_of_another_version_fails() -> None:
    done = asked("--version", "0.0.0", *COMMAND)
    assert done.returncode == 1
    assert f"is version {__version__}, not 0.0.0" in done.stderr
