"""What other replicas say of the library: nothing is believed, Kling is asked, and no more often than needed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

import anyio
import pytest
from helpers import API_KEY, requests_to
from virtual_time import VirtualClock

from kling_mcp.account import Account
from kling_mcp.api.models import ElementTask
from kling_mcp.errors import ConnectionFailedError
from kling_mcp.library import doubts, index
from kling_mcp.library.catalogue import Filters
from kling_mcp.library.index import Library
from kling_mcp.library.list_sync import ListSync
from kling_mcp.library.sqlite.catalogue import SqliteCatalogue
from kling_mcp.simulator import Faults, World
from kling_mcp.simulator.records import ElementTask as SimulatedTask

pytestmark = pytest.mark.anyio

READY = Filters(sources=("custom",), statuses=("ready",))


def add(world: World, name: str = "Mia") -> SimulatedTask:
    return world.add_element(world.account_of(API_KEY), name)


def delete_elsewhere(world: World, *tasks: SimulatedTask) -> None:
    """Another replica deletes them, and says so, which is the test's to pass on."""
    for task in tasks:
        world.delete_element(world.account_of(API_KEY), task.element_id)


async def names(library: Library) -> list[str]:
    found = await library.search("", READY, 100)
    return [element.element_name for element in found.page.elements]


class TestDeletionDoubts:
    async def test_a_deleted_element_is_found_no_more(self, account: Account, world: World) -> None:
        mia, _ = add(world, "Mia"), add(world, "Tom")
        assert sorted(await names(account.library)) == ["Mia", "Tom"]
        delete_elsewhere(world, mia)
        assert sorted(await names(account.library)) == ["Mia", "Tom"]
        account.library.doubt(mia.element_id)
        world.requests.clear()
        assert await names(account.library) == ["Tom"]
        assert (await account.library.resolve("Mia")).status == "deleted"
        assert [request.route for request in requests_to(world, "list", "query")] == ["query"]

    async def test_an_element_that_lives_stays_and_is_not_asked_about_again(
        self, account: Account, world: World
    ) -> None:
        mia = add(world)
        await names(account.library)
        account.library.doubt(mia.element_id)
        for _ in range(3):
            assert await names(account.library) == ["Mia"]
        assert len(requests_to(world, "query")) == 1

    async def test_an_element_whose_task_is_gone_counts_as_deleted(self, account: Account, world: World) -> None:
        mia = add(world)
        await names(account.library)
        world.account_of(API_KEY).tasks.clear()
        account.library.doubt(mia.element_id)
        assert await names(account.library) == []

    async def test_elements_that_the_index_does_not_have_are_not_asked_about(
        self, account: Account, world: World
    ) -> None:
        gone = add(world)
        delete_elsewhere(world, gone)
        for any_id in (gone.element_id, "320000000000999", "rubbish"):
            account.library.doubt(any_id)
        assert await names(account.library) == []
        assert requests_to(world, "query") == []

    async def test_while_kling_cannot_be_asked_the_doubt_stays(
        self, account: Account, world: World, faults: Faults, clock: VirtualClock
    ) -> None:
        mia = add(world)
        await names(account.library)
        delete_elsewhere(world, mia)
        account.library.doubt(mia.element_id)
        faults.refuse_connection(route="query", times=None)
        assert await names(account.library) == ["Mia"]
        asked = clock.monotonic()
        assert await names(account.library) == ["Mia"]
        assert clock.monotonic() == asked, "Kling was not asked the same again at once"
        faults.clear()
        await clock.sleep(doubts.RETRY_SECONDS)
        assert await names(account.library) == []

    async def test_many_doubts_are_settled_by_one_list_page(self, account: Account, world: World) -> None:
        tasks = [add(world, f"Name {number}") for number in range(20)]
        await names(account.library)
        delete_elsewhere(world, *tasks)
        for task in tasks:
            account.library.doubt(task.element_id)
        world.requests.clear()
        assert await names(account.library) == []
        assert [request.route for request in world.requests] == ["list"]

    async def test_more_than_can_be_asked_about_at_once_wait_for_the_next_question(
        self, account: Account, world: World
    ) -> None:
        tasks = [add(world, f"Name {number}") for number in range(doubts.MAX_LOOKUPS + 10)]
        await names(account.library)
        for task in tasks:
            account.library.doubt(task.element_id)
        await names(account.library)
        assert len(requests_to(world, "query")) == doubts.MAX_LOOKUPS
        await names(account.library)
        await names(account.library)
        assert len(requests_to(world, "query")) == len(tasks)

    async def test_oldest_doubts_are_forgotten_beyond_the_limit(self, account: Account, world: World) -> None:
        mia = add(world)
        await names(account.library)
        for number in range(doubts.MAX_DOUBTS + 1):
            account.library.doubt(mia.element_id if number == 0 else str(number))
        while len(account.library._doubts):
            await names(account.library)
        assert requests_to(world, "query") == []

    async def test_a_doubt_that_comes_while_kling_is_asked_is_a_new_one(
        self, account: Account, world: World, faults: Faults, clock: VirtualClock
    ) -> None:
        mia = add(world)
        await names(account.library)
        account.library.doubt(mia.element_id)
        faults.delay(5, after_commit=True, route="query")
        async with anyio.create_task_group() as group:
            group.start_soon(names, account.library)
            await clock.sleep(1)
            delete_elsewhere(world, mia)
            account.library.doubt(mia.element_id)
        assert await names(account.library) == []

    async def test_questions_that_come_while_kling_is_asked_wait_for_its_answer(
        self, account: Account, world: World, faults: Faults
    ) -> None:
        mia = add(world)
        await names(account.library)
        delete_elsewhere(world, mia)
        account.library.doubt(mia.element_id)
        faults.delay(5, route="query")
        answers: list[list[str]] = []

        async def ask() -> None:
            answers.append(await names(account.library))

        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(ask)
        assert answers == [[], [], []]
        assert len(requests_to(world, "query")) == 1

    async def test_a_question_that_is_cancelled_leaves_the_doubt(
        self, account: Account, world: World, faults: Faults
    ) -> None:
        mia = add(world)
        await names(account.library)
        delete_elsewhere(world, mia)
        account.library.doubt(mia.element_id)
        faults.delay(5, route="query")
        with anyio.move_on_after(1):
            await names(account.library)
        assert await names(account.library) == []


class TestAnnouncements:
    @pytest.fixture
    def announced(self) -> list[tuple[str, str]]:
        return []

    @pytest.fixture
    def library(self, account: Account, clock: VirtualClock, announced: list[tuple[str, str]]) -> Iterator[Library]:
        catalogue = SqliteCatalogue(None, "test")
        yield Library(account.client, catalogue, clock, announce=lambda *change: announced.append(change))
        catalogue.close()

    async def test_change_seen_here_first_is_announced_once(
        self, account: Account, library: Library, world: World, clock: VirtualClock, announced: list[tuple[str, str]]
    ) -> None:
        running = world.add_element(world.account_of(API_KEY), "Mia", status="pending")
        for _ in range(2):
            seen = await account.client.get_task(running.task_id)
            await library.record_results([seen])
        assert announced == [("task", running.task_id)]
        await clock.sleep(600)
        for _ in range(2):
            await library.record_results([await account.client.get_task(running.task_id)])
        assert announced == [("task", running.task_id)] * 2
        delete_elsewhere(world, running)
        for _ in range(2):
            await library.record_results([await account.client.get_task(running.task_id)])
        assert announced[2:] == [("deletion", running.element_id)]

    async def test_records_of_the_list_are_not_announced(
        self, account: Account, library: Library, world: World, announced: list[tuple[str, str]]
    ) -> None:
        mia = add(world)
        assert await names(library) == ["Mia"]
        await library.record_results([await account.client.get_task(mia.task_id)])
        assert announced == []

    async def test_change_heard_from_a_replica_is_not_announced_again(
        self, library: Library, world: World, announced: list[tuple[str, str]]
    ) -> None:
        mia = add(world)
        await names(library)
        delete_elsewhere(world, mia)
        library.doubt(mia.element_id)
        library.invalidate()
        assert await names(library) == []
        assert announced == []

    async def test_deletions_are_announced_whatever_the_index_knows(
        self, library: Library, announced: list[tuple[str, str]]
    ) -> None:
        await library.deleted("320000000000001")
        library.deletion_unclear("320000000000002")
        assert announced == [("deletion", "320000000000001"), ("deletion", "320000000000002")]

    async def test_a_broken_index_keeps_nothing_from_the_others(
        self, account: Account, library: Library, world: World, announced: list[tuple[str, str]]
    ) -> None:
        mia = add(world)
        catalogue = library.catalogue
        assert isinstance(catalogue, SqliteCatalogue)
        await catalogue._file.run(lambda db: db.execute("DROP TABLE elements"), write=True)
        await library.record_results([await account.client.get_task(mia.task_id)])
        assert announced == [("task", mia.task_id)]


async def test_change_during_the_reading_of_the_first_page_is_read_again(clock: VirtualClock) -> None:
    """So it is read once more at the next question."""
    asked: list[int] = []
    while_reading: list[Callable[[], None]] = []

    async def read_page(page_num: int, _: int) -> list[ElementTask]:
        asked.append(page_num)
        for act in while_reading:
            act()
        return []

    catalogue = SqliteCatalogue(None, "test")
    sync = ListSync("custom", read_page, catalogue, clock)
    while_reading.append(sync.invalidate)
    await sync.refresh()
    await sync.refresh()
    while_reading.clear()
    await sync.refresh()
    assert asked == [1, 1, 1]
    await sync.refresh()
    assert asked == [1, 1, 1]
    catalogue.close()


async def test_news_that_could_not_be_read_stay_expected(clock: VirtualClock) -> None:
    replies: list[Callable[[], Awaitable[list[ElementTask]]]] = []

    async def page() -> list[ElementTask]:
        return []

    async def failure() -> list[ElementTask]:
        raise ConnectionFailedError("no network")

    async def read_page(*_: int) -> list[ElementTask]:
        return await replies.pop(0)()

    catalogue = SqliteCatalogue(None, "test")
    sync = ListSync("custom", read_page, catalogue, clock)
    replies += [page, failure, page]
    await sync.refresh()
    sync.invalidate()
    assert (await sync.refresh()).failure is not None
    await clock.sleep(11)
    assert (await sync.refresh()).failure is None
    assert replies == []
    catalogue.close()


def test_bounds_fit_together() -> None:
    assert index.MANY_DOUBTS <= doubts.MAX_LOOKUPS <= doubts.MAX_DOUBTS
