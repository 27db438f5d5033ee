"""Random histories of one production plan: processes that carry it out side by side and die, while Kling has bad days.

Short and always the same by default; `HYPOTHESIS_PROFILE=nightly` searches long.
"""

from __future__ import annotations

import functools
import os
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from production.productions import Production
from profiles import IS_NIGHTLY
from virtual_time import VirtualLoop

from never_twice.crashable import DiesAtStep, Processes
from never_twice.misfortunes import ANY_TIME, Misfortune, misfortunes_of_creations, misfortunes_of_looks

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - holds a directory of our own
PRICE = Decimal(6)
# A task that Kling refuses is made again, so it is no second one; others tell of that.
OF_CREATIONS = [one for one in misfortunes_of_creations(ANY_TIME) if one[0] != "fail_task"]
ROUTES = ("create", "omni-video")


@st.composite
def misfortunes(draw: st.DrawFn) -> Misfortune:
    """One misfortune of a creation, of either kind, or of a look."""
    name, options = draw(st.sampled_from([*OF_CREATIONS, *misfortunes_of_looks()]))
    if options.get("route") == "create":
        options = {**options, "route": draw(st.sampled_from(ROUTES))}
    return name, options


# Seconds until a process begins, and the await point at which it dies.
RUNS = st.lists(st.tuples(st.floats(0, 40), st.integers(1, 120)), min_size=1, max_size=4)


@settings(
    max_examples=1000 if IS_NIGHTLY else 40,
    suppress_health_check=[HealthCheck.too_slow],
    deadline=None,
    print_blob=True,
)
@given(runs=RUNS, bad_days=st.lists(misfortunes(), max_size=5))
def test_plan_is_made_once_and_paid_once_whatever_happens(
    runs: list[tuple[float, int]], bad_days: list[Misfortune]
) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        play = functools.partial(_play, Path(folder), runs, bad_days)
        options: dict[str, Any] = {"loop_factory": VirtualLoop}
        anyio.run(play, backend_options=options)


async def _play(folder: Path, runs: list[tuple[float, int]], bad_days: list[Misfortune]) -> None:
    production = Production(folder)
    async with Processes(folder / "state", production.world, production.faults) as processes:
        plan_id = (await production.plan_of(processes.start())).plan_id
        for name, options in bad_days:
            production.faults.arm(name, **options)

        async def run(begins: float, step: int) -> None:
            await anyio.sleep(begins)
            await production.die_while_applying(processes.start(fate=DiesAtStep(step)), plan_id)

        async with anyio.create_task_group() as group:
            for begins, step in runs:
                group.start_soon(run, begins, step)
        production.faults.clear()
        await production.finish(processes.start(), plan_id)
    production.assert_made_once(PRICE)
