"""One campaign: wishes at two servers in a storm, with a kill every few seconds, and its figures."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers import API_KEY

from soak.callers import Answer, Callers
from soak.processes import Kling, Server
from soak.verdict import Verdict, judge
from soak.wishes import Wish, make_pictures, wish_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

ENDLESS = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a campaign does.

    Attributes:
        first, last: numbers of its wishes.
        share: of Kling's requests that go wrong.
        most_slow: how many faults may be drawn after which a server has to wait.
        at_once: wishes under way at a time.
        kill_seconds: least and most time between two kills.
        state_url: the database that both servers share; "" for a folder that they share.
    """

    seed: int
    first: int = 1
    last: int
    share: float = 0.3
    most_slow: int = ENDLESS
    at_once: int = 96
    kill_seconds: tuple[float, float] = (1.5, 5.0)
    state_url: str = ""


@dataclass(slots=True)
class Outcome:
    """What came of a campaign; `wishes` are those that were answered or given up.

    `rate` is how many were answered in a second until the last one was begun: at the end a few wait for a minute, such
    as the one that took `slowest` seconds.
    """

    plan: Plan
    verdict: Verdict
    wishes: list[Wish]
    books: Mapping[str, Any]
    counts: Counter[str]
    kills: int
    seconds: float
    rate: float
    slowest: float
    was_interrupted: bool = False


@dataclass(slots=True)
class _Progress:
    began: float = field(default_factory=time.monotonic)
    answered: list[tuple[Wish, Answer]] = field(default_factory=list)
    rate: float = 0.0
    slowest: float = 0.0
    was_interrupted: bool = False

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began


async def run(plan: Plan, room: Path, say: Callable[[str], None] = lambda _: None) -> Outcome:
    """Play it in a folder of its own. An interruption (Ctrl-C) ends it early, and what was answered is judged."""
    pictures, output = room / "pictures", room / "results"
    make_pictures(pictures)
    logs = [room / f"server-{number}.log" for number in (1, 2)]
    async with AsyncExitStack() as stack:
        kling = await stack.enter_async_context(Kling(plan.seed, plan.share, plan.most_slow))
        servers = [
            Server(_environ(plan, kling.url, room, f"state-{number}"), log) for number, log in enumerate(logs, 1)
        ]
        for server in servers:
            stack.push_async_callback(server.stop)
        await asyncio.gather(*(server.start() for server in servers))
        callers = Callers(servers, plan.seed)
        progress = _Progress()
        wishes = (wish_of(plan.seed, number, pictures) for number in range(plan.first, plan.last + 1))
        killer = asyncio.create_task(_kill(plan, servers))
        reporter = asyncio.create_task(_report(plan, progress, say))
        await _fulfil_all(callers, wishes, plan.at_once, progress)
        seconds = progress.seconds
        for helper in (killer, reporter):
            helper.cancel()
        await asyncio.wait([killer, reporter])
        for server in servers:
            await server.stop()
        books = await kling.books(room / "books.json")
    return Outcome(
        plan=plan,
        verdict=judge(progress.answered, books, output, logs, was_interrupted=progress.was_interrupted),
        wishes=[wish for wish, _ in progress.answered],
        books=books,
        counts=callers.counts,
        kills=sum(server.kills for server in servers),
        seconds=seconds,
        rate=progress.rate,
        slowest=progress.slowest,
        was_interrupted=progress.was_interrupted,
    )


def _environ(plan: Plan, url: str, room: Path, own: str) -> dict[str, str]:
    """The settings of one server. Replicas have folders of their own, and share a disk for results."""
    environ = {
        "KLING_BASE_URL": url,
        "KLING_API_KEY": API_KEY,
        "KLING_MCP_MEDIA_DIRS": str(room / "pictures"),
        "KLING_MCP_OUTPUT_DIR": str(room / "results"),
        "KLING_MCP_STATE_DIR": str(room / (own if plan.state_url else "state")),
        "KLING_MCP_SPENDING": "allow",
        "KLING_MCP_MAX_CREATES": "32",
    }
    return {**environ, "KLING_MCP_STATE_URL": plan.state_url} if plan.state_url else environ


async def _fulfil_all(callers: Callers, wishes: Iterable[Wish], at_once: int, progress: _Progress) -> None:
    waiting = iter(wishes)

    async def caller() -> None:
        for wish in waiting:
            progress.rate = len(progress.answered) / progress.seconds
            began = progress.seconds
            progress.answered.append((wish, await callers.fulfil(wish)))
            progress.slowest = max(progress.slowest, progress.seconds - began)

    work = [asyncio.create_task(caller()) for _ in range(at_once)]
    try:
        await asyncio.gather(*work)
    except asyncio.CancelledError:  # how asyncio hands on Ctrl-C
        progress.was_interrupted = True
        task = asyncio.current_task()
        assert task is not None
        task.uncancel()
        for one in work:
            one.cancel()
        await asyncio.wait(work)


async def _kill(plan: Plan, servers: list[Server]) -> None:
    """Never both at once: somebody may always be asked."""
    dice = random.Random(f"kills {plan.seed}")
    while True:
        await asyncio.sleep(dice.uniform(*plan.kill_seconds))
        server = dice.choice(servers)
        await server.kill()
        await server.start()


async def _report(plan: Plan, progress: _Progress, say: Callable[[str], None]) -> None:
    number = plan.last - plan.first + 1
    while True:
        await asyncio.sleep(15)
        say(f"  {len(progress.answered):,} of {number:,} after {progress.seconds:.0f} s, {progress.rate:.1f} a second")


def report(outcome: Outcome) -> list[str]:
    """Its figures, as lines."""
    plan, done = outcome.plan, len(outcome.wishes)
    kinds = Counter(wish.kind for wish in outcome.wishes)
    requests, faults = sum(outcome.books["requests"].values()), outcome.books["faults"]
    spoilt = sum(faults.values())
    place = "two replicas on one database" if plan.state_url else "two processes on one folder"
    return [
        f"{place}, seed {plan.seed}, wishes {plan.first} to {plan.last}",
        f"  answered {done:,} of {plan.last - plan.first + 1:,}: "
        + ", ".join(f"{number:,} x {kind}" for kind, number in sorted(kinds.items())),
        f"  {outcome.seconds:.0f} seconds, the slowest {outcome.slowest:.0f}; {outcome.kills} kills",
        f"  {outcome.rate:.1f} wishes a second until the last began",
        f"  {requests:,} requests at Kling",
        *_counted(outcome.books["requests"]),
        f"  {spoilt:,} of them spoilt ({spoilt / max(requests, 1):.0%})",
        *_counted(faults),
        *_counted(outcome.counts),
        "  " + ", ".join(f"{number} {what}" for what, number in outcome.verdict.as_counts().items()),
        *(f"  FOUND {line}" for line in outcome.verdict.findings()),
    ]


def _counted(counts: Mapping[str, int]) -> list[str]:
    return [f"    {number:>6,}  {what}" for what, number in sorted(counts.items(), key=lambda one: -one[1])]
