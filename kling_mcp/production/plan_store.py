"""Plans as they are on the disk, so that an id is all that applying needs, in any process and after a restart.

A plan is kept as what was decided, in hashes and ids: no text of the sheet, no picture, no link.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from kling_mcp.tasks.budget import show_units, units_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.store import Store, Transaction

KEEP_SECONDS = 30 * 86_400.0
MAX_PER_ACCOUNT = 200
_ID_BYTES = 6


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """A plan that was made earlier.

    Attributes:
        path: of its sheet.
        decided: JSON data, as `Plan.to_json` made it.
        agreed: by product type, how many units a person agreed to; empty if nobody was asked.
    """

    plan_id: str
    path: str
    decided: Mapping[str, Any]
    agreed: Mapping[str, Decimal]


class PlanStore:
    """The plans of one account. Every method may raise `StorageError`."""

    def __init__(self, store: Store, account: str, clock: Clock) -> None:
        self._store = store
        self._account = account
        self._clock = clock

    async def keep(self, path: str, decided: Mapping[str, Any]) -> str:
        """The id of this plan, which is on the disk when this returns. Sweeps the oldest ones."""
        now = self._clock.steady()
        plan_id = f"plan-{secrets.token_hex(_ID_BYTES)}"
        text = json.dumps(decided, ensure_ascii=False)

        def work(tx: Transaction) -> None:
            rows = tx.fetch(
                "SELECT created_at FROM plans WHERE account = ? ORDER BY created_at DESC LIMIT 1 OFFSET ?",
                self._account,
                MAX_PER_ACCOUNT - 1,
            )
            oldest = max(now - KEEP_SECONDS, *(row["created_at"] for row in rows), 0.0)
            tx.execute("DELETE FROM plans WHERE account = ? AND created_at < ?", self._account, oldest)
            tx.execute(
                "INSERT INTO plans (account, plan_id, path, decided, created_at) VALUES (?, ?, ?, ?, ?)",
                self._account,
                plan_id,
                path,
                text,
                now,
            )

        await self._store.run(work, write=True)
        return plan_id

    async def find(self, plan_id: str) -> StoredPlan | None:
        """The plan with this id, or None."""

        def work(tx: Transaction) -> StoredPlan | None:
            rows = tx.fetch(
                "SELECT path, decided, agreed FROM plans WHERE account = ? AND plan_id = ?", self._account, plan_id
            )
            if not rows:
                return None
            row = rows[0]
            agreed = {product: units_of(units) for product, units in json.loads(row["agreed"] or "{}").items()}
            return StoredPlan(plan_id, row["path"], json.loads(row["decided"]), agreed)

        return await self._store.run(work, write=False)

    async def agree(self, plan_id: str, units: Mapping[str, Decimal]) -> None:
        """A person agreed to spend so much on this plan, so that a repeat does not ask again."""
        text = json.dumps({product: show_units(amount) for product, amount in units.items()})

        def work(tx: Transaction) -> None:
            tx.execute("UPDATE plans SET agreed = ? WHERE account = ? AND plan_id = ?", text, self._account, plan_id)

        await self._store.run(work, write=True)
