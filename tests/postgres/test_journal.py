"""The journal decides who may send what, exactly, wherever it lies and however many ask at once."""

from __future__ import annotations

from collections import Counter

import anyio
import pytest

from kling_mcp.api.models import ElementTask
from kling_mcp.errors import InputError, KlingError
from kling_mcp.tasks.entry import LEASE_SECONDS, JournalEntry
from kling_mcp.tasks.entry_rows import read_entries
from kling_mcp.tasks.intent import Intent
from kling_mcp.tasks.journal import ClaimResult, Journal, LeaseLostError
from postgres.places import Place

pytestmark = pytest.mark.anyio

ACCOUNT = "0123456789abcdef0123456789abcdef"
MIA = Intent("element", "1" * 64, "1" * 64, "Mia")


def journal_at(place: Place, owner: str, account: str = ACCOUNT) -> Journal:
    """The journal of one replica, on a computer of its own."""
    return Journal(place.store(), account, place.clock, f"{owner}:1")


def finished(task_id: str, status: str = "succeed") -> ElementTask:
    return ElementTask.model_validate(
        {"task_id": task_id, "task_status": status, "task_result": {"elements": [{"element_id": "77"}]}}
    )


async def test_claim_of_many_replicas_lets_one_send(place: Place) -> None:
    verdicts: Counter[ClaimResult] = Counter()
    entries: list[JournalEntry] = []

    async def claim(journal: Journal, caller: int) -> None:
        entry, verdict = await journal.claim(MIA, str(caller))
        verdicts[verdict] += 1
        entries.append(entry)

    async with anyio.create_task_group() as group:
        for replica in "abcd":
            journal = journal_at(place, replica)
            for caller in range(4):
                group.start_soon(claim, journal, caller)
    assert verdicts == {ClaimResult.SEND: 1, ClaimResult.IN_PROGRESS: 15}
    assert len({(entry.external_task_id, entry.owner) for entry in entries}) == 1


async def test_entry_of_a_dead_replica_is_taken_over_by_one_replica(place: Place) -> None:
    entry, _ = await journal_at(place, "dead").claim(MIA, "1")
    await place.clock.sleep(LEASE_SECONDS + 1)
    verdicts: Counter[ClaimResult] = Counter()

    async def claim(journal: Journal) -> None:
        taken, verdict = await journal.claim(MIA, "1")
        assert taken.external_task_id == entry.external_task_id
        verdicts[verdict] += 1

    async with anyio.create_task_group() as group:
        for replica in "abcdef":
            group.start_soon(claim, journal_at(place, replica))
    assert verdicts == {ClaimResult.SEND: 1, ClaimResult.IN_PROGRESS: 5}


async def test_replica_that_lost_its_lease_may_not_send(place: Place) -> None:
    slow, quick = journal_at(place, "slow"), journal_at(place, "quick")
    entry, _ = await slow.claim(MIA, "1")
    await place.clock.sleep(LEASE_SECONDS + 1)
    taken, verdict = await quick.claim(MIA, "1")
    assert verdict is ClaimResult.SEND
    with pytest.raises(LeaseLostError):
        await slow.mark_sending(entry)
    await quick.mark_sending(taken)


async def test_a_renewed_lease_is_not_taken_over(place: Place) -> None:
    holder, other = journal_at(place, "holder"), journal_at(place, "other")
    entry, _ = await holder.claim(MIA, "1")
    for _ in range(5):
        await place.clock.sleep(LEASE_SECONDS - 1)
        await holder.renew(entry)
        assert (await other.claim(MIA, "1"))[1] is ClaimResult.IN_PROGRESS


async def test_entry_that_was_being_sent_is_looked_up_first(place: Place) -> None:
    dead, heir = journal_at(place, "dead"), journal_at(place, "heir")
    entry, _ = await dead.claim(MIA, "1")
    await dead.mark_sending(entry)
    await place.clock.sleep(LEASE_SECONDS + 1)
    taken, verdict = await heir.claim(MIA, "1")
    assert (taken.state, verdict) == ("unclear", ClaimResult.RECOVER)


async def test_task_made_by_one_replica_is_known_to_the_other(place: Place) -> None:
    one, other = journal_at(place, "one"), journal_at(place, "other")
    entry, _ = await one.claim(MIA, "1")
    await one.mark_accepted(await one.mark_sending(entry), "880000000000000001")
    known, verdict = await other.claim(MIA, "1")
    assert (known.task_id, verdict) == ("880000000000000001", ClaimResult.DONE)
    assert [found.task_id for found in await other.unfinished()] == ["880000000000000001"]
    await other.record_results([finished("880000000000000001")])
    assert await one.unfinished() == []
    found = await one.find(entry.external_task_id)
    assert found is not None
    assert (found.state, found.result_ids) == ("ready", ("77",))


async def test_after_a_failed_task_the_next_attempt_has_another_id(place: Place) -> None:
    journal = journal_at(place, "one")
    entry, _ = await journal.claim(MIA, "1")
    accepted = await journal.mark_accepted(await journal.mark_sending(entry), "880000000000000001")
    await journal.record_end(accepted, finished("880000000000000001", "failed"))
    again, verdict = await journal.claim(MIA, "2")
    assert (again.external_task_id, verdict) == (f"{entry.external_task_id}-2", ClaimResult.SEND)


async def test_external_id_means_one_content(place: Place) -> None:
    one, other = journal_at(place, "one"), journal_at(place, "other")
    named = Intent("element", "named", "2" * 64, "Mia", caller_id="cast-mia")
    entry, _ = await one.claim(named, "1")
    await one.mark_accepted(await one.mark_sending(entry), "880000000000000001")
    with pytest.raises(InputError, match="must not be in use for something else"):
        await other.claim(Intent("element", "named", "3" * 64, "Tom", caller_id="cast-mia"), "1")


async def test_accounts_do_not_see_each_other(place: Place) -> None:
    mine, theirs = journal_at(place, "one"), journal_at(place, "one", "f" * 32)
    entry, _ = await mine.claim(MIA, "1")
    await mine.mark_accepted(await mine.mark_sending(entry), "880000000000000001")
    assert (await theirs.claim(MIA, "1"))[1] is ClaimResult.SEND
    assert await theirs.find("880000000000000001") is None
    assert await theirs.known_tasks("element") == []
    store = place.store()
    assert len(await read_entries(store, ACCOUNT, 10)) == 1
    assert len(await read_entries(store, None, 10)) == 2


async def test_entries_of_the_same_name_are_found(place: Place) -> None:
    one, other = journal_at(place, "one"), journal_at(place, "other")
    first, _ = await one.claim(MIA, "1")
    twin, _ = await other.claim(Intent("element", "2" * 64, "2" * 64, "Mia"), "1")
    assert [entry.key for entry in await other.with_same_label(twin)] == [first.key]
    await one.mark_refused(first, KlingError("Kling said no", kind="bad_input", code=1201))
    assert await other.with_same_label(twin) == []


async def test_entries_are_found_by_what_their_memo_holds(place: Place) -> None:
    """Only by the whole value under that name, and only those of this account."""
    journal = journal_at(place, "a")
    memos = {"Mia": {"material": "abc"}, "Leo": {"material": "abcd"}, "Ann": {"description": "abc"}, "Rex": {}}
    for number, (name, memo) in enumerate(memos.items()):
        await journal.claim(Intent("element", f"{number}" * 64, f"{number}" * 64, name, memo=memo), "1")
    other = journal_at(place, "a", "f" * 32)
    await other.claim(Intent("element", "9" * 64, "9" * 64, "Stranger", memo=memos["Mia"]), "1")
    assert [entry.label for entry in await journal.with_memo("element", "material", "abc")] == ["Mia"]
    assert await journal.with_memo("voice", "material", "abc") == []
    assert await journal.with_memo("element", "material", "%") == []


async def test_name_means_what_is_unfinished_else_the_newest_task(place: Place) -> None:
    journal = journal_at(place, "a")
    first, _ = await journal.claim(MIA, "1")
    await journal.mark_refused(first, KlingError("no"))
    assert await journal.named("Mia") == []
    for number in "23":
        entry, _ = await journal.claim(Intent("element", number * 64, number * 64, "Mia"), "1")
        await journal.mark_accepted(entry, f"task-{number}")
    assert [entry.task_id for entry in await journal.named("Mia\u200b")] == ["task-2", "task-3"]
    await journal.record_results([finished("task-2"), finished("task-3")])
    assert [entry.task_id for entry in await journal.named(" Mia")] == ["task-3"]
    assert await journal.named("Leo") == []
