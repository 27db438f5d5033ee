"""Never twice, never lost: every request is recorded before it is sent, and its entry is completed after the reply.

The journal decides which call may send what; it sends nothing itself. It contains no secrets, pictures or links.
`entry` describes an entry and its states.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING

from kling_mcp.errors import InputError
from kling_mcp.sanitize import as_shown
from kling_mcp.store.process_owner import is_dead
from kling_mcp.tasks.budget import Budget
from kling_mcp.tasks.entry import (
    LEASE_SECONDS,
    OVER,
    UNFINISHED,
    UNSENT,
    JournalEntry,
    end_state,
    external_id_conflict,
    has_other_content,
    mark_abandoned,
    reset_for,
    tells_cost,
)
from kling_mcp.tasks.entry_rows import read_entries
from kling_mcp.tasks.entry_times import ROW_COLUMNS, EntryTimes
from kling_mcp.tasks.intent import external_id_of
from kling_mcp.tasks.quota import SubmitQuota
from kling_mcp.tasks.slots import SlotsTakenError, holds_slots
from kling_mcp.tasks.stored_error import StoredError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from kling_mcp.api.models import KlingTask
    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.errors import KlingError
    from kling_mcp.store import Store, Transaction
    from kling_mcp.tasks.intent import Intent

RENEW_SECONDS = 3.0
_RECENT = 500
_AT_ONCE = 200  # parameters of one statement
_TICK_SECONDS = 1e-5  # the smallest safe step for a float of seconds since 1970
_COLUMNS = ", ".join(ROW_COLUMNS)  # never *: a newer version may have added some
_FIXED = {"account", "external_task_id", "key", "attempt"}


class LeaseLostError(Exception):
    """The lease ran out and another call has taken over: nothing may be sent, claim again."""


class ClaimResult(Enum):
    """What a claim allows."""

    SEND = "nothing was sent under this id: send it"
    RECOVER = "something was sent under this id and its outcome is unknown: look it up first"
    DONE = "the task exists"
    IN_PROGRESS = "another call is working on the same request"


class Journal:
    """The entries of one account. Every method may raise `StorageError`."""

    def __init__(
        self,
        store: Store,
        account: str,
        clock: Clock,
        owner: str,
        quota: SubmitQuota | None = None,
        *,
        budget: Budget | None = None,
    ) -> None:
        self._store = store
        self._account = account
        self._clock = clock
        self._owner = owner
        self._quota = quota or SubmitQuota()
        self._budget = budget or Budget()
        self._times = EntryTimes(clock)
        # Distinguishes two journals of one process, and a process from an earlier one with the same pid.
        self._token = secrets.token_hex(4)

    async def claim(self, intent: Intent, caller: str) -> tuple[JournalEntry, ClaimResult]:
        """Take the lease of a request, or learn that another call has it, or its outcome.

        Args:
            caller: distinguishes this call from others of this process.

        Raises:
            InputError: the caller's own external_task_id is in use for something else.
        """

        def work(tx: Transaction) -> tuple[JournalEntry, ClaimResult]:
            now = self._clock.steady()
            entry = self._latest(tx, intent)
            if entry is None:
                return self._begin(tx, intent, caller, None, now), self._first_verdict()
            is_held = self._is_held(entry) and not self._has_died(entry)
            if has_other_content(entry, intent, is_held=is_held):
                raise InputError([external_id_conflict(entry)])
            if entry.state in OVER:
                return self._begin(tx, intent, caller, entry, now), self._first_verdict()
            if entry.state in {"accepted", "ready"}:
                return entry, ClaimResult.DONE
            if is_held:
                return entry, ClaimResult.IN_PROGRESS
            taken = replace(
                reset_for(entry, intent, self._arrival(tx)) if entry.state in UNSENT else mark_abandoned(entry),
                owner=self._lease_owner(caller),
                lease_until=now + LEASE_SECONDS,
                updated_at=now,
            )
            self._write(tx, taken)
            return taken, ClaimResult.SEND if entry.state in UNSENT else ClaimResult.RECOVER

        return await self._store.run(work, write=True)

    async def latest(self, intent: Intent) -> JournalEntry | None:
        """The newest attempt at this request, or None. Reads only."""
        return await self._store.run(lambda tx: self._latest(tx, intent), write=False)

    def _first_verdict(self) -> ClaimResult:
        # After a damaged file was lost, requests that are not recorded may have been sent anyway.
        return ClaimResult.RECOVER if self._store.was_damaged else ClaimResult.SEND

    async def renew(self, entry: JournalEntry) -> None:
        """Extend the lease, if it has not ended meanwhile."""

        def work(tx: Transaction) -> None:
            tx.execute(
                "UPDATE tasks SET lease_until = ? WHERE account = ? AND external_task_id = ? AND owner = ? "
                "AND timeline = ? AND lease_until > 0",
                self._clock.steady() + LEASE_SECONDS,
                entry.account,
                entry.external_task_id,
                entry.owner,
                self._times.here,
            )

        await self._store.run(work, write=True)

    async def check_budget(self, intent: Intent) -> None:
        """Whether sending this request now would pass a cap, before anybody is asked; `mark_sending` decides.

        Raises:
            OverBudgetError: it would.
        """
        if cost := intent.cost:
            now = self._clock.steady()
            await self._store.run(lambda tx: self._budget.check(tx, self._account, cost, now), write=False)

    async def mark_sending(
        self, entry: JournalEntry, has_room: Callable[[Sequence[JournalEntry]], bool] | None = None
    ) -> JournalEntry:
        """Record that the request is about to be sent; it is on disk when this returns.

        Args:
            has_room: whether it fits beside the requests that hold slots of its group.

        Raises:
            SlotsTakenError: it does not.
            LeaseLostError: another call now holds the entry.
            LimitError: the account's quota is used up; a request that was sent before does not count again.
            OverBudgetError: a cap on what it may spend would be passed; likewise.
        """
        now = self._clock.steady()
        is_first = not entry.sent_at
        entry = replace(entry, state="sending", sent_at=now, lease_until=now + LEASE_SECONDS, updated_at=now)

        def work(tx: Transaction) -> bool:
            if has_room is not None and not has_room(self._slot_holders(tx, entry)):
                raise SlotsTakenError
            if is_first:
                self._quota.check(tx, entry, now)
                if cost := entry.cost:
                    self._budget.check(tx, entry.account, cost, now, but=entry.external_task_id)
            return self._write(tx, entry, if_held=True)

        if not await self._store.run(work, write=True):
            raise LeaseLostError
        return entry

    async def mark_accepted(self, entry: JournalEntry, task_id: str) -> JournalEntry:
        """Kling has the task."""
        entry = replace(entry, state="accepted", task_id=task_id, lease_until=0.0, reason="", error=None)
        return await self._put(entry)

    async def mark_refused(self, entry: JournalEntry, error: KlingError) -> None:
        """Nothing exists under this id: the request was refused, or certainly never arrived. Ends the lease."""
        refused = replace(entry, state="refused", sent_at=0.0, reason="", error=StoredError.of(error))
        await self.release(refused)

    async def save(self, entry: JournalEntry) -> None:
        """Record what this call knows about its entry, and keep the lease."""
        now = self._clock.steady()
        entry = replace(entry, lease_until=now + LEASE_SECONDS, updated_at=now)
        await self._store.run(lambda tx: self._write(tx, entry, if_held=True), write=True)

    async def release(self, entry: JournalEntry) -> None:
        """Record what this call knows about its entry, and end the lease: the call is over."""
        entry = replace(entry, lease_until=0.0, updated_at=self._clock.steady())
        await self._store.run(lambda tx: self._write(tx, entry, if_held=True), write=True)

    async def record_results(self, tasks: Iterable[KlingTask]) -> dict[str, JournalEntry]:
        """Record the outcomes of tasks, and return what the journal knows of them, by task id."""
        read = {task.task_id: task for task in tasks if task.task_id}
        entries = await self.by_task_ids(list(read))
        states = {task_id: end_state(read[task_id]) for task_id in entries}
        changed = [
            task_id
            for task_id, state in states.items()
            if state and (state != entries[task_id].state or tells_cost(read[task_id], entries[task_id]))
        ]

        def work(tx: Transaction) -> None:
            for task_id in changed:
                state, ids = states[task_id] or entries[task_id].state, tuple(read[task_id].result_ids)
                units = read[task_id].units_deducted
                for entry in self._read(tx, "task_id = ?", task_id):
                    ended = replace(entry, state=state, result_ids=ids, units_deducted=units or entry.units_deducted)
                    self._write(tx, replace(ended, updated_at=self._clock.steady()))

        if changed:
            await self._store.run(work, write=True)
        return entries

    async def record_end(self, entry: JournalEntry, task: KlingTask) -> None:
        """Record the outcome of this entry's task."""
        state = end_state(task) or entry.state
        ended = replace(entry, state=state, result_ids=tuple(task.result_ids), units_deducted=task.units_deducted)
        await self._put(replace(ended, lease_until=0.0))

    async def mark_deleted(self, entry: JournalEntry) -> None:
        """The entry's task no longer exists: the next claim is a new attempt."""
        await self._put(replace(entry, state="deleted", lease_until=0.0))

    async def find(self, name: str) -> JournalEntry | None:
        """The entry with this task id or external task id."""
        found = await self._select("(external_task_id = ? OR task_id = ?)", name, name)
        return found[0] if found else None

    async def unfinished(self) -> list[JournalEntry]:
        """Requests that were sent or are about to be, and have not ended; oldest first."""
        entries = await self._select("state IN ('sending', 'unclear', 'accepted', 'claimed')")
        return [entry for entry in entries if self._is_under_way(entry)]

    async def slot_holders(self, entry: JournalEntry) -> list[JournalEntry]:
        """Other requests of its slot group that are on their way or run, oldest first."""
        return await self._store.run(lambda tx: self._slot_holders(tx, entry), write=False)

    async def known_tasks(self, kind: str) -> list[JournalEntry]:
        """The newest entries of this kind with a known task id, oldest first."""
        newest = await read_entries(self._store, self._account, _RECENT, kind=kind)
        return [entry for entry in reversed(newest) if entry.task_id]

    async def paid(self, limit: int) -> list[JournalEntry]:
        """The newest entries of requests that cost something and were sent, newest first."""
        sent = "product <> '' AND state IN ('sending', 'unclear', 'accepted', 'ready', 'failed')"
        return await self._select(sent, newest=limit)

    async def by_task_ids(self, task_ids: Sequence[str]) -> dict[str, JournalEntry]:
        """The entries of these tasks, by task id."""
        found: dict[str, JournalEntry] = {}
        for start in range(0, len(task_ids), _AT_ONCE):
            some = task_ids[start : start + _AT_ONCE]
            for entry in await self._select(f"task_id IN ({', '.join('?' * len(some))})", *some):
                found[entry.task_id] = entry
        return found

    async def with_same_label(self, entry: JournalEntry) -> list[JournalEntry]:
        """Other requests of this kind and label that are under way or done, oldest first."""
        entries = await self._select(
            "kind = ? AND label = ? AND key <> ? AND state IN ('sending', 'unclear', 'accepted', 'ready', 'claimed')",
            entry.kind,
            entry.label,
            entry.key,
        )
        return [other for other in entries if self._is_under_way(other)]

    async def with_memo(self, kind: str, name: str, value: str) -> list[JournalEntry]:
        """The entries of this kind whose memo has this value under this name, oldest first."""
        written = json.dumps({name: value}, ensure_ascii=False)[1:-1]
        found = await self._select("kind = ? AND memo LIKE ?", kind, f"%{written}%")
        return [entry for entry in found if entry.memo.get(name) == value]

    async def named(self, name: str) -> list[JournalEntry]:
        """What a person may mean by a name: the unfinished requests with this label, else the newest task."""
        found = await self._select("label = ? AND (task_id <> '' OR state <> 'refused')", as_shown(name))
        return [entry for entry in found if entry.state in UNFINISHED] or found[-1:]

    async def _select(self, condition: str, *parameters: object, newest: int = 0) -> list[JournalEntry]:
        """Oldest first; with `newest`, only so many, newest first."""
        order = f"created_at DESC LIMIT {newest}" if newest else "created_at"
        return await self._store.run(
            lambda tx: self._read(tx, f"{condition} ORDER BY {order}", *parameters), write=False
        )

    def _read(self, tx: Transaction, condition: str, *parameters: object) -> list[JournalEntry]:
        sql = f"SELECT {_COLUMNS} FROM tasks WHERE account = ? AND {condition}"  # noqa: S608 - names of ours
        return [self._times.read(row) for row in tx.fetch(sql, self._account, *parameters)]

    def _slot_holders(self, tx: Transaction, entry: JournalEntry) -> list[JournalEntry]:
        condition = "state IN ('sending', 'unclear', 'accepted') AND slot_group = ? AND external_task_id <> ?"
        found = self._read(tx, f"{condition} ORDER BY created_at", entry.slot_group, entry.external_task_id)
        return [other for other in found if holds_slots(other, self._clock.steady())]

    def _is_held(self, entry: JournalEntry) -> bool:
        return entry.lease_until > self._clock.steady()

    def _is_under_way(self, entry: JournalEntry) -> bool:
        """Whether it is more than a claim that nobody holds."""
        return entry.state != "claimed" or self._is_held(entry)

    def _lease_owner(self, caller: str) -> str:
        return f"{self._owner}/{self._token}.{caller}"

    def _has_died(self, entry: JournalEntry) -> bool:
        """Whether the holder was a process of this computer that has ended; otherwise its lease must run out."""
        return is_dead(entry.owner.partition("/")[0], seen_by=self._owner)

    def _latest(self, tx: Transaction, intent: Intent) -> JournalEntry | None:
        key = intent.key
        if intent.caller_id:
            # A caller may pass back the id that we made for the same request.
            named = tx.fetch(
                "SELECT key FROM tasks WHERE account = ? AND external_task_id = ?", self._account, intent.caller_id
            )
            key = named[0]["key"] if named else key
        found = self._read(tx, "key = ? ORDER BY attempt DESC LIMIT 1", key)
        return found[0] if found else None

    def _free_attempt(self, tx: Transaction, intent: Intent, attempt: int) -> int:
        """This attempt, or a later one if a caller has used its id for something else."""
        sql = "SELECT attempt FROM tasks WHERE account = ? AND external_task_id = ?"
        while tx.fetch(sql, self._account, external_id_of(intent, attempt)):
            attempt += 1
        return attempt

    def _arrival(self, tx: Transaction) -> float:
        """Now, or just after the last arrival, so that of two calls for one name, one is always earlier."""
        (row,) = tx.fetch("SELECT MAX(created_at) AS last FROM tasks WHERE account = ?", self._account)
        return max(self._clock.wall(), (row["last"] or 0.0) + _TICK_SECONDS)

    def _begin(
        self, tx: Transaction, intent: Intent, caller: str, last: JournalEntry | None, now: float
    ) -> JournalEntry:
        attempt = self._free_attempt(tx, intent, last.attempt + 1 if last else 1)
        entry = JournalEntry(
            account=self._account,
            external_task_id=external_id_of(intent, attempt),
            kind=intent.kind,
            key=last.key if last else intent.key,
            attempt=attempt,
            content_hash=intent.content_hash,
            label=intent.label,
            state="claimed",
            memo=intent.memo,
            product=intent.product,
            units_estimated=intent.units_estimated,
            slot_group=intent.slot_group,
            slots=intent.slots,
            owner=self._lease_owner(caller),
            lease_until=now + LEASE_SECONDS,
            created_at=self._arrival(tx),
            updated_at=now,
        )
        row = self._times.to_row(entry)
        marks = ", ".join("?" * len(row))
        tx.execute(f"INSERT INTO tasks ({_COLUMNS}) VALUES ({marks})", *row.values())  # noqa: S608 - names of ours
        return entry

    async def _put(self, entry: JournalEntry) -> JournalEntry:
        entry = replace(entry, updated_at=self._clock.steady())
        await self._store.run(lambda tx: self._write(tx, entry), write=True)
        return entry

    def _write(self, tx: Transaction, entry: JournalEntry, *, if_held: bool = False) -> bool:
        """Whether the entry exists, and with `if_held`, is still this holder's."""
        values = {column: value for column, value in self._times.to_row(entry).items() if column not in _FIXED}
        changed = tx.execute(
            f"UPDATE tasks SET {', '.join(f'{column} = ?' for column in values)} "  # noqa: S608 - names of ours
            f"WHERE account = ? AND external_task_id = ?{' AND owner = ?' if if_held else ''}",
            *values.values(),
            entry.account,
            entry.external_task_id,
            *([entry.owner] if if_held else []),
        )
        return changed > 0
