"""One poller for all waits: early answers, few requests, nothing lost when callers leave."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import anyio
import pytest
from virtual_time import VirtualClock, VirtualLoop

from kling_mcp.account import element_route
from kling_mcp.api.auth import ApiKey
from kling_mcp.api.client import KlingClient
from kling_mcp.api.models import ElementTask
from kling_mcp.api.sender import Sender
from kling_mcp.errors import NotFoundError
from kling_mcp.simulator import Faults, Quirks, SimulatorTransport, World
from kling_mcp.tasks.poller import Poller
from kling_mcp.tasks.rounds import MIN_PAGE_SIZE

if TYPE_CHECKING:
    from kling_mcp.simulator.request_log import RequestRecord

KEY = "waiting-key"
pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Callable[[], VirtualLoop]]]:
    return "asyncio", {"loop_factory": VirtualLoop}


class Scene:
    """A client, a poller, and a Kling whose tasks take the seconds that a test says."""

    def __init__(self, quirks: Quirks | None = None) -> None:
        self.clock = VirtualClock()
        self.faults = Faults()
        self.next_seconds = 5.0
        self.world = World(
            self.clock.wall, api_keys=[KEY], quirks=quirks, durations=lambda _kind, _rng: self.next_seconds
        )
        sender = Sender(
            "https://kling.invalid", self.clock, make_transport=lambda: SimulatorTransport(self.world, self.faults)
        )
        self.client = KlingClient(sender, ApiKey(KEY), self.clock)
        self.poller = Poller(element_route(self.client), self.clock)
        self._made = 0

    async def submit(self, seconds: float = 5.0, external_task_id: str = "") -> ElementTask:
        self.next_seconds = seconds
        self._made += 1
        body = {
            "element_name": f"n{self._made}",
            "element_description": "d",
            "reference_type": "video_refer",
            "element_video_list": {"refer_videos": [{"video_url": "https://example.com/a.mp4"}]},
        }
        return await self.client.create_element(body, external_task_id=external_task_id or f"ext-{self._made}")

    async def wait(self, task: ElementTask, seconds: float = 600) -> ElementTask | None:
        sightings = await self.poller.wait([task.task_id], seconds, known={task.task_id: task})
        return sightings[task.task_id].task

    def looks(self) -> list[RequestRecord]:
        return [request for request in self.world.requests if request.method == "GET"]


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_a_task_is_answered_soon_after_it_ends(scene: Scene) -> None:
    task = await scene.submit(seconds=90)
    ended = await scene.wait(task)
    assert ended is not None
    assert ended.element_ids
    assert 90 <= scene.clock.monotonic() <= 96


async def test_task_that_kling_refuses_at_once_is_answered_after_two_seconds(scene: Scene) -> None:
    """No known duration is that short, but a person should not wait for what is over."""
    ended = await scene.wait(await scene.submit(seconds=0.5))
    assert ended is not None
    assert scene.clock.monotonic() == pytest.approx(2.0)


async def test_many_tasks_are_not_looked_at_early(scene: Scene) -> None:
    made = [await scene.submit(seconds=90) for _ in range(12)]
    begun = len(scene.looks())
    await scene.poller.wait([task.task_id for task in made], 4, known={task.task_id: task for task in made})
    assert len(scene.looks()) - begun <= 2


async def test_a_final_task_is_answered_without_looking(scene: Scene) -> None:
    task = await scene.submit()
    await scene.clock.sleep(10)
    ready = await scene.client.get_task(task.task_id)
    looks = len(scene.looks())
    assert await scene.wait(ready) is ready
    assert len(scene.looks()) == looks


async def test_the_wait_ends_on_time_and_keeps_the_last_sight(scene: Scene) -> None:
    task = await scene.submit(seconds=90)
    seen = await scene.wait(task, seconds=20)
    assert seen is not None
    assert seen.task_status == "processing"
    assert scene.clock.monotonic() == pytest.approx(20)


async def test_an_unknown_state_is_not_waited_for_past_the_deadline() -> None:
    """fact: status-unknown"""
    scene = Scene(Quirks(status_words={"succeed": "hibernating"}))
    seen = await scene.wait(await scene.submit(), seconds=60)
    assert seen is not None
    assert seen.task_status == "unknown"
    assert scene.clock.monotonic() == pytest.approx(60)


async def test_wait_of_zero_seconds_polls_an_unseen_task_once(scene: Scene) -> None:
    task = await scene.submit()
    await scene.clock.sleep(30)
    sightings = await scene.poller.wait([task.task_id], 0)
    assert sightings[task.task_id].task is not None
    assert len(scene.looks()) == 1


async def test_an_external_id_serves_as_well_as_a_task_id(scene: Scene) -> None:
    await scene.submit(external_task_id="mia-1")
    sightings = await scene.poller.wait(["mia-1"], 60)
    seen = sightings["mia-1"].task
    assert seen is not None
    assert seen.element_ids


async def test_a_wrong_id_ends_at_once_and_leaves_the_others_alone(scene: Scene) -> None:
    """fact: msg-task-not-found"""
    task = await scene.submit(seconds=8)
    sightings = await scene.poller.wait(["nobody", task.task_id], 60)
    assert isinstance(sightings["nobody"].error, NotFoundError)
    seen = sightings[task.task_id].task
    assert seen is not None
    assert seen.is_final


async def test_a_hundred_waits_share_the_pages_of_the_list(scene: Scene) -> None:
    tasks = [await scene.submit(seconds=60 + number / 4) for number in range(100)]
    async with anyio.create_task_group() as group:
        for task in tasks:
            group.start_soon(scene.wait, task)
    assert len(scene.looks()) < 100
    single = [request for request in scene.looks() if request.route == "query"]
    assert len(single) <= 3  # the last one to end has nobody to share with


async def test_identical_waits_share_their_looks(scene: Scene) -> None:
    task = await scene.submit(seconds=70)
    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(scene.wait, task)
    alone = Scene()
    await alone.wait(await alone.submit(seconds=70))
    assert len(scene.looks()) <= len(alone.looks()) + 1


async def test_list_is_read_on_while_its_pages_show_tasks_that_are_waited_for(scene: Scene) -> None:
    early = await scene.submit(seconds=300)
    for number in range(MIN_PAGE_SIZE):
        scene.world.add_element(scene.world.account_of(KEY), f"between {number}")
    late = await scene.submit(seconds=300)
    snapshots = await scene.poller.wait([early.task_id, late.task_id], 0)
    assert all(snapshot.task is not None for snapshot in snapshots.values())
    assert [(look.route, look.query.partition("&")[0]) for look in scene.looks()] == [
        ("list", "pageNum=1"),
        ("list", "pageNum=2"),
    ]


async def test_tasks_are_found_one_by_one_where_the_list_begins_with_the_oldest() -> None:
    """fact: list-order-unknown"""
    scene = Scene(Quirks(list_order="oldest-first"))
    own = scene.world.account_of(KEY)
    for number in range(200):
        scene.world.add_element(own, f"old {number}", created_at=scene.clock.wall() - 1000)
    tasks = [await scene.submit(seconds=20) for _ in range(3)]
    sightings = await scene.poller.wait([task.task_id for task in tasks], 60)
    assert all(sighting.is_final for sighting in sightings.values())
    pages = [request for request in scene.looks() if request.route == "list"]
    assert len(pages) < len(scene.looks()) / 2


async def test_follower_takes_over_when_the_leader_is_cancelled(scene: Scene) -> None:
    task = await scene.submit(seconds=30)
    done: list[ElementTask | None] = []

    async def stay() -> None:
        done.append(await scene.wait(task))

    async with anyio.create_task_group() as group:
        leader = anyio.CancelScope()

        async def lead() -> None:
            with leader:
                await scene.wait(task)

        group.start_soon(lead)
        await scene.clock.sleep(1)
        group.start_soon(stay)
        await scene.clock.sleep(9)
        leader.cancel()
    assert done[0] is not None
    assert done[0].is_final
    assert scene.clock.monotonic() < 45


async def test_a_cancelled_wait_stops_looking(scene: Scene) -> None:
    task = await scene.submit(seconds=300)
    with anyio.move_on_after(15):
        await scene.wait(task)
    looks = len(scene.looks())
    await scene.clock.sleep(400)
    assert len(scene.looks()) == looks
    state = await scene.client.get_task(task.task_id)
    assert state.is_final  # Kling went on with the task


async def test_a_waker_makes_the_poller_look_at_once(scene: Scene) -> None:
    task = await scene.submit(seconds=25)
    async with anyio.create_task_group() as group:
        group.start_soon(scene.wait, task)
        await scene.clock.sleep(26)
        looks = len(scene.looks())
        scene.poller.notify(task.task_id)
        scene.poller.notify("nobody waits for this")
        await scene.clock.sleep(1.5)
        assert len(scene.looks()) > looks
    assert scene.clock.monotonic() == pytest.approx(27.5, abs=1.0)


async def test_a_waker_just_after_a_look_is_not_kept_waiting(scene: Scene) -> None:
    """Else a callback that comes then would end its wait more than a second later."""
    task = await scene.submit(seconds=25)
    async with anyio.create_task_group() as group:
        group.start_soon(scene.wait, task)
        await scene.clock.sleep(20)
        looks = len(scene.looks())
        while len(scene.looks()) == looks:
            await scene.clock.sleep(0.05)
        for record in scene.world.account_of(KEY).tasks.values():
            record.ended = scene.clock.wall()
        scene.poller.notify(task.task_id)
        called_at = scene.clock.monotonic()
    assert scene.clock.monotonic() - called_at < 0.5


async def test_trouble_at_kling_is_waited_out_and_reported_if_it_lasts(scene: Scene) -> None:
    task = await scene.submit(seconds=8)
    scene.faults.reply_code(5000, times=None, route="query")
    sightings = await scene.poller.wait([task.task_id], 100, known={task.task_id: task})
    trouble = sightings[task.task_id].last_poll_error
    assert trouble is not None
    assert trouble.code == 5000
    assert sightings[task.task_id].error is None
    scene.faults.clear()
    seen = await scene.wait(task)
    assert seen is not None
    assert seen.is_final


async def test_a_list_that_fails_for_good_ends_the_wait_for_all(scene: Scene) -> None:
    tasks = [await scene.submit(seconds=30) for _ in range(3)]
    scene.faults.reply_code(1000, times=None, route="any")
    sightings = await scene.poller.wait([task.task_id for task in tasks], 100)
    assert {sighting.error.kind for sighting in sightings.values() if sighting.error} == {"auth"}
    assert scene.clock.monotonic() < 10


async def test_a_list_that_fails_alone_is_replaced_by_single_looks(scene: Scene) -> None:
    tasks = [await scene.submit(seconds=10) for _ in range(3)]
    scene.faults.reply_code(5000, times=None, route="list")
    sightings = await scene.poller.wait([task.task_id for task in tasks], 120)
    assert all(sighting.task and sighting.task.is_final for sighting in sightings.values())


async def test_a_task_that_is_not_visible_yet_is_not_given_up(scene: Scene) -> None:
    task = await scene.submit(seconds=12)
    scene.faults.reply_code(1201, message="Task not found by id/external id: x", times=1, route="query")
    seen = await scene.wait(task)
    assert seen is not None
    assert seen.is_final


async def test_waiting_teaches_how_long_tasks_take_here(scene: Scene) -> None:
    for _ in range(12):
        await scene.wait(await scene.submit(seconds=33))
    before = scene.clock.monotonic()
    await scene.wait(await scene.submit(seconds=33))
    assert scene.clock.monotonic() - before < 35.5
