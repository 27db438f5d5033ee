"""Consoles whose code page lacks our characters: a command prints an escape, and the protocol stays UTF-8."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from processes import COMMAND, environ_with

NAME = "Mia 美 ☂ é"
SHEET = f"""version: 1
cast:
  "{NAME}": {{description: "An umbrella ☂", front: "front ☂.jpg"}}
shots:
  s01: {{prompt: "@{{{NAME}}} waves ☂"}}
"""
# Strict: the worst that a console can be. UTF-8 mode would hide it.
CONSOLES = ["ascii:strict", "cp437:strict", "cp1252:strict", "cp932:strict"]


def run(*words: str, console: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    environ = environ_with(
        PYTHONIOENCODING=console,
        PYTHONUTF8="0",
        KLING_MCP_SANDBOX="1",
        KLING_MCP_STATE_DIR=str(folder / "state"),
        KLING_MCP_MEDIA_DIRS=str(folder),
    )
    command = [*COMMAND, *words]
    return subprocess.run(command, capture_output=True, env=environ, cwd=folder, check=False, timeout=60)


@pytest.mark.parametrize("console", CONSOLES)
def test_sheet_with_foreign_names_is_planned_on_any_console(console: str, tmp_path: Path) -> None:
    (tmp_path / "episode.yaml").write_text(SHEET, "utf-8")
    done = run("production", "plan", "episode.yaml", console=console, folder=tmp_path)
    said = (done.stdout + done.stderr).decode(console.partition(":")[0], "strict")
    assert done.returncode == 2, said
    assert "Traceback" not in said
    assert "UnicodeEncodeError" not in said
    assert "front" in said, "the problem is named"


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("check",), ("tasks",), ("serve", "--help")])
def test_commands_print_on_the_poorest_console(words: tuple[str, ...], tmp_path: Path) -> None:
    done = run(*words, console=CONSOLES[0], folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("console", CONSOLES[:2])
def test_error_with_foreign_characters_is_printed_on_any_console(console: str, tmp_path: Path) -> None:
    done = run("production", "plan", f"{NAME}.yaml", console=console, folder=tmp_path)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("console", CONSOLES[:2])
def test_protocol_is_utf8_whatever_the_console(console: str, tmp_path: Path) -> None:
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": NAME, "version": "1"}}
    ask = {"name": "find_elements", "arguments": {"query": NAME, "limit": 1}}
    messages = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": ask},
    ]
    environ = environ_with(
        PYTHONIOENCODING=console, PYTHONUTF8="0", KLING_MCP_SANDBOX="1", KLING_MCP_STATE_DIR=str(tmp_path)
    )
    lines = "".join(f"{json.dumps(message, ensure_ascii=False)}\n" for message in messages).encode()
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(lines)
        server.stdin.flush()
        answers = [json.loads(server.stdout.readline().decode("utf-8", "strict")) for _ in range(2)]
        server.stdin.close()
    assert "error" not in answers[1]
    assert NAME in json.dumps(answers[1], ensure_ascii=False)
