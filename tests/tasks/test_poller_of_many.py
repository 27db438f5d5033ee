"""Waits for many tasks at once: what one request shows is due together, and only what has ended is asked for by id."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import anyio
import pytest
from virtual_time import VirtualClock, VirtualLoop

from kling_mcp.account import element_route
from kling_mcp.api.auth import ApiKey
from kling_mcp.api.client import KlingClient
from kling_mcp.api.generations import GenerationApi
from kling_mcp.api.request_body import Upload
from kling_mcp.api.sender import Sender
from kling_mcp.generation.routes import BODY, PATH, generation_routes
from kling_mcp.simulator import Faults, SimulatorTransport, World
from kling_mcp.simulator.generation.ledger import Pack
from kling_mcp.tasks.poller import Poller
from kling_mcp.tasks.rounds import Rounds
from kling_mcp.tasks.route import TaskRoute
from kling_mcp.tasks.schedule import IMAGE_SECONDS, MAX_GAP, VIDEO_SECONDS, PollSchedule, longest_gap

if TYPE_CHECKING:
    from kling_mcp.simulator.request_log import RequestRecord

KEY = "waiting-key"
PICTURE = {PATH: "/v1/images/generations", BODY: {"model_name": "kling-v3", "prompt": "a street"}}
ELEMENT = {
    "element_description": "d",
    "reference_type": "video_refer",
    "element_video_list": {"refer_videos": [{"video_url": "https://example.com/a.mp4"}]},
}
SECONDS = {"image": (24, 32), "video_refer": (60, 120)}
pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Callable[[], VirtualLoop]]]:
    return "asyncio", {"loop_factory": VirtualLoop}


def spread(number: int, least: float, most: float) -> float:
    """Durations that fill a range evenly, one after the other in no order."""
    return least + (most - least) * (number * 0.618034 % 1)


class Crowd:
    """Many tasks of one kind, their poller, and a Kling where each takes another time."""

    def __init__(self, kind: str) -> None:
        self.clock, self.faults = VirtualClock(), Faults()
        numbers = itertools.count()
        self.world = World(
            self.clock.wall,
            api_keys=[KEY],
            packs=[Pack("image", concurrency=5000)],
            durations=lambda kind, _rng: spread(next(numbers), *SECONDS[kind]),
        )
        sender = Sender(
            "https://kling.invalid", self.clock, make_transport=lambda: SimulatorTransport(self.world, self.faults)
        )
        client = KlingClient(sender, ApiKey(KEY), self.clock)
        routes: dict[str, TaskRoute[Any]] = {
            route.kind: route for route in generation_routes(GenerationApi(client), has_api_key=True)
        }
        routes["element"] = element_route(client)
        self.kind, self.route = kind, routes[kind]
        schedule = PollSchedule(IMAGE_SECONDS) if kind == "image" else PollSchedule()
        self.poller = Poller(self.route, self.clock, schedule)
        self.names: list[str] = []

    async def submit(self, many: int) -> None:
        first = len(self.names)
        for number in range(first, first + many):
            body = PICTURE if self.kind == "image" else ELEMENT | {"element_name": f"n{number}"}
            task = await self.route.submit(body, external_task_id=f"ext-{number}", upload=Upload())
            self.names.append(task.task_id)

    async def wait(self, seconds: float = 600) -> float:
        """Seconds from the end of the last task to the answer."""
        snapshots = await self.poller.wait(self.names, seconds)
        assert all(snapshot.task is not None and snapshot.task.is_final for snapshot in snapshots.values())
        return self.clock.wall() - max(self.world.account_of(KEY).tasks[name].ended for name in self.names)

    def looks(self) -> list[RequestRecord]:
        """What was read, not created."""
        return [request for request in self.world.requests if not request.committed]


def ids_in(request: RequestRecord) -> list[str]:
    return parse_qs(request.query)["task_ids"][0].split(",")


async def test_three_hundred_pictures_need_a_request_for_every_five_at_most() -> None:
    """A loop of ten seconds for each would send 900."""
    crowd = Crowd("image")
    await crowd.submit(300)
    assert await crowd.wait() < 5.0
    assert len(crowd.looks()) <= 60


async def test_a_hundred_pictures_are_all_seen_in_one_page_of_the_list() -> None:
    """fact: tasks-list"""
    crowd = Crowd("image")
    await crowd.submit(100)
    await crowd.poller.wait(crowd.names, 0)
    assert [request.method for request in crowd.looks()] == ["POST"]
    assert await crowd.wait() < 5.0
    looks = crowd.looks()
    assert len({look.time for look in looks}) == len(looks)  # a round is one request
    assert len(looks) <= 25


async def test_pictures_that_run_are_seen_in_a_list_and_only_the_others_are_asked_for_by_id() -> None:
    """Where they are too many for a page. fact: tasks-list-filters"""
    crowd = Crowd("image")
    await crowd.submit(300)
    await crowd.poller.wait(crowd.names, 0)
    assert [request.method for request in crowd.looks()] == ["POST"]
    await crowd.wait()
    by_id = [name for request in crowd.looks() if request.method == "GET" for name in ids_in(request)]
    assert len(by_id) == len(set(by_id))  # each once, when it had ended
    assert len(by_id) > 50


async def test_videos_and_pictures_are_looked_at_together() -> None:
    """One request shows both; each is met by the durations of its own kind. fact: gen-lookup"""
    crowd = Crowd("image")
    rounds = Rounds(crowd.route, crowd.clock)
    pictures = Poller(crowd.route, crowd.clock, PollSchedule(IMAGE_SECONDS), rounds=rounds)
    videos = Poller(crowd.route, crowd.clock, PollSchedule(VIDEO_SECONDS), rounds=rounds)
    await crowd.submit(10)
    async with anyio.create_task_group() as group:
        group.start_soon(videos.wait, crowd.names[:5], 600)
        group.start_soon(pictures.wait, crowd.names[5:], 600)
    looks = crowd.looks()
    assert len({look.time for look in looks}) == len(looks)
    assert len(ids_in(looks[1])) == 10
    assert len(looks) <= 12


@pytest.mark.parametrize("seconds", [1.0, 28.0, 100.0, 900.0])
async def test_lost_callback_costs_a_minute_at_most(seconds: float) -> None:
    """fact: callback-best-effort"""
    crowd = Crowd("image")
    crowd.poller.notify("another task")  # callbacks come, so that polling is only a fallback
    crowd.world.durations = lambda _kind, _rng: seconds
    await crowd.submit(1)
    assert await crowd.wait(2000) <= MAX_GAP


async def test_callback_during_a_look_is_answered_by_the_next_one() -> None:
    """The reply that is under way may have been written before the task ended. fact: callback-best-effort"""
    crowd = Crowd("image")
    crowd.world.durations = lambda _kind, _rng: 3.0
    await crowd.submit(1)
    crowd.faults.delay(5, after_commit=True, route="tasks-get")
    async with anyio.create_task_group() as group:

        async def announce() -> None:
            await crowd.clock.sleep(4)
            crowd.poller.notify(crowd.names[0])

        group.start_soon(announce)
        assert await crowd.wait() <= 2.5


async def test_long_queue_costs_no_more_than_the_longest_gap() -> None:
    """Three hundred tasks of which each takes another time, and durations that are wrong for all of them."""
    crowd = Crowd("image")
    crowd.world.durations = lambda _kind, rng: rng.uniform(1.0, 400.0)
    await crowd.submit(300)
    late: list[float] = []

    async def wait(name: str) -> None:
        await crowd.poller.wait([name], 600)
        late.append(crowd.clock.wall() - crowd.world.account_of(KEY).tasks[name].ended)

    async with anyio.create_task_group() as group:
        for name in crowd.names:
            group.start_soon(wait, name)
    assert len(late) == 300
    assert max(late) <= longest_gap(0.0)


async def test_wait_that_runs_out_ends_with_a_look() -> None:
    crowd = Crowd("element")
    crowd.world.durations = lambda _kind, _rng: 27.0
    await crowd.submit(1)
    assert await crowd.wait(seconds=30) <= 3.0


async def test_pictures_are_asked_for_by_id_where_the_list_fails() -> None:
    crowd = Crowd("image")
    await crowd.submit(45)
    crowd.faults.reply_status(500, times=None, route="tasks-list")
    assert await crowd.wait() < 5.0


async def test_elements_that_ended_do_not_make_the_list_longer_to_read() -> None:
    """Those that still run may lie deep in the list, behind newer ones that have ended."""
    crowd = Crowd("element")
    await crowd.submit(120)
    assert await crowd.wait() < 5.0
    looks = crowd.looks()
    assert len(looks) <= 60
    assert len({look.time for look in looks}) >= len(looks) - 2  # a round is one page


async def test_newcomer_is_not_kept_waiting_by_tasks_that_take_long() -> None:
    crowd = Crowd("element")
    crowd.world.durations = lambda _kind, _rng: 500.0
    await crowd.submit(30)
    await crowd.poller.wait(crowd.names, 30)
    crowd.world.durations = lambda _kind, _rng: 5.0
    await crowd.submit(1)
    crowd.names = crowd.names[-1:]
    assert await crowd.wait() < 3.0
