"""Callers as they should be: each asks for one wish, at any server, until it is answered with what was made.

Some ask two servers at once, and some give up early and ask again. What a refusal says (`retry`) is obeyed.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fuzz.properties import LAST_LINE

from soak.processes import Server, ServerGoneError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from soak.wishes import Wish

WAIT_SECONDS = 30
PATIENCE = 120.0  # seconds until a call without an answer is cancelled
IMPATIENCE = 1.5
PAUSE = 0.5  # seconds before a call is repeated that said "later"
MAX_CALLS = 300  # for one wish; then it is lost


@dataclass(slots=True)
class Answer:
    """What a caller was told in the end. `refusal` is why the wish was given up, "" if it was not."""

    task_id: str = ""
    paths: tuple[str, ...] = ()
    refusal: str = ""


@dataclass(slots=True)
class Callers:
    """All of them. `counts` says how often each thing happened."""

    servers: Sequence[Server]
    seed: int
    counts: Counter[str] = field(default_factory=Counter)

    async def fulfil(self, wish: Wish) -> Answer:
        """Ask until it is made."""
        dice = random.Random(f"caller {self.seed} {wish.number}")
        if dice.random() < 0.15:
            self.counts["wishes asked of both servers at once"] += 1
            answers = await asyncio.gather(*(self._ask(wish, dice, server) for server in self.servers))
            tasks = {answer.task_id for answer in answers}
            return answers[0] if len(tasks) == 1 else Answer(refusal=f"two answers: {sorted(tasks)}")
        return await self._ask(wish, dice)

    async def _ask(self, wish: Wish, dice: random.Random, first: Server | None = None) -> Answer:
        server = first or dice.choice(self.servers)
        for _ in range(MAX_CALLS):
            impatient = dice.random() < 0.1
            self.counts["calls"] += 1
            try:
                told = await server.call(
                    wish.tool,
                    {**wish.arguments, "wait_seconds": WAIT_SECONDS},
                    patience=IMPATIENCE if impatient else PATIENCE,
                )
            except ServerGoneError:
                self.counts["calls whose server was killed"] += 1
                told = None
            else:
                self.counts["calls given up"] += told is None
            server = dice.choice(self.servers)
            if told is None:
                continue
            answer = self._judge(wish, told)
            if answer is not None:
                return answer
            await asyncio.sleep(PAUSE)
        return Answer(refusal=f"no answer after {MAX_CALLS} calls")

    def _judge(self, wish: Wish, told: dict[str, Any]) -> Answer | None:
        """The answer, or None if the call must be repeated."""
        if told.get("isError"):
            text = "\n".join(block.get("text", "") for block in told["content"])
            last = LAST_LINE.fullmatch(text.splitlines()[-1] if text else "")
            self.counts[f"answered with {last['kind'] if last else 'an error of the protocol'}"] += 1
            is_over = last is None or last["kind"] == "internal" or "retry=never" in last[0]
            return Answer(refusal=text or str(told)) if is_over else None
        view = told["structuredContent"]
        if view["task_status"] == "failed":
            return Answer(view["task_id"], refusal=f"failed: {view['task_status_msg']}")
        paths = tuple(row["path"] for row in view.get("files", ()) if row["path"])
        if view["task_status"] != "succeed" or len(paths) < wish.files:
            self.counts["answered before it was finished"] += 1
            return None
        self.counts[f"outcome {view['outcome']}"] += 1
        return Answer(view["task_id"], paths)
