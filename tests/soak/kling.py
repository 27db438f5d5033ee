"""The simulated Kling as a process of its own, in a storm: `python -m soak.kling SEED SHARE MOST_SLOW`.

Says its address in a line of JSON. For each line that it reads, the path of a file, it writes its books there and says
so in another line. It accepts a used external_task_id again, so nothing rests on its refusal.
"""

from __future__ import annotations

import json
import sys
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers import API_KEY
from never_twice.wishes import content_of_task, tasks_at

from kling_mcp.simulator import Pack, Quirks, World, served_in_background
from kling_mcp.simulator.generation.results import file_of
from kling_mcp.simulator.records import GenerationTask
from soak.storm import Storm

if TYPE_CHECKING:
    import random

    from kling_mcp.simulator.records import AnyTask

UNITS, SLOTS = 10_000_000, 500
FASTEST, SLOWEST = 0.3, 2.0  # seconds that a task takes


def _seconds(_kind: str, dice: random.Random) -> float:
    return dice.uniform(FASTEST, SLOWEST)


def world_of(seed: int) -> World:
    """A Kling with short tasks and a large pack of each kind."""
    packs = [Pack("video", UNITS, SLOTS), Pack("image", UNITS, SLOTS)]
    quirks = Quirks(refuse_used_external_id=False)
    return World(seed=seed, api_keys=[API_KEY], quirks=quirks, durations=_seconds, packs=packs, keep_requests=1000)


def books_of(world: World, storm: Storm) -> dict[str, Any]:
    """Everything that was accepted, in order, what was billed for it, and what went wrong with how many requests."""
    ledger = world.account_of(API_KEY).ledger
    ledger.settle(world.clock())
    billed: dict[str, list[str]] = {}
    for row in ledger.rows:
        billed.setdefault(row.task.task_id, []).append(str(row.units))
    return {
        "tasks": [_told(task, billed.get(task.task_id, [])) for task in tasks_at(world)],
        "requests": dict(storm.seen),
        "faults": dict(storm.drawn),
    }


def _told(task: AnyTask, bills: list[str]) -> dict[str, Any]:
    files: list[str] = []
    if isinstance(task, GenerationTask):
        places = range(task.order.pictures or 1)
        files = [sha256(file_of(task, place)[0]).hexdigest() for place in places]
    return {
        "content": content_of_task(task),
        "task_id": task.task_id,
        "external_task_id": task.external_task_id,
        "bills": bills,
        "files": files,
    }


def main(seed: str, share: str, most_slow: str) -> None:
    """Serve until stdin ends."""
    world, storm = world_of(int(seed)), Storm(int(seed), float(share), int(most_slow))
    with served_in_background(world, storm, control=False) as url:
        print(json.dumps({"url": url}), flush=True)
        for line in sys.stdin:
            Path(line.strip()).write_text(json.dumps(books_of(world, storm)), "utf-8")
            print(json.dumps({"written": True}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
