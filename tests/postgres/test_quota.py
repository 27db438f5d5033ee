"""How much an account may create is counted over all replicas, exactly, wherever the state lies."""

from __future__ import annotations

import anyio
import pytest

from kling_mcp.errors import KlingError, LimitError
from kling_mcp.tasks.intent import Intent
from kling_mcp.tasks.journal import Journal
from kling_mcp.tasks.quota import DAY, SubmitQuota
from postgres.places import Place

pytestmark = pytest.mark.anyio

ACCOUNT, OTHER = "0123456789abcdef0123456789abcdef", "f" * 32


def wish(number: int) -> Intent:
    return Intent("element", f"{number:064}", f"{number:064}", f"Mia {number}")


def journal_at(place: Place, owner: str, account: str = ACCOUNT, *, per_day: int) -> Journal:
    """The journal of one replica, on a computer of its own."""
    return Journal(place.store(), account, place.clock, f"{owner}:1", SubmitQuota(per_day=per_day))


async def test_quota_of_many_replicas_is_shared(place: Place) -> None:
    sent: list[int] = []
    refused: list[int] = []

    async def send(journal: Journal, number: int) -> None:
        entry, _ = await journal.claim(wish(number), "1")
        try:
            await journal.mark_sending(entry)
            sent.append(number)
        except LimitError:
            refused.append(number)

    async with anyio.create_task_group() as group:
        for replica in range(4):
            journal = journal_at(place, f"replica{replica}", per_day=5)
            for number in range(4):
                group.start_soon(send, journal, 10 * replica + number)
    assert (len(sent), len(refused)) == (5, 11)


async def test_creations_of_other_accounts_and_older_days_use_no_quota(place: Place) -> None:
    for account in (ACCOUNT, OTHER):
        journal = journal_at(place, "a", account, per_day=1)
        entry, _ = await journal.claim(wish(1), "1")
        await journal.mark_sending(entry)
    journal = journal_at(place, "b", per_day=1)
    entry, _ = await journal.claim(wish(2), "1")
    with pytest.raises(LimitError):
        await journal.mark_sending(entry)
    await place.clock.sleep(DAY)
    entry, _ = await journal.claim(wish(2), "1")
    assert (await journal.mark_sending(entry)).state == "sending"


async def test_refused_and_repeated_creations_use_no_quota(place: Place) -> None:
    journal = journal_at(place, "a", per_day=1)
    entry, _ = await journal.claim(wish(1), "1")
    await journal.mark_refused(
        await journal.mark_sending(entry), KlingError("Kling said no", kind="bad_input", code=1201)
    )
    entry, _ = await journal.claim(wish(2), "1")
    entry = await journal.mark_sending(entry)
    assert (await journal.mark_sending(entry)).sent_at >= entry.sent_at
