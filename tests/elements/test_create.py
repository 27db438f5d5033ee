"""Creating once: who is the same wish, what a repeated call is told, and how a name is guarded."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import anyio
import pytest
from helpers import API_KEY, requests_to
from never_twice.crashable import Process, Processes
from never_twice.wishes import draft_of, elements_at, named, tasks_for
from PIL import Image

from kling_mcp.elements.create import Creation, intent_for
from kling_mcp.elements.draft import ElementDraft
from kling_mcp.elements.preflight import prepare
from kling_mcp.errors import (
    AccountError,
    ConnectionFailedError,
    ContentError,
    InputError,
    KlingError,
    NameTakenError,
    StillSendingError,
    UnknownOutcomeError,
)
from kling_mcp.library.list_sync import RETRY_SECONDS
from kling_mcp.media.policy import MediaPolicy
from kling_mcp.simulator import Faults, World

if TYPE_CHECKING:
    from pathlib import Path

    from helpers import Pictures
    from virtual_time import VirtualClock

pytestmark = pytest.mark.anyio

MIA = draft_of("Mia")
OTHER_MIA = draft_of("Mia", "another Mia")
OTHER_KEY = "the-key-of-another-account"
TAKES = 20.0  # seconds of a video element in the simulator


@pytest.fixture
def world(clock: VirtualClock) -> World:
    return World(clock.wall, api_keys=[API_KEY, OTHER_KEY])


def posts(world: World) -> int:
    return len(requests_to(world, "create"))


async def outcomes_of(*calls: tuple[Process, ElementDraft]) -> list[Creation | KlingError]:
    """What calls that come one just after the other are told, in their order."""
    told: dict[int, Creation | KlingError] = {}

    async def ask(number: int, process: Process, draft: ElementDraft) -> None:
        try:
            told[number] = await process.create(draft)
        except KlingError as error:
            told[number] = error

    async with anyio.create_task_group() as group:
        for number, (process, draft) in enumerate(calls):
            group.start_soon(ask, number, process, draft)
            await anyio.sleep(0.01)
    return [told[number] for number in sorted(told)]


def picture_draft(front: Path, side: Path) -> ElementDraft:
    return ElementDraft("Mia", "Barista", "image_refer", frontal_image=str(front), refer_images=(str(side),))


def intent_of(draft: ElementDraft, folder: Path) -> str:
    return intent_for("an account", prepare(draft, MediaPolicy((folder,)))).key


class TestRepeatedRequest:
    async def test_repeated_create_returns_first_task(self, server: Process, world: World) -> None:
        first = await server.create(MIA)
        again = await server.create(MIA)
        assert (first.outcome, again.outcome) == ("submitted", "already_submitted")
        assert (again.task.task_id, again.external_task_id) == (first.task.task_id, first.external_task_id)
        assert posts(world) == 1

    async def test_five_simultaneous_creates_send_one_request(
        self, server: Process, world: World, faults: Faults
    ) -> None:
        faults.delay(3, route="create")
        told = await outcomes_of(*[(server, MIA)] * 5)
        creations = [one for one in told if isinstance(one, Creation)]
        assert len({creation.task.task_id for creation in creations}) == 1
        assert sorted(creation.outcome for creation in creations) == [*["already_submitted"] * 4, "submitted"]
        assert posts(world) == 1

    async def test_simultaneous_creates_of_several_processes_send_one_request(
        self, processes: Processes, world: World, faults: Faults
    ) -> None:
        faults.delay(3, route="create")
        told = await outcomes_of(*[(processes.start(), MIA) for _ in range(5)])
        assert {type(one) for one in told} == {Creation}
        assert posts(world) == 1

    async def test_repeated_create_after_restart_returns_first_task(self, processes: Processes, world: World) -> None:
        first = await processes.start().create(MIA)
        again = await processes.start().create(MIA)
        assert again.task.task_id == first.task.task_id
        assert posts(world) == 1

    async def test_picture_bytes_are_part_of_the_request_identity(self, pictures: Pictures) -> None:
        draft = picture_draft(pictures.front, pictures.side)
        before = intent_of(draft, pictures.folder)
        Image.new("RGB", (400, 500), "navy").save(pictures.side)
        assert intent_of(draft, pictures.folder) != before

    async def test_picture_paths_are_not_part_of_the_request_identity(self, pictures: Pictures) -> None:
        moved = pictures.folder / "moved.jpg"
        moved.write_bytes(pictures.front.read_bytes())
        one, other = picture_draft(pictures.front, pictures.side), picture_draft(moved, pictures.side)
        assert intent_of(one, pictures.folder) == intent_of(other, pictures.folder)

    @pytest.mark.parametrize(
        "change",
        [
            {"element_name": "Mio"},
            {"element_description": "taller"},
            {"video_url": "https://example.com/other.mp4"},
            {"element_voice_id": "123456789012345678"},
            {"tags": ("Character",)},
        ],
    )
    async def test_fields_sent_to_kling_are_part_of_the_request_identity(
        self, change: dict[str, Any], tmp_path: Path
    ) -> None:
        assert intent_of(replace(MIA, **change), tmp_path) != intent_of(MIA, tmp_path)

    @pytest.mark.parametrize("change", [{"callback_url": "https://example.com/hook"}, {"tags": ("Scene", "Animal")}])
    async def test_spelling_of_the_arguments_is_not_part_of_the_request_identity(
        self, change: dict[str, Any], tmp_path: Path
    ) -> None:
        asked = replace(MIA, tags=("Animal", "Scene"))
        assert intent_of(replace(asked, **change), tmp_path) == intent_of(asked, tmp_path)

    async def test_accounts_have_nothing_in_common(self, processes: Processes, world: World) -> None:
        first = await processes.start().create(MIA)
        second = await processes.start(api_key=OTHER_KEY).create(MIA)
        assert second.outcome == "submitted"
        assert second.external_task_id != first.external_task_id


class TestCallersExternalId:
    async def test_callers_external_id_is_sent_unchanged_and_identifies_the_request(
        self, server: Process, world: World
    ) -> None:
        mine = named(MIA, "mia-for-episode-2")
        first = await server.create(mine)
        again = await server.create(mine)
        assert first.external_task_id == "mia-for-episode-2"
        assert [task.external_task_id for task in elements_at(world)] == ["mia-for-episode-2"]
        assert again.outcome == "already_submitted"

    async def test_deliberate_copy_has_an_external_id_of_its_own(self, server: Process, world: World) -> None:
        await server.create(MIA)
        copy = await server.create(named(MIA, "copy"), allow_duplicate_name=True)
        assert copy.outcome == "submitted"
        assert len(tasks_for(world, MIA)) == 2

    async def test_callers_external_id_cannot_be_used_for_two_elements(self, server: Process, world: World) -> None:
        await server.create(named(MIA, "one"))
        with pytest.raises(InputError, match="must not be in use for something else") as caught:
            await server.create(named(draft_of("Leo"), "one"))
        assert caught.value.created == "no"
        assert posts(world) == 1

    async def test_callers_external_id_is_taken_while_its_first_request_is_being_sent(
        self, server: Process, faults: Faults
    ) -> None:
        faults.delay(3, route="create")
        told = await outcomes_of((server, named(MIA, "one")), (server, named(draft_of("Leo"), "one")))
        assert [type(one) for one in told] == [Creation, InputError]

    async def test_callers_external_id_is_free_again_after_a_refusal(
        self, server: Process, world: World, faults: Faults
    ) -> None:
        faults.reply_code(1301, route="create")
        with pytest.raises(ContentError):
            await server.create(named(MIA, "one"))
        corrected = named(draft_of("Mia", "in a decent dress"), "one")
        assert (await server.create(corrected)).external_task_id == "one"
        assert len(elements_at(world)) == 1

    async def test_callers_external_id_is_taken_while_a_lost_request_may_arrive(
        self, server: Process, world: World, faults: Faults
    ) -> None:
        """The first request was looked for in vain, so it was sent again and refused; the lost one comes late."""
        faults.delay(200, route="create")
        faults.lose_reply_after_create()
        faults.reply_code(1301, route="create")
        with pytest.raises(ContentError):
            await server.create(named(MIA, "one"), patience=150)
        with pytest.raises(InputError):
            await server.create(named(OTHER_MIA, "one"))
        await anyio.sleep(200)
        assert len(tasks_for(world, MIA)) == 1

    async def test_generated_external_id_handed_back_is_the_same_request(self, server: Process, world: World) -> None:
        first = await server.create(MIA)
        again = await server.create(named(MIA, first.external_task_id))
        assert again.outcome == "already_submitted"
        assert posts(world) == 1

    async def test_generated_external_id_of_a_second_attempt_is_the_same_request(
        self, server: Process, world: World, faults: Faults, clock: VirtualClock
    ) -> None:
        faults.fail_task()
        await server.create(MIA)
        await clock.sleep(TAKES)
        second = await server.create(MIA)
        again = await server.create(named(MIA, second.external_task_id))
        assert again.task.task_id == second.task.task_id
        assert posts(world) == 2

    async def test_generated_external_id_handed_back_for_another_element_is_refused(
        self, server: Process, world: World
    ) -> None:
        first = await server.create(MIA)
        for other in (draft_of("Leo"), OTHER_MIA):
            with pytest.raises(InputError):
                await server.create(named(other, first.external_task_id), allow_duplicate_name=True)
        assert posts(world) == 1

    async def test_generated_external_id_keeps_its_content_after_a_failure(
        self, server: Process, faults: Faults, clock: VirtualClock
    ) -> None:
        """Otherwise the plain call would find its own id taken."""
        faults.fail_task()
        first = await server.create(MIA)
        await clock.sleep(TAKES)
        account = server.own_account()
        await account.record_results([await account.client.get_task(first.task.task_id)])
        with pytest.raises(InputError):
            await server.create(named(draft_of("Leo"), first.external_task_id))
        assert (await server.create(MIA)).outcome == "submitted"

    async def test_unused_external_id_that_we_would_generate_is_ours(self, processes: Processes, world: World) -> None:
        """An agent may remember it from before the state folder was lost."""
        first = await processes.start().create(MIA)
        fresh = Processes(processes.folder.with_name("another computer"), world, processes.faults)
        async with fresh:
            server = fresh.start()
            assert (await server.create(named(MIA, first.external_task_id))).task.task_id == first.task.task_id
            assert (await server.create(MIA)).task.task_id == first.task.task_id
        assert len(elements_at(world)) == 1

    async def test_an_id_that_looks_like_a_task_id_is_no_task_id(
        self, server: Process, world: World, faults: Faults
    ) -> None:
        first = await server.create(MIA)
        faults.lose_reply_before_commit(route="create")
        leo = await server.create(named(draft_of("Leo"), first.task.task_id))
        assert leo.task.task_id != first.task.task_id
        assert len(elements_at(world)) == 2

    async def test_second_attempt_does_not_take_an_external_id_given_by_a_caller(
        self, server: Process, world: World, faults: Faults, clock: VirtualClock
    ) -> None:
        faults.fail_task()
        await server.create(named(MIA, "one"))
        await server.create(named(draft_of("Leo"), "one-2"))
        await clock.sleep(TAKES)
        again = await server.create(named(MIA, "one"))
        assert again.external_task_id == "one-3"
        assert len(elements_at(world)) == 3


class TestExternalIdKnownToKling:
    """fact: msg-external-id-used. A task of that id exists, so it is adopted."""

    async def test_a_task_of_another_computer_is_adopted(self, server: Process, world: World) -> None:
        there = world.add_element(world.account_of(API_KEY).name, "Mia", external_task_id="one", status="pending")
        creation = await server.create(named(MIA, "one"))
        assert (creation.task.task_id, creation.outcome) == (there.task_id, "already_submitted")
        assert (await server.create(named(MIA, "one"))).task.task_id == there.task_id

    async def test_task_of_another_computer_for_another_element_is_not_adopted(
        self, server: Process, world: World
    ) -> None:
        world.add_element(world.account_of(API_KEY).name, "Leo", external_task_id="one")
        for _ in range(2):
            with pytest.raises(InputError, match=r"the element .Leo."):
                await server.create(named(MIA, "one"))

    async def test_adopted_task_that_made_another_element_is_refused(
        self, server: Process, world: World, clock: VirtualClock
    ) -> None:
        world.add_element(world.account_of(API_KEY).name, "Leo", external_task_id="one", status="pending")
        await server.create(named(MIA, "one"))
        await clock.sleep(TAKES)
        with pytest.raises(InputError, match=r"the element .Leo."):
            await server.create(named(MIA, "one"))

    async def test_failed_task_of_another_computer_is_retried_under_a_new_id(
        self, server: Process, world: World
    ) -> None:
        world.add_element(world.account_of(API_KEY).name, "Mia", external_task_id="one", status="failed")
        creation = await server.create(named(MIA, "one"))
        assert (creation.external_task_id, creation.outcome) == ("one-2", "submitted")

    async def test_used_external_id_whose_task_is_unreadable_is_an_unknown_outcome(
        self, server: Process, world: World, faults: Faults
    ) -> None:
        world.add_element(world.account_of(API_KEY).name, "Mia", external_task_id="one")
        faults.malformed("html", route="query", times=None)
        with pytest.raises(UnknownOutcomeError, match="is in use") as caught:
            await server.create(named(MIA, "one"), allow_duplicate_name=True)
        assert caught.value.external_task_id == "one"
        assert caught.value.code == 1201
        faults.clear()
        assert (await server.create(named(MIA, "one"), allow_duplicate_name=True)).outcome == "recovered"
        assert posts(world) == 1


class TestNextAttempt:
    async def test_a_failed_task_is_tried_again_under_a_new_id(
        self, server: Process, world: World, faults: Faults, clock: VirtualClock
    ) -> None:
        faults.fail_task()
        first = await server.create(MIA)
        await clock.sleep(TAKES)
        second = await server.create(MIA)
        third = await server.create(MIA)
        assert second.external_task_id == f"{first.external_task_id}-2"
        assert (second.outcome, third.outcome) == ("submitted", "already_submitted")
        ids = [task.external_task_id for task in elements_at(world)]
        assert ids == [first.external_task_id, second.external_task_id]

    async def test_five_simultaneous_creates_after_a_failure_make_one_new_attempt(
        self, server: Process, world: World, faults: Faults, clock: VirtualClock
    ) -> None:
        faults.fail_task()
        await server.create(MIA)
        await clock.sleep(TAKES)
        faults.delay(3, route="create")
        told = await outcomes_of(*[(server, MIA)] * 5)
        assert len({one.task.task_id for one in told if isinstance(one, Creation)}) == 1
        assert posts(world) == 2

    async def test_a_lost_task_that_failed_is_found_and_tried_again(
        self, server: Process, world: World, faults: Faults, clock: VirtualClock
    ) -> None:
        faults.fail_task()
        faults.slow_task(1)
        faults.delay(41, after_commit=True, route="create")
        creation = await server.create(MIA, patience=120)
        assert creation.external_task_id.endswith("-2")
        assert [bool(task.failure) for task in elements_at(world)] == [True, False]

    async def test_a_deleted_element_is_made_again(self, server: Process, world: World, clock: VirtualClock) -> None:
        await server.create(MIA)
        await clock.sleep(TAKES)
        (task,) = elements_at(world)
        world.delete_element(world.account_of(API_KEY), task.element_id)
        again = await server.create(MIA)
        assert again.outcome == "submitted"
        assert again.task.task_id != task.task_id

    async def test_a_task_that_kling_forgot_is_made_again(
        self, server: Process, world: World, faults: Faults, clock: VirtualClock
    ) -> None:
        first = await server.create(MIA)
        await clock.sleep(60)
        world.reset()
        again = await server.create(MIA)
        assert again.outcome == "submitted"
        assert again.external_task_id == f"{first.external_task_id}-2"

    async def test_a_task_too_young_to_be_seen_everywhere_is_not_forgotten(
        self, server: Process, world: World, faults: Faults
    ) -> None:
        first = await server.create(MIA)
        faults.reply_code(1201, message="Task not found by id/external id: it", route="query", times=2)
        faults.reply_code(1201, message="Task not found by id/external id: it", route="query")
        again = await server.create(MIA)
        assert (again.task.task_id, again.outcome) == (first.task.task_id, "already_submitted")
        assert posts(world) == 1

    async def test_task_that_only_the_list_shows_is_answered_with_its_state(
        self, server: Process, world: World, faults: Faults, clock: VirtualClock
    ) -> None:
        await server.create(MIA)
        await clock.sleep(TAKES)
        faults.reply_code(1201, message="Task not found by id/external id: it", route="query", times=None)
        again = await server.create(MIA)
        assert (again.outcome, again.task.task_status) == ("already_submitted", "succeed")
        assert again.task.element_ids == [task.element_id for task in elements_at(world)]
        assert posts(world) == 1

    async def test_a_task_that_cannot_be_looked_at_is_still_the_task(
        self, server: Process, world: World, faults: Faults
    ) -> None:
        first = await server.create(MIA)
        faults.malformed("html", route="query")
        again = await server.create(MIA)
        assert (again.task.task_id, again.external_task_id) == (first.task.task_id, first.external_task_id)
        assert again.task.task_status == "unknown"
        assert any("reading it failed" in warning for warning in again.warnings)
        assert posts(world) == 1


class TestConcurrentCalls:
    async def test_waiting_caller_whose_time_ends_gets_the_external_id(self, server: Process, faults: Faults) -> None:
        faults.delay(30, route="create")
        async with anyio.create_task_group() as group:
            group.start_soon(server.create, MIA)
            await anyio.sleep(1)
            with pytest.raises(StillSendingError, match="still being sent") as caught:
                await server.create(MIA, patience=5)
        assert caught.value.external_task_id.startswith("kmcp-")
        assert caught.value.created == "maybe"

    async def test_waiting_caller_gets_the_refusal_of_the_first_caller(
        self, server: Process, world: World, faults: Faults
    ) -> None:
        faults.delay(3, route="create")
        faults.reply_code(1301, route="create")
        told = await outcomes_of((server, MIA), (server, MIA))
        assert [type(one) for one in told] == [ContentError, ContentError]
        assert posts(world) == 1
        assert (await server.create(MIA)).outcome == "submitted"

    async def test_waiting_caller_in_another_process_sends_after_the_first_caller_was_refused(
        self, processes: Processes, world: World, faults: Faults
    ) -> None:
        faults.delay(3, route="create")
        faults.reply_code(1301, route="create")
        told = await outcomes_of((processes.start(), MIA), (processes.start(), MIA))
        assert [type(one) for one in told] == [ContentError, Creation]
        assert len(elements_at(world)) == 1


class TestNameGuard:
    async def test_ready_element_of_the_same_name_stops_a_creation(
        self, server: Process, world: World, clock: VirtualClock
    ) -> None:
        await server.create(MIA)
        await clock.sleep(TAKES)
        (ready,) = elements_at(world)
        with pytest.raises(NameTakenError, match="already exists") as caught:
            await server.create(OTHER_MIA)
        (candidate,) = caught.value.candidates
        assert candidate.startswith(f"element_id={ready.element_id}, ready, created 20")
        assert candidate in caught.value.message
        assert (caught.value.kind, caught.value.created) == ("name_taken", "no")
        assert posts(world) == 1

    async def test_element_of_the_same_name_made_elsewhere_stops_a_creation(
        self, server: Process, world: World
    ) -> None:
        world.add_element(world.account_of(API_KEY).name, "Mia")
        with pytest.raises(NameTakenError):
            await server.create(MIA)
        assert posts(world) == 0

    async def test_allow_duplicate_name_creates_a_second_element_of_the_name(
        self, server: Process, world: World
    ) -> None:
        world.add_element(world.account_of(API_KEY).name, "Mia")
        assert (await server.create(MIA, allow_duplicate_name=True)).outcome == "submitted"

    async def test_allowing_a_second_name_allows_no_second_element(self, server: Process, world: World) -> None:
        await server.create(MIA)
        assert (await server.create(MIA, allow_duplicate_name=True)).outcome == "already_submitted"
        assert posts(world) == 1

    @pytest.mark.parametrize("status", ["deleted", "failed"])
    async def test_failed_or_deleted_element_does_not_hold_its_name(
        self, status: Literal["deleted", "failed"], server: Process, world: World
    ) -> None:
        world.add_element(world.account_of(API_KEY).name, "Mia", status=status)
        assert (await server.create(MIA)).outcome == "submitted"

    async def test_later_of_two_simultaneous_creations_of_a_name_gives_way(
        self, server: Process, world: World, faults: Faults
    ) -> None:
        faults.delay(3, route="create")
        told = await outcomes_of((server, MIA), (server, OTHER_MIA))
        assert [type(one) for one in told] == [Creation, NameTakenError]
        assert "(on its way)" in str(told[1])
        assert len(elements_at(world)) == 1

    async def test_simultaneous_creations_of_a_name_in_two_processes_make_one_element(
        self, processes: Processes, world: World, faults: Faults
    ) -> None:
        faults.delay(3, route="create")
        told = await outcomes_of((processes.start(), MIA), (processes.start(), OTHER_MIA))
        assert {type(one) for one in told} == {Creation, NameTakenError}
        assert len(elements_at(world)) == 1

    async def test_creation_whose_reply_was_lost_holds_its_name(
        self, server: Process, world: World, faults: Faults
    ) -> None:
        faults.lose_reply_before_commit(ending="hang", route="create")
        with pytest.raises(UnknownOutcomeError) as lost:
            await server.create(MIA, patience=5)
        with pytest.raises(NameTakenError) as caught:
            await server.create(OTHER_MIA)
        assert lost.value.external_task_id in caught.value.candidates[0]

    async def test_creation_that_failed_unseen_does_not_hold_its_name(
        self, server: Process, world: World, faults: Faults, clock: VirtualClock
    ) -> None:
        """The natural thing after a failure: the same name, and a better description."""
        faults.fail_task()
        await server.create(MIA)
        await clock.sleep(TAKES)
        assert (await server.create(OTHER_MIA)).outcome == "submitted"

    async def test_failed_creation_of_the_same_name_is_queried_once(
        self, server: Process, world: World, faults: Faults, clock: VirtualClock
    ) -> None:
        faults.fail_task()
        await server.create(MIA)
        await clock.sleep(TAKES)
        faults.reply_code(1301, route="create", times=2)
        for _ in range(2):
            with pytest.raises(ContentError):
                await server.create(OTHER_MIA)
        assert len(requests_to(world, "query")) == 1

    async def test_creation_that_cannot_be_queried_holds_its_name(self, server: Process, faults: Faults) -> None:
        await server.create(MIA)
        faults.malformed("html", route="query")
        with pytest.raises(NameTakenError):
            await server.create(OTHER_MIA)

    async def test_creation_that_was_never_sent_does_not_hold_its_name(
        self, server: Process, world: World, faults: Faults
    ) -> None:
        faults.delay(30, route="list")
        with anyio.move_on_after(1):
            await server.create(MIA)
        assert posts(world) == 0
        assert (await server.create(OTHER_MIA)).outcome == "submitted"

    async def test_refused_creation_queues_behind_later_ones_of_its_name(
        self, server: Process, world: World, faults: Faults
    ) -> None:
        faults.reply_code(1301, route="create")
        with pytest.raises(ContentError):
            await server.create(MIA)
        faults.delay(5, route="create")
        told = await outcomes_of((server, OTHER_MIA), (server, MIA))
        assert [type(one) for one in told] == [Creation, NameTakenError]
        assert len(elements_at(world)) == 1

    async def test_name_is_checked_again_before_a_late_second_request(
        self, server: Process, world: World, faults: Faults, clock: VirtualClock
    ) -> None:
        """The first request never arrived; before the call was repeated, another one created a Mia."""
        faults.lose_reply_before_commit(ending="hang", route="create")
        with pytest.raises(UnknownOutcomeError):
            await server.create(MIA, patience=5)
        await clock.sleep(300)
        world.add_element(world.account_of(API_KEY).name, "Mia", external_task_id="theirs")
        with pytest.raises(NameTakenError):
            await server.create(MIA)
        assert tasks_for(world, MIA) == []

    async def test_an_element_made_elsewhere_is_known_within_a_minute(
        self, server: Process, world: World, clock: VirtualClock
    ) -> None:
        await server.create(draft_of("Leo"))
        world.add_element(world.account_of(API_KEY).name, "Mia")
        await clock.sleep(61)
        with pytest.raises(NameTakenError):
            await server.create(MIA)

    async def test_element_made_by_this_process_holds_its_name_at_once(
        self, processes: Processes, world: World, clock: VirtualClock
    ) -> None:
        """Another process saw it become ready; what this one read of the list before does not count."""
        one, other = processes.start(), processes.start()
        faults_free = await other.create(draft_of("Leo"))
        creation = await one.create(MIA)
        await clock.sleep(TAKES)
        await one.own_account().record_results([await one.own_account().client.get_task(creation.task.task_id)])
        with pytest.raises(NameTakenError, match="element_id="):
            await other.create(OTHER_MIA)
        assert faults_free.outcome == "submitted"

    async def test_names_that_cannot_be_checked_are_a_warning(
        self, server: Process, world: World, faults: Faults
    ) -> None:
        faults.malformed("html", route="list")
        creation = await server.create(MIA)
        assert creation.outcome == "submitted"
        assert any("could not be checked" in warning for warning in creation.warnings)

    async def test_dead_network_fails_before_anything_is_sent(
        self, server: Process, world: World, faults: Faults, clock: VirtualClock
    ) -> None:
        faults.refuse_connection(times=4)
        with pytest.raises(ConnectionFailedError) as caught:
            await server.create(MIA)
        assert (caught.value.created, posts(world)) == ("no", 0)
        await clock.sleep(RETRY_SECONDS)
        assert (await server.create(MIA)).outcome == "submitted"

    async def test_account_in_arrears_fails_before_anything_is_sent(
        self, server: Process, world: World, faults: Faults
    ) -> None:
        faults.reply_code(1101, route="list")
        with pytest.raises(AccountError) as caught:
            await server.create(MIA)
        assert (caught.value.kind, posts(world)) == ("balance", 0)
