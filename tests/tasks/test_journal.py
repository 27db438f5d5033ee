"""The journal decides who may send what: claims, leases, attempts, and what it never holds."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from helpers import API_KEY
from never_twice.crashable import Processes
from never_twice.wishes import draft_of

from kling_mcp.api.models import ElementTask
from kling_mcp.elements.draft import ElementDraft
from kling_mcp.errors import InputError, KlingError
from kling_mcp.simulator import Faults
from kling_mcp.store.process_owner import current_owner, is_process_gone
from kling_mcp.store.sqlite import FILE_NAME, SqliteStore
from kling_mcp.tasks.entry import LEASE_SECONDS, SETTLES_AFTER_ABANDONMENT, JournalEntry
from kling_mcp.tasks.entry_rows import read_entries
from kling_mcp.tasks.intent import Intent, external_id_of
from kling_mcp.tasks.journal import ClaimResult, Journal, LeaseLostError

if TYPE_CHECKING:
    from pathlib import Path

    from helpers import Pictures
    from virtual_time import VirtualClock

pytestmark = pytest.mark.anyio

ACCOUNT = "an account"
REFUSAL = KlingError("Kling said no", kind="bad_input", code=1201)
MIA = Intent("element", "mia" * 20, "mia" * 20, "Mia")
LEO = Intent("element", "leo" * 20, "leo" * 20, "Leo")


@pytest.fixture
def store(tmp_path: Path, clock: VirtualClock) -> Iterator[SqliteStore]:
    with closing(SqliteStore(tmp_path / "state", clock)) as opened:
        yield opened


@pytest.fixture
def journal_of(store: SqliteStore, clock: VirtualClock) -> Callable[..., Journal]:
    """`journal_of(owner)`: the journal as another process has it."""
    return lambda owner="here:1", account=ACCOUNT: Journal(store, account, clock, owner)


@pytest.fixture
def journal(journal_of: Callable[..., Journal]) -> Journal:
    return journal_of()


def task_of(task_id: str, status: str = "succeed", *, deleted: bool = False) -> ElementTask:
    element = {"element_id": f"e{task_id}", "element_name": "Mia", "status": "deleted" if deleted else "succeed"}
    result = {"elements": [element]} if status == "succeed" else {}
    return ElementTask.model_validate({"task_id": task_id, "task_status": status, "task_result": result})


def ended_process() -> str:
    """The number of a process of this computer that runs no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait(30)
    return str(process.pid)


async def state_of(journal: Journal, entry: JournalEntry) -> str:
    found = await journal.find(entry.external_task_id)
    assert found is not None
    return found.state


class TestClaims:
    async def test_the_first_may_and_the_next_waits(self, journal_of: Callable[..., Journal]) -> None:
        entry, verdict = await journal_of("here:1").claim(MIA, "1")
        again, held = await journal_of("there:1").claim(MIA, "1")
        assert (verdict, held) == (ClaimResult.SEND, ClaimResult.IN_PROGRESS)
        assert again.external_task_id == entry.external_task_id

    async def test_two_calls_of_one_process_are_different_owners(self, journal: Journal) -> None:
        await journal.claim(MIA, "1")
        assert (await journal.claim(MIA, "2"))[1] is ClaimResult.IN_PROGRESS

    async def test_claim_of_another_request_is_independent(self, journal: Journal) -> None:
        await journal.claim(MIA, "1")
        assert (await journal.claim(LEO, "2"))[1] is ClaimResult.SEND

    async def test_claim_of_another_account_is_independent(self, journal_of: Callable[..., Journal]) -> None:
        entry, _ = await journal_of().claim(MIA, "1")
        _, verdict = await journal_of(account="another account").claim(MIA, "1")
        assert verdict is ClaimResult.SEND
        assert await journal_of(account="a third account").find(entry.external_task_id) is None

    async def test_a_lease_that_ran_out_is_taken_over(
        self, journal_of: Callable[..., Journal], clock: VirtualClock
    ) -> None:
        await journal_of("here:1").claim(MIA, "1")
        await clock.sleep(LEASE_SECONDS)
        assert (await journal_of("there:1").claim(MIA, "1"))[1] is ClaimResult.SEND

    async def test_a_lease_that_is_renewed_is_not(
        self, journal_of: Callable[..., Journal], clock: VirtualClock
    ) -> None:
        journal = journal_of("here:1")
        entry, _ = await journal.claim(MIA, "1")
        for _ in range(3):
            await clock.sleep(LEASE_SECONDS * 0.9)
            await journal.renew(entry)
            assert (await journal_of("there:1").claim(MIA, "1"))[1] is ClaimResult.IN_PROGRESS

    async def test_lease_that_was_released_is_not_renewed(self, journal: Journal) -> None:
        """A renewal may be on its way to the disk when the call ends."""
        entry, _ = await journal.claim(MIA, "1")
        await journal.mark_refused(entry, REFUSAL)
        await journal.renew(entry)
        assert (await journal.claim(MIA, "2"))[1] is ClaimResult.SEND

    async def test_claim_of_an_ended_process_on_this_host_is_taken_over_at_once(
        self, journal_of: Callable[..., Journal]
    ) -> None:
        await journal_of(f"here:{ended_process()}").claim(MIA, "1")
        assert (await journal_of(f"here:{os.getpid()}").claim(MIA, "1"))[1] is ClaimResult.SEND

    async def test_claim_of_a_running_process_on_this_host_is_respected(
        self, journal_of: Callable[..., Journal]
    ) -> None:
        await journal_of(f"here:{os.getpid()}").claim(MIA, "1")
        assert (await journal_of(f"here:{os.getpid()}").claim(MIA, "1"))[1] is ClaimResult.IN_PROGRESS

    async def test_claim_of_another_host_is_respected_whatever_its_process_id(
        self, journal_of: Callable[..., Journal]
    ) -> None:
        await journal_of(f"there:{ended_process()}").claim(MIA, "1")
        assert (await journal_of(f"here:{os.getpid()}").claim(MIA, "1"))[1] is ClaimResult.IN_PROGRESS

    async def test_calls_of_the_same_moment_have_an_order(self, journal: Journal, clock: VirtualClock) -> None:
        """Two calls for one name must agree which of them came first."""
        mia, _ = await journal.claim(MIA, "1")
        leo, _ = await journal.claim(LEO, "2")
        await journal.mark_refused(mia, REFUSAL)
        again, _ = await journal.claim(MIA, "3")
        assert clock.wall() <= mia.created_at < leo.created_at < again.created_at < clock.wall() + 0.001


class TestLostLease:
    @pytest.fixture
    async def overtaken(self, journal_of: Callable[..., Journal], clock: VirtualClock) -> JournalEntry:
        entry, _ = await journal_of("here:1").claim(MIA, "1")
        await clock.sleep(LEASE_SECONDS)
        await journal_of("there:1").claim(MIA, "1")
        return entry

    async def test_lost_lease_forbids_sending(self, overtaken: JournalEntry, journal: Journal) -> None:
        with pytest.raises(LeaseLostError):
            await journal.mark_sending(overtaken)
        assert await state_of(journal, overtaken) == "claimed"

    async def test_lost_lease_ignores_later_doubts(
        self, overtaken: JournalEntry, journal: Journal, clock: VirtualClock
    ) -> None:
        await journal.save(replace(overtaken, state="unclear"))
        await journal.mark_refused(overtaken, REFUSAL)
        await journal.release(overtaken)
        await journal.renew(overtaken)
        assert await state_of(journal, overtaken) == "claimed"
        await clock.sleep(LEASE_SECONDS - 1)
        assert (await journal.claim(MIA, "2"))[1] is ClaimResult.IN_PROGRESS

    async def test_lost_lease_still_records_an_accepted_task(self, overtaken: JournalEntry, journal: Journal) -> None:
        await journal.mark_accepted(overtaken, "880")
        assert (await journal.claim(MIA, "2"))[1] is ClaimResult.DONE

    async def test_the_same_names_in_another_process_are_another_holder(
        self, journal_of: Callable[..., Journal], clock: VirtualClock
    ) -> None:
        """A container that restarts has the same host name and the same number."""
        before, _ = await journal_of("here:1").claim(MIA, "1")
        await clock.sleep(LEASE_SECONDS)
        await journal_of("here:1").claim(MIA, "1")
        with pytest.raises(LeaseLostError):
            await journal_of("here:1").mark_sending(before)


class TestEarlierAttempts:
    async def test_refused_request_may_be_sent_again(self, journal: Journal) -> None:
        entry = await journal.mark_sending((await journal.claim(MIA, "1"))[0])
        await journal.mark_refused(entry, REFUSAL)
        again, verdict = await journal.claim(MIA, "2")
        assert verdict is ClaimResult.SEND
        assert again.external_task_id == entry.external_task_id

    async def test_request_released_before_sending_may_be_sent(self, journal: Journal) -> None:
        entry, _ = await journal.claim(MIA, "1")
        await journal.release(entry)
        assert (await journal.claim(MIA, "2"))[1] is ClaimResult.SEND

    async def test_request_that_was_being_sent_must_be_looked_up_and_given_time(
        self, journal: Journal, clock: VirtualClock
    ) -> None:
        await journal.mark_sending((await journal.claim(MIA, "1"))[0])
        sent = clock.wall()
        await clock.sleep(LEASE_SECONDS)
        entry, verdict = await journal.claim(MIA, "2")
        assert verdict is ClaimResult.RECOVER
        assert entry.settles_at == sent + SETTLES_AFTER_ABANDONMENT

    async def test_the_time_begins_with_the_last_sign_of_life(self, journal: Journal, clock: VirtualClock) -> None:
        entry = await journal.mark_sending((await journal.claim(MIA, "1"))[0])
        await clock.sleep(LEASE_SECONDS * 0.8)
        await journal.renew(entry)
        alive = clock.wall()
        await clock.sleep(LEASE_SECONDS)
        entry, _ = await journal.claim(MIA, "2")
        assert entry.settles_at - alive == pytest.approx(SETTLES_AFTER_ABANDONMENT)

    async def test_looking_up_an_unclear_request_does_not_prolong_its_time(
        self, journal: Journal, clock: VirtualClock
    ) -> None:
        await journal.mark_sending((await journal.claim(MIA, "1"))[0])
        await clock.sleep(LEASE_SECONDS)
        first, _ = await journal.claim(MIA, "2")
        await clock.sleep(5)
        await journal.release(first)
        second, verdict = await journal.claim(MIA, "3")
        assert verdict is ClaimResult.RECOVER
        assert second.settles_at == first.settles_at

    @pytest.mark.parametrize("deleted", [False, True])
    async def test_failed_or_deleted_task_leads_to_another_attempt(self, deleted: bool, journal: Journal) -> None:
        entry = await journal.mark_accepted((await journal.claim(MIA, "1"))[0], "880")
        await journal.record_end(entry, task_of("880", "succeed" if deleted else "failed", deleted=deleted))
        again, verdict = await journal.claim(MIA, "2")
        assert verdict is ClaimResult.SEND
        assert (again.attempt, again.external_task_id) == (2, f"{entry.external_task_id}-2")
        assert again.task_id == ""

    async def test_task_gone_from_kling_leads_to_another_attempt(self, journal: Journal) -> None:
        entry = await journal.mark_accepted((await journal.claim(MIA, "1"))[0], "880")
        await journal.mark_deleted(entry)
        assert (await journal.claim(MIA, "2"))[0].attempt == 2

    async def test_an_id_of_the_greatest_length_has_room_for_attempts(self, journal: Journal) -> None:
        long = replace(MIA, key="own", caller_id="x" * 64)
        ids = set()
        for attempt in range(1, 13):
            entry, _ = await journal.claim(long, str(attempt))
            ids.add(entry.external_task_id)
            await journal.mark_deleted(entry)
        assert (len(ids), {len(name) for name in ids}) == (12, {64})

    async def test_generated_external_ids_follow_from_the_request(self) -> None:
        assert external_id_of(MIA, 1) == external_id_of(replace(MIA), 1)
        assert external_id_of(MIA, 1) != external_id_of(LEO, 1)
        assert external_id_of(MIA, 1).startswith("kmcp-")

    async def test_refused_external_id_of_a_caller_takes_the_content_of_the_next_request(
        self, journal: Journal, clock: VirtualClock
    ) -> None:
        own = replace(MIA, key="own", caller_id="one", memo={"voice_id": "1"})
        refused = await journal.mark_sending((await journal.claim(own, "1"))[0])
        await journal.mark_refused(refused, REFUSAL)
        await clock.sleep(1)
        other = replace(LEO, kind="voice", key="own", caller_id="one", memo={"voice_id": "2"})
        entry, verdict = await journal.claim(other, "2")
        assert verdict is ClaimResult.SEND
        assert (entry.state, entry.kind, entry.content_hash) == ("claimed", other.kind, other.content_hash)
        assert (entry.label, entry.memo) == (other.label, other.memo)
        assert entry.created_at > refused.created_at
        assert await journal.find("one") == entry

    async def test_refusal_of_an_external_id_in_use_names_the_argument_and_the_id(self, journal: Journal) -> None:
        await journal.claim(replace(MIA, key="own", caller_id="one"), "1")
        with pytest.raises(InputError) as caught:
            await journal.claim(replace(LEO, key="own", caller_id="one"), "2")
        (problem,) = caught.value.problems
        assert (problem.argument, problem.actual) == ("external_task_id", '"one"')
        assert problem.fix

    async def test_external_id_in_use_is_refused_with_the_name_of_its_element(self, journal: Journal) -> None:
        await journal.claim(replace(MIA, key="own", caller_id="one"), "1")
        with pytest.raises(InputError, match=r"the element .Mia."):
            await journal.claim(replace(LEO, key="own", caller_id="one"), "2")


class TestJournalLookups:
    async def test_journal_records_the_end_of_tasks(self, journal: Journal) -> None:
        states = {
            "880": task_of("880"),
            "881": task_of("881", "failed"),
            "882": task_of("882", deleted=True),
            "883": task_of("883", "processing"),
        }
        for number, task_id in enumerate(states):
            wish = Intent("element", f"i{number}", f"i{number}", "Mia")
            await journal.mark_accepted((await journal.claim(wish, "1"))[0], task_id)
        await journal.record_results([*states.values(), task_of("999")])
        known = {entry.task_id: (entry.state, entry.result_ids) for entry in await journal.known_tasks("element")}
        assert known == {
            "880": ("ready", ("e880",)),
            "881": ("failed", ()),
            "882": ("deleted", ("e882",)),
            "883": ("accepted", ()),
        }
        assert [entry.task_id for entry in await journal.unfinished()] == ["883"]

    async def test_journal_writes_only_where_a_state_changed(self, journal: Journal, tmp_path: Path) -> None:
        accepted = await journal.mark_accepted((await journal.claim(MIA, "1"))[0], "880")
        before = (tmp_path / "state" / FILE_NAME).read_bytes()
        known = await journal.record_results([task_of("880", "processing"), task_of("881")])
        assert (tmp_path / "state" / FILE_NAME).read_bytes() == before
        assert list(known) == ["880"]
        assert known["880"].external_task_id == accepted.external_task_id
        await journal.record_results([task_of("880")])
        ended = (tmp_path / "state" / FILE_NAME).read_bytes()
        assert ended != before
        await journal.record_results([task_of("880")])
        assert (tmp_path / "state" / FILE_NAME).read_bytes() == ended

    async def test_unfinished_entries_beyond_one_page_are_all_found(self, journal: Journal) -> None:
        for number in range(520):
            await journal.claim(Intent("element", f"i{number}", f"i{number}", "Mia"), "1")
        unfinished = await journal.unfinished()
        assert len(unfinished) == 520
        assert unfinished == sorted(unfinished, key=lambda entry: entry.created_at)

    async def test_lapsed_claim_is_not_unfinished(self, journal: Journal, clock: VirtualClock) -> None:
        await journal.claim(MIA, "1")
        assert len(await journal.unfinished()) == 1
        await clock.sleep(LEASE_SECONDS)
        assert await journal.unfinished() == []

    async def test_journal_entry_is_found_by_either_id(self, journal: Journal) -> None:
        entry = await journal.mark_accepted((await journal.claim(MIA, "1"))[0], "880")
        assert await journal.find("880") == await journal.find(entry.external_task_id) == entry
        assert await journal.find("881") is None

    async def test_journal_finds_other_entries_of_the_same_name(self, journal: Journal, clock: VirtualClock) -> None:
        mia, _ = await journal.claim(MIA, "1")
        twin, _ = await journal.claim(replace(MIA, key="twin", content_hash="twin"), "1")
        await journal.claim(LEO, "1")
        assert await journal.with_same_label(mia) == [twin]
        await journal.mark_sending(twin)
        await clock.sleep(LEASE_SECONDS)
        assert [other.state for other in await journal.with_same_label(mia)] == ["sending"]
        assert await journal.with_same_label(twin) == [], "a claim that nobody holds has no name"

    async def test_journal_lists_newest_entries_of_one_account_or_of_all(
        self, store: SqliteStore, journal_of: Callable[..., Journal]
    ) -> None:
        await journal_of().claim(MIA, "1")
        await journal_of().claim(LEO, "1")
        await journal_of(account="another account").claim(replace(MIA, label="Zoe"), "1")
        assert [entry.label for entry in await read_entries(store, ACCOUNT, 10)] == ["Leo", "Mia"]
        assert [entry.label for entry in await read_entries(store, ACCOUNT, 1)] == ["Leo"]
        assert len(await read_entries(store, None, 10)) == 3


class TestProcesses:
    def test_current_process_is_named_and_runs(self) -> None:
        host, _, pid = current_owner().rpartition(":")
        assert pid == str(os.getpid())
        assert "/" not in host
        assert not is_process_gone(pid)

    def test_owner_without_a_process_namespace_is_named_by_its_host(self, tmp_path: Path) -> None:
        assert "+" not in current_owner(tmp_path / "no such thing")

    def test_only_what_certainly_ended_is_gone(self) -> None:
        assert is_process_gone(ended_process())
        for name in ("", "1x", "-1", "9" * 40):
            assert not is_process_gone(name)


class TestJournalSecrets:
    """No secret, no picture and no link: the file may lie in a backup, or be sent with a report."""

    async def test_journal_holds_no_secret_no_picture_and_no_link(
        self, processes: Processes, pictures: Pictures, faults: Faults
    ) -> None:
        server = processes.start()
        signed = "https://pictures.example.com/SIGNED-LINK.png?signature=LINK-CANARY"
        base = ElementDraft("Mia", "Barista", "image_refer", str(pictures.front), (str(pictures.side),))
        await server.create(base)
        await server.create(replace(base, element_name="Leo", frontal_image=signed))
        await server.create(replace(draft_of("Zoe"), callback_url="https://example.com/CALLBACK-CANARY"))
        faults.reply_code(5000, message=f"said {API_KEY} and {signed}", after_commit=True, route="create")
        await server.create(draft_of("Ada"))
        held = (processes.folder / FILE_NAME).read_bytes()
        for kept in (b"Mia", b"Leo", b"Zoe", b"kmcp-"):
            assert kept in held
        picture = pictures.front.read_bytes()
        for canary in (API_KEY.encode(), b"CANARY", b"SIGNED", b"example.com", picture[20:60], b"iVBOR", b"/9j/"):
            assert canary not in held
