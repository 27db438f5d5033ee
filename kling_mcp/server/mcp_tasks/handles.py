"""Handles of the Tasks extension as they are on the disk.

A handle refers to creations by their ids; Kling and the journal know everything else.
So there is no result here, no argument, no secret, no picture and no link.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from kling_mcp.store.process_owner import is_dead
from kling_mcp.tasks.stored_error import StoredError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.store import Store, Transaction

# Settled: nothing runs for it any more. Kling knows the outcome, or `error` says why the call failed.
HandleStatus = Literal["working", "settled", "cancelled"]

KEEP_SECONDS = 86_400.0
MAX_PER_ACCOUNT = 1000


@dataclass(frozen=True, slots=True)
class Handle:
    """One handle. Times are seconds since 1970.

    Attributes:
        principal: a digest of the caller, "" if the transport does not distinguish callers.
        names: task ids or external task ids; empty until the call knows what it is about.
        owner: the process that runs the call, `host:pid`.
        error: the error that ended the call, or None.
    """

    handle_id: str
    account: str
    principal: str
    tool: str
    owner: str
    created_at: float
    updated_at: float
    expires_at: float
    names: tuple[str, ...] = ()
    status: HandleStatus = "working"
    error: StoredError | None = None


class HandleStore:
    """The handles of every account. Every method may raise `StorageError`."""

    def __init__(self, store: Store, clock: Clock, owner: str) -> None:
        self._store = store
        self._clock = clock
        self._owner = owner

    async def reserve(self, account: str, principal: str, tool: str) -> Handle | None:
        """A new handle, on the disk when this returns; None where the account has too many. Sweeps expired ones."""
        now = self._clock.steady()
        # 256 random bits: a handle is a name and no key, but it cannot be guessed either.
        handle = Handle(secrets.token_urlsafe(32), account, principal, tool, self._owner, now, now, now + KEEP_SECONDS)

        def work(tx: Transaction) -> Handle | None:
            tx.execute("DELETE FROM handles WHERE expires_at <= ?", now)
            [row] = tx.fetch("SELECT COUNT(*) AS many FROM handles WHERE account = ?", account)
            if row["many"] >= MAX_PER_ACCOUNT:
                return None
            tx.execute(
                "INSERT INTO handles (handle_id, account, principal, tool, owner, status, created_at, updated_at, "
                "expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                handle.handle_id,
                account,
                principal,
                tool,
                handle.owner,
                handle.status,
                now,
                now,
                handle.expires_at,
            )
            return handle

        return await self._store.run(work, write=True)

    async def find(self, handle_id: str) -> Handle | None:
        """The handle, unless it has expired."""

        def work(tx: Transaction) -> Handle | None:
            rows = tx.fetch(
                "SELECT * FROM handles WHERE handle_id = ? AND expires_at > ?", handle_id, self._clock.steady()
            )
            if not rows:
                return None
            names, error = tuple(json.loads(rows[0]["names"])), StoredError.from_json(rows[0]["error"])
            return Handle(**{**rows[0], "names": names, "error": error})

        return await self._store.run(work, write=False)

    async def name(self, handle_id: str, names: Sequence[str]) -> None:
        """Record which creations the handle refers to."""

        def work(tx: Transaction) -> None:
            tx.execute("UPDATE handles SET names = ? WHERE handle_id = ?", json.dumps(list(names)), handle_id)

        await self._store.run(work, write=True)

    async def settle(self, handle_id: str, status: HandleStatus, error: StoredError | None = None) -> None:
        """The call is over. Only the first end counts."""

        def work(tx: Transaction) -> None:
            tx.execute(
                "UPDATE handles SET status = ?, error = ?, updated_at = ? WHERE handle_id = ? AND status = 'working'",
                status,
                error.to_json() if error else "",
                self._clock.steady(),
                handle_id,
            )

        await self._store.run(work, write=True)

    async def discard(self, handle_id: str) -> None:
        """The call was answered without its handle."""

        def work(tx: Transaction) -> None:
            tx.execute("DELETE FROM handles WHERE handle_id = ?", handle_id)

        await self._store.run(work, write=True)

    def is_orphan(self, handle: Handle) -> bool:
        """Whether the process that ran the call surely runs it no more.

        Asked only for handles that no call of this process belongs to, so one that bears our own number is one of
        an earlier process, too.
        """
        if handle.owner == self._owner:
            return True
        return is_dead(handle.owner, seen_by=self._owner)
