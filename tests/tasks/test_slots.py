"""A running generation holds its slot: calls above the ceiling queue inside their time, and none is lost or doubled."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import anyio
import pytest
from helpers import API_KEY
from never_twice.crashable import FILES, Process, Processes
from never_twice.wishes import content_of_task, tasks_at, video_of

from kling_mcp.errors import KlingError
from kling_mcp.simulator import Faults, World
from kling_mcp.simulator.generation.ledger import Pack

if TYPE_CHECKING:
    from virtual_time import VirtualClock

pytestmark = pytest.mark.anyio

TAKES = 60.0
CLIPS = [video_of(f"clip {number}") for number in range(4)]


@pytest.fixture
def world(clock: VirtualClock) -> World:
    """One slot, and clips that take a minute."""
    packs = [Pack("video", 100, concurrency=1), Pack("image", 100, concurrency=1)]
    return World(clock.wall, api_keys=[API_KEY], durations=lambda _kind, _rng: TAKES, packs=packs, files_origin=FILES)


async def film_in_turn(servers: list[Process], *, patience: float) -> list[str]:
    """Four clips, a second apart; how each call ended."""
    told: dict[int, str] = {}

    async def film(number: int) -> None:
        try:
            made = await servers[number % len(servers)].film(CLIPS[number], patience=patience)
            told[number] = made.task.task_status
        except KlingError as error:
            told[number] = f"{error.kind}, created={error.created}, retry={error.retry}"

    async with anyio.create_task_group() as group:
        for number in range(len(CLIPS)):
            group.start_soon(film, number)
            await anyio.sleep(1)
    return [told[number] for number in range(len(CLIPS))]


async def test_calls_above_the_ceiling_queue_first_come_first_served(server: Process, world: World) -> None:
    assert await film_in_turn([server], patience=600) == ["succeed"] * 4
    assert [content_of_task(task) for task in tasks_at(world)] == [clip.prompt for clip in CLIPS]


async def test_slot_that_is_free_again_is_used_soon(server: Process, world: World, clock: VirtualClock) -> None:
    await film_in_turn([server], patience=600)
    assert clock.monotonic() < 4 * (TAKES + 20)


async def test_call_whose_turn_does_not_come_in_time_has_paid_nothing(server: Process, world: World) -> None:
    told = await film_in_turn([server], patience=90)
    assert told == ["succeed", "processing", *["busy, created=no, retry=later"] * 2]
    assert len(tasks_at(world)) == 2
    again = await film_in_turn([server], patience=600)
    assert again == ["succeed"] * 4
    assert len(tasks_at(world)) == 4, "a repeat pays for what was not made, and for nothing else"


async def test_slots_are_shared_by_two_servers(processes: Processes, world: World, faults: Faults) -> None:
    servers = [processes.start(), processes.start()]
    assert await film_in_turn(servers, patience=900) == ["succeed"] * 4
    tasks = sorted(tasks_at(world), key=lambda task: task.created)
    assert len(tasks) == 4
    assert all(earlier.ended <= later.created for earlier, later in itertools.pairwise(tasks))
