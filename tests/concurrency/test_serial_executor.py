"""The thread for what must wait in line: order, cancellation of every kind, and the loop that goes on meanwhile."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar

import anyio
import pytest
from callers import WAYS, Caller, Held, Way, turn_the_loop, turn_until
from processes import SOON

from kling_mcp.concurrency.serial_executor import SerialExecutor

pytestmark = pytest.mark.anyio

NAME = "a line of its own"


@pytest.fixture
def executor() -> SerialExecutor:
    return SerialExecutor(NAME)


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith(NAME)]


async def test_thread_is_started_by_the_first_function_and_not_before() -> None:
    executor = SerialExecutor("started by the first")
    executor.finish(lambda: None)
    assert not any(thread.name.startswith("started") for thread in threading.enumerate())
    await executor.run(lambda: None)
    assert any(thread.name.startswith("started") for thread in threading.enumerate())


async def test_all_functions_run_in_one_thread_beside_the_event_loop(executor: SerialExecutor) -> None:
    ran_in = {await executor.run(threading.get_ident) for _ in range(5)}
    assert len(ran_in) == 1
    assert threading.get_ident() not in ran_in


async def test_thread_ends_with_its_executor() -> None:
    executor = SerialExecutor(NAME)
    thread = await executor.run(threading.current_thread)
    del executor
    await turn_until(lambda: not thread.is_alive())


async def test_event_loop_goes_on_while_a_function_runs(executor: SerialExecutor) -> None:
    """Otherwise the function would never be let go."""
    held = Held()
    async with anyio.create_task_group() as group:
        group.start_soon(executor.run, held)
        await held.begun()
        held.let_go.set()


async def test_functions_run_one_at_a_time_in_the_order_in_which_they_were_given(executor: SerialExecutor) -> None:
    done: list[int] = []
    first = Held()
    async with anyio.create_task_group() as group:
        group.start_soon(executor.run, first)
        await first.begun()
        for number in range(20):
            group.start_soon(executor.run, lambda number=number: done.append(number))
        await turn_the_loop()
        assert done == []
        first.let_go.set()
    assert done == list(range(20))


async def test_error_of_a_function_reaches_its_caller_and_the_next_function_runs(executor: SerialExecutor) -> None:
    with pytest.raises(ZeroDivisionError):
        await executor.run(lambda: 1 // 0)
    assert await executor.run(lambda: 1) == 1


async def test_function_sees_the_context_variables_of_its_caller(executor: SerialExecutor) -> None:
    variable = ContextVar("variable", default="")
    variable.set("of the caller")
    assert await executor.run(variable.get) == "of the caller"


@pytest.mark.parametrize("way", WAYS)
async def test_caller_cancelled_while_its_function_runs_learns_the_result_and_then_ends(
    executor: SerialExecutor, way: Way
) -> None:
    held = Held()
    caller = Caller(lambda: executor.run(held), way)
    await held.begun()
    for _ in range(3):
        caller.cancel()
        await turn_the_loop()
    assert not caller.task.done()
    held.let_go.set()
    await caller.end()
    assert caller.heard == ["done"]


async def test_scope_does_not_cancel_again_and_again_while_a_function_runs(executor: SerialExecutor) -> None:
    """It would keep the event loop busy for as long as the disk takes."""
    held = Held()
    caller = Caller(lambda: executor.run(held), "by its scope")
    await held.begun()
    caller.cancel()
    await turn_the_loop()
    assert caller.task.cancelling() == 0
    held.let_go.set()
    await caller.end()


@pytest.mark.parametrize("way", WAYS)
async def test_caller_cancelled_in_the_queue_keeps_its_place_and_holds_up_no_other(
    executor: SerialExecutor, way: Way
) -> None:
    done: list[str] = []
    held = Held()
    first = Caller(lambda: executor.run(held))
    await held.begun()
    second = Caller(lambda: executor.run(lambda: done.append("second")), way)
    third = Caller(lambda: executor.run(lambda: done.append("third")))
    await turn_the_loop()
    second.cancel()
    await turn_the_loop()
    held.let_go.set()
    await second.end()
    await turn_until(lambda: bool(third.heard))
    assert done == ["second", "third"]
    for caller in (first, third):
        caller.cancel()
        await caller.end()


async def test_cancellation_that_had_to_wait_counts_once(executor: SerialExecutor) -> None:
    """`asyncio.timeout` and task groups count, to tell their own cancellations from those of others."""
    held = Held()

    async def call() -> int:
        await executor.run(held)
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    caller = Caller(call, "by Task.cancel")
    await held.begun()
    caller.cancel()
    await turn_the_loop()
    held.let_go.set()
    await caller.end()
    assert caller.heard == [1]


async def test_timeout_that_had_to_wait_is_a_timeout_all_the_same(executor: SerialExecutor) -> None:
    heard: list[str] = []

    async def call() -> None:
        async with asyncio.timeout(0):
            heard.append(await executor.run(lambda: "done"))
            await anyio.sleep(SOON)

    with pytest.raises(TimeoutError):
        await call()
    assert heard == ["done"]


async def test_last_function_of_an_idle_executor_runs_at_once(executor: SerialExecutor) -> None:
    await executor.run(lambda: None)
    done: list[str] = []
    executor.finish(lambda: done.append("last"))
    assert done == ["last"]


async def test_thread_ends_with_the_last_function_and_a_later_call_starts_another(executor: SerialExecutor) -> None:
    thread = await executor.run(threading.current_thread)
    executor.finish(lambda: None)
    thread.join(10)
    assert not thread.is_alive()
    assert await executor.run(lambda: 7) == 7


async def test_last_function_of_a_busy_executor_waits_in_line_without_blocking_its_caller(
    executor: SerialExecutor,
) -> None:
    done: list[str] = []
    held = Held()
    async with anyio.create_task_group() as group:
        group.start_soon(executor.run, held)
        await held.begun()
        group.start_soon(executor.run, lambda: done.append("asked for before"))
        await turn_the_loop()
        executor.finish(lambda: done.append("last"))
        assert done == []
        held.let_go.set()
    await executor.run(lambda: None)
    assert done == ["asked for before", "last"]
