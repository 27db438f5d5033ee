"""Reads what an account has and what it spent, in few requests, and keeps the answer for a while."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from kling_mcp.api.billing import CASH_LEDGER, PACKAGE_LEDGER
from kling_mcp.billing.spending import PackLeft, Spent, packs_left, spent_by_model
from kling_mcp.errors import AuthError, ClockError, KlingError, StorageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kling_mcp.api.billing import BillingApi
    from kling_mcp.api.billing_models import Deduction
    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.tasks.entry import JournalEntry
    from kling_mcp.tasks.journal import Journal

KEPT_SECONDS = 60.0
MAX_PAGES = 10  # of 500 rows, at a second each
_DAY_MS = 86_400_000
# Ours: packs live for a year, and nothing says which of their times the window means (fact: costs).
_PACK_DAYS = 730
NO_LEDGER = "An older key pair cannot read what was deducted; that needs an API key."


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What an account has and spent, as it was at `read_at` (Unix seconds).

    Attributes:
        is_complete: whether every deduction of the time was read.
        notes: what is missing, and why, a sentence each.
    """

    days: int
    packs: list[PackLeft]
    spent: list[Spent]
    read_at: float
    is_complete: bool
    notes: list[str] = field(default_factory=list)

    @property
    def pays_with(self) -> str:
        """`packs`, `cash`, `packs and cash`, or "" if neither is seen."""
        has = {"packs": any(each.is_in_force for each in self.packs), "cash": any(row.currency for row in self.spent)}
        return " and ".join(name for name, is_there in has.items() if is_there)


@dataclass(slots=True)
class _Ledgers:
    deductions: list[Deduction] = field(default_factory=list)
    pages: int = 0
    is_complete: bool = True
    notes: list[str] = field(default_factory=list)


class BalanceReader:
    """The balance of one account. Kling is asked again after `KEPT_SECONDS`."""

    def __init__(self, api: BillingApi, journal: Journal, clock: Clock) -> None:
        self._api = api
        self._journal = journal
        self._clock = clock
        self._lock = anyio.Lock()
        self._kept: dict[int, tuple[float, Balance]] = {}

    async def read(self, days: int) -> Balance:
        """What the account has now, and what it spent on tasks of the last `days` times 24 hours.

        Concurrent calls share one reading.

        Raises:
            KlingError: the packs could not be read.
        """
        async with self._lock:
            now = self._clock.monotonic()
            self._kept = {kept: it for kept, it in self._kept.items() if now - it[0] < KEPT_SECONDS}
            if days not in self._kept:
                self._kept[days] = now, await self._read(days)
            return self._kept[days][1]

    async def _read(self, days: int) -> Balance:
        read_at = self._clock.wall()
        until = round(read_at * 1000)
        packs = await self._api.packs(until - _PACK_DAYS * _DAY_MS, until)
        ledgers = _Ledgers()
        if self._api.has_ledgers:
            since = until - days * _DAY_MS
            await self._add(ledgers, PACKAGE_LEDGER, since, until)
            # An account with packs may have no such ledger at all.
            await self._add(ledgers, CASH_LEDGER, since, until, is_optional=bool(packs))
        else:
            ledgers.is_complete = False
            ledgers.notes.append(NO_LEDGER)
        entries = await self._entries(ledgers)
        return Balance(
            days=days,
            packs=packs_left(packs, ledgers.deductions),
            spent=spent_by_model(ledgers.deductions, entries),
            read_at=read_at,
            is_complete=ledgers.is_complete,
            notes=ledgers.notes,
        )

    async def _add(self, ledgers: _Ledgers, path: str, since: int, until: int, *, is_optional: bool = False) -> None:
        """Read one ledger, as far as the pages go."""
        cursor = ""
        try:
            while ledgers.pages < MAX_PAGES:
                rows, cursor = await self._api.deductions(path, since, until, cursor=cursor)
                ledgers.pages += 1
                ledgers.deductions += rows
                if not cursor:
                    return
        except (AuthError, ClockError):
            raise
        except KlingError as error:
            if is_optional:
                return
            ledgers.is_complete = False
            ledgers.notes.append(f"What was spent could not be read to its end. {error.message}")
            return
        ledgers.is_complete = False
        ledgers.notes.append(
            f"Only the newest {len(ledgers.deductions)} deductions were read; ask for fewer days to see all."
        )

    async def _entries(self, ledgers: _Ledgers) -> Mapping[str, JournalEntry]:
        task_ids = list({row.task_id for row in ledgers.deductions if row.task_id})
        try:
            return await self._journal.by_task_ids(task_ids)
        except StorageError as error:
            ledgers.notes.append(f"This server's journal could not be read, so estimates are missing. {error.message}")
            return {}
