"""The ceiling of slots is learned, from names of packs and from refusals, and never exceeded while it is known."""

from __future__ import annotations

import random
from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest
from helpers import ACCESS_KEY, API_KEY, SECRET_KEY, requests_to
from never_twice.crashable import FILES, Process, Processes
from never_twice.wishes import GenerationDraft, content_of, content_of_task, draft_of, tasks_at, video_of

from kling_mcp.errors import KlingError, LimitError
from kling_mcp.generation.draft import ImageDraft, VideoDraft
from kling_mcp.simulator import Faults, World
from kling_mcp.simulator.generation.ledger import Pack
from kling_mcp.tasks.slots import DOUBTS_AFTER, RUNS_AT_MOST, SlotsTakenError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from virtual_time import VirtualClock

    MakeWorld = Callable[..., World]

pytestmark = pytest.mark.anyio

OTHER_KEY = "api-key-of-a-colleague"
TAKES = 100.0
ROUTES = ("omni-video", "text-to-video", "v1-omni-image")


def pack(product: str, slots: int, *, says_so: bool = True) -> Pack:
    """A pack whose name says how many slots it gives, or does not."""
    return Pack(product, 1000, concurrency=slots, name="" if says_so else f"Contract-{product}-2026")  # type: ignore[arg-type]  # a word


@pytest.fixture
def make_world(clock: VirtualClock) -> MakeWorld:
    """Kling with one account, which a colleague uses with a key of his own."""

    def made(slots: int, *, says_so: bool = True, durations: Callable[..., float] = lambda *_: TAKES) -> World:
        return World(
            clock.wall,
            api_keys=[API_KEY, OTHER_KEY],
            accounts={API_KEY: "one", OTHER_KEY: "one"},
            durations=durations,
            packs=[pack("video", slots, says_so=says_so), pack("image", slots, says_so=says_so)],
            files_origin=FILES,
        )

    return made


def start(tmp_path: Path, world: World, faults: Faults | None = None) -> Process:
    """A server with a folder of its own."""
    return Processes(tmp_path / "state", world, faults or Faults()).start(max_creates=10)


def refusals(world: World) -> int:
    """How often Kling said that too many run."""
    return sum(request.code == 1303 for request in requests_to(world, *ROUTES))


def most_at_once(world: World) -> int:
    """The most slots that were ever held together."""
    made = tasks_at(world)
    return max(sum(other.slots for other in made if other.created <= task.created < other.ended) for task in made)


async def make(server: Process, draft: GenerationDraft, patience: float = 600) -> str:
    """How a call ends."""
    try:
        return (await server.film(draft, patience=patience)).task.task_status
    except KlingError as error:
        return f"{error.kind}, created={error.created}, retry={error.retry}"


async def make_all(
    server: Process, drafts: Sequence[GenerationDraft], *, patience: float = 600, apart: float = 1
) -> list[str]:
    """All of them, begun one after the other."""
    ends = [""] * len(drafts)

    async def make_one(place: int) -> None:
        ends[place] = await make(server, drafts[place], patience)

    async with anyio.create_task_group() as group:
        for place in range(len(drafts)):
            group.start_soon(make_one, place)
            await anyio.sleep(apart)
    return ends


def clips(count: int) -> list[GenerationDraft]:
    return [video_of(f"clip {number}") for number in range(count)]


class TestPacks:
    """fact: slots-size"""

    async def test_first_refusal_is_the_last_where_names_of_packs_say(
        self, tmp_path: Path, make_world: MakeWorld
    ) -> None:
        world = make_world(2)
        server = start(tmp_path, world)
        assert await make_all(server, clips(8), patience=900) == ["succeed"] * 8
        assert (refusals(world), most_at_once(world)) == (1, 2)
        assert [content_of_task(task) for task in tasks_at(world)] == [f"clip {number}" for number in range(8)]
        assert len(requests_to(world, "costs")) == 1

    async def test_packs_are_not_read_before_the_first_refusal(self, tmp_path: Path, make_world: MakeWorld) -> None:
        world = make_world(2)
        assert await make_all(start(tmp_path, world), clips(2)) == ["succeed"] * 2
        assert requests_to(world, "costs") == []

    async def test_unreadable_packs_stop_no_call(self, tmp_path: Path, make_world: MakeWorld, faults: Faults) -> None:
        world = make_world(1)
        faults.reply_code(5000, route="costs", times=None)
        assert await make_all(start(tmp_path, world, faults), clips(3)) == ["succeed"] * 3
        assert most_at_once(world) == 1

    async def test_more_pictures_than_the_packs_allow_are_refused_at_once(
        self, tmp_path: Path, make_world: MakeWorld, clock: VirtualClock
    ) -> None:
        world = make_world(3)
        server = start(tmp_path, world)
        with pytest.raises(LimitError, match="needs 5 slots at once, and the packs of this account allow 3") as caught:
            await server.film(ImageDraft(prompt="five of them", count=5))
        assert (caught.value.created, caught.value.retry) == ("no", "never")
        assert clock.monotonic() < 5
        assert await make(server, ImageDraft(prompt="three of them", count=3)) == "succeed"

    async def test_pictures_hold_a_slot_each(self, tmp_path: Path, make_world: MakeWorld) -> None:
        """fact: gen-slots"""
        world = make_world(3)
        drafts = [ImageDraft(prompt=f"two of {number}", count=2) for number in range(3)]
        drafts += [ImageDraft(prompt="one", count=1)]
        assert await make_all(start(tmp_path, world), drafts) == ["succeed"] * 4
        assert most_at_once(world) == 3
        made = sorted(tasks_at(world), key=lambda task: task.created)
        assert [content_of_task(task) for task in made] == [content_of(draft) for draft in drafts], (
            "no small one passes"
        )


class TestGroups:
    """fact: slots"""

    async def test_each_model_has_slots_of_its_own(self, tmp_path: Path, make_world: MakeWorld) -> None:
        world = make_world(1)
        drafts = [*clips(2), VideoDraft(prompt="another model", model="3.0"), ImageDraft(prompt="a picture")]
        assert await make_all(start(tmp_path, world), drafts) == ["succeed"] * 4
        second = max(tasks_at(world), key=lambda task: task.created)
        assert (content_of_task(second), refusals(world)) == ("clip 1", 1)

    async def test_creation_of_an_element_takes_no_slot(self, tmp_path: Path, make_world: MakeWorld) -> None:
        """fact: slots-elements-unknown"""
        world = make_world(1)
        server = start(tmp_path, world)
        async with anyio.create_task_group() as group:
            group.start_soon(make_all, server, clips(3))
            await anyio.sleep(10)
            with anyio.fail_after(10):
                await server.create(draft_of("Mia"))
            group.cancel_scope.cancel()


class TestRefusals:
    """fact: slots-refused. No name of a pack tells the ceiling here."""

    async def test_own_running_tasks_at_a_refusal_are_the_ceiling(self, tmp_path: Path, make_world: MakeWorld) -> None:
        world = make_world(2, says_so=False)
        server = start(tmp_path, world)
        assert await make_all(server, clips(6), patience=900) == ["succeed"] * 6
        assert most_at_once(world) == 2
        assert [content_of_task(task) for task in tasks_at(world)] == [f"clip {number}" for number in range(6)]
        assert refusals(world) <= 1 + 3 * TAKES / DOUBTS_AFTER, "only a ceiling that is doubted is tried again"

    async def test_ceiling_that_others_caused_is_doubted_later(
        self, tmp_path: Path, make_world: MakeWorld, faults: Faults
    ) -> None:
        world = make_world(2, says_so=False)
        colleague = Processes(tmp_path / "theirs", world, faults).start(api_key=OTHER_KEY)
        server = start(tmp_path, world)
        faults.slow_task(30, route="omni-video")
        async with anyio.create_task_group() as group:
            group.start_soon(make, colleague, video_of("theirs"))
            await anyio.sleep(1)
            group.start_soon(make_all, server, clips(2))
        theirs, first, last = sorted(tasks_at(world), key=lambda task: task.created)
        assert last.created > theirs.ended
        assert last.created < first.ended, "it did not wait for a task of ours"
        assert most_at_once(world) == 2

    async def test_call_waits_for_others_where_none_of_our_tasks_runs(
        self, tmp_path: Path, make_world: MakeWorld, faults: Faults, clock: VirtualClock
    ) -> None:
        world = make_world(1)
        colleague = Processes(tmp_path / "theirs", world, faults).start(api_key=OTHER_KEY)
        async with anyio.create_task_group() as group:
            group.start_soon(make, colleague, video_of("theirs"))
            await anyio.sleep(1)
            assert await make(start(tmp_path, world), video_of("ours")) == "succeed"
        assert clock.monotonic() < 2 * TAKES + 40


class TestTasksThatNoCallWatches:
    async def test_end_that_no_call_saw_frees_its_slot(
        self, tmp_path: Path, make_world: MakeWorld, clock: VirtualClock
    ) -> None:
        world = make_world(1)
        server = start(tmp_path, world)
        assert await make_all(server, clips(2), patience=20) == ["processing", "busy, created=no, retry=later"]
        began = clock.monotonic()
        assert await make(server, video_of("clip 1")) == "succeed"
        assert clock.monotonic() - began < 2 * TAKES
        assert refusals(world) == 1

    async def test_results_of_such_a_task_are_saved_by_the_next_wait(
        self, tmp_path: Path, make_world: MakeWorld
    ) -> None:
        world = make_world(1)
        server = start(tmp_path, world)
        await make_all(server, clips(2), patience=20)
        await make(server, video_of("clip 1"))
        collector = server.own_account().collector
        assert [item.label for item in await collector.resolve([])] == ["clip 0"]

    async def test_task_that_was_still_being_sent_is_watched_once_it_has_an_id(
        self, tmp_path: Path, make_world: MakeWorld, faults: Faults, clock: VirtualClock
    ) -> None:
        world = make_world(1)
        server = start(tmp_path, world, faults)
        assert await make_all(server, clips(2)) == ["succeed"] * 2
        began = clock.monotonic()
        faults.delay(30, after_commit=True, route="omni-video")
        ends = [""]

        async def make_next() -> None:
            await anyio.sleep(1)
            ends[0] = await make(server, video_of("next"))

        async with anyio.create_task_group() as group:
            group.start_soon(make_next)
            assert await make(server, video_of("slowly sent"), patience=40) == "processing"
        assert ends == ["succeed"]
        assert clock.monotonic() - began < 2 * TAKES + 60

    async def test_entry_of_a_task_that_is_long_over_blocks_nothing(
        self, tmp_path: Path, make_world: MakeWorld, faults: Faults, clock: VirtualClock
    ) -> None:
        world = make_world(1)
        server = start(tmp_path, world, faults)
        await make_all(server, clips(2), patience=20)
        await clock.sleep(RUNS_AT_MOST)
        reads = len(requests_to(world, "tasks-get"))
        assert await make(server, video_of("clip 1"), patience=5) == "processing"
        assert len(requests_to(world, "tasks-get")) == reads + 1, "its own"


class TestQueue:
    async def test_waiting_call_says_what_it_waits_for(self, tmp_path: Path, make_world: MakeWorld) -> None:
        world = make_world(1)
        server = start(tmp_path, world)
        names: list[str] = []

        async def note(external_task_id: str) -> None:
            names.append(external_task_id)

        account = server.own_account()
        async with anyio.create_task_group() as group:
            for draft in clips(3):
                request = await account.generator.prepare(draft)
                group.start_soon(partial(account.generator.submit, request, timeout=300, on_claim=note))
                await anyio.sleep(5)
            assert [account.waits_for(name) for name in names] == ["", "1 of 1 in use", "1 of 1 in use"]
            group.cancel_scope.cancel()
        assert [account.waits_for(name) for name in names] == ["", "", ""]

    async def test_error_of_a_call_without_turn_says_why(self, tmp_path: Path, make_world: MakeWorld) -> None:
        server = start(tmp_path, make_world(1))
        await make_all(server, clips(2), patience=20)
        with pytest.raises(LimitError, match=r"all slots for video 3\.0-omni are taken: 1 of 1 in use") as caught:
            await server.film(video_of("clip 1"), patience=20)
        assert (caught.value.kind, caught.value.created, caught.value.retry) == ("busy", "no", "later")
        assert "nothing was paid" in caught.value.advice

    async def test_call_that_leaves_the_queue_leaves_no_gap(self, tmp_path: Path, make_world: MakeWorld) -> None:
        world = make_world(1)
        server = start(tmp_path, world)
        async with anyio.create_task_group() as group:
            group.start_soon(make_all, server, clips(2))
            await anyio.sleep(5)
            with anyio.move_on_after(5):
                await server.film(video_of("left"))
            group.start_soon(make, server, video_of("after"))
        assert [content_of_task(task) for task in tasks_at(world)] == ["clip 0", "clip 1", "after"]

    @pytest.mark.parametrize("seed", range(8))
    async def test_order_of_arrival_and_ceiling_hold_whatever_tasks_take(
        self, seed: int, tmp_path: Path, make_world: MakeWorld
    ) -> None:
        dice = random.Random(seed)  # noqa: S311 - guards nothing
        slots = dice.randint(1, 3)
        world = make_world(slots, says_so=dice.random() < 0.5, durations=lambda *_: dice.uniform(5, 90))
        server = start(tmp_path, world)
        ends = await make_all(server, clips(10), patience=3000, apart=dice.uniform(0.01, 20))
        assert ends == ["succeed"] * 10
        assert most_at_once(world) <= slots
        made = sorted(tasks_at(world), key=lambda task: task.created)
        assert [content_of_task(task) for task in made] == [f"clip {number}" for number in range(10)]


class TestSeveralProcesses:
    async def test_two_servers_of_one_state_stay_below_the_ceiling_together(
        self, tmp_path: Path, make_world: MakeWorld, faults: Faults
    ) -> None:
        world = make_world(2)
        processes = Processes(tmp_path / "state", world, faults)
        servers = [processes.start(max_creates=10), processes.start(max_creates=10)]
        ends = {}

        async def make_one(number: int) -> None:
            ends[number] = await make(servers[number % 2], video_of(f"clip {number}"), 1200)

        async with anyio.create_task_group() as group:
            for number in range(8):
                group.start_soon(make_one, number)
                await anyio.sleep(1)
        assert list(ends.values()) == ["succeed"] * 8
        assert most_at_once(world) == 2
        assert refusals(world) <= 2, "each learns once; after that the journal decides"

    @pytest.mark.parametrize("seed", range(6))
    async def test_every_call_that_stays_is_served_whatever_others_do(
        self, seed: int, tmp_path: Path, make_world: MakeWorld, faults: Faults
    ) -> None:
        """Pictures of several sizes, two servers and a colleague, lost replies, and callers that leave."""
        dice = random.Random(seed)  # noqa: S311 - guards nothing
        world = make_world(4, says_so=dice.random() < 0.5, durations=lambda *_: dice.uniform(5, 90))
        processes = Processes(tmp_path / "state", world, faults)
        servers = [processes.start(max_creates=10), processes.start(max_creates=10)]
        servers.append(Processes(tmp_path / "theirs", world, faults).start(api_key=OTHER_KEY))
        faults.lose_reply_after_create(route="v1-omni-image", times=2)
        ends: dict[int, str] = {}

        async def make_one(number: int, stays: bool) -> None:
            draft = ImageDraft(prompt=f"picture {number}", count=dice.randint(1, 4))
            with anyio.move_on_after(3000 if stays else dice.uniform(0, 60)):
                ends[number] = await make(dice.choice(servers), draft, 2900)

        async with anyio.create_task_group() as group:
            staying = {number for number in range(20) if dice.random() < 0.7}
            for number in range(20):
                group.start_soon(make_one, number, number in staying)
                await anyio.sleep(dice.uniform(0.01, 15))
        assert {ends[number] for number in staying} == {"succeed"}
        assert most_at_once(world) <= 4

    async def test_slots_that_another_call_takes_meanwhile_are_seen_in_the_journal(
        self, tmp_path: Path, make_world: MakeWorld
    ) -> None:
        server = start(tmp_path, make_world(1))
        await make_all(server, clips(2), patience=20)
        account = server.own_account()
        request = await account.generator.prepare(video_of("clip 1"))
        entry, _ = await account.journal.claim(request.intent, "1")
        queue = account.generator.kinds["video"].slots
        with pytest.raises(SlotsTakenError):
            await account.journal.mark_sending(entry, queue.room_for(entry, 1))
        assert (await account.journal.mark_sending(entry)).state == "sending"

    async def test_key_pair_learns_the_same(self, tmp_path: Path, clock: VirtualClock, faults: Faults) -> None:
        """fact: auth-pair-legacy-only"""
        packs = [pack("video", 1), pack("image", 1)]
        pair = {ACCESS_KEY: SECRET_KEY}
        world = World(clock.wall, key_pairs=pair, durations=lambda *_: TAKES, packs=packs, files_origin=FILES)
        server = Processes(tmp_path / "state", world, faults).start(has_pair=True)
        await make_all(server, clips(2), patience=20)
        assert await make_all(server, clips(4)) == ["succeed"] * 4
        assert sum(request.code == 1303 for request in requests_to(world, "v1-omni-video")) == 1
        assert most_at_once(world) == 1
