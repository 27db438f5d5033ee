"""Wall clocks that are wrong and get corrected: nothing is made twice, and nothing is stuck until a date comes.

Kling accepts a used id again here, so nothing rests on its refusal.
"""

from __future__ import annotations

from contextlib import suppress

import anyio
import pytest
from virtual_time import VirtualClock

from kling_mcp.api.sender import Timeouts
from kling_mcp.errors import LimitError, StillSendingError, UnknownOutcomeError
from kling_mcp.settings.hosting import HostingSettings
from kling_mcp.simulator import Faults, Quirks, World
from kling_mcp.tasks.entry import LEASE_SECONDS, LONGEST_SETTLING, SETTLES_AFTER_ABANDONMENT, SETTLES_AFTER_SILENCE
from never_twice.crashable import Process, Processes
from never_twice.wishes import draft_of, elements_at

pytestmark = pytest.mark.anyio

MIA = draft_of("Mia")
HOUR, YEAR = 3600.0, 365 * 86_400.0
SILENCE = Timeouts().read

# A process knows how its times and those of another one relate, or it does not.
EACH_BOOT = pytest.mark.parametrize("boot", ["a-computer", "another"], ids=["same computer", "unrelated"])
EACH_STEP = pytest.mark.parametrize("step", [-YEAR, -HOUR, HOUR, YEAR])


@pytest.fixture
def quirks() -> Quirks:
    return Quirks(refuse_used_external_id=False)


@EACH_BOOT
@EACH_STEP
async def test_clock_corrected_after_a_kill_makes_no_second_element(
    processes: Processes, world: World, faults: Faults, boot: str, step: float
) -> None:
    """The request is carried out when nobody listens any more."""
    faults.delay(SETTLES_AFTER_ABANDONMENT - 2, route="create")
    await processes.start(clock_error=-step).die_while_creating(MIA, after=0.5)
    creation = await processes.start(boot=boot).create(MIA, patience=200)
    assert creation.outcome == "recovered"
    assert len(elements_at(world)) == 1


@EACH_STEP
async def test_clock_that_steps_in_a_process_makes_no_second_element(
    server: Process, world: World, faults: Faults, step: float
) -> None:
    faults.delay(SILENCE + SETTLES_AFTER_SILENCE - 5, route="create")
    with anyio.move_on_after(10):
        await server.create(MIA)
    await anyio.sleep(SILENCE)
    server.step_clock(step)
    creation = await server.create(MIA, patience=200)
    assert creation.outcome == "recovered"
    assert len(elements_at(world)) == 1


@EACH_STEP
async def test_clock_that_steps_after_a_process_was_stopped_makes_no_second_element(
    processes: Processes, world: World, faults: Faults, step: float
) -> None:
    faults.delay(SETTLES_AFTER_ABANDONMENT - 2, route="create")
    server = processes.start()
    with anyio.move_on_after(1):
        await server.create(MIA)
    await server.aclose()
    creation = await processes.start(clock_error=step).create(MIA, patience=200)
    assert creation.outcome == "recovered"
    assert len(elements_at(world)) == 1


@EACH_BOOT
@EACH_STEP
async def test_clocks_of_two_living_processes_that_differ_make_no_second_element(
    processes: Processes, world: World, faults: Faults, boot: str, step: float
) -> None:
    """The first one is at work all the time, and its lease is respected."""
    faults.delay(SILENCE - 5, route="create")
    first, second = processes.start(), processes.start(boot=boot, clock_error=step)
    async with anyio.create_task_group() as group:
        group.start_soon(first.create, MIA)
        await anyio.sleep(LEASE_SECONDS + 5)
        with pytest.raises(StillSendingError):
            await second.create(MIA, patience=5)
        creation = await second.create(MIA, patience=100)
    assert creation.outcome == "already_submitted"
    assert len(elements_at(world)) == 1


@EACH_BOOT
@EACH_STEP
async def test_request_that_never_arrived_is_sent_again_whatever_the_clock_was(
    processes: Processes, world: World, faults: Faults, boot: str, step: float
) -> None:
    faults.lose_reply_before_commit(ending="hang", route="create")
    await processes.start(clock_error=step).die_while_creating(MIA, after=0.5)
    creation = await processes.start(boot=boot).create(MIA, patience=300)
    assert creation.outcome == "submitted"
    assert anyio.current_time() <= LEASE_SECONDS + LONGEST_SETTLING + 20
    assert len(elements_at(world)) == 1


@EACH_STEP
async def test_impatient_processes_on_unrelated_computers_settle_a_request_together(
    processes: Processes, world: World, faults: Faults, clock: VirtualClock, step: float
) -> None:
    """Each waits less than the whole time, and leaves the rest of it to the next."""
    faults.lose_reply_before_commit(ending="hang", route="create")
    with suppress(StillSendingError):
        await processes.start(clock_error=step).create(MIA, patience=5)
    await anyio.sleep(SILENCE)
    for number in range(10):
        with suppress(UnknownOutcomeError):
            await processes.start(boot=f"computer-{number}").create(MIA, patience=20)
            break
    assert len(elements_at(world)) == 1
    assert clock.monotonic() <= SILENCE + SETTLES_AFTER_SILENCE + 50


@EACH_BOOT
@EACH_STEP
async def test_task_that_kling_does_not_show_yet_is_not_taken_for_deleted(
    processes: Processes, world: World, faults: Faults, boot: str, step: float
) -> None:
    await processes.start(clock_error=step).create(MIA)
    faults.reply_code(1203, route="query", times=None)
    world.quirks = Quirks(refuse_used_external_id=False, list_running=False)
    creation = await processes.start(boot=boot).create(MIA)
    assert creation.outcome == "already_submitted"
    assert len(elements_at(world)) == 1


@EACH_STEP
async def test_record_without_an_id_may_be_the_lost_task_whatever_the_clock_is(
    processes: Processes, world: World, faults: Faults, step: float
) -> None:
    """fact: empty-while-running. Kling's own clock dates the record."""
    world.quirks = Quirks(refuse_used_external_id=False, query_by_external_id=False, task_info="always-empty")
    faults.lose_reply_after_create()
    server = processes.start(clock_error=step)
    with pytest.raises(UnknownOutcomeError):
        await server.create(MIA, patience=200)
    assert len(elements_at(world)) == 1


async def test_clock_that_ran_ahead_does_not_lock_the_quota(processes: Processes, world: World) -> None:
    ahead = processes.start(clock_error=YEAR, hosting=HostingSettings(creates_per_minute=1, creates_per_day=2))
    await ahead.create(draft_of("Ada"))
    with pytest.raises(LimitError):
        await ahead.create(draft_of("Ben"))
    server = processes.start(hosting=HostingSettings(creates_per_minute=1, creates_per_day=2))
    await server.create(draft_of("Cid"))
    with pytest.raises(LimitError):
        await server.create(draft_of("Dan"))
    await anyio.sleep(61)
    await server.create(draft_of("Eve"))
    assert len(elements_at(world)) == 3


@EACH_STEP
async def test_clock_that_steps_changes_nothing_for_the_quota_of_a_process(
    processes: Processes, world: World, step: float
) -> None:
    server = processes.start(hosting=HostingSettings(creates_per_minute=1))
    await server.create(draft_of("Ada"))
    server.step_clock(step)
    with pytest.raises(LimitError):
        await server.create(draft_of("Ben"))
    await anyio.sleep(61)
    await server.create(draft_of("Ben"))
    assert len(elements_at(world)) == 2
