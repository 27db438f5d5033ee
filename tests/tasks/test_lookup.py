"""What became of a creation whose reply was lost: there, surely not there, or nobody can say."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

import httpx
import pytest
from helpers import API_KEY, requests_to
from never_twice.crashable import Fate, Process, Processes
from never_twice.wishes import draft_of

from kling_mcp.account import element_route
from kling_mcp.api.auth import ApiKey
from kling_mcp.api.client import KlingClient
from kling_mcp.api.models import ElementTask
from kling_mcp.api.sender import Sender
from kling_mcp.simulator import Faults, Quirks, World
from kling_mcp.tasks.entry import JournalEntry
from kling_mcp.tasks.lookup import MAX_PAGES, PAGE_SIZE, TaskLookup

if TYPE_CHECKING:
    from virtual_time import VirtualClock

    from kling_mcp.simulator.quirks import ListOrder

pytestmark = pytest.mark.anyio

LOST = "kmcp-lost"
ElementLookup: TypeAlias = TaskLookup[ElementTask]
TAKES = 20.0  # seconds of a video element in the simulator


@pytest.fixture
def quirks() -> Quirks:
    """A look-up by external id finds nothing, so the list must serve."""
    return Quirks(query_by_external_id=False)


@pytest.fixture
def searcher(server: Process, clock: VirtualClock) -> ElementLookup:
    account = server.own_account()
    return TaskLookup(account.element_tasks.route, account.journal, clock)


@pytest.fixture
def lost(clock: VirtualClock) -> Callable[..., JournalEntry]:
    """`lost(**changes)`: a creation of Mia that was sent just now."""

    def make(**changes: Any) -> JournalEntry:
        entry = JournalEntry("an account", LOST, "element", "key", 1, "key", "Mia", "unclear", sent_at=clock.wall())
        return replace(entry, **changes)

    return make


def put(world: World, name: str = "Mia", external_task_id: str = "", **options: Any) -> str:
    """An element that is at Kling already; its task id."""
    account = world.account_of(API_KEY)
    return world.add_element(account, name, external_task_id=external_task_id, **options).task_id


@asynccontextmanager
async def looking_at(
    answer: Callable[[httpx.Request], httpx.Response], server: Process, clock: VirtualClock
) -> AsyncIterator[ElementLookup]:
    """A searcher to whom Kling answers like this."""
    sender = Sender("https://kling.invalid", clock, make_transport=lambda: httpx.MockTransport(answer))
    route = element_route(KlingClient(sender, ApiKey(API_KEY), clock))
    yield TaskLookup(route, server.own_account().journal, clock)
    await sender.aclose()


def endless_list(numbers: Iterator[int]) -> Callable[[httpx.Request], httpx.Response]:
    """A Kling that finds no task by an id, and whose list has no last page; it takes a number for each task."""

    def answer(request: httpx.Request) -> httpx.Response:
        if not request.url.params:
            return httpx.Response(400, json={"code": 1201, "message": "Task not found by id/external id: it"})
        page = [{"task_id": f"{n}", "task_info": {"external_task_id": f"ada-{n}"}} for n in islice(numbers, PAGE_SIZE)]
        return httpx.Response(200, json={"code": 0, "data": page})

    return answer


class TestByExternalId:
    @pytest.fixture
    def quirks(self) -> Quirks:
        return Quirks()

    async def test_task_is_found_by_external_id_with_one_request(
        self, searcher: ElementLookup, world: World, lost: Callable[..., JournalEntry]
    ) -> None:
        task_id = put(world, external_task_id=LOST)
        finding = await searcher.search(lost())
        assert finding.task is not None
        assert finding.task.task_id == task_id
        assert [request.route for request in world.requests] == ["query"]

    async def test_missing_task_is_certain_once_queries_by_external_id_are_proven(
        self, server: Process, searcher: ElementLookup, world: World, lost: Callable[..., JournalEntry]
    ) -> None:
        """fact: query-external-id, open for elements, so a task that exists is asked for in the same way, once."""
        await server.create(draft_of("Leo"), allow_duplicate_name=True)
        world.requests.clear()
        assert (await searcher.search(lost())).is_absent
        assert (await searcher.search(lost())).is_absent
        assert [request.route for request in world.requests] == ["query", "query", "query"]

    async def test_known_task_that_is_not_found_leaves_the_proof_to_the_next(
        self, server: Process, searcher: ElementLookup, world: World, faults: Faults, lost: Callable[..., JournalEntry]
    ) -> None:
        for name in ("Leo", "Ann"):
            await server.create(draft_of(name), allow_duplicate_name=True)
        world.requests.clear()
        faults.reply_code(1201, message="Task not found by id/external id: it", route="query", times=2)
        assert (await searcher.search(lost())).is_absent
        assert [request.route for request in world.requests] == ["query", "query", "query"]

    async def test_list_decides_where_no_task_can_prove_the_query(
        self, searcher: ElementLookup, world: World, lost: Callable[..., JournalEntry]
    ) -> None:
        assert (await searcher.search(lost())).is_absent
        assert [request.route for request in world.requests] == ["query", "list"]

    async def test_the_answer_to_another_question_is_none(
        self, searcher: ElementLookup, world: World, lost: Callable[..., JournalEntry]
    ) -> None:
        """A caller's own id may look like the task id of somebody else's task."""
        for external_task_id in ("", "another"):
            task_id = put(world, "Leo", external_task_id)
            finding = await searcher.search(lost(external_task_id=task_id))
            assert finding.task is None


class TestListSearch:
    @pytest.mark.parametrize("order", ["newest-first", "oldest-first", "shuffled"])
    async def test_the_task_is_found_in_any_order(
        self, order: ListOrder, searcher: ElementLookup, world: World, lost: Callable[..., JournalEntry]
    ) -> None:
        world.quirks = replace(world.quirks, list_order=order)
        for number in range(2 * PAGE_SIZE):
            put(world, f"Ada {number}", f"ada-{number}")
        task_id = put(world, external_task_id=LOST)
        finding = await searcher.search(lost())
        assert finding.task is not None
        assert finding.task.task_id == task_id

    async def test_list_read_to_its_end_without_the_task_proves_its_absence(
        self, searcher: ElementLookup, world: World, lost: Callable[..., JournalEntry]
    ) -> None:
        for number in range(PAGE_SIZE + 1):
            put(world, f"Ada {number}", f"ada-{number}")
        assert (await searcher.search(lost())).is_absent
        assert len(requests_to(world, "list")) == 2

    async def test_list_that_moved_while_being_read_proves_nothing(
        self, processes: Processes, world: World, clock: VirtualClock, lost: Callable[..., JournalEntry]
    ) -> None:
        for number in range(PAGE_SIZE + 1):
            put(world, f"Ada {number}", f"ada-{number}")

        class MakesOneMore(Fate):
            async def decide(self, where: str) -> None:
                if where == "after GET" and len(requests_to(world, "list")) == 1:
                    put(world, "Zoe", "zoe")

        account = processes.start(fate=MakesOneMore()).own_account()
        finding = await TaskLookup(account.element_tasks.route, account.journal, clock).search(lost())
        assert (finding.is_absent, finding.reason) == (False, "the list changed while it was read")

    async def test_a_list_without_end_is_none(
        self, server: Process, clock: VirtualClock, lost: Callable[..., JournalEntry]
    ) -> None:
        numbers = itertools.count(1)
        async with looking_at(endless_list(numbers), server, clock) as searcher:
            finding = await searcher.search(lost())
        assert (finding.is_absent, finding.reason) == (False, "the list is too long to be sure")
        assert next(numbers) == MAX_PAGES * PAGE_SIZE + 1

    async def test_a_list_that_hides_what_runs_is_none(
        self,
        server: Process,
        searcher: ElementLookup,
        world: World,
        faults: Faults,
        lost: Callable[..., JournalEntry],
    ) -> None:
        """fact: list-is-tasks is a guess. A task known to run shows whether it holds."""
        world.quirks = replace(world.quirks, list_running=False)
        faults.slow_task(3600)
        await server.create(draft_of("Leo"))
        finding = await searcher.search(lost())
        assert (finding.is_absent, finding.reason) == (False, "the list does not show every task")

    async def test_an_element_that_was_deleted_may_be_missing(
        self,
        server: Process,
        searcher: ElementLookup,
        world: World,
        clock: VirtualClock,
        lost: Callable[..., JournalEntry],
    ) -> None:
        world.quirks = replace(world.quirks, list_deleted=False)
        await server.create(draft_of("Leo"))
        await clock.sleep(TAKES)
        account = world.account_of(API_KEY)
        world.delete_element(account, next(iter(account.elements)))
        assert (await searcher.search(lost())).is_absent

    async def test_a_task_that_kling_forgot_may_be_missing(
        self, server: Process, searcher: ElementLookup, world: World, lost: Callable[..., JournalEntry]
    ) -> None:
        await server.create(draft_of("Leo"))
        world.reset()
        assert (await searcher.search(lost())).is_absent

    async def test_a_task_that_is_known_is_found_by_its_task_id(
        self, searcher: ElementLookup, world: World, faults: Faults, lost: Callable[..., JournalEntry]
    ) -> None:
        """fact: empty-while-running. The query fails, and the record carries no external id."""
        task_id = put(world)
        faults.reply_code(1201, message="Task not found by id/external id: it", route="query", times=None)
        finding = await searcher.search(lost(task_id=task_id, external_task_id="one"))
        assert finding.task is not None

    async def test_a_look_that_fails_says_why(
        self, searcher: ElementLookup, faults: Faults, lost: Callable[..., JournalEntry]
    ) -> None:
        faults.malformed("html", route="list")
        finding = await searcher.search(lost())
        assert (finding.task, finding.is_absent) == (None, False)
        assert "not in Kling's format" in finding.reason

    async def test_records_that_cannot_be_read_prove_nothing_and_are_no_task(
        self, searcher: ElementLookup, world: World, faults: Faults, lost: Callable[..., JournalEntry]
    ) -> None:
        """The wish has no task id yet, and neither have they: that is no match."""
        put(world, external_task_id="one")
        faults.malformed("wrong-fields", route="list")
        finding = await searcher.search(lost(external_task_id="one"))
        assert (finding.task, finding.is_absent) == (None, False)

    async def test_a_record_of_the_right_name_without_its_task_id_is_no_task_either(
        self, server: Process, clock: VirtualClock, lost: Callable[..., JournalEntry]
    ) -> None:
        def answer(request: httpx.Request) -> httpx.Response:
            if not request.url.params:
                return httpx.Response(400, json={"code": 1201, "message": "Task not found by id/external id: it"})
            page = [{"task_id": None, "task_info": {"external_task_id": LOST}}]
            return httpx.Response(200, json={"code": 0, "data": page})

        async with looking_at(answer, server, clock) as searcher:
            finding = await searcher.search(lost())
            assert (finding.task, finding.reason) == (None, "the list shows it without its task id")
            assert await searcher.find(LOST) is None


class TestUnknownExternalId:
    async def test_unknown_external_id_is_found_on_any_page(self, searcher: ElementLookup, world: World) -> None:
        task_id = put(world, external_task_id="theirs")
        for number in range(PAGE_SIZE):
            put(world, f"Ada {number}", f"ada-{number}")
        found = await searcher.find("theirs")
        assert found is not None
        assert found.task_id == task_id

    async def test_unknown_external_id_on_no_page_is_none(self, searcher: ElementLookup, world: World) -> None:
        for number in range(PAGE_SIZE + 1):
            put(world, f"Ada {number}", f"ada-{number}")
        assert await searcher.find("theirs") is None
        assert len(requests_to(world, "list")) == 2

    async def test_search_for_an_unknown_external_id_ends_after_the_last_page_allowed(
        self, server: Process, clock: VirtualClock
    ) -> None:
        numbers = itertools.count(1)
        async with looking_at(endless_list(numbers), server, clock) as searcher:
            assert await searcher.find("theirs") is None
        assert next(numbers) == MAX_PAGES * PAGE_SIZE + 1


class TestRecordWithoutExternalId:
    """fact: empty-while-running. It may be the one that was lost."""

    @pytest.mark.parametrize(
        ("name", "status"), [("Mia", "ready"), ("Mia", "deleted"), ("Leo", "pending"), ("Leo", "failed")]
    )
    async def test_record_of_the_same_name_or_without_a_name_may_be_the_lost_task(
        self, name: str, status: str, searcher: ElementLookup, world: World, lost: Callable[..., JournalEntry]
    ) -> None:
        put(world, name, status=status)
        finding = await searcher.search(lost())
        assert finding.task is None
        assert not finding.is_absent
        assert "may be this one" in finding.reason

    async def test_record_of_another_name_is_not_the_lost_task(
        self, searcher: ElementLookup, world: World, lost: Callable[..., JournalEntry]
    ) -> None:
        put(world, "Leo")
        assert (await searcher.search(lost())).is_absent

    async def test_record_from_long_before_is_not_the_lost_task(
        self, searcher: ElementLookup, world: World, clock: VirtualClock, lost: Callable[..., JournalEntry]
    ) -> None:
        put(world, created_at=clock.wall() - 3600)
        assert (await searcher.search(lost())).is_absent

    async def test_clocks_may_differ_by_minutes(
        self, searcher: ElementLookup, world: World, clock: VirtualClock, lost: Callable[..., JournalEntry]
    ) -> None:
        put(world, created_at=clock.wall() - 200)
        assert not (await searcher.search(lost())).is_absent

    async def test_record_known_to_the_journal_is_not_the_lost_task(
        self,
        server: Process,
        searcher: ElementLookup,
        world: World,
        faults: Faults,
        lost: Callable[..., JournalEntry],
    ) -> None:
        world.quirks = replace(world.quirks, task_info="always-empty")
        faults.slow_task(3600)
        await server.create(draft_of("Leo"))
        assert (await searcher.search(lost())).is_absent
