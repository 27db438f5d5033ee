"""Waiting through MCP: progress for those who asked, an end in time, and a task that nobody's leaving disturbs."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import anyio
import pytest
from helpers import API_KEY, Connect, Pictures, requests_to, structured, text_of
from mcp import Client
from virtual_time import VirtualClock

from kling_mcp.simulator import Faults, World
from kling_mcp.tasks.schedule import MAX_GAP

pytestmark = pytest.mark.anyio

CREATE = "create_element_and_wait"


class Reports:
    """A progress callback that remembers what it was told, and when."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.told: list[tuple[float, float, float | None, str | None]] = []

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        self.told.append((self._clock.monotonic(), progress, total, message))


class TestProgress:
    @pytest.fixture(autouse=True)
    def _slow_kling(self, faults: Faults) -> None:
        faults.slow_task(60)

    async def test_progress_rises_at_least_every_five_seconds_with_a_message(
        self, client: Client, clock: VirtualClock, creation: dict[str, Any]
    ) -> None:
        reports = Reports(clock)
        started = clock.monotonic()
        arguments = {**creation, "wait_seconds": 45}
        structured(await client.call_tool(CREATE, arguments, progress_callback=reports))
        ended = clock.monotonic()

        moments = [started, *(moment for moment, *_ in reports.told), ended]
        assert max(after - before for before, after in pairwise(moments)) <= 5
        assert all(after > before for before, after in pairwise(progress for _, progress, *_ in reports.told))
        messages = [message or "" for *_, message in reports.told]
        assert messages[0].startswith('Checking "Mia" ('), "so far nothing was sent"
        assert all(message.startswith('Creating "Mia" at Kling (') for message in messages[1:])
        for _, progress, total, _ in reports.told:
            assert total is not None
            assert progress <= total == 45
        assert len(reports.told) >= 9

    async def test_total_is_whole_after_an_earlier_block_of_the_same_call(
        self, connect: Connect, clock: VirtualClock, pictures: Pictures
    ) -> None:
        """A plan is compared first, and what it has left is made then."""
        sheet = pictures.folder / "episode.yaml"
        made_from = f"description: Barista, front: {pictures.front.name}, others: [{pictures.side.name}]"
        sheet.write_text(f"cast: {{Mia: {{{made_from}}}}}", "utf-8")
        reports = Reports(clock)
        async with connect() as client:
            planned = structured(await client.call_tool("plan_production", {"path": str(sheet)}))
            arguments = {"plan_id": planned["plan_id"], "wait_seconds": 45}
            await client.call_tool("apply_production", arguments, progress_callback=reports)
        assert {total for _, _, total, message in reports.told if message and "making Mia" in message} == {45}

    async def test_every_waiting_tool_reports(
        self, client: Client, clock: VirtualClock, creation: dict[str, Any]
    ) -> None:
        task = structured(await client.call_tool("create_element", creation))
        reports = Reports(clock)
        arguments = {"ids": [task["task_id"]], "wait_seconds": 20}
        structured(await client.call_tool("wait_for_tasks", arguments, progress_callback=reports))
        assert len(reports.told) >= 4
        assert "Waiting for 1 task at Kling" in str(reports.told[-1][3])

    async def test_call_without_a_progress_token_gets_no_progress(
        self, connect: Connect, era: str, clock: VirtualClock, creation: dict[str, Any]
    ) -> None:
        """What the client did not ask for must not come: some clients close the connection at it."""
        messages: list[object] = []

        async def keep(message: object) -> None:
            messages.append(message)

        async with connect(era) as client:
            client.session._message_handler = keep
            structured(await client.call_tool(CREATE, {**creation, "wait_seconds": 12}))
        assert messages == []
        assert clock.monotonic() >= 12


class TestTime:
    async def test_wait_ends_as_soon_as_the_element_is_ready(
        self, client: Client, clock: VirtualClock, creation: dict[str, Any]
    ) -> None:
        """fact: time-image (5 s)"""
        task = structured(await client.call_tool(CREATE, {**creation, "wait_seconds": 600}))
        assert task["task_status"] == "succeed"
        assert 5 <= task["waited_seconds"] <= 8
        assert clock.monotonic() < 9

    @pytest.mark.parametrize("seconds", [3, 17, 45])
    async def test_running_out_of_time_is_a_success_that_names_the_next_call(
        self, client: Client, clock: VirtualClock, faults: Faults, creation: dict[str, Any], seconds: int
    ) -> None:
        faults.slow_task(90)
        started = clock.monotonic()
        result = await client.call_tool(CREATE, {**creation, "wait_seconds": seconds})
        task = structured(result)
        assert task["task_status"] in {"submitted", "processing"}
        assert task["element_ids"] == []
        assert clock.monotonic() - started == pytest.approx(seconds, abs=0.5)
        assert task["next_step"] == (f'Call wait_for_tasks with ids=["{task["task_id"]}"]; do not create it again.')
        assert task["next_step"] in text_of(result)

        later = structured(await client.call_tool("wait_for_tasks", {"ids": [task["task_id"]], "wait_seconds": 600}))
        assert later["pending"] == 0
        assert len(later["tasks"][0]["element_ids"]) == 1

    async def test_creation_with_wait_seconds_zero_polls_nothing(
        self, client: Client, clock: VirtualClock, world: World, creation: dict[str, Any]
    ) -> None:
        task = structured(await client.call_tool(CREATE, {**creation, "wait_seconds": 0}))
        assert (task["task_status"], task["waited_seconds"]) == ("submitted", 0.0)
        assert clock.monotonic() < 0.5
        assert requests_to(world, "query") == []

    async def test_the_servers_default_counts_where_the_caller_says_nothing(
        self, connect: Connect, era: str, clock: VirtualClock, faults: Faults, creation: dict[str, Any]
    ) -> None:
        faults.slow_task(90)
        async with connect(era, wait_seconds=7) as client:
            started = clock.monotonic()
            structured(await client.call_tool(CREATE, creation))
            assert clock.monotonic() - started == pytest.approx(7, abs=0.5)

    async def test_a_task_that_has_ended_is_answered_at_once(
        self, client: Client, clock: VirtualClock, world: World
    ) -> None:
        mia = world.add_element(world.account_of(API_KEY), "Mia")
        started = clock.monotonic()
        found = structured(await client.call_tool("wait_for_tasks", {"ids": [mia.task_id], "wait_seconds": 600}))
        assert found["tasks"][0]["element_ids"] == [mia.element_id]
        assert clock.monotonic() - started < 0.5

    async def test_an_unknown_word_is_not_waited_for_past_the_end(
        self, client: Client, clock: VirtualClock, world: World, faults: Faults, creation: dict[str, Any]
    ) -> None:
        """fact: status-unknown"""
        faults.slow_task(1e9)
        world.quirks = world.quirks.__class__(status_words={"processing": "pondering", "submitted": "pondering"})
        task = structured(await client.call_tool(CREATE, {**creation, "wait_seconds": 30}))
        assert task["task_status"] == "unknown"
        assert clock.monotonic() == pytest.approx(30, abs=1)

    async def test_polls_are_early_and_then_rarer(
        self, client: Client, clock: VirtualClock, world: World, faults: Faults, creation: dict[str, Any]
    ) -> None:
        """fact: poll"""
        faults.slow_task(590)
        structured(await client.call_tool(CREATE, {**creation, "wait_seconds": 600}))
        times = [request.time for request in requests_to(world, "query", "list")]
        gaps = [after - before for before, after in pairwise(times)]
        assert len(times) < 100
        assert max(gaps) <= MAX_GAP


class TestCancelling:
    async def test_polling_stops_and_the_task_stays(
        self, client: Client, clock: VirtualClock, world: World, faults: Faults, creation: dict[str, Any]
    ) -> None:
        faults.slow_task(60)
        with anyio.move_on_after(20) as scope:
            await client.call_tool(CREATE, {**creation, "wait_seconds": 600})
        assert scope.cancelled_caught
        await clock.sleep(1)
        asked = len(world.requests)

        await clock.sleep(300)

        assert len(world.requests) == asked
        assert sum(world.accepted_creations().values()) == 1
        (task,) = world.account_of(API_KEY).tasks.values()
        assert task.status_at(clock.wall()) == "succeed"

    async def test_repeated_call_after_a_cancellation_finds_the_task_again(
        self, client: Client, world: World, faults: Faults, creation: dict[str, Any]
    ) -> None:
        faults.slow_task(60)
        with anyio.move_on_after(20):
            await client.call_tool(CREATE, {**creation, "wait_seconds": 600})
        task = structured(await client.call_tool(CREATE, {**creation, "wait_seconds": 600}))
        assert task["outcome"] == "already_submitted"
        assert len(task["element_ids"]) == 1
        assert sum(world.accepted_creations().values()) == 1
