"""Lets a command-line agent do a request: the words on stdin, `kling-mcp` on its PATH, and whatever it does with them.

Kling is the simulator behind a port of this computer. The stage is set on virtual time, so that "yesterday" costs
nothing, and then goes on in real time, because the agent's commands are processes of their own. It judges nothing.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import stat
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
from virtual_time import VirtualLoop

from evaluation.conversation import Conversation
from evaluation.grading import Play
from evaluation.scene import Scene, Step
from kling_mcp.simulator import served_in_background

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from evaluation.sheets import Request

PREAMBLE = """You work with Kling AI through the command `kling-mcp call`: `kling-mcp call --help` lists its tools, \
and `kling-mcp call TOOL --help` their arguments. When you are done, or need the user's answer to go on, print your \
answer, in the user's language. The user sees nothing else. The user writes:"""
_MOST_SECONDS = 1.0  # of a task: the agent waits in real time
_RECORDER = Path(__file__).parent / "recorder.py"
_PACKAGE = Path(__file__).parents[3]
PYTHON = [sys.executable]


@dataclass(frozen=True, slots=True)
class Agent:
    """A command for the shell. `code` is the checkout whose `kling-mcp` it finds; `count` counts tokens of texts."""

    command: str
    count: Callable[[Sequence[str]], list[int]]
    code: Path = _PACKAGE


@dataclass(frozen=True, slots=True)
class _Ended:
    """What the agent's process left: its answer, its own count of tokens (-1: none), and why it was broken off."""

    answer: str
    tokens_in: int = -1
    tokens_out: int = -1
    stopped: str = ""


def cannot_be_driven(request: Request) -> str:
    """Why an agent cannot be given this request, or ""."""
    if request.start.network != "simulator":
        return "it needs a network of its own"
    return "it needs a disk of its own" if request.start.is_full else ""


def drive(request: Request, agent: Agent, folder: Path, *, seconds: float) -> Conversation:
    """One request, done by the agent in at most so many seconds. `folder` must be new."""
    started = time.monotonic()
    scene = Scene(request, folder, epoch=time.time() - _seconds_before(request, folder / "rehearsal"))
    with served_in_background(*scene.kling, control=False) as scene.base_url:
        anyio.run(scene.set_up, backend_options={"loop_factory": VirtualLoop})
        scene.go_on_in_real_time(_MOST_SECONDS)
        says = f"{PREAMBLE}\n\n{scene.words()}\n"
        ended = _run(agent.command, says, _environment(scene, agent.code, folder), Path(scene.facts["folder"]), seconds)
        ending = scene.ending()
    notes = _notes(folder / "journal")
    play = Play(tuple(map(_step, filter(_is_a_call, notes))), ended.answer, ending, scene.facts, ended.stopped)
    tokens_in, tokens_out = ended.tokens_in, ended.tokens_out
    if is_estimated := min(tokens_in, tokens_out) < 0:
        tokens_in = sum(agent.count([says, *(note.get("shown", "") for note in notes)]))
        tokens_out = sum(agent.count([ended.answer, *(shlex.join(note["words"]) for note in notes)]))
    return Conversation(play, tokens_in, tokens_out, time.monotonic() - started, is_estimated)


def _seconds_before(request: Request, folder: Path) -> float:
    """How much virtual time the stage takes, so that it can begin so long ago and end now."""
    if not request.start.earlier:
        return request.start.later
    return anyio.run(Scene(request, folder).set_up, backend_options={"loop_factory": VirtualLoop})


def _environment(scene: Scene, code: Path, folder: Path) -> dict[str, str]:
    """The agent's own, with the request's settings and no other, and with the watched command first on its PATH."""
    commands, journal = folder / "bin", folder / "journal"
    commands.mkdir(parents=True)
    journal.mkdir()
    command = commands / "kling-mcp"
    words = shlex.join([*PYTHON, str(_RECORDER), str(journal)])
    command.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(code))} exec {words} "$@"\n', "utf-8")
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    own = {name: text for name, text in os.environ.items() if not name.startswith("KLING_")}
    path = os.pathsep.join([str(commands), own.get("PATH", os.defpath)])
    return {**own, **scene.environment(scene.request.start), "PATH": path}


def _run(command: str, says: str, environ: Mapping[str, str], folder: Path, seconds: float) -> _Ended:
    """The agent's process and everything that it starts; none of them outlives it."""
    pipe = subprocess.PIPE
    words = ["/bin/sh", "-c", command]
    process = subprocess.Popen(
        words, stdin=pipe, stdout=pipe, stderr=pipe, env=environ, cwd=folder, start_new_session=True
    )
    stopped = ""
    try:
        out, err = process.communicate(says.encode(), timeout=seconds)
    except subprocess.TimeoutExpired:
        stopped = f"more than {seconds:g} seconds"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    if stopped:
        out, err = process.communicate()
    elif process.returncode:
        last = (err.decode("utf-8", "replace").strip().splitlines() or ["it said nothing"])[-1]
        stopped = f"the agent ended with {process.returncode}: {last[:200]}"
    return _read(out.decode("utf-8", "replace").strip(), stopped)


def _read(out: str, stopped: str) -> _Ended:
    """The answer: all of stdout, or `result` of the one JSON object there, which may count tokens in `usage`."""
    try:
        held = json.loads(out)
    except (ValueError, RecursionError):
        held = None
    if not isinstance(held, dict) or not isinstance(held.get("result"), str):
        return _Ended(out, stopped=stopped)
    used = held.get("usage")
    counts = {name: n for name, n in used.items() if isinstance(n, int)} if isinstance(used, dict) else {}
    if not {"input_tokens", "output_tokens"} <= set(counts):
        return _Ended(held["result"], stopped=stopped)
    cached = counts.get("cache_creation_input_tokens", 0) + counts.get("cache_read_input_tokens", 0)
    return _Ended(held["result"], counts["input_tokens"] + cached, counts["output_tokens"], stopped)


# ---- the journal


def _notes(journal: Path) -> list[dict[str, Any]]:
    """What the recorder noted, in order."""
    return [json.loads(path.read_text("utf-8")) for path in sorted(journal.glob("*.json"))]


def _is_a_call(note: Mapping[str, Any]) -> bool:
    """Help is read, and calls nothing; a production command is a call that no request knows."""
    words = note["words"]
    return "tool" in note or (words[:1] in (["call"], ["production"]) and len(words) > 1 and "--help" not in words)


def _step(note: Mapping[str, Any]) -> Step:
    """A call that reached no tool, or was killed, counts as refused."""
    if "text" not in note:
        tool = note.get("tool") or " ".join(note["words"][1:2] if note["words"][0] == "call" else note["words"][:2])
        return Step(tool, note.get("arguments", {}), note.get("shown", ""), None, is_error=True)
    return Step(
        note["tool"],
        note["arguments"],
        note["text"],
        note.get("structured"),
        note.get("is_error", False),
        note.get("pictures", 0),
    )
