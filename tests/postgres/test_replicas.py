"""Never twice, never lost, over two replicas on one database, with either being killed at any moment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from helpers import API_KEY
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, run_state_machine_as_test
from never_twice import test_interleavings as proof
from never_twice.crashable import CrashError, DiesAtStep, is_crash
from never_twice.test_every_step import DRAFTS, KLINGS, MAX_STEPS, MISFORTUNES, ROUTES
from never_twice.wishes import tasks_at
from virtual_time import VirtualClock

from kling_mcp.simulator import Faults, Quirks, World
from postgres.replicas import Replica, SharedTheatre

if TYPE_CHECKING:
    from kling_mcp.tasks.submit import Submission
    from postgres.conftest import Database

EXAMPLES = 18


def test_random_interleavings_over_two_replicas_make_nothing_twice(database: Database) -> None:
    class OverReplicas(proof.NeverTwice):
        """The same machine and the same rules; only the place of the state differs."""

        @initialize(
            quirks=st.builds(
                Quirks,
                list_order=st.sampled_from(("newest-first", "oldest-first", "shuffled")),
                query_by_external_id=st.booleans(),
                refuse_used_external_id=st.booleans(),
                task_info=st.sampled_from(("full", "empty-while-running", "missing-while-running", "always-empty")),
            ),
            processes_live=st.booleans(),
        )
        def open(self, quirks: Quirks, processes_live: bool) -> None:
            super().open(quirks=quirks, processes_live=processes_live, computers=2)
            self.stage.close()
            database.say("DROP SCHEMA IF EXISTS kling_mcp CASCADE")
            self.theatre = SharedTheatre(database.url, Path(self.folder.name), quirks)

    inherited = proof.TestNeverTwice.settings
    run_state_machine_as_test(
        OverReplicas, settings=settings(inherited, max_examples=max(EXAMPLES, inherited.max_examples // 10))
    )


@pytest.mark.anyio
@pytest.mark.parametrize("kling", KLINGS)
@pytest.mark.parametrize("misfortune", ["nothing", "reply lost after the commit", "committed late"])
@pytest.mark.parametrize("kind", DRAFTS)
async def test_request_of_a_killed_replica_is_ended_by_the_other(
    database: Database, tmp_path: Path, kind: str, misfortune: str, kling: str
) -> None:
    for step in range(1, MAX_STEPS):
        database.say("DROP SCHEMA IF EXISTS kling_mcp CASCADE")
        met = await kill_and_repeat((database.url, tmp_path / str(step)), step, kind, misfortune, KLINGS[kling])
        if len(met) < step:
            return  # the call ended before its replica could be killed
    pytest.fail("a creation never ends")


async def kill_and_repeat(place: tuple[str, Path], step: int, kind: str, misfortune: str, quirks: Quirks) -> list[str]:
    (url, folder), clock, faults = place, VirtualClock(), Faults()
    world = World(clock.wall, api_keys=[API_KEY], quirks=quirks)
    MISFORTUNES[misfortune](faults, ROUTES[kind])
    fate = DiesAtStep(step)
    first: Submission[Any] | None = None
    killed = Replica(url, folder / "one", world, faults, owner="one:1", fate=fate)
    other = Replica(url, folder / "two", world, faults, owner="two:1")
    try:
        first = await killed.make(DRAFTS[kind], patience=120)
    except (CrashError, BaseExceptionGroup) as death:
        if not is_crash(death):
            raise
    finally:
        await killed.aclose()
    try:
        again = await other.make(DRAFTS[kind], patience=120)
    finally:
        await other.aclose()
    tasks = tasks_at(world)
    assert [task.task_id for task in tasks] == [again.task.task_id], fate.met
    assert first is None or first.task.task_id == again.task.task_id
    return fate.met
