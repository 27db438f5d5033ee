"""A lost reply: the task is found, or it is sent again with the same id, or the caller is told what is known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import anyio
import pytest
from helpers import API_KEY, requests_to
from never_twice.crashable import Fate, Process, Processes
from never_twice.wishes import draft_of, elements_at, named

from kling_mcp.api.sender import Timeouts
from kling_mcp.elements.create import Creation
from kling_mcp.errors import KlingError, RequestError, ServerError, UnknownOutcomeError
from kling_mcp.simulator import Faults, Quirks, World
from kling_mcp.tasks.entry import (
    LEASE_SECONDS,
    SETTLES_AFTER_ABANDONMENT,
    SETTLES_AFTER_BREAK,
    SETTLES_AFTER_SILENCE,
)
from kling_mcp.tasks.send import POSTS_PER_CALL
from kling_mcp.tasks.stored_error import StoredError

if TYPE_CHECKING:
    from virtual_time import VirtualClock

pytestmark = pytest.mark.anyio

MIA = draft_of("Mia")
SILENCE = Timeouts().read  # seconds until a request without a reply is given up

# Every way in which a reply says nothing about what became of a creation: the simulator's fault and its options.
UNCLEAR: dict[str, tuple[str, dict[str, Any]]] = {
    "5000": ("reply_code", {"code": 5000}),
    "5001": ("reply_code", {"code": 5001}),
    "5002": ("reply_code", {"code": 5002}),
    "5000 on HTTP 200": ("reply_code", {"code": 5000, "http_status": 200}),
    "502": ("reply_status", {"status": 502}),
    "503": ("reply_status", {"status": 503}),
    "504": ("reply_status", {"status": 504}),
    "a page of HTML": ("malformed", {"shape": "html"}),
    "nothing at all": ("malformed", {"shape": "empty"}),
    "half a reply": ("malformed", {"shape": "truncated"}),
    "an array": ("malformed", {"shape": "array"}),
    "success without a task": ("malformed", {"shape": "no-data"}),
    "success with a garbled task": ("malformed", {"shape": "wrong-fields"}),
    "a code that is no number": ("malformed", {"shape": "wrong-code"}),
    "closed": ("lose_reply", {"ending": "closed"}),
    "reset": ("lose_reply", {"ending": "reset"}),
    "silence": ("lose_reply", {"ending": "hang"}),
}
LONG_SILENCES = {"silence", "5002", "504"}  # Kling, or its gateway, was still waiting when it gave up


def lose(faults: Faults, how: str, *, committed: bool) -> None:
    """Arm one of `UNCLEAR` for the next creation, which Kling carries out or does not."""
    name, options = UNCLEAR[how]
    if name == "lose_reply":
        faults.arm(f"{name}_{'after' if committed else 'before'}_commit", route="create", **options)
    else:
        faults.arm(name, route="create", after_commit=committed, **options)


@pytest.fixture
def quirks() -> Quirks:
    """Unkind where nothing is known: used ids are taken again, and a look-up by them finds nothing."""
    return Quirks(refuse_used_external_id=False, query_by_external_id=False, list_order="shuffled")


def posts(world: World) -> int:
    return len(requests_to(world, "create"))


def post_times(world: World) -> list[float]:
    return [request.time for request in requests_to(world, "create")]


class TestAfterTheCommit:
    @pytest.mark.parametrize("how", UNCLEAR)
    async def test_the_same_call_finds_the_task(self, how: str, server: Process, world: World, faults: Faults) -> None:
        lose(faults, how, committed=True)
        creation = await server.create(MIA, patience=SILENCE + 10)
        (task,) = elements_at(world)
        assert (creation.outcome, creation.task.task_id) == ("recovered", task.task_id)
        assert posts(world) == 1

    @pytest.mark.parametrize("how", UNCLEAR)
    async def test_task_of_a_lost_reply_is_found_by_a_later_call(
        self, how: str, processes: Processes, world: World, faults: Faults
    ) -> None:
        """Kling cannot be looked at after the loss, so the call ends without knowing."""
        lose(faults, how, committed=True)
        faults.malformed("html", route="query", times=None)
        with pytest.raises((UnknownOutcomeError, ServerError)) as caught:
            await processes.start().create(MIA, patience=5)
        (task,) = elements_at(world)
        assert caught.value.created == "maybe"
        assert task.external_task_id in caught.value.for_caller()
        faults.clear()
        creation = await processes.start().create(MIA)
        assert (creation.outcome, creation.task.task_id) == ("recovered", task.task_id)
        assert posts(world) == 1

    async def test_five_simultaneous_calls_get_the_task_of_the_lost_reply(
        self, server: Process, world: World, faults: Faults
    ) -> None:
        faults.reply_code(5002, after_commit=True, route="create")
        found: list[Creation] = []

        async def ask() -> None:
            found.append(await server.create(MIA))

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(ask)
        (task,) = elements_at(world)
        assert [creation.task.task_id for creation in found] == [task.task_id] * 5
        assert posts(world) == 1

    async def test_a_commit_that_comes_late_is_found_before_it_is_sent_again(
        self, server: Process, world: World, faults: Faults
    ) -> None:
        faults.delay(SILENCE + SETTLES_AFTER_SILENCE - 5, route="create")
        creation = await server.create(MIA, patience=200)
        assert creation.outcome == "recovered"
        assert (posts(world), len(elements_at(world))) == (1, 1)

    async def test_a_look_that_fails_is_repeated(self, server: Process, world: World, faults: Faults) -> None:
        faults.lose_reply_after_create()
        faults.malformed("html", route="list", times=2)
        faults.malformed("html", route="query")
        creation = await server.create(MIA, allow_duplicate_name=True)
        assert creation.outcome == "recovered"
        assert posts(world) == 1


class TestBeforeTheCommit:
    @pytest.mark.parametrize("how", UNCLEAR)
    async def test_lost_request_is_sent_again_with_the_same_id_once_it_cannot_arrive(
        self, how: str, server: Process, world: World, faults: Faults
    ) -> None:
        lose(faults, how, committed=False)
        creation = await server.create(MIA, patience=200)
        assert creation.outcome == "submitted"
        first, second = post_times(world)
        lost_after = SILENCE if how == "silence" else 0
        settles = SETTLES_AFTER_SILENCE if how in LONG_SILENCES else SETTLES_AFTER_BREAK
        assert settles <= second - first - lost_after <= settles + 10
        bodies = {request.body_sha256 for request in requests_to(world, "create")}
        assert len(bodies) == 1, "the same id and everything else"
        assert world.accepted_creations() == {creation.external_task_id: 1}

    async def test_lost_request_is_sent_again_by_a_later_call(
        self, processes: Processes, world: World, faults: Faults
    ) -> None:
        faults.lose_reply_before_commit(ending="hang", route="create")
        with pytest.raises(UnknownOutcomeError) as caught:
            await processes.start().create(MIA, patience=5)
        creation = await processes.start().create(MIA, patience=100)
        assert creation.outcome == "submitted"
        assert creation.external_task_id == caught.value.external_task_id
        assert len(elements_at(world)) == 1

    async def test_later_call_without_the_time_reports_an_unknown_outcome(
        self, processes: Processes, world: World, faults: Faults
    ) -> None:
        faults.lose_reply_before_commit(ending="hang", route="create")
        for _ in range(2):
            with pytest.raises(UnknownOutcomeError) as caught:
                await processes.start().create(MIA, patience=5)
            await anyio.sleep(SILENCE)
        assert "does not show its task yet" in str(caught.value)
        assert f'ids=["{caught.value.external_task_id}"]' in caught.value.advice
        assert posts(world) == 1

    async def test_a_call_sends_a_few_times_and_no_more(self, server: Process, world: World, faults: Faults) -> None:
        faults.reply_status(502, route="create", times=None)
        with pytest.raises(UnknownOutcomeError) as caught:
            await server.create(MIA, patience=3600)
        assert posts(world) == POSTS_PER_CALL
        faults.clear()
        creation = await server.create(MIA)
        assert creation.external_task_id == caught.value.external_task_id

    async def test_connections_that_are_refused_are_just_made_again(
        self, server: Process, world: World, faults: Faults
    ) -> None:
        faults.refuse_connection(route="create", times=2)
        assert (await server.create(MIA)).outcome == "submitted"
        assert posts(world) == 1


class TestUnclearEntry:
    async def test_unclear_entry_keeps_the_error_behind_it(self, server: Process, faults: Faults) -> None:
        faults.reply_code(5000, after_commit=True, route="create")
        faults.malformed("html", route="query", times=None)
        with pytest.raises(ServerError) as caught:
            await server.create(named(MIA, "one"), patience=5)
        entry = await server.own_account().journal.find("one")
        assert entry is not None
        assert (entry.state, entry.error) == ("unclear", StoredError.of(caught.value))

    async def test_unclear_entry_of_a_server_that_was_stopped_has_a_reason(
        self, processes: Processes, faults: Faults
    ) -> None:
        faults.delay(20, route="create")
        server = processes.start()
        with anyio.move_on_after(5):
            await server.create(named(MIA, "one"))
        await server.aclose()
        entry = await processes.start().own_account().journal.find("one")
        assert entry is not None
        assert (entry.state, entry.error, bool(entry.reason)) == ("unclear", None, True)


class ArrivesLate(Fate):
    """The first request, which was given up, arrives just before the second one."""

    def __init__(self, world: World, external_task_id: str) -> None:
        super().__init__()
        self._world = world
        self._external_task_id = external_task_id
        self._posts = 0

    async def decide(self, where: str) -> None:
        self._posts += where == "before POST"
        if (where, self._posts) == ("before POST", 2):
            account = self._world.account_of(API_KEY)
            self._world.add_element(account, "Mia", external_task_id=self._external_task_id, status="pending")


class TestUsedId:
    async def test_task_of_the_first_request_found_by_the_second_is_recovered(
        self, processes: Processes, world: World, faults: Faults
    ) -> None:
        world.quirks = replace(world.quirks, refuse_used_external_id=True)
        faults.lose_reply_before_commit(route="create")
        server = processes.start(fate=ArrivesLate(world, "one"))
        creation = await server.create(named(MIA, "one"), patience=200)
        assert (creation.outcome, creation.external_task_id) == ("recovered", "one")
        assert (len(post_times(world)), len(elements_at(world))) == (2, 1)

    async def test_task_made_elsewhere_with_the_same_id_was_already_submitted(
        self, server: Process, world: World
    ) -> None:
        world.quirks = replace(world.quirks, refuse_used_external_id=True)
        world.add_element(world.account_of(API_KEY), "Mia", external_task_id="one", status="pending")
        creation = await server.create(named(MIA, "one"), allow_duplicate_name=True)
        assert creation.outcome == "already_submitted"
        assert len(post_times(world)) == 1


class TestRefusals:
    async def test_a_refusal_is_not_looked_after(self, server: Process, world: World, faults: Faults) -> None:
        faults.reply_code(1201, message="invalid element_description", route="create")
        with pytest.raises(RequestError) as caught:
            await server.create(MIA, allow_duplicate_name=True)
        assert caught.value.created == "no"
        assert len(world.requests) == 1
        assert (await server.create(MIA, allow_duplicate_name=True)).outcome == "submitted"
        assert requests_to(world, "query") == []

    async def test_refusal_of_the_second_request_ends_the_attempt(
        self, server: Process, world: World, faults: Faults
    ) -> None:
        faults.lose_reply_before_commit(route="create")
        faults.reply_code(1301, route="create")
        with pytest.raises(KlingError) as caught:
            await server.create(MIA)
        assert (caught.value.kind, caught.value.created) == ("content_policy", "no")


class TestUnknowableOutcome:
    """fact: empty-while-running. A record without its external id may be the one that was lost."""

    @pytest.fixture
    def quirks(self, quirks: Quirks) -> Quirks:
        return replace(quirks, task_info="always-empty")

    async def test_request_of_unknowable_outcome_is_not_sent_again(
        self, server: Process, world: World, faults: Faults
    ) -> None:
        faults.lose_reply_after_create()
        with pytest.raises(UnknownOutcomeError) as caught:
            await server.create(MIA, patience=300)
        with pytest.raises(UnknownOutcomeError):
            await server.create(MIA, patience=300)
        (task,) = elements_at(world)
        assert caught.value.external_task_id == task.external_task_id
        assert posts(world) == 1

    async def test_record_of_another_name_does_not_prevent_a_second_request(
        self, server: Process, world: World, faults: Faults
    ) -> None:
        await server.create(draft_of("Leo"))
        await anyio.sleep(30)
        faults.lose_reply_before_commit(route="create")
        assert (await server.create(MIA)).outcome == "submitted"

    async def test_record_known_to_the_journal_does_not_prevent_a_second_request(
        self, server: Process, world: World, faults: Faults
    ) -> None:
        faults.slow_task(3600)
        await server.create(draft_of("Leo"))
        faults.lose_reply_before_commit(route="create")
        assert (await server.create(MIA)).outcome == "submitted"
        assert len(elements_at(world)) == 2

    async def test_older_record_does_not_prevent_a_second_request(
        self, server: Process, world: World, faults: Faults, clock: VirtualClock
    ) -> None:
        world.add_element("elsewhere", "Mia")
        await server.create(named(MIA, "one"), allow_duplicate_name=True)
        await clock.sleep(3600)
        faults.lose_reply_before_commit(route="create")
        copy = await server.create(named(MIA, "two"), allow_duplicate_name=True)
        assert copy.outcome == "submitted"

    @pytest.mark.parametrize("task_info", ["empty-while-running", "missing-while-running"])
    async def test_a_task_is_recognised_once_it_shows_its_id(
        self,
        task_info: Literal["empty-while-running", "missing-while-running"],
        server: Process,
        world: World,
        faults: Faults,
    ) -> None:
        world.quirks = replace(world.quirks, task_info=task_info)
        faults.lose_reply_after_create()
        faults.slow_task(90)
        creation = await server.create(MIA, patience=200)
        assert creation.outcome == "recovered"
        assert posts(world) == 1


class TestCancelledCaller:
    """A caller may give up, and a process may die, while the request is at work."""

    async def test_a_request_that_was_left_is_joined(self, server: Process, world: World, faults: Faults) -> None:
        faults.delay(20, route="create")
        with anyio.move_on_after(5):
            await server.create(MIA)
        creation = await server.create(MIA)
        assert creation.outcome == "already_submitted"
        assert (posts(world), len(elements_at(world))) == (1, 1)

    async def test_request_of_a_caller_who_left_is_sent_again_when_it_never_arrived(
        self, server: Process, world: World, faults: Faults, clock: VirtualClock
    ) -> None:
        faults.lose_reply_before_commit(ending="hang", route="create")
        with anyio.move_on_after(5):
            await server.create(MIA)
        creation = await server.create(MIA, patience=200)
        assert creation.outcome == "submitted"
        first, second = post_times(world)
        assert SETTLES_AFTER_SILENCE <= second - first - SILENCE <= SETTLES_AFTER_SILENCE + 10

    async def test_caller_who_leaves_during_the_lookup_changes_nothing(
        self, server: Process, world: World, faults: Faults
    ) -> None:
        faults.reply_status(502, route="create")
        with anyio.move_on_after(3):
            await server.create(MIA)
        assert (await server.create(MIA)).outcome == "submitted"
        assert len(elements_at(world)) == 1

    async def test_caller_who_leaves_while_kling_is_busy_leaves_no_entry(
        self, server: Process, world: World, faults: Faults
    ) -> None:
        faults.reply_code(1303, route="create", times=None)
        with anyio.move_on_after(3):
            await server.create(MIA, allow_duplicate_name=True)
        faults.clear()
        world.requests.clear()
        assert (await server.create(MIA, allow_duplicate_name=True)).outcome == "submitted"
        assert [request.route for request in world.requests] == ["create"]

    async def test_after_a_crash_the_request_has_time_to_arrive(
        self, processes: Processes, world: World, faults: Faults, clock: VirtualClock
    ) -> None:
        """The file says only that it was being sent; its holder says nothing more."""
        faults.delay(SETTLES_AFTER_ABANDONMENT - 2, route="create")
        await processes.start().die_while_creating(MIA, after=0.5)
        creation = await processes.start().create(MIA)
        assert creation.outcome == "recovered"
        assert (posts(world), len(elements_at(world))) == (1, 1)

    async def test_request_of_a_killed_process_is_sent_again_when_it_never_arrived(
        self, processes: Processes, world: World, faults: Faults
    ) -> None:
        faults.lose_reply_before_commit(ending="hang", route="create")
        await processes.start().die_while_creating(MIA, after=0.5)
        creation = await processes.start().create(MIA, patience=60)
        assert creation.outcome == "submitted"
        first, second = post_times(world)
        assert second - first >= SETTLES_AFTER_ABANDONMENT


class SlowToSend(Fate):
    """Holds every creation request back, and the renewal of its lease with it: a laptop that sleeps."""

    def __init__(self, seconds: float, where: str) -> None:
        super().__init__()
        self._seconds = seconds
        self._where = where
        self._until = 0.0

    async def decide(self, where: str) -> None:
        now = anyio.current_time()
        if where == self._where and not self._until:
            self._until = now + self._seconds
        if now < self._until:
            await anyio.sleep(self._until - now)


class TestExpiredLease:
    async def test_process_that_slept_before_sending_does_not_send(
        self, processes: Processes, world: World, faults: Faults
    ) -> None:
        """Its lease ran out while it read the list of names; the wish is somebody else's by now."""
        sleeper = processes.start(fate=SlowToSend(60, "after GET"))
        told: list[Creation] = []

        async def ask(process: Process, after: float) -> None:
            await anyio.sleep(after)
            told.append(await process.create(MIA, patience=100))

        async with anyio.create_task_group() as group:
            group.start_soon(ask, sleeper, 0.0)
            group.start_soon(ask, processes.start(), LEASE_SECONDS / 2)
        assert posts(world) == 1
        assert sorted(creation.outcome for creation in told) == ["already_submitted", "submitted"]

    async def test_process_that_slept_while_sending_adopts_the_task_of_the_other(
        self, processes: Processes, world: World, faults: Faults
    ) -> None:
        """Between the journal and the wire nothing can stop a request; Kling refuses the used id."""
        world.quirks = Quirks()
        sleeper = processes.start(fate=SlowToSend(100, "before POST"))
        told: list[Creation] = []

        async def ask(process: Process, after: float) -> None:
            await anyio.sleep(after)
            told.append(await process.create(MIA, patience=150))

        async with anyio.create_task_group() as group:
            group.start_soon(ask, sleeper, 0.0)
            group.start_soon(ask, processes.start(), LEASE_SECONDS / 2)
        assert len(elements_at(world)) == 1
        assert {creation.task.task_id for creation in told} == {elements_at(world)[0].task_id}
        assert posts(world) == 2
