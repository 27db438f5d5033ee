"""A crash at every single await point of a request, then a restart and the same call: one task, one id."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from helpers import ACCESS_KEY, API_KEY, SECRET_KEY
from virtual_time import SingleThreadLoop, VirtualClock

from kling_mcp.simulator import Faults, Quirks, World
from kling_mcp.simulator.generation.prices import VOICE_UNITS
from never_twice.crashable import FILES, CrashError, DiesAtStep, Processes, is_crash
from never_twice.wishes import Draft, GenerationDraft, draft_of, pictures_of, route_of, tasks_at, video_of, voice_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from kling_mcp.generation.generator import Generation
    from kling_mcp.tasks.submit import Submission

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> Any:
    return "asyncio", {"loop_factory": SingleThreadLoop}


DRAFTS: dict[str, Draft] = {"element": draft_of("Mia"), "voice": voice_of("Mia")}
PAID: dict[str, GenerationDraft] = {"video": video_of("Mia waves"), "pictures": pictures_of("Mia waves")}
MAX_STEPS = 80  # more than any call has

# What happens to the first creation request, apart from the crash.
MISFORTUNES: dict[str, Callable[[Faults, str], object]] = {
    "nothing": lambda _, route: None,
    "reply lost after the commit": lambda faults, route: faults.lose_reply_after_commit(route=route),
    "reply lost before the commit": lambda faults, route: faults.lose_reply_before_commit(route=route),
    "committed late": lambda faults, route: faults.delay(8, route=route),
    "answered late": lambda faults, route: faults.delay(8, after_commit=True, route=route),
    "5002 after the commit": lambda faults, route: faults.reply_code(5002, after_commit=True, route=route),
    "two refused connections": lambda faults, _: faults.refuse_connection(times=2),
    "busy, then accepted": lambda faults, route: faults.reply_code(1303, route=route, times=2),
}
ROUTES = {"element": "create", "voice": "voice-create"}
# How Kling behaves. The unkind one accepts a used id again, and finds nothing by it.
KLINGS: dict[str, Quirks] = {
    "kind": Quirks(),
    "unkind": Quirks(refuse_used_external_id=False, query_by_external_id=False, list_order="shuffled"),
}


@pytest.mark.parametrize("kling", KLINGS)
@pytest.mark.parametrize("misfortune", MISFORTUNES)
@pytest.mark.parametrize("kind", DRAFTS)
async def test_crash_at_any_step_makes_no_second_task(kind: str, misfortune: str, kling: str, tmp_path: Path) -> None:
    for step in range(1, MAX_STEPS):
        folder = tmp_path / f"{step}"
        met = await _crash_and_repeat(folder, step, kind, misfortune, KLINGS[kling])
        if len(met) < step:
            return  # the call ended before it could be killed
    pytest.fail("a creation never ends")


@pytest.mark.parametrize("misfortune", MISFORTUNES)
@pytest.mark.parametrize(("kind", "has_pair"), [("video", False), ("pictures", True)])
async def test_crash_at_any_step_pays_once_and_ends_on_the_disk(
    kind: str, has_pair: bool, misfortune: str, tmp_path: Path
) -> None:
    """Between request and reply, while waiting, and while downloading; with an API key and with a key pair."""
    for step in range(1, MAX_STEPS):
        folder = tmp_path / f"{step}"
        met = await _crash_and_film(folder, step, PAID[kind], misfortune, has_pair=has_pair)
        if len(met) < step:
            return
    pytest.fail("a generation never ends")


async def _crash_and_film(
    folder: Path, step: int, draft: GenerationDraft, misfortune: str, *, has_pair: bool
) -> list[str]:
    clock, faults = VirtualClock(), Faults()
    world = World(
        clock.wall,
        api_keys=[API_KEY],
        key_pairs={ACCESS_KEY: SECRET_KEY},
        durations=lambda _kind, _rng: 6.0,
        files_origin=FILES,
    )
    MISFORTUNES[misfortune](faults, route_of(draft, has_pair=has_pair))
    fate = DiesAtStep(step)
    async with Processes(folder, world, faults) as processes:
        try:
            await processes.start(fate=fate, has_pair=has_pair).film(draft)
        except (CrashError, BaseExceptionGroup) as death:
            if not is_crash(death):
                raise
        again = await processes.start(has_pair=has_pair).film(draft)
    (task,) = tasks_at(world)
    assert task.task_id == again.task.task_id, fate.met
    paid = [account.ledger.spent(clock.wall()) for account in world.accounts.values()]
    assert paid == [{task.product: task.units}]
    assert_on_the_disk(again, folder / "results")
    return fate.met


def assert_on_the_disk(made: Generation, folder: Path) -> None:
    """Each result is one file with its sidecar, and nothing else is left."""
    files = {Path(file.path) for file in made.files}
    assert all(file.stat().st_size > 0 for file in files), made.files
    assert len(files) == len(made.task.results)
    assert {path for path in folder.rglob("*") if path.is_file()} == files | {
        file.with_name(f"{file.stem}.json") for file in files
    }


async def _crash_and_repeat(folder: Path, step: int, kind: str, misfortune: str, quirks: Quirks) -> list[str]:
    clock, faults = VirtualClock(), Faults()
    world = World(clock.wall, api_keys=[API_KEY], quirks=quirks)
    MISFORTUNES[misfortune](faults, ROUTES[kind])
    fate = DiesAtStep(step)
    first: Submission[Any] | None = None
    async with Processes(folder, world, faults) as processes:
        try:
            first = await processes.start(fate=fate).make(DRAFTS[kind], patience=120)
        except (CrashError, BaseExceptionGroup) as death:
            if not is_crash(death):
                raise
        again = await processes.start().make(DRAFTS[kind], patience=120)
    tasks = tasks_at(world)
    assert [task.task_id for task in tasks] == [again.task.task_id], fate.met
    assert tasks[0].external_task_id == again.external_task_id
    assert first is None or first.task.task_id == again.task.task_id
    assert tasks[0].units == (VOICE_UNITS if kind == "voice" else 0)  # and this once
    return fate.met
