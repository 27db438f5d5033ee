"""A crash at every await point of applying a plan, then another one, then repeats: made once, none lost, paid once."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from helpers import dice
from never_twice.crashable import DiesAtStep, Processes
from profiles import IS_NIGHTLY
from virtual_time import SingleThreadLoop, VirtualLoop

from kling_mcp.simulator import Faults
from production.episodes import NAMES
from production.productions import Production

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kling_mcp.simulator.fault_actions import Plan

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> Any:
    """With several processes, the threads of their stores are part of what is tested."""
    return "asyncio", {"loop_factory": VirtualLoop}


# One process at a time.
in_one_thread = pytest.mark.parametrize(
    "anyio_backend", [("asyncio", {"loop_factory": SingleThreadLoop})], ids=["one thread"]
)
MAX_STEPS = 1000  # more than any call has
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


@in_one_thread
@pytest.mark.parametrize("misfortune", MISFORTUNES)
async def test_two_crashes_at_any_steps_make_and_pay_each_thing_once(misfortune: str, tmp_path: Path) -> None:
    step, stride = FIRST_AND_STRIDE[misfortune]
    while step < MAX_STEPS:
        production = Production(tmp_path / f"{step}")
        MISFORTUNES[misfortune](production.faults)
        first = DiesAtStep(step)
        async with Processes(production.folder / "state", production.world, production.faults) as processes:
            plan_id = (await production.plan_of(processes.start())).plan_id
            await production.die_while_applying(processes.start(fate=first), plan_id)
            # The second one dies elsewhere each time.
            await production.die_while_applying(processes.start(fate=DiesAtStep(1 + step * 7 % 60)), plan_id)
            await production.finish(processes.start(), plan_id)
        production.assert_made_once(PRICE)
        if len(first.met) < step:
            return
        step += stride
    pytest.fail("applying never ends")


@in_one_thread
async def test_crash_at_any_step_of_a_replacement_makes_one_new_element_and_keeps_the_old_one(tmp_path: Path) -> None:
    for step in range(1, MAX_STEPS, 1 if IS_NIGHTLY else 5):
        production = Production(tmp_path / f"{step}")
        fate = DiesAtStep(step)
        async with Processes(production.folder / "state", production.world, production.faults) as processes:
            first = processes.start()
            await production.finish(first, (await production.plan_of(first)).plan_id)
            old = production.episode.ids()
            production.episode.picture("Mia-front", version=2)
            plan_id = (await production.plan_of(first)).plan_id
            await production.die_while_applying(processes.start(fate=fate), plan_id)
            await production.finish(processes.start(), plan_id)
        (account,) = production.world.accounts.values()
        assert [task.element_name for task in account.elements.values()].count("Mia") == 2
        assert len(production.world.generations) == 3  # the one that shows her, again
        new = production.episode.ids()
        assert new["Mia"] != old["Mia"]
        assert new["Sara"] == old["Sara"]
        assert [kept.element_id for kept in production.episode.lock.cast["Mia"].replaced] == [old["Mia"]]
        if len(fate.met) < step:
            return
    pytest.fail("applying never ends")


async def test_two_processes_with_one_plan_make_and_pay_each_thing_once(tmp_path: Path) -> None:
    production = Production(tmp_path / "both")
    async with Processes(production.folder / "state", production.world, production.faults) as processes:
        plan_id = (await production.plan_of(processes.start())).plan_id
        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(production.apply, processes.start(), plan_id)
        await production.finish(processes.start(), plan_id)
    production.assert_made_once(PRICE)


class Unlucky(Faults):
    """Three requests of ten fail, whatever they are for."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._dice = dice(seed)

    def plan(self, route: str) -> Plan:
        if not self.armed and self._dice.random() < 0.3:
            name, options = self._dice.choice(FAILURES)
            self.arm(name, route=route, **options)
        return super().plan(route)


FAILURES: list[tuple[str, dict[str, Any]]] = [
    ("refuse_connection", {}),
    ("lose_reply_before_commit", {}),
    ("lose_reply_after_commit", {}),
    ("reply_code", {"code": 5000}),
    ("reply_code", {"code": 1303}),
    ("reply_status", {"status": 502, "after_commit": True}),
    ("reply_status", {"status": 503}),
]


@pytest.mark.parametrize("seed", range(20 if IS_NIGHTLY else 2))
async def test_forty_shots_cost_the_estimate_under_faults_and_three_kills(seed: int, tmp_path: Path) -> None:
    production = Production(tmp_path / "forty", Unlucky(seed))
    episode, chance = production.episode, dice(seed)
    episode.add(*NAMES[:10])
    episode.shots = {}
    for number in range(40):
        names = chance.sample(NAMES[:10], k=1 + number % 2)
        texts = [f"@{name} waves" for name in names]
        episode.film(f"shot-{number}", f"{' and '.join(texts)}, number {number}", duration=3 + number % 5)
    async with Processes(production.folder / "state", production.world, production.faults) as processes:
        planned = await production.plan_of(processes.start())
        (price,) = planned.plan.price()
        assert price.is_exact
        for step in (40, 200, 300):
            fate = DiesAtStep(step + chance.randrange(50))
            await production.die_while_applying(processes.start(fate=fate), planned.plan_id)
            assert fate.is_dead
        await production.finish(processes.start(), planned.plan_id)
    production.assert_made_once(price.high)
