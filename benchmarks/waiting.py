"""How many requests waiting costs, and how late the answer comes: ours, a plain loop, and an oracle.

    python benchmarks/waiting.py [--tasks 1 10 100 1000] [--rounds 50] [--seed 7] [--quick]

Virtual time on the simulator, so the figures are exact and the same on every machine. Tasks are elements alone, or
mixed: every third an element, every third a picture, every third a video, all submitted within the first second by an
account with an API key. Durations are drawn from the published ones: of elements (fact: time-image) one in three near
5 s, the others between 60 and 120 s; of pictures and videos (fact: gen-times) 24 to 32 s, and of ten videos two near
28 s, two near 83 s, five between 30 and 320 s, one between 5 and 15 minutes. The plain loop asks for each task every
10 s. The oracle knows the durations and asks once, when the task ends: the floor for requests (1 a task) and lag (0).
Ours is one poller for each kind, as an account has them, where videos and pictures share their requests: new, or warm
with what it saw in earlier rounds. Lag is the time from the end at Kling to the answer. Of requests the creations do
not count. Beside ours stands what any schedule needs at least for the same lag, if it knows the distribution of
durations but no duration, and one request shows all tasks; `measuring/least_looks.py` has the proof.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from measuring.least_looks import Durations, least_requests
from measuring.report import table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from virtual_time import VirtualClock, VirtualLoop

from kling_mcp.account import element_route
from kling_mcp.api.auth import ApiKey
from kling_mcp.api.client import KlingClient
from kling_mcp.api.generations import GenerationApi
from kling_mcp.api.models import KlingTask
from kling_mcp.api.request_body import Upload
from kling_mcp.api.sender import Sender
from kling_mcp.generation.routes import BODY, PATH, generation_routes
from kling_mcp.simulator import SimulatorTransport, World
from kling_mcp.simulator.generation.ledger import Pack
from kling_mcp.tasks.poller import Poller
from kling_mcp.tasks.rounds import Rounds
from kling_mcp.tasks.route import TaskRoute
from kling_mcp.tasks.schedule import ELEMENT_SECONDS, IMAGE_SECONDS, VIDEO_SECONDS, PollSchedule

LOOP_SECONDS = 10.0
WAIT_SECONDS = 1000.0
KEY = "benchmark-key"
KINDS = ("element", "image", "video")
PUBLISHED = {"element": ELEMENT_SECONDS, "image": IMAGE_SECONDS, "video": VIDEO_SECONDS}
DURATIONS: dict[str, Durations] = {
    "element": ((4.0, 6.0, 1 / 3), (60.0, 120.0, 2 / 3)),
    "image": ((24.0, 32.0, 1.0),),
    "video": ((26.0, 30.0, 0.2), (78.0, 88.0, 0.2), (30.0, 320.0, 0.5), (300.0, 900.0, 0.1)),
}
REQUESTS: dict[str, dict[str, Any]] = {
    "element": {
        "element_description": "d",
        "reference_type": "video_refer",
        "element_video_list": {"refer_videos": [{"video_url": "https://example.com/a.mp4"}]},
    },
    "image": {PATH: "/v1/images/generations", BODY: {"model_name": "kling-v3", "prompt": "a street"}},
    "video": {PATH: "/v1/videos/text2video", BODY: {"model_name": "kling-v3", "prompt": "a street"}},
}
Schedules = dict[str, PollSchedule]


def schedules() -> Schedules:
    """As a new account has them."""
    return {kind: PollSchedule(PUBLISHED[kind]) for kind in KINDS}


def draw(kind: str, rng: random.Random) -> float:
    """A duration in seconds; `kind` is the simulator's."""
    ranges = DURATIONS["element" if kind.endswith("refer") else kind]
    (low, high, _), *_ = rng.choices(ranges, [share for *_, share in ranges])
    return rng.uniform(low, high)


@dataclass
class Score:
    """Requests per task and lags in seconds, of all rounds."""

    requests: list[float] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)

    def cells(self, loop: Score, least: Callable[[float], float] | None) -> list[str]:
        """Requests, lags, both beside a loop's, and the least requests for this mean lag beside the loop's."""
        quantiles = statistics.quantiles(self.lags, n=20) if len(self.lags) > 1 else self.lags * 19
        middle = (statistics.fmean(self.requests), statistics.median(self.lags), statistics.fmean(self.lags))
        requests = statistics.fmean(loop.requests)
        beside = [f"{middle[0] / requests:.3f}", f"{middle[2] / statistics.fmean(loop.lags):.2f}"]
        beside.append(f"{least(middle[2]) / requests:.3f}" if least else "")
        return [*(f"{figure:.2f}" for figure in (*middle, quantiles[-1])), *beside]


class Scene:
    """A world with tasks of known durations, and one account of it."""

    def __init__(self, kinds: Sequence[str], tasks: int, seed: int) -> None:
        self.rng = random.Random(seed)
        self.clock = VirtualClock()
        packs = [Pack("video", concurrency=10_000), Pack("image", concurrency=10_000)]
        durations = random.Random(seed)
        self.world = World(
            self.clock.wall, api_keys=[KEY], packs=packs, durations=lambda kind, _rng: draw(kind, durations)
        )
        sender = Sender("https://kling.invalid", self.clock, make_transport=lambda: SimulatorTransport(self.world))
        self.client = KlingClient(sender, ApiKey(KEY), self.clock)
        made = generation_routes(GenerationApi(self.client), has_api_key=True)
        self.routes: dict[str, TaskRoute[Any]] = {route.kind: route for route in made}
        self.routes["element"] = element_route(self.client)
        self.kinds = [kinds[(number + seed) % len(kinds)] for number in range(tasks)]

    async def submit(self, number: int) -> KlingTask:
        """Create one, some time within the first second."""
        await self.clock.sleep(self.rng.uniform(0, 1))
        kind = self.kinds[number]
        body = REQUESTS[kind] if kind != "element" else REQUESTS[kind] | {"element_name": f"n{number}"}
        task: KlingTask = await self.routes[kind].submit(body, external_task_id=f"bench-{number}", upload=Upload())
        return task

    def ends_at(self, task_id: str) -> float:
        """The wall time at which Kling ends it."""
        return self.world.account_of(KEY).tasks[task_id].ended


Wait = Callable[[Scene, str, KlingTask], Awaitable[None]]


async def run(kinds: Sequence[str], tasks: int, seed: int, make_waiter: Callable[[Scene], Wait]) -> Score:
    """One round."""
    scene = Scene(kinds, tasks, seed)
    wait = make_waiter(scene)
    lags: list[float] = []

    async def one(number: int) -> None:
        task = await scene.submit(number)
        await wait(scene, scene.kinds[number], task)
        lags.append(scene.clock.wall() - scene.ends_at(task.task_id))

    async with anyio.create_task_group() as group:
        for number in range(tasks):
            group.start_soon(one, number)
    requests = (scene.client.sender.requests_sent - tasks) / tasks
    await scene.client.sender.aclose()
    return Score([requests], lags)


def ours(known: Schedules | None = None) -> Callable[[Scene], Wait]:
    """Our pollers, with what is known of durations; without it as new."""

    def make(scene: Scene) -> Wait:
        taught = known if known is not None else schedules()
        together = Rounds(scene.routes["video"], scene.clock)
        pollers = {
            kind: Poller(route, scene.clock, taught[kind], rounds=None if kind == "element" else together)
            for kind, route in scene.routes.items()
        }

        async def wait(_: Scene, kind: str, task: KlingTask) -> None:
            states = await pollers[kind].wait([task.task_id], WAIT_SECONDS, known={task.task_id: task})
            assert states[task.task_id].is_final

        return wait

    return make


async def plain_loop(scene: Scene, kind: str, task: KlingTask) -> None:
    """What everybody writes first."""
    while True:
        await scene.clock.sleep(LOOP_SECONDS)
        if (await scene.routes[kind].get(task.task_id)).is_final:
            return


async def oracle(scene: Scene, kind: str, task: KlingTask) -> None:
    """Knows the end."""
    await scene.clock.sleep(scene.ends_at(task.task_id) - scene.clock.wall())
    assert (await scene.routes[kind].get(task.task_id)).is_final


def scores(kinds: Sequence[str], tasks: int, rounds: int, seed: int) -> dict[str, Score]:
    """Everybody's, over the same tasks."""
    waiters: dict[str, Callable[[Scene], Wait]] = {
        "loop 10 s": lambda _: plain_loop,
        "ours, new": ours(),
        "ours, warm": ours(schedules()),
        "oracle": lambda _: oracle,
    }
    found = {name: Score() for name in waiters}
    for name, waiter in waiters.items():
        for number in range(rounds):
            of_one = partial(run, kinds, tasks, seed + number, waiter)
            score = anyio.run(of_one, backend_options={"loop_factory": VirtualLoop})
            found[name].requests += score.requests
            found[name].lags += score.lags
    return found


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, nargs="+", default=[1, 10, 100, 1000])
    parser.add_argument("--rounds", type=int, default=50, help="rounds at 10 tasks; more at fewer and fewer at more")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="one round with three tasks")
    options = parser.parse_args()
    if options.quick:
        options.tasks, options.rounds = [3], 1
    beside = ("requests / loop", "lag / loop", "least requests / loop")
    titles = ("waiter", "tasks", "requests/task", "median lag, s", "mean", "p95", *beside)
    for name, kinds in {"elements": KINDS[:1], "mixed": KINDS}.items():
        rows = []
        for tasks in options.tasks:
            rounds = 1 if options.quick else max(1, min(options.rounds * 10 // tasks, 200))
            found = scores(kinds, tasks, rounds, options.seed)
            loop = found["loop 10 s"]
            bound = partial(least_requests, {kind: DURATIONS[kind] for kind in kinds}, tasks)
            rows += [
                (f"{name}, {one}", tasks, *score.cells(loop, bound if one.startswith("ours") else None))
                for one, score in found.items()
            ]
        print(table(titles, rows), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
