"""What Kling lists is kept: a call reads the newest few, and the rest where that may have changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from helpers import ACCESS_KEY, API_KEY, SECRET_KEY
from simulator.generation_box import OMNI_IMAGE, with_external_id

from kling_mcp.api.auth import ApiKey, KeyPair
from kling_mcp.api.client import KlingClient
from kling_mcp.api.generations import GenerationApi
from kling_mcp.api.sender import Sender
from kling_mcp.errors import KlingError
from kling_mcp.generation.past_lists import NEWEST, WHOLE_AGAIN_SECONDS, past_lists
from kling_mcp.simulator import Faults, SimulatorTransport, World
from kling_mcp.simulator.generation.ledger import Pack

if TYPE_CHECKING:
    from virtual_time import VirtualClock

    from kling_mcp.generation.past_lists import Listed, PastList

pytestmark = pytest.mark.anyio

TAKES = 30.0
MANY = NEWEST[0] + 15


class Scene:
    """An account with pictures, and its list of them."""

    def __init__(self, clock: VirtualClock, *, has_api_key: bool = True) -> None:
        self.clock, self.faults, self.seconds = clock, Faults(), TAKES
        self.world = World(
            clock.wall,
            api_keys=[API_KEY],
            key_pairs={ACCESS_KEY: SECRET_KEY},
            durations=lambda _kind, _rng: self.seconds,
            packs=[Pack("image", concurrency=1000)],
        )
        sender = Sender(
            "https://kling.invalid", clock, make_transport=lambda: SimulatorTransport(self.world, self.faults)
        )
        credential = ApiKey(API_KEY) if has_api_key else KeyPair(ACCESS_KEY, SECRET_KEY)
        self.api = GenerationApi(KlingClient(sender, credential, clock))
        self.lists: tuple[PastList, ...] = past_lists(self.api, clock, has_api_key=has_api_key)
        self.made = 0

    async def make(self, many: int = 1) -> None:
        for _ in range(many):
            self.made += 1
            name = f"kmcp-{self.made}"
            await self.api.create(OMNI_IMAGE, with_external_id(OMNI_IMAGE, name), external_task_id=name)

    async def read(self) -> Listed:
        """The list of pictures."""
        return await self.lists[1].read()


@pytest.fixture
def scene(clock: VirtualClock) -> Scene:
    return Scene(clock)


def names(listed: Listed) -> list[str]:
    return [row.past.external_task_id for row in listed.rows]


def newest_first(last: int) -> list[str]:
    return [f"kmcp-{number}" for number in range(last, 0, -1)]


async def test_unchanged_list_is_the_same_object_at_the_next_call(scene: Scene) -> None:
    await scene.make(MANY)
    await scene.clock.sleep(TAKES)
    first = await scene.read()
    assert (names(first), first.is_whole) == (newest_first(MANY), True)
    assert await scene.read() is first


async def test_new_task_is_put_before_what_was_kept(scene: Scene) -> None:
    await scene.make(MANY)
    await scene.clock.sleep(TAKES)
    first = await scene.read()
    await scene.make(2)
    second = await scene.read()
    assert (names(second), second.is_whole) == (newest_first(MANY + 2), True)
    assert second.rows[-1] is first.rows[-1]  # not read again
    assert second.by_name["kmcp-1"] is first.by_name["kmcp-1"]


async def test_more_new_tasks_than_the_newest_few_are_all_read(scene: Scene) -> None:
    await scene.make(MANY)
    await scene.clock.sleep(TAKES)
    await scene.read()
    await scene.make(NEWEST[0] + 5)
    assert names(await scene.read()) == newest_first(MANY + NEWEST[0] + 5)


async def test_end_of_a_task_behind_the_newest_few_is_seen(scene: Scene) -> None:
    """It was running when the list was kept."""
    scene.seconds = 200.0
    await scene.make()
    scene.seconds = TAKES
    await scene.make(MANY)
    await scene.clock.sleep(TAKES)
    assert (await scene.read()).by_name["kmcp-1"].status == "pending"
    await scene.clock.sleep(200)
    ended = (await scene.read()).by_name["kmcp-1"]
    assert (ended.status, len(ended.links)) == ("ready", 1)


async def test_list_is_read_whole_again_after_ten_minutes(scene: Scene) -> None:
    await scene.make(MANY)
    await scene.clock.sleep(TAKES)
    first = await scene.read()
    scene.world.account_of(API_KEY).tasks.pop(first.rows[-1].past.task_id)  # older than what Kling lists
    assert names(await scene.read()) == newest_first(MANY)
    await scene.clock.sleep(WHOLE_AGAIN_SECONDS)
    assert names(await scene.read()) == newest_first(MANY)[:-1]


async def test_list_in_another_order_than_before_is_read_whole(scene: Scene) -> None:
    """fact: list-order-unknown"""
    await scene.make(MANY)
    await scene.clock.sleep(TAKES)
    await scene.read()
    tasks = scene.world.account_of(API_KEY).tasks
    for place, task in enumerate(tasks.values()):
        task.number = 1000 - place  # the simulator lists by number, the highest first
    assert names(await scene.read()) == newest_first(MANY)[::-1]


async def test_failed_reading_leaves_what_was_kept(scene: Scene) -> None:
    await scene.make(MANY)
    await scene.clock.sleep(TAKES)
    first = await scene.read()
    scene.faults.reply_code(5000, times=None)
    with pytest.raises(KlingError):
        await scene.read()
    scene.faults.clear()
    assert await scene.read() is first


async def test_key_pair_keeps_the_list_of_each_route(clock: VirtualClock) -> None:
    """fact: old-query"""
    scene = Scene(clock, has_api_key=False)
    await scene.make(MANY)
    await clock.sleep(TAKES)
    kept = [await one.read() for one in scene.lists]
    assert [await one.read() for one in scene.lists] == kept
    assert sorted(name for listed in kept for name in names(listed)) == sorted(newest_first(MANY))
