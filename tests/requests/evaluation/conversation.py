"""Lets a model do a request for real: its calls go to the real server on the request's stage, in bounds.

The model is asked in real time from a worker thread, the stage runs on virtual time: a wait of ten minutes costs the
run nothing. It judges nothing.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from evaluation.endpoints import EndpointError
from evaluation.grading import Play
from evaluation.scene import Scene
from evaluation.tool_texts import ToolTexts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mcp import Client
    from mcp_types import Tool

    from evaluation.endpoints import Endpoint, Message, Reply, WantedCall
    from evaluation.scene import Step
    from evaluation.sheets import Request

_SYSTEM = """You are an assistant in a chat. You have the tools of one MCP server. It says of itself:

{instructions}

When you are done, or need the user's answer to go on, write your answer and call no tool. The user cannot see the \
tools' results. Answer in the user's language."""
_NO_JSON = "The arguments of this call are no JSON object; nothing was called."


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one conversation may cost: turns of the model, real seconds, tokens in all, tokens of one answer."""

    turns: int = 12
    seconds: float = 180.0
    tokens: int = 150_000
    answer_tokens: int = 2000


@dataclass(frozen=True, slots=True)
class Conversation:
    """What happened, and what it cost. `is_estimated`: the endpoint counts no tokens, so they were guessed."""

    play: Play
    tokens_in: int
    tokens_out: int
    seconds: float
    is_estimated: bool


class _BoundError(Exception):
    """A bound was reached, or the model cannot go on."""


class _Talk:
    """One conversation while it goes on."""

    def __init__(self, endpoint: Endpoint, bounds: Bounds, *, shows_structured: bool, texts: ToolTexts | None) -> None:
        self._endpoint = endpoint
        self._bounds = bounds
        self._shows_structured = shows_structured
        self._texts = texts
        self.started = time.monotonic()
        self.tokens_in = 0
        self.tokens_out = 0
        self.is_estimated = False
        self.answer = ""

    async def run(self, scene: Scene, client: Client, says: str) -> None:
        """Until the model calls nothing more.

        Raises:
            _BoundError, EndpointError: why it was broken off.
        """
        texts = self._texts or ToolTexts(tuple((await client.list_tools()).tools))
        own = client.instructions or ""
        system = _SYSTEM.format(instructions=own if texts.instructions is None else texts.instructions)
        messages: list[Message] = [{"role": "user", "content": says}]
        for _ in range(self._bounds.turns):
            reply = await self._turn(system, messages, texts.tools)
            self.answer = reply.text
            if reply.is_cut:
                raise _BoundError(f"an answer was longer than {self._bounds.answer_tokens} tokens")
            if not reply.calls:
                return
            messages.append(reply.said)
            messages += self._endpoint.dialect.results(await self._call_all(scene, reply.calls))
        raise _BoundError(f"no answer after {self._bounds.turns} turns")

    async def _turn(self, system: str, messages: list[Message], tools: Sequence[Tool]) -> Reply:
        deadline = self.started + self._bounds.seconds
        if time.monotonic() >= deadline:
            raise _BoundError(f"more than {self._bounds.seconds:g} seconds")
        reply = await to_thread.run_sync(
            lambda: self._endpoint.ask(
                system,
                messages,
                tools,
                most=self._bounds.answer_tokens,
                deadline=deadline,
            )
        )
        self._count(reply, len(json.dumps([system, messages])))
        if self.tokens_in + self.tokens_out > self._bounds.tokens:
            raise _BoundError(f"more than {self._bounds.tokens} tokens")
        return reply

    def _count(self, reply: Reply, characters: int) -> None:
        if reply.tokens_in < 0 or reply.tokens_out < 0:
            self.is_estimated = True
            self.tokens_in += characters // 4
            self.tokens_out += len(json.dumps(reply.said)) // 4
        else:
            self.tokens_in += reply.tokens_in
            self.tokens_out += reply.tokens_out

    async def _call_all(self, scene: Scene, calls: Sequence[WantedCall]) -> list[tuple[WantedCall, str, bool]]:
        """Side by side, as several clients do; the results in the order of the calls."""
        results: dict[int, tuple[str, bool]] = {}

        async def call_one(place: int, call: WantedCall) -> None:
            if call.arguments is None:
                results[place] = (scene.refuse(call.tool, _NO_JSON).text, True)
                return
            step = await scene.call(call.tool, call.arguments)
            results[place] = (self._shown(step), step.is_error)

        async with anyio.create_task_group() as group:
            for place, call in enumerate(calls):
                group.start_soon(call_one, place, call)
        return [(call, *results[place]) for place, call in enumerate(calls)]

    def _shown(self, step: Step) -> str:
        told = step.text
        if self._shows_structured and step.structured is not None:
            told = json.dumps(step.structured, ensure_ascii=False)
        return f"{told}\n[{step.pictures} pictures, which this run does not show]" if step.pictures else told


async def converse(
    request: Request,
    endpoint: Endpoint,
    folder: Path,
    bounds: Bounds,
    *,
    era: str = "auto",
    shows_structured: bool = False,
    texts: ToolTexts | None = None,
) -> Conversation:
    """One request, done by the model. `folder` must be new; it holds the user's files and the server's state.

    The model is shown the `texts` in place of the server's own; its calls go to this server all the same.

    Raises:
        EndpointError: one that no other request would escape.
    """
    scene = Scene(request, folder)
    talk = _Talk(endpoint, bounds, shows_structured=shows_structured, texts=texts)
    stopped = ""
    fatal: EndpointError | None = None
    async with scene.opened(era) as client:
        try:
            await talk.run(scene, client, scene.words())
        except (EndpointError, _BoundError) as error:
            stopped = str(error)
            # Raised in here it would arrive in a group, because the client runs in a task group.
            fatal = error if isinstance(error, EndpointError) and error.is_fatal else None
        ending = scene.ending()
    if fatal is not None:
        raise fatal
    play = Play(tuple(scene.steps), talk.answer, ending, scene.facts, stopped)
    return Conversation(play, talk.tokens_in, talk.tokens_out, time.monotonic() - talk.started, talk.is_estimated)
