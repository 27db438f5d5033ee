"""A crash at every await point of applying a plan, then another one, then repeats: made once, none lost, paid once."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
from helpers import API_KEY
from profiles import IS_NIGHTLY
from never_twice.crashable import FILES, CrashError, DiesAtStep, Processes, is_crash
from never_twice.wishes import content_of_task, tasks_at
from virtual_time import VirtualClock

from kling_mcp.production.apply import Applier
from kling_mcp.production.lock_keeper import LockKeeper
from kling_mcp.production.planning import Planner
from kling_mcp.simulator import Faults, World
from production.episodes import LONG, Episode

if TYPE_CHECKING:
    from collections.abc import Callable

    from never_twice.crashable import Fate, Process

    from kling_mcp.concurrency.clock import Clock

pytestmark = pytest.mark.anyio

MAX_STEPS = 1000  # more than any call has
REPEATS = 20  # more than any plan needs
PRICE = Decimal(6)

MISFORTUNES: dict[str, Callable[[Faults], object]] = {
    "nothing": lambda _: None,
    "replies lost after the commit": lambda faults: (
        faults.lose_reply_after_commit(route="create"),
        faults.lose_reply_after_commit(route="omni-video"),
    ),
    "replies lost before the commit": lambda faults: (
        faults.lose_reply_before_commit(route="create", times=2),
        faults.lose_reply_before_commit(route="omni-video", times=2),
    ),
    "busy, then accepted": lambda faults: faults.reply_code(1303, times=3, route="create"),
    "committed late": lambda faults: faults.delay(8, route="omni-video"),
}
# Nightly every point; otherwise every other one without a misfortune, and with one some of them, others for each.
FIRST_AND_STRIDE = {
    name: (1, 1) if IS_NIGHTLY else (1 + place, 17 if place else 2) for place, name in enumerate(MISFORTUNES)
}


class MortalKeeper(LockKeeper):
    """The real one; the process may die before the lock file is written and after it."""

    def __init__(self, sheet: Path, clock: Clock, fate: Fate) -> None:
        super().__init__(sheet, clock)
        self._fate = fate

    async def _in_turn(self, work: Callable[[], None]) -> None:
        await self._fate.meet("before the lock")
        await super()._in_turn(work)
        await self._fate.meet("after the lock")


class Production:
    """One sheet, one plan, one Kling, and the processes that carry the plan out."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.faults = VirtualClock(), Faults()
        self.world = World(self.clock.wall, api_keys=[API_KEY], durations=lambda _kind, _rng: 6.0, files_origin=FILES)
        self.folder = folder
        sheets = folder / "episode"
        sheets.mkdir(parents=True)
        self.episode = Episode(sheets)
        self.episode.add("Mia", "Sara")
        self.episode.film("kitchen", "@Mia dances with @Sara")
        self.episode.film("harbour", "A quiet harbour")

    async def plan(self, process: Process) -> str:
        """The id of the plan."""
        return (await self._planner(process).make(self.episode.save())).plan_id

    async def apply(self, process: Process, plan_id: str, *, wait_seconds: float = LONG) -> bool:
        """Whether something is left to do after it."""
        _, plan = await self._planner(process).find(plan_id)
        keeper = MortalKeeper(plan.sheet.path, process.clock, process.fate)
        outcomes = await Applier(process.own_account(), plan, keeper, process.clock, wait_seconds=wait_seconds).run()
        return any(each.status != "ready" for each in outcomes)

    async def die_while_applying(self, process: Process, plan_id: str) -> None:
        """The process dies at its step, if it comes that far."""
        try:
            await self.apply(process, plan_id)
        except (CrashError, BaseExceptionGroup) as death:
            if not is_crash(death):
                raise

    async def finish(self, process: Process, plan_id: str) -> None:
        """Repeat the call as often as it takes."""
        for _ in range(REPEATS):
            if not await self.apply(process, plan_id):
                return
            await process.clock.sleep(30)
        pytest.fail("the plan never ends")

    def assert_made_once(self) -> None:
        """Each element and each video exists once at Kling and on the disk, and was paid once."""
        made = Counter(map(content_of_task, tasks_at(self.world)))
        assert sorted(made.values()) == [1] * 4, made
        (account,) = self.world.accounts.values()
        assert account.ledger.spent(self.clock.wall()) == {"video": PRICE}
        results = self.folder / "state" / "results"
        files = sorted(path.relative_to(results).as_posix() for path in results.rglob("*") if path.is_file())
        assert files == [f"episode/{name}.{end}" for name in ("harbour", "kitchen") for end in ("json", "mp4")]
        ids = {task.element_name: task.element_id for task in account.elements.values()}
        assert self.episode.ids() == ids
        lock = self.episode.lock
        assert {shot_id: dict(takes[1].element_ids) for shot_id, takes in lock.shots.items()} == {
            "kitchen": ids,
            "harbour": {},
        }

    def _planner(self, process: Process) -> Planner:
        return Planner(process.own_account(), process.media_policy(), process.clock)


@pytest.mark.parametrize("misfortune", MISFORTUNES)
async def test_two_crashes_at_any_steps_make_and_pay_each_thing_once(misfortune: str, tmp_path: Path) -> None:
    step, stride = FIRST_AND_STRIDE[misfortune]
    while step < MAX_STEPS:
        production = Production(tmp_path / f"{step}")
        MISFORTUNES[misfortune](production.faults)
        first = DiesAtStep(step)
        async with Processes(production.folder / "state", production.world, production.faults) as processes:
            plan_id = await production.plan(processes.start())
            await production.die_while_applying(processes.start(fate=first), plan_id)
            # The second one dies elsewhere each time.
            await production.die_while_applying(processes.start(fate=DiesAtStep(1 + step * 7 % 60)), plan_id)
            await production.finish(processes.start(), plan_id)
        production.assert_made_once()
        if len(first.met) < step:
            return
        step += stride
    pytest.fail("applying never ends")


async def test_two_processes_with_one_plan_make_and_pay_each_thing_once(tmp_path: Path) -> None:
    production = Production(tmp_path / "both")
    async with Processes(production.folder / "state", production.world, production.faults) as processes:
        plan_id = await production.plan(processes.start())
        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(production.apply, processes.start(), plan_id)
        await production.finish(processes.start(), plan_id)
    production.assert_made_once()
