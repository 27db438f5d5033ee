"""How many requests waiting costs, and how late the answer comes: ours, a plain loop, and an oracle.

    python benchmarks/waiting.py [--tasks 1 10 100 1000] [--rounds 40] [--seed 7] [--quick]

Virtual time on the simulator, so the figures are exact and the same on every machine. Durations are drawn from
the published ones (fact: time-image): one in three near 5 s, the others between 60 and 120 s; all tasks are
submitted within the first second. The plain loop looks at each task every 5 s. The oracle knows the durations and
looks once, when the task ends: the floor for requests (1 a task) and lag (0).
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from virtual_time import VirtualClock, VirtualLoop

from kling_mcp.account import element_route
from kling_mcp.api.auth import ApiKey
from kling_mcp.api.client import KlingClient
from kling_mcp.api.models import ElementTask
from kling_mcp.api.sender import Sender
from kling_mcp.simulator import SimulatorTransport, World
from kling_mcp.tasks.poller import Poller
from kling_mcp.tasks.schedule import PollSchedule

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LOOP_SECONDS = 5.0
KEY = "benchmark-key"


@dataclass
class Score:
    """Requests per task and lags in seconds."""

    requests: list[float] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)

    def line(self, name: str, tasks: int) -> str:
        quantiles = statistics.quantiles(self.lags, n=20) if len(self.lags) > 1 else self.lags * 19
        return (
            f"{tasks:>6}  {name:<12}{statistics.fmean(self.requests):>10.2f}{statistics.median(self.lags):>10.2f}"
            f"{statistics.fmean(self.lags):>10.2f}{quantiles[-1]:>10.2f}"
        )


def draw(rng: random.Random) -> float:
    """A duration in seconds."""
    return rng.uniform(4.0, 6.0) if rng.random() < 1 / 3 else rng.uniform(60.0, 120.0)


class Scene:
    """A world with tasks of known durations."""

    def __init__(self, tasks: int, seed: int) -> None:
        rng = random.Random(seed)
        self.clock = VirtualClock()
        self.seconds: dict[str, float] = {}
        self.world = World(self.clock.wall, api_keys=[KEY], durations=lambda _kind, _rng: draw(rng))
        sender = Sender("https://kling.invalid", self.clock, make_transport=lambda: SimulatorTransport(self.world))
        self.client = KlingClient(sender, ApiKey(KEY), self.clock)
        self.tasks = tasks
        self.rng = rng

    async def submit(self, number: int) -> str:
        """Create one element and remember when it will end."""
        await self.clock.sleep(self.rng.uniform(0, 1))
        body = {
            "element_name": f"n{number}",
            "element_description": "d",
            "reference_type": "video_refer",
            "element_video_list": {"refer_videos": [{"video_url": "https://example.com/a.mp4"}]},
        }
        task = await self.client.create_element(body, external_task_id=f"bench-{number}")
        return task.task_id

    def ends_at(self, task_id: str) -> float:
        """The wall time at which Kling ends it."""
        account = self.world.account_of(KEY)
        return self.world.find_task(account, task_id, voices=False).ended


async def run(tasks: int, seed: int, wait: Callable[[Scene, str], Awaitable[None]]) -> tuple[float, list[float]]:
    """Requests per task and the lag of each."""
    scene = Scene(tasks, seed)
    lags: list[float] = []
    creations = 0

    async def one(number: int) -> None:
        nonlocal creations
        task_id = await scene.submit(number)
        creations += 1
        await wait(scene, task_id)
        lags.append(scene.clock.wall() - scene.ends_at(task_id))

    async with anyio.create_task_group() as group:
        for number in range(tasks):
            group.start_soon(one, number)
    requests = (scene.client.sender.requests_sent - creations) / tasks
    await scene.client.sender.aclose()
    return requests, lags


def ours(durations: PollSchedule) -> Callable[[Scene, str], Awaitable[None]]:
    """Our poller; one for all tasks of a scene."""
    pollers: dict[int, Poller[ElementTask]] = {}

    async def wait(scene: Scene, task_id: str) -> None:
        poller = pollers.setdefault(id(scene), Poller(element_route(scene.client), scene.clock, durations))
        await poller.wait([task_id], 600, known={task_id: as_submitted(task_id, scene)})

    return wait


def as_submitted(task_id: str, scene: Scene) -> ElementTask:
    """The task as its creation answered it, without a request."""
    created = int(scene.clock.wall() * 1000)
    return ElementTask(task_id=task_id, task_status="submitted", created_at=created, updated_at=created)


async def plain_loop(scene: Scene, task_id: str) -> None:
    """What everybody writes first."""
    while True:
        await scene.clock.sleep(LOOP_SECONDS)
        if (await scene.client.get_task(task_id)).is_final:
            return


async def oracle(scene: Scene, task_id: str) -> None:
    """Knows the end."""
    await scene.clock.sleep(scene.ends_at(task_id) - scene.clock.wall())
    assert (await scene.client.get_task(task_id)).is_final


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, nargs="+", default=[1, 10, 100, 1000])
    parser.add_argument("--rounds", type=int, default=40, help="rounds at 1 task; fewer at more")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="one round with one task")
    options = parser.parse_args()
    if options.quick:
        options.tasks, options.rounds = [1], 1
    print(f"{'tasks':>6}  {'waiter':<12}{'req/task':>10}{'median':>10}{'mean':>10}{'p95 lag':>10}")
    for tasks in options.tasks:
        rounds = max(1, options.rounds * 5 // tasks) if tasks > 1 else options.rounds * 5
        warm = PollSchedule()
        waiters = {"ours, new": None, "ours, warm": ours(warm), "loop 5 s": plain_loop, "oracle": oracle}
        for name, waiter in waiters.items():
            score = Score()
            for number in range(min(rounds, 200)):
                chosen = waiter or ours(PollSchedule())
                requests, lags = anyio.run(
                    run, tasks, options.seed + number, chosen, backend_options={"loop_factory": VirtualLoop}
                )
                score.requests.append(requests)
                score.lags += lags
            print(score.line(name, tasks), flush=True)


if __name__ == "__main__":
    main()
