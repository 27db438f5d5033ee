"""What an account may spend is counted over all replicas, exactly, wherever the state lies."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import anyio
import pytest
from virtual_time import VirtualClock

from kling_mcp.api.generation_models import GenerationTask
from kling_mcp.errors import KlingError, OverBudgetError
from kling_mcp.tasks.budget import DAY_SECONDS, Budget, Cost
from kling_mcp.tasks.entry import JournalEntry
from kling_mcp.tasks.intent import Intent
from kling_mcp.tasks.journal import Journal
from postgres.places import Place

pytestmark = pytest.mark.anyio

ACCOUNT, OTHER = "0123456789abcdef0123456789abcdef", "f" * 32


def wish(number: int, units: str = "3", product: str = "video") -> Intent:
    return Intent(product, f"{number:064}", f"{number:064}", f"clip {number}", cost=Cost(product, Decimal(units)))


def journal_at(
    place: Place, owner: str = "a", account: str = ACCOUNT, *, clock: VirtualClock | None = None, **caps: int
) -> Journal:
    """The journal of one replica, on a computer of its own."""
    budget = Budget(**{name: dict.fromkeys(("video", "image"), most) for name, most in caps.items()})
    return Journal(place.store(), account, clock or place.clock, f"{owner}:1", budget=budget)


def journal_ahead(place: Place, seconds: float) -> Journal:
    """The journal of another computer, whose clock is ahead."""
    clock = VirtualClock(place.clock.epoch, boot="another-computer", error=seconds)
    return journal_at(place, "b", clock=clock, per_day=9)


async def send(journal: Journal, intent: Intent) -> JournalEntry:
    entry, _ = await journal.claim(intent, "1")
    return await journal.mark_sending(entry)


async def end(journal: Journal, intent: Intent, status: str, units: str = "") -> None:
    """The request was accepted and ended; Kling says what it cost, or nothing."""
    task_id = f"88{int(intent.key):016}"
    await journal.mark_accepted(await send(journal, intent), task_id)
    await journal.record_results([record(task_id, status, units)])


def record(task_id: str, status: str, units: str) -> GenerationTask:
    told: dict[str, Any] = {"task_id": task_id, "task_status": status, "final_unit_deduction": units}
    if status == "succeed":
        told["task_result"] = {"videos": [{"id": "1", "url": "https://v1.klingai.com/1.mp4", "duration": "5"}]}
    return GenerationTask.model_validate(told)


async def is_allowed(journal: Journal, intent: Intent) -> bool:
    """Whether it may be sent; both questions have one answer."""
    try:
        await journal.check_budget(intent)
    except OverBudgetError:
        with pytest.raises(OverBudgetError):
            await send(journal, intent)
        return False
    await send(journal, intent)
    return True


async def test_budget_of_many_replicas_is_shared_to_the_last_unit(place: Place) -> None:
    sent: list[int] = []

    async def try_to_send(journal: Journal, number: int) -> None:
        entry, _ = await journal.claim(wish(number), "1")
        try:
            await journal.mark_sending(entry)
        except OverBudgetError:
            return
        sent.append(number)

    async with anyio.create_task_group() as group:
        for replica in range(4):
            journal = journal_at(place, f"replica{replica}", per_day=16)
            for number in range(4):
                group.start_soon(try_to_send, journal, 10 * replica + number)
    assert len(sent) == 5, "five times three units fit into sixteen"


async def test_figure_that_kling_reports_replaces_the_estimate(place: Place) -> None:
    journal = journal_at(place, per_day=10)
    await end(journal, wish(1, "9"), "succeed", "4.5")
    assert not await is_allowed(journal, wish(2, "5.6"))
    assert await is_allowed(journal, wish(3, "5.5"))


async def test_figure_that_comes_after_the_end_counts_too(place: Place) -> None:
    journal = journal_at(place, per_day=10)
    await end(journal, wish(1, "9"), "succeed")
    assert not await is_allowed(journal, wish(2, "5"))
    await journal.record_results([record(f"88{1:016}", "succeed", "4")])
    assert await is_allowed(journal, wish(3, "5"))


@pytest.mark.parametrize(("told", "allowed"), [("", False), ("0", True), ("0.0", True), ("9", False)])
async def test_failed_task_counts_until_kling_says_that_it_was_free(place: Place, told: str, allowed: bool) -> None:
    journal = journal_at(place, per_day=10)
    await end(journal, wish(1, "9"), "failed", told)
    assert await is_allowed(journal, wish(2, "9")) is allowed


async def test_refused_and_repeated_requests_use_no_budget(place: Place) -> None:
    journal = journal_at(place, per_day=9)
    refusal = KlingError("Kling said no", kind="bad_input", code=1201)
    await journal.mark_refused(await send(journal, wish(1, "9")), refusal)
    entry = await send(journal, wish(2, "9"))
    assert (await journal.mark_sending(entry)).sent_at >= entry.sent_at


async def test_budgets_are_separate_by_product_account_and_day(place: Place) -> None:
    journal = journal_at(place, per_day=9)
    assert await is_allowed(journal, wish(1, "9"))
    assert await is_allowed(journal, wish(2, "9", product="image"))
    assert await is_allowed(journal_at(place, "a", OTHER, per_day=9), wish(3, "9"))
    assert not await is_allowed(journal, wish(4, "1"))
    await place.clock.sleep(DAY_SECONDS)
    assert await is_allowed(journal, wish(5, "9"))


async def test_entry_dated_in_the_future_locks_no_budget(place: Place) -> None:
    await send(journal_ahead(place, 3600.0), wish(1, "9"))
    assert await is_allowed(journal_at(place, per_day=9), wish(2, "9"))


async def test_entry_of_a_replica_whose_clock_is_a_little_ahead_counts(place: Place) -> None:
    await send(journal_ahead(place, 20.0), wish(1, "9"))
    assert not await is_allowed(journal_at(place, per_day=9), wish(2, "9"))


@pytest.mark.parametrize(("units", "allowed"), [("20", True), ("20.1", False)])
async def test_cap_of_one_call_is_that_of_its_units(place: Place, units: str, allowed: bool) -> None:
    assert await is_allowed(journal_at(place, per_call=20), wish(1, units)) is allowed


async def test_account_without_caps_spends_what_it_likes(place: Place) -> None:
    journal = journal_at(place, per_call=0, per_day=0)
    assert await is_allowed(journal, wish(1, "100000"))
    assert await is_allowed(journal, wish(2, "100000"))
