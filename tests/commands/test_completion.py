"""Shell completion: what is offered, how quickly, and that real shells put it into the line."""

from __future__ import annotations

import os
import re
import select
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import preloaded
import pytest
from helpers import API_KEY
from never_twice.real_server import Kling
from processes import COMMAND, environ_with

from commands.conftest import Run
from kling_mcp import cli
from kling_mcp.server.tools import NAMES

SHELLS = {name: shutil.which(name) or "" for name in ("bash", "zsh", "fish")}
PATIENCE = 30.0
QUICK_SECONDS = 0.2

Offer = Callable[..., list[str]]


@pytest.fixture
def offer(environ: dict[str, str], capsys: pytest.CaptureFixture[str]) -> Offer:
    """`offer("call", "gen")`: what may come in place of the last word."""

    def ask(*words: str, typed_in: str = "zsh", **changes: str) -> list[str]:
        assert cli.main(["completion", "words", typed_in, *words], environ | changes) == 0
        out, err = capsys.readouterr()
        assert err == ""
        return [line.partition("\t")[0] for line in out.splitlines()]

    return ask


def test_commands_their_options_and_choices_are_offered(offer: Offer) -> None:
    assert {"serve", "call", "production", "completion"} <= {*offer("")}
    assert offer("production", "") == ["plan", "apply", "export"]
    assert "--max-units" in offer("production", "apply", "--")
    assert offer("production", "apply", "--part", "c") == ["cast"]
    assert offer("serve", "--transport", "") == ["stdio", "http"]
    assert offer("completion", "") == ["bash", "zsh", "fish"]
    assert offer("production", "plan", "") == [], "a file comes here"


def test_tools_that_the_settings_allow_are_offered(offer: Offer) -> None:
    assert offer("call", "") == [*NAMES]
    assert "generate_image" not in offer("call", "", KLING_MCP_SPENDING="off")
    assert offer("call", "--") == ["--json", "--help"]
    assert offer("call", "bake", "") == []


def test_arguments_and_their_values_are_offered(offer: Offer) -> None:
    assert offer("call", "generate_video", "asp") == ["aspect_ratio="]
    given = offer("call", "--json", "generate_image", "prompt=x", "images=a", "")
    assert "prompt=" not in given
    assert "images=" in given, "a list takes more"
    assert offer("call", "generate_video", "audio=") == ["audio=off", "audio=native", "audio=original"]
    assert offer("call", "generate_video", "dry_run=t") == ["dry_run=true"]
    extra = offer("call", "generate_video", "model=", KLING_MCP_EXTRA_MODELS="kling-4.0=omni-video/kling-v4@1.0")
    assert len(extra) == 5
    assert offer("call", "create_element", "frontal_image=") == [], "a file comes here"


def test_names_of_elements_come_from_the_index_and_from_nowhere_else(offer: Offer, run: Run, kling: Kling) -> None:
    assert offer("call", "get_element", "id=") == []
    for name in ("Mia", "Mia Rose", "Sara"):
        kling.world.add_element(kling.world.account_of(API_KEY), name)
    assert offer("call", "get_element", "id=") == [], "nothing is sent for a completion"
    assert run("find_elements").code == 0
    asked = len(kling.world.requests)
    assert {*offer("call", "use_elements", "elements=M")} == {"elements=Mia", "elements=Mia Rose"}
    assert offer("call", "generate_image", "prompt=@Sara and @S") == ["prompt=@Sara and @Sara"]
    assert offer("call", "get_element", "id=", KLING_API_KEY="another") == []
    assert offer("call", "get_element", "id=", KLING_API_KEY="") == []
    assert len(kling.world.requests) == asked


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("call", "generate_video", "aspect_ratio", "="), ["16:9", "9:16", "1:1"]),
        (("call", "generate_video", "aspect_ratio", "=", "1"), ["16:9", "1:1"]),
        (("call", "generate_video", "aspect_ratio", "=", "16", ":"), ["9"]),
        (("call", "generate_video", "model", "=", "o1", "audio", "=", "n"), []),
        (("call", "generate_video", "model=o1", "audio=n"), ["audio=native"]),
        ((), ["serve", "demo"]),
    ],
)
def test_words_that_bash_has_cut_are_put_together(offer: Offer, words: Sequence[str], offered: list[str]) -> None:
    found = offer(*words, typed_in="bash")
    assert found[: len(offered)] == offered


def test_wrong_use_shows_the_form(environ: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion"], environ) == 2
    assert cli.main(["completion", "tcsh"], environ) == 2
    assert cli.main(["completion", "--help"], environ) == 0
    assert "usage: kling-mcp completion bash|zsh|fish" in capsys.readouterr().out


def test_completion_starts_quickly_and_loads_nothing_heavy(environ: dict[str, str], run: Run, kling: Kling) -> None:
    kling.world.add_element(kling.world.account_of(API_KEY), "Mia")
    run("find_elements")
    words = ["completion", "words", "bash", "call", "generate_image", "prompt", "=@", "M"]
    program = (
        f"import sys, time; from kling_mcp.cli import main; main({words});"
        "print(time.process_time(), sorted({'mcp', 'pydantic', 'httpx', 'anyio'} & {*sys.modules}))"
    )
    seconds = []
    for _ in range(3):
        ran = subprocess.run(
            [COMMAND[0], "-c", program], env=environ_with(**environ), capture_output=True, text=True, check=True
        )
        offered, last = ran.stdout.splitlines()
        assert offered.strip() == "Mia"
        assert last.endswith(" []")
        seconds.append(float(last.split()[0]))
    if not os.environ.get("COVERAGE_PROCESS_CONFIG") and "coverage" not in sys.modules:
        assert statistics.median(seconds) < QUICK_SECONDS


# --- real shells


class Screen:
    """A shell at a terminal of its own, at which words are typed."""

    def __init__(self, command: Sequence[str], variables: dict[str, str]) -> None:
        import pty  # noqa: PLC0415 - POSIX only

        self._shown = ""
        self._child, self._terminal = pty.fork()
        if self._child == 0:  # pragma: no cover - replaced by the shell at once
            os.execve(command[0], [*command], variables)  # noqa: S606 - a shell

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def until(self, pattern: str) -> str:
        """Read until this is shown; its first group."""
        ends = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, self._shown)):
            assert time.monotonic() < ends, self._shown
            if select.select([self._terminal], [], [], 0.1)[0]:
                self._shown += os.read(self._terminal, 4096).decode("utf-8", "replace")
        self._shown = ""
        return found[1] if found.groups() else found[0]

    def close(self) -> None:
        os.close(self._terminal)
        os.waitpid(self._child, 0)


START = {
    "bash": (["--norc", "--noprofile", "-i"], 'eval "$(kling-mcp completion bash)"'),
    "zsh": (["-f", "-i"], 'autoload -Uz compinit; compinit -u -D; eval "$(kling-mcp completion zsh)"'),
    "fish": (["--no-config", "-i"], "kling-mcp completion fish | source"),
}


@pytest.fixture(params=list(SHELLS))
def screen(request: pytest.FixtureRequest, environ: dict[str, str], tmp_path: Path) -> Iterator[Screen]:
    """A shell with the script, as its user has it."""
    name: str = request.param
    if not SHELLS[name] or sys.platform == "win32":
        pytest.skip(f"there is no {name} here")
    programs = tmp_path / "bin"
    preloaded.put_command(programs)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    variables = environ_with(**environ, PATH=path, TERM="xterm", HOME=str(tmp_path), COLUMNS="300", HISTFILE="")
    options, script = START[name]
    shell = Screen([SHELLS[name], *options], variables)
    shell.type(f"{script}; printf 'rea%s' 'dy'\r")
    shell.until("ready")
    yield shell
    shell.type("\x15exit\r")
    shell.close()


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("kling-mcp call generate_im\t", "kling-mcp call generate_image"),
        ("kling-mcp call generate_video aud\tnat\t", "kling-mcp call generate_video audio=native"),
        ("kling-mcp call generate_video aspect_ratio=16\t", "kling-mcp call generate_video aspect_ratio=16:9"),
        ("kling-mcp call get_element id=Mi\t", "kling-mcp call get_element id=Mia"),
        ("kling-mcp production apply --part ca\t", "kling-mcp production apply --part cast"),
    ],
)
def test_real_shell_completes_the_line(screen: Screen, run: Run, kling: Kling, typed: str, line: str) -> None:
    kling.world.add_element(kling.world.account_of(API_KEY), "Mia")
    assert run("find_elements").code == 0
    screen.type(typed)
    # Ctrl-A and a word in front make the line an echo of itself.
    screen.type("\x01printf '[%s]' \x05\r")
    words = "".join(re.escape(f"[{word}]") for word in line.split())
    screen.until(words)
