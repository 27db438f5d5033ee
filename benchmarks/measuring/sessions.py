"""A session of ten calls on equal wishes: five clips are made, each is then asked for. What a model reads and writes.

Everybody is called with as few arguments as it allows. Other servers run as processes in front of `fake_apis`; ours
runs in front of the simulator, in virtual time, with paying allowed beforehand, since no other server asks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcp import Client
from mcp_types import CallToolResult
from virtual_time import VirtualClock

from kling_mcp.runtime import Runtime
from kling_mcp.server.build import build_server
from kling_mcp.settings import Settings
from kling_mcp.settings.spending import SpendingSettings
from kling_mcp.simulator import SimulatorTransport, World
from measuring.contestants import Contestant

KEY = "benchmark-key"
PROMPTS = (
    "A barista with short red hair waves from behind the counter of a small cafe, morning light, slow push in",
    "The same barista pours milk into a cup, close-up of the hands, steam, shallow depth of field",
    "A cyclist stops in front of the cafe window and looks in, rain on the glass, handheld camera",
    "The barista and the cyclist laugh at a table, two cups between them, warm light, static shot",
    "The cafe from outside at dusk, the sign goes dark, the camera rises above the roofs of the street",
)
Call = tuple[str, dict[str, Any]]


class CannotAnswerError(Exception):
    """A server failed in a session; the text is what it said."""


@dataclass(slots=True)
class Session:
    """What went over: each call as a model writes it, each answer as it reads it."""

    name: str
    calls: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)

    def add(self, call: Call, answer: Mapping[str, Any]) -> str:
        """Note a call; the text of its answer.

        Raises:
            CannotAnswerError: it is an error.
        """
        text = "\n".join(_shown(block) for block in answer["content"] if block["type"] != "image")
        if answer.get("isError"):
            raise CannotAnswerError(text[:120])
        self.calls.append(json.dumps({"name": call[0], "arguments": call[1]}, ensure_ascii=False))
        self.answers.append(text)
        return text


@dataclass(frozen=True, slots=True)
class _Dialect:
    """How one of the others is asked: what makes a clip, where its id stands, and what asks for it."""

    make: str
    words: str
    extra: Mapping[str, Any] = field(default_factory=dict)
    id_after: str = ""
    ask: str = ""
    id_argument: str = "task_id"


# elevenlabs-mcp makes no clips: ten sounds take the place of five clips, each whole in its answer.
_DIALECTS = {
    "mcp-kling": _Dialect("kling_generate_video", "prompt", {}, r'"task_id": "([^"]+)', "kling_get_task"),
    "minimax-mcp": _Dialect(
        "generate_video", "prompt", {"async_mode": True}, r"Task ID: (\w+)", "query_video_generation"
    ),
    "sanzaru": _Dialect("create_video", "prompt", {}, r'"id": ?"([^"]+)', "get_video_status", "video_id"),
    "elevenlabs-mcp": _Dialect("text_to_sound_effects", "text"),
}


def session_of(contestant: Contestant) -> Session:
    """Ten calls to one of the others.

    Raises:
        CannotAnswerError, NoAnswerError: why it cannot be done.
    """
    dialect = _DIALECTS[contestant.name.split()[0]]
    session = Session(contestant.name)
    with contestant.start() as conversation:
        conversation.hello()

        def ask(tool: str, arguments: dict[str, Any]) -> str:
            answer, _ = conversation.ask("tools/call", {"name": tool, "arguments": arguments})
            return session.add((tool, arguments), answer)

        for prompt in PROMPTS if dialect.ask else PROMPTS * 2:
            made = ask(dialect.make, {dialect.words: prompt, **dialect.extra})
            if dialect.ask:
                ask(dialect.ask, {dialect.id_argument: _first(dialect.id_after, made)})
    return session


async def own_session(name: str, state: Path) -> Session:
    """Ten calls to ours. Each clip is waited for as long as a call waits by itself, and asked for in a second one."""
    clock = VirtualClock()
    world = World(clock.wall, api_keys=[KEY])
    settings = Settings(
        api_key=KEY,
        state_dir=state / "state",
        output_dir=state / "films",
        spending=SpendingSettings(mode="allow"),
    )
    runtime = Runtime(settings, clock=clock, make_transport=lambda: SimulatorTransport(world))
    session = Session(name)
    async with Client(build_server(settings, runtime)) as client:
        for prompt in PROMPTS:
            made = await _ask(client, session, "generate_video", {"prompt": prompt})
            ids = [(made.structured_content or {})["task_id"]]
            await _ask(client, session, "wait_for_tasks", {"ids": ids, "wait_seconds": 600})
    return session


async def _ask(client: Client, session: Session, tool: str, arguments: dict[str, Any]) -> CallToolResult:
    result = await client.call_tool(tool, arguments)
    session.add((tool, arguments), result.model_dump(mode="json", by_alias=True, exclude_none=True))
    return result


def _first(pattern: str, text: str) -> str:
    """The id that an answer gives."""
    if found := re.search(pattern, text):
        return found[1]
    raise CannotAnswerError(f"gave no id: {text[:100]}")


def _shown(block: Mapping[str, Any]) -> str:
    """A block as a model reads it: text as it is, anything else as JSON."""
    return str(block["text"]) if block["type"] == "text" else json.dumps(block, ensure_ascii=False)


def rows_of(sessions: Sequence[Session], count: Any, lists: Mapping[str, int]) -> list[tuple[object, ...]]:
    """Tokens of each session: list, calls, answers, their sum, and beside the first one's."""
    rows: list[tuple[object, ...]] = []
    firsts: tuple[int, int] = (0, 0)
    for session in sessions:
        listed, calls, answers = lists[session.name], sum(count(session.calls)), sum(count(session.answers))
        whole = listed + calls + answers
        firsts = firsts if rows else (whole, answers)
        beside = [f"{whole / firsts[0]:.2f}", f"{answers / firsts[1]:.2f}"]
        rows.append((session.name, len(session.calls), listed, calls, answers, whole, *beside))
    return rows
