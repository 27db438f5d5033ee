"""`kling-mcp call` as a process of its own: killed, interrupted, unread, in an old encoding, at a terminal."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import preloaded
import pytest
from helpers import API_KEY
from never_twice.real_server import Kling
from never_twice.wishes import elements_at
from processes import COMMAND, environ_with, uncounted

from commands.conftest import LOOKS

PATIENCE = 30.0
BASH = shutil.which("bash") or ""
PAID = ("generate_image", "prompt=A cup of coffee", "max_units=8", "wait_seconds=30", "--json")
Start = Callable[..., preloaded.Command]


@pytest.fixture
def start(environ: dict[str, str]) -> Start:
    """`start("find_elements")`: a process that makes one call."""

    def run(*words: str) -> preloaded.Command:
        pipe = subprocess.PIPE
        return preloaded.Command(["call", *words], env=environ_with(**environ), stdin=pipe, stdout=pipe, stderr=pipe)

    return run


def result_of(process: preloaded.Command, code: int = 0) -> dict[str, Any]:
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == code, err
    held: dict[str, Any] = json.loads(out)
    return held


def kill(process: preloaded.Command) -> None:
    process.kill()
    process.communicate()


def test_call_that_is_killed_and_repeated_pays_once(start: Start, kling: Kling) -> None:
    kling.faults.delay(20, after_commit=True, route="v1-omni-image")
    first = start(*PAID)
    kling.wait_for("v1-omni-image", committed=True)
    kill(first)
    held = result_of(start(*PAID))
    assert held["result"]["outcome"] == "recovered"
    assert len(held["result"]["files"]) == 1
    again = result_of(start(*PAID))
    assert again["result"]["task_id"] == held["result"]["task_id"]
    assert len(kling.requests("v1-omni-image")) == 1
    assert sum(kling.world.accepted_creations().values()) == 1


def test_two_processes_with_the_same_call_make_one_element(
    start: Start, kling: Kling, pictures: tuple[str, ...]
) -> None:
    words = ("create_element_and_wait", *LOOKS, *pictures, "--json")
    held = [result_of(process) for process in [start(*words), start(*words)]]
    (task,) = elements_at(kling.world)
    assert [each["result"]["element_ids"] for each in held] == [[task.element_id]] * 2


def test_interrupted_call_says_how_to_go_on_and_the_same_command_finds_the_task(start: Start, kling: Kling) -> None:
    kling.faults.delay(PATIENCE, route="tasks-get")
    process = start(*PAID)
    kling.wait_for("tasks-get")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (130, "")
    *_, last = err.splitlines()
    assert "nothing is made or paid twice" in last
    command = last.rpartition("To go on: ")[2]
    assert command == shlex.join(["kling-mcp", "call", *PAID])
    assert "Traceback" not in err
    held = result_of(start(*shlex.split(command)[2:]))
    assert held["result"]["outcome"] == "already_submitted"
    assert sum(kling.world.accepted_creations().values()) == 1


@pytest.mark.skipif(not BASH, reason="there is no bash here")
def test_reader_that_is_gone_ends_the_command_quietly(environ: dict[str, str]) -> None:
    command = shlex.join([*preloaded.command(), "call", "--help"])
    ran = subprocess.run(
        [BASH, "-c", f"{command} | head -0; exit ${{PIPESTATUS[0]}}"],
        env=environ_with(**environ),
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ran.returncode in {0, 1, 2}
    assert ran.stderr == b""


@pytest.mark.skipif(not BASH, reason="there is no bash here")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_crash_nothing(environ: dict[str, str], closed: str) -> None:
    command = shlex.join([*COMMAND, "call", "find_elements"])
    ran = subprocess.run(
        [BASH, "-c", f"{command} {closed}"],
        env=environ_with(**environ),
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ran.returncode == 0
    assert b"Traceback" not in ran.stderr


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_old_code_page_shows_every_name_and_json_stays_json(
    environ: dict[str, str], kling: Kling, words: tuple[str, ...]
) -> None:
    kling.world.add_element(kling.world.account_of(API_KEY), "Zoë 小美 🎬")
    variables = environ_with(**environ, PYTHONIOENCODING="cp1252")
    command = [*COMMAND, "call", "find_elements", *words]
    ran = subprocess.run(command, env=variables, capture_output=True, timeout=PATIENCE, check=False)
    assert (ran.returncode, ran.stderr) == (0, b"")
    if words:
        assert json.loads(ran.stdout.decode("ascii"))["result"]["elements"][0]["element_name"] == "Zoë 小美 🎬"
    else:
        assert "Zoë \\u5c0f\\u7f8e" in ran.stdout.decode("cp1252")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals of this kind")
@pytest.mark.parametrize(("typed", "code"), [(b"yes\n", 0), (b"no\n", 1), (b"\x03", 130)])
def test_person_at_a_real_terminal_answers_or_interrupts(
    environ: dict[str, str], kling: Kling, typed: bytes, code: int
) -> None:
    import pty  # noqa: PLC0415 - POSIX only

    # Ctrl-C goes to the process that the shell has started.
    command = COMMAND if typed == b"\x03" else preloaded.command()
    child, terminal = pty.fork()
    if child == 0:  # pragma: no cover - replaced by the command at once
        words = [*command, "call", "generate_image", "prompt=A cup of coffee"]
        os.execve(words[0], words, environ_with(**environ))  # noqa: S606 - as a shell does
    shown = b""
    with os.fdopen(terminal, "r+b", buffering=0) as screen:
        while b"Type yes to go on:" not in shown:
            shown += screen.read(1024)
        screen.write(typed)
        try:
            while piece := screen.read(1024):
                shown += piece
        except OSError:  # Linux says so that the other side is gone
            pass
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == code, shown
    assert sum(kling.world.accepted_creations().values()) == (code == 0)
    assert b"Traceback" not in shown
    if code == 130:
        assert b"To go on: kling-mcp call generate_image" in shown


def test_help_loads_neither_mcp_nor_pydantic(environ: dict[str, str]) -> None:
    program = (
        "import sys; from kling_mcp.cli import main; main(['call', '--help']); main(['call', 'generate_image', '-h']);"
        "print(sorted({'mcp', 'pydantic', 'httpx', 'sqlite3', 'anyio'} & {*sys.modules}), file=sys.stderr)"
    )
    ran = subprocess.run(
        [COMMAND[0], "-c", program], env=uncounted(environ_with(**environ)), capture_output=True, text=True, check=True
    )
    assert ran.stderr.strip() == "[]"


def test_files_of_results_lie_where_the_answer_says(start: Start) -> None:
    (file,) = result_of(start(*PAID))["result"]["files"]
    assert Path(file["path"]).stat().st_size > 0
