"""A request that is being sent belongs to no call: callers come and go, and it is sent once."""

from __future__ import annotations

import gc
import logging
import tracemalloc
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest
from anyio import to_thread
from helpers import Pictures, requests_to
from media.pictures import png_of_exactly
from never_twice.wishes import elements_at
from slow_line import MEGABIT, SlowLine

from kling_mcp.elements.draft import ElementDraft
from kling_mcp.errors import ContentError, KlingError, StillSendingError, UnknownOutcomeError
from kling_mcp.media import files
from kling_mcp.runtime import Runtime
from kling_mcp.simulator import Faults, SimulatorTransport, World
from kling_mcp.tasks.in_flight import LAST_SECONDS, REMEMBER_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from virtual_time import VirtualClock

    from kling_mcp.account import Account
    from kling_mcp.settings import Settings

pytestmark = pytest.mark.anyio

TAKES = 52  # seconds for 6.5 MB over a megabit
MB = 1_000_000


@pytest.fixture
def start(settings: Settings, clock: VirtualClock, world: World, faults: Faults) -> Callable[..., Runtime]:
    """A process on the state of the test, behind a slow line."""

    def started(bytes_per_second: float = MEGABIT, **options: Any) -> Runtime:
        def line() -> httpx.AsyncBaseTransport:
            return SlowLine(SimulatorTransport(world, faults), bytes_per_second)

        return Runtime(settings, clock=clock, **{"make_transport": line, **options})

    return started


@pytest.fixture
async def account(start: Callable[..., Runtime]) -> AsyncIterator[Account]:
    async with aclosing(start()) as runtime:
        yield runtime.own_account()


@pytest.fixture
def mia(pictures: Pictures) -> ElementDraft:
    """6.5 MB on the wire."""
    pictures.front.write_bytes(png_of_exactly(2_437_500))
    pictures.side.write_bytes(png_of_exactly(2_437_500))
    return ElementDraft(
        "Mia", "Barista", "image_refer", frontal_image=str(pictures.front), refer_images=(str(pictures.side),)
    )


def posts(world: World) -> int:
    return len(requests_to(world, "create"))


async def leave_after(account: Account, draft: ElementDraft, seconds: float) -> None:
    """A caller who gives up."""
    with anyio.move_on_after(seconds) as scope:
        await account.creator.create(draft, timeout=600)
    assert scope.cancelled_caught


class TestLeavingCaller:
    async def test_request_of_a_caller_who_left_is_joined_by_the_next_call(
        self, account: Account, world: World, mia: ElementDraft, clock: VirtualClock
    ) -> None:
        await leave_after(account, mia, 45)
        creation = await account.creator.create(mia, timeout=45)
        assert creation.outcome == "already_submitted"
        assert clock.monotonic() == pytest.approx(TAKES, abs=2)
        assert (posts(world), len(elements_at(world))) == (1, 1)

    async def test_request_of_a_caller_who_left_arrives_without_any_further_call(
        self, account: Account, world: World, mia: ElementDraft, clock: VirtualClock
    ) -> None:
        await leave_after(account, mia, 1)
        await clock.sleep(TAKES + 5)
        (task,) = elements_at(world)
        entry = await account.journal.find(task.external_task_id)
        assert entry is not None
        assert (entry.state, entry.task_id, entry.lease_until) == ("accepted", task.task_id, 0.0)

    async def test_caller_who_left_the_queue_sends_nothing(
        self, settings: Settings, start: Callable[..., Runtime], world: World, mia: ElementDraft, clock: VirtualClock
    ) -> None:
        async with aclosing(start()) as runtime:
            account = runtime.own_account()
            others = [ElementDraft(**{**_fields(mia), "element_name": f"Ada {number}"}) for number in range(4)]
            async with anyio.create_task_group() as group:
                for draft in others:
                    group.start_soon(leave_after, account, draft, 5.0 + len(draft.element_name))
            await clock.sleep(300)
        assert posts(world) == settings.max_creates

    async def test_lease_of_a_request_on_its_way_is_kept_for_all_processes(
        self, start: Callable[..., Runtime], world: World, mia: ElementDraft
    ) -> None:
        async with aclosing(start(owner="one:1")) as first, aclosing(start(owner="two:1")) as second:
            await leave_after(first.own_account(), mia, 5)
            with pytest.raises(StillSendingError, match="Another server is sending"):
                await second.own_account().creator.create(mia, timeout=20)
            creation = await second.own_account().creator.create(mia, timeout=100)
        assert creation.outcome == "already_submitted"
        assert posts(world) == 1

    async def test_pictures_are_released_when_they_are_sent(
        self, account: Account, mia: ElementDraft, clock: VirtualClock
    ) -> None:
        gc.disable()  # so that no circle of references is forgiven
        tracemalloc.start()
        try:
            await leave_after(account, mia, 5)
            await to_thread.run_sync(int)  # the thread lets go of its last work when it takes up more
            assert _held() > 4 * MB
            await clock.sleep(TAKES)
            assert _held() < MB // 10
        finally:
            tracemalloc.stop()
            gc.enable()


class TestTime:
    async def test_call_whose_time_ends_says_how_much_has_been_sent(
        self, account: Account, world: World, mia: ElementDraft, clock: VirtualClock
    ) -> None:
        with pytest.raises(StillSendingError) as caught:
            await account.creator.create_and_wait(mia, wait_seconds=26)
        assert clock.monotonic() == 26
        error = caught.value
        assert error.sent == "3.1 of 6.5 MB"
        assert error.sent in error.message
        assert (error.kind, error.created, error.retry) == ("unknown_outcome", "maybe", "later")
        assert f'ids=["{error.external_task_id}"]' in error.advice
        creation = await account.creator.create_and_wait(mia, wait_seconds=100)
        assert creation.task.is_final
        assert creation.external_task_id == error.external_task_id
        assert posts(world) == 1

    async def test_joined_call_ends_in_time_as_well(
        self, account: Account, mia: ElementDraft, clock: VirtualClock
    ) -> None:
        await leave_after(account, mia, 10)
        with pytest.raises(StillSendingError) as caught:
            await account.creator.create(mia, timeout=10)
        assert clock.monotonic() == 20
        assert caught.value.sent == "2.4 of 6.5 MB"

    async def test_small_request_has_no_figures(self, start: Callable[..., Runtime], mia: ElementDraft) -> None:
        clip = ElementDraft("Mia", "Barista", "video_refer", video_url="https://example.com/clip.mp4")
        async with aclosing(start(10)) as runtime:
            with pytest.raises(StillSendingError) as caught:
                await runtime.own_account().creator.create(clip, timeout=5)
        assert (caught.value.sent, caught.value.message) == ("", 'The element "Mia" is still being sent to Kling.')

    async def test_line_far_slower_than_the_exchange_time_out_is_waited_for(
        self, start: Callable[..., Runtime], world: World, mia: ElementDraft
    ) -> None:
        async with aclosing(start(17_000)) as runtime:
            creation = await runtime.own_account().creator.create(mia, timeout=600)
        assert creation.outcome == "submitted"
        assert posts(world) == 1


class TestRefusals:
    """A refusal that nobody hears would be asked for again and again, with all the pictures."""

    async def test_refusal_that_came_after_the_call_reaches_the_next_one_and_no_other(
        self, account: Account, world: World, faults: Faults, mia: ElementDraft, clock: VirtualClock
    ) -> None:
        faults.reply_code(1301, route="create")
        await leave_after(account, mia, 45)
        await clock.sleep(30)
        with pytest.raises(ContentError):
            await account.creator.create(mia, timeout=45)
        assert posts(world) == 1
        assert (await account.creator.create(mia, timeout=100)).outcome == "submitted"

    async def test_refusal_reaches_every_call_that_joined(
        self, account: Account, world: World, faults: Faults, mia: ElementDraft
    ) -> None:
        faults.reply_code(1301, route="create")
        told: list[KlingError] = []

        async def join() -> None:
            with pytest.raises(ContentError) as caught:
                await account.creator.create(mia, timeout=45)
            told.append(caught.value)

        await leave_after(account, mia, 45)
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(join)
        assert [error.kind for error in told] == ["content_policy"] * 3
        assert posts(world) == 1
        assert (await account.creator.create(mia, timeout=100)).outcome == "submitted"

    async def test_old_refusal_is_forgotten(
        self, account: Account, faults: Faults, mia: ElementDraft, clock: VirtualClock
    ) -> None:
        faults.reply_code(1101, route="create")
        await leave_after(account, mia, 45)
        await clock.sleep(REMEMBER_SECONDS + 30)
        assert (await account.creator.create(mia, timeout=100)).outcome == "submitted"

    async def test_busy_kling_has_refused_nothing(
        self, account: Account, world: World, faults: Faults, mia: ElementDraft, clock: VirtualClock
    ) -> None:
        faults.reply_code(1303, route="create")
        await leave_after(account, mia, 45)
        await clock.sleep(30)
        assert posts(world) == 1, "no call wants it any more"
        assert (await account.creator.create(mia, timeout=100)).outcome == "submitted"

    async def test_refusal_reaches_a_wait_for_the_task(
        self, account: Account, world: World, faults: Faults, mia: ElementDraft
    ) -> None:
        faults.reply_code(1301, route="create")
        await leave_after(account, mia, 45)
        (item,) = await account.collector.resolve([])
        await account.collector.wait([item], 60)
        assert isinstance(item.snapshot.error, ContentError)
        assert item.warning == item.snapshot.error.message
        assert posts(world) == 1
        assert (await account.creator.create(mia, timeout=100)).outcome == "submitted"


class TestWaitForTheTask:
    async def test_wait_for_a_request_on_its_way_ends_with_the_element(
        self, account: Account, mia: ElementDraft
    ) -> None:
        await leave_after(account, mia, 10)
        (item,) = await account.collector.resolve([])
        assert (item.standing, item.sent) == ("sending", "1.0 of 6.5 MB")
        await account.collector.wait([item], 100)
        assert (item.standing, item.sent, item.warning) == ("known", "", "")
        assert item.snapshot.task is not None
        assert item.snapshot.task.result_ids

    async def test_wait_that_ends_earlier_says_how_much_has_been_sent(
        self, account: Account, mia: ElementDraft, clock: VirtualClock
    ) -> None:
        await leave_after(account, mia, 10)
        collected = await account.collector.resolve([])
        await account.collector.wait(collected, 10)
        assert clock.monotonic() == 20
        assert [item.warning for item in collected] == ["It is still being sent to Kling: 2.4 of 6.5 MB so far."]


class TestEnd:
    async def test_closing_waits_for_a_request_that_is_nearly_sent(
        self, start: Callable[..., Runtime], world: World, mia: ElementDraft
    ) -> None:
        async with aclosing(start()) as runtime:
            await leave_after(runtime.own_account(), mia, TAKES - LAST_SECONDS / 2)
        assert len(elements_at(world)) == 1
        async with aclosing(start()) as runtime:
            creation = await runtime.own_account().creator.create(mia)
        assert creation.outcome == "already_submitted"

    async def test_closing_leaves_an_unclear_entry_that_is_settled_by_the_next_process(
        self, start: Callable[..., Runtime], world: World, mia: ElementDraft, clock: VirtualClock
    ) -> None:
        async with aclosing(start()) as runtime:
            await leave_after(runtime.own_account(), mia, 10)
        assert clock.monotonic() == 10 + LAST_SECONDS
        assert posts(world) == 0, "it never arrived as a whole"
        async with aclosing(start()) as runtime:
            account = runtime.own_account()
            (entry,) = await account.journal.unfinished()
            assert (entry.state, entry.reason, entry.lease_until) == ("unclear", "the server was stopped", 0.0)
            creation = await account.creator.create(mia, timeout=200)
        assert creation.outcome == "submitted"
        assert (posts(world), len(elements_at(world))) == (1, 1)

    async def test_call_that_waits_while_its_process_is_closed_ends_with_an_unknown_outcome(
        self, start: Callable[..., Runtime], mia: ElementDraft, clock: VirtualClock
    ) -> None:
        runtime = start()

        async def call() -> None:
            with pytest.raises(UnknownOutcomeError, match="server was stopped"):
                await runtime.own_account().creator.create(mia, timeout=100)

        async with anyio.create_task_group() as group:
            group.start_soon(call)
            await clock.sleep(10)
            await runtime.aclose()

    async def test_defect_that_no_call_hears_is_logged(
        self,
        start: Callable[..., Runtime],
        world: World,
        mia: ElementDraft,
        clock: VirtualClock,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        class Broken(SlowLine):
            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                if request.method == "POST":
                    await anyio.sleep(20)
                    raise RuntimeError("no error of a network")
                return await super().handle_async_request(request)

        line = Broken(SimulatorTransport(world))
        async with aclosing(start(make_transport=lambda: line)) as runtime:
            await leave_after(runtime.own_account(), mia, 5)
            with caplog.at_level(logging.ERROR):
                await clock.sleep(30)
        (record,) = caplog.records
        assert record.message.startswith("Sending kmcp-")
        assert record.message.endswith(" failed because of a bug in kling-mcp")


def _fields(draft: ElementDraft) -> dict[str, Any]:
    return {name: getattr(draft, name) for name in ElementDraft.__dataclass_fields__}


def _held() -> int:
    """Bytes of picture files in memory."""
    alive = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, files.__file__)])
    return sum(trace.size for trace in alive.traces)
