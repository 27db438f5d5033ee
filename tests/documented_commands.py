"""Runs the shell blocks of a page as a reader would: in bash, against a Kling of its own, in a room of its own.

What a test cannot run has a stand-in here, with the reason: it is recorded with its arguments and its environment, and
checked afterwards as far as it concerns us.
A command that is neither run nor listed here is not found, so the block that has it fails.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import preloaded
from documentation import Block
from processes import environ_with
from readings import plain_variables, variables_read
from repository_files import ROOT

from kling_mcp import cli
from kling_mcp.server.http.auth import check_access
from kling_mcp.settings import Settings

# On Windows, `bash` may be one of another system.
BASH = "" if os.name == "nt" else shutil.which("bash") or ""
MOST_SECONDS = 60
# Its results are looked at, too, so tests/commands/test_page.py runs it instead of tests/docs.
RUN_BY_ITSELF = ROOT / "docs" / "command-line.md"
# Run as they are, where they are installed.
REAL = (
    "basename",
    "cat",
    "chmod",
    "cp",
    "env",
    "grep",
    "head",
    "jq",
    "ls",
    "mkdir",
    "mktemp",
    "openssl",
    "tail",
    "xargs",
)
# Programs that start another one, and do nothing else that matters here.
PASS_ON = {
    "uvx": "would install the released package",
    "opentelemetry-instrument": "would need an SDK and a collector",
}
PICTURES = tuple(sorted((ROOT / "kling_mcp" / "demo" / "pictures").glob("*.jpg")))

# "Still running" (3) and "something to do" (4) are no failures (docs/production.md); a shell at a terminal goes on.
# Of kling-mcp itself, what does not end by itself, or is run by tests of its own (tests/test_demo.py).
LONG = ("serve", "simulate", "demo")

_PRELUDE = r"""
record() {
	local call; call="$(mktemp -d "$CALLS/XXXXXX")"
	printf '%s\0' "$@" >"$call/argv"
	env -0 >"$call/environ"
}
goes_on() { [ "$1" = 3 ] || [ "$1" = 4 ] || return "$1"; }
kling-mcp() {
	record kling-mcp "$@"
	case "${1-}" in "" | LONG) ;; *) command kling-mcp "$@" || goes_on $? ;; esac
}
uv() { [ "$1" = run ] && shift && "$@"; }
git() { record git "$@" && mkdir -p "$(basename "$2" .git)"; }
"""


# What a page says of a command that fails, behind it: `# exit code 1`.
_FAILS = re.compile(r"^(?!\s*#)(.+?)\s+# .*\bexit code ([1-9]\d*)\b.*$", re.MULTILINE)


class Call(NamedTuple):
    """A command that a stand-in stood in for."""

    argv: list[str]
    environ: dict[str, str]


class StandIn(NamedTuple):
    """Why a command is not run, and what is checked instead; the check raises if something is wrong."""

    reason: str
    check: Callable[[Call], object]


def understood(argv: list[str], environ: Mapping[str, str]) -> None:
    """The command line knows these arguments, and a server would start with these settings.

    Raises:
        ValueError: it does not.
        ConfigurationError: a setting is wrong or missing.
    """
    try:
        options = cli._build_parser().parse_args(argv)
    except SystemExit as stop:
        if stop.code:
            raise ValueError(f"kling-mcp does not understand {argv}") from None
        return
    unknown = {name for name in environ if re.match("KLING_(?!HOST)", name)} - variables_read()
    assert not unknown, f"{unknown} are no settings"
    settings = Settings.from_env(environ)
    if options.run is cli._serve and options.transport == "http":
        check_access(settings, options.host)


def _docker(call: Call) -> None:
    """What follows the image is for kling-mcp, and `-e` gives it settings."""
    _, action, *rest = call.argv
    if action != "run":
        assert action in {"build", "compose", "inspect", "restart", "rm", "stop"}, call.argv
        return
    image = rest.index("kling-mcp")
    given = [after for word, after in pairwise(rest[: image + 1]) if word == "-e"]
    environ = {name: value or call.environ.get(name, "given-outside-0123456789abcdef") for name, value in _split(given)}
    environ.pop("KLING_MCP_MEDIA_DIRS", None)  # a folder of the container
    understood(rest[image + 1 :], environ)


def _split(assignments: Iterable[str]) -> list[tuple[str, str]]:
    return [(name, value) for name, _, value in (text.partition("=") for text in assignments)]


def _client(call: Call) -> None:
    """A client's own command: it would start the released package, with settings that exist, or install a plugin."""
    words = " ".join(call.argv)
    if call.argv[1] in {"plugin", "extensions"}:  # tests/plugins lets the clients themselves do it
        assert re.search(r"\bkling-mcp/kling-mcp$|\bkling@kling-mcp$", words)
        return
    assert re.search(r"\buvx\b.{1,20}\bkling-mcp\b", words)
    assert set(re.findall(r"KLING_\w+", words)) <= plain_variables()


def _make(call: Call) -> None:
    subprocess.run(["make", "--dry-run", *call.argv[1:]], cwd=ROOT, check=True, capture_output=True)  # noqa: S607 - as in the page


def _bash(call: Call) -> None:
    subprocess.run([BASH, "-n", *call.argv[1:]], cwd=ROOT, check=True, capture_output=True)


def _python(call: Call) -> None:
    """A program of this repository, with options that it has."""
    source = (ROOT / call.argv[1]).read_text("utf-8")
    options = [word.partition("=")[0] for word in call.argv[2:] if word.startswith("--")]
    assert [option for option in options if f'"{option}"' not in source] == []


def _environment(call: Call) -> None:
    assert call.argv[1:3] == ["-m", "venv"]


def _clone(call: Call) -> None:
    assert call.argv[1:] == ["clone", "https://github.com/kling-mcp/kling-mcp"]


def _pack(call: Call) -> None:
    """The official tool, as tests/bundle runs it."""
    assert call.argv[1:3] == ["@anthropic-ai/mcpb", "pack"]


def _kling(call: Call) -> None:
    if not call.argv[1:] or call.argv[1] in LONG:  # what was run has spoken for itself
        understood(call.argv[1:], call.environ)


STAND_INS: Mapping[str, StandIn] = {
    "kling-mcp": StandIn("run, unless it serves until it is stopped", _kling),
    "git": StandIn("needs a network", _clone),
    "docker": StandIn("needs a container engine; tests/container performs the steps of the Dockerfile", _docker),
    **dict.fromkeys(
        ("claude", "code", "code-insiders", "codex", "copilot", "gemini"),
        StandIn("a client that is not installed", _client),
    ),
    "npx": StandIn("needs a network; tests/bundle packs with the same tool", _pack),
    "make": StandIn("takes long; CI runs the targets", _make),
    "bash": StandIn("takes long; CI runs it", _bash),
    "python": StandIn("needs a model, or writes into the repository", _python),
    "python3": StandIn("would make an environment outside the room", _environment),
    "pip": StandIn("needs a network", lambda _: None),
}


def run(block: Block, room: Path, kling: str) -> str:
    """Run one block in a folder, and return what it printed; `kling` is the address of the Kling to use.

    Raises:
        AssertionError: a command failed, or a recorded one would.
    """
    calls, tools = room / "calls", room / "bin"
    _furnish(room, block.text)
    shutil.rmtree(calls, ignore_errors=True)
    calls.mkdir()
    script = _FAILS.sub(r"if \1; then false; else [ $? = \2 ]; fi", block.text)
    script = re.sub(r"(?<=[\s=>])/(etc|opt)/", rf"{room}/\1/", script)
    ran = subprocess.run(
        [BASH, "-euo", "pipefail", "-c", _prelude() + script],
        cwd=room,
        env=environ_with(**_settings(room, kling), PATH=str(tools), CALLS=str(calls)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=MOST_SECONDS,
        check=False,
    )
    assert ran.returncode == 0, f"{block.place}\n{block.text}\n{ran.stdout}{ran.stderr}"
    for call in sorted(calls.iterdir()):
        _check(block, call)
    return ran.stdout


def _check(block: Block, folder: Path) -> None:
    argv = (folder / "argv").read_text("utf-8").split("\0")[:-1]
    environ = dict(_split((folder / "environ").read_text("utf-8").split("\0")[:-1]))
    try:
        STAND_INS[argv[0]].check(Call(argv, environ))
    except Exception as error:
        raise AssertionError(f"{block.place}: {argv}: {error}") from error


def _prelude() -> str:
    recorded = [f'{name}() {{ record {name} "$@"; }}' for name in STAND_INS]
    passed_on = [f'{name}() {{ "$@"; }}' for name in PASS_ON]
    return "\n".join([*recorded, *passed_on, _PRELUDE.replace("LONG", " | ".join(LONG))])


def _settings(room: Path, kling: str) -> dict[str, str]:
    return {
        "HOME": str(room / "home"),
        "KLING_BASE_URL": kling,
        "KLING_API_KEY": f"key-of-{room.name}",  # each key has an account of its own
        "KLING_MCP_STATE_DIR": str(room / "state"),
        "KLING_MCP_OUTPUT_DIR": str(room / "results"),
    }


def _furnish(room: Path, script: str) -> None:
    """Tools, and the files that the block reads: any picture it names is one of the demo's, any sheet the example."""
    for folder in ("bin", "home", "results", "etc/kling-mcp", "opt/kling-mcp/bin"):
        (room / folder).mkdir(parents=True, exist_ok=True)
    for name in REAL:
        if (found := shutil.which(name)) and not (room / "bin" / name).exists():
            (room / "bin" / name).symlink_to(found)
    preloaded.put_command(room / "bin")  # for programs that start it; bash itself has a function of that name
    installer = room / "opt" / "kling-mcp" / "bin" / "pip"  # as that of an environment there, without a network
    installer.write_text("#!/bin/sh\n", "utf-8")
    installer.chmod(0o755)
    for number, name in enumerate(dict.fromkeys(re.findall(r"[\w/-]+\.jpe?g\b", script))):
        _put(PICTURES[number % len(PICTURES)], room / name)
    if ".yaml" in script:
        shutil.copytree(ROOT / "examples" / "episode", room, dirs_exist_ok=True)


def _put(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def missing_tools(script: str) -> list[str]:
    """Those that a block needs and this machine does not have."""
    return [name for name in REAL if re.search(rf"\b{name}\b", script) and not shutil.which(name)]


def misunderstood(words: list[str]) -> list[str]:
    """Of a command that prose mentions, which may leave out what is required: the words that kling-mcp does not know.

    The first word is the name of the program.
    """
    parser, unknown = cli._build_parser(), []
    for word in words[1:]:
        below = [action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
        if word.startswith("-"):
            unknown += [word] if word.partition("=")[0] not in parser._option_string_actions else []
        elif below and word in below[0]:
            parser = below[0][word]
        elif below:
            unknown.append(word)
    return unknown
