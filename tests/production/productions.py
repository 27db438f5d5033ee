"""One sheet whose plan is carried out by processes that die: what is made, paid and saved in the end."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from helpers import API_KEY
from never_twice.crashable import FILES, CrashError, is_crash
from never_twice.wishes import content_of_task, tasks_at
from virtual_time import VirtualClock

from kling_mcp.errors import KlingError
from kling_mcp.production.apply import Applier
from kling_mcp.production.lock_keeper import LockKeeper
from kling_mcp.production.planning import Planner
from kling_mcp.simulator import Faults, World
from production.episodes import LONG, Episode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from never_twice.crashable import Fate, Process

    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.production.planning import KeptPlan

REPEATS = 40  # more than any plan needs


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

    def __init__(self, folder: Path, faults: Faults | None = None) -> None:
        self.clock, self.faults = VirtualClock(), faults or Faults()
        self.world = World(self.clock.wall, api_keys=[API_KEY], durations=lambda _kind, _rng: 6.0, files_origin=FILES)
        self.folder = folder
        sheets = folder / "episode"
        sheets.mkdir(parents=True)
        self.episode = Episode(sheets)
        self.episode.add("Mia", "Sara")
        self.episode.film("kitchen", "@Mia dances with @Sara")
        self.episode.film("harbour", "A quiet harbour")

    async def plan_of(self, process: Process) -> KeptPlan:
        """A new plan."""
        while True:
            try:
                return await self._planner(process).make(self.episode.save())
            except KlingError:  # the network was not good enough to read the library
                await process.clock.sleep(30)

    async def apply(self, process: Process, plan_id: str, *, wait_seconds: float = LONG) -> bool:
        """Whether something is left to do after it."""
        _, plan = await self._planner(process).find(plan_id)
        keeper = MortalKeeper(plan.sheet.path, process.clock, process.fate)
        outcomes = await Applier(process.own_account(), plan, keeper, process.clock, wait_seconds=wait_seconds).run()
        return any(each.status != "ready" for each in outcomes)

    async def die_while_applying(self, process: Process, plan_id: str) -> None:
        """The process dies at its step, if it comes that far."""
        try:
            with suppress(KlingError):  # the network was not good enough to compare the plan
                await self.apply(process, plan_id)
        except (CrashError, BaseExceptionGroup) as death:
            if not is_crash(death):
                raise

    async def finish(self, process: Process, plan_id: str) -> None:
        """Repeat the call as often as it takes."""
        for _ in range(REPEATS):
            with suppress(KlingError):  # the network was not good enough to compare the plan
                if not await self.apply(process, plan_id):
                    return
            await process.clock.sleep(30)
        pytest.fail("the plan never ends")

    def assert_made_once(self, units: Decimal) -> None:
        """Each element and each video exists once at Kling, on the disk and in the lock; so many units were paid."""
        made = Counter(map(content_of_task, tasks_at(self.world)))
        assert len(made) == len(self.episode.cast) + len(self.episode.shots)
        assert [content for content, count in made.items() if count > 1] == []
        (account,) = self.world.accounts.values()
        assert account.ledger.spent(self.clock.wall()) == {"video": units}
        results = self.folder / "state" / "results"
        files = {path.relative_to(results).as_posix() for path in results.rglob("*") if path.is_file()}
        assert sorted(files) == sorted(
            f"episode/{name}.{ending}" for name in self.episode.shots for ending in ("json", "mp4")
        )
        assert self.episode.ids() == {task.element_name: task.element_id for task in account.elements.values()}
        lock = self.episode.lock
        assert lock.shots.keys() == self.episode.shots.keys()
        assert {takes[1].task_id for takes in lock.shots.values()} == set(self.world.generations)

    def _planner(self, process: Process) -> Planner:
        return Planner(process.own_account(), process.media_policy(), process.clock)
