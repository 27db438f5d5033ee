"""The newest entries of requests that cost something, kept between looks.

A look asks which entries there are and how they stand, and reads those alone that are new or changed, whichever
process or replica changed them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from kling_mcp.tasks.entry import COLUMNS, JournalEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kling_mcp.store import Row, Store, Transaction

K = TypeVar("K")

_AT_ONCE = 200  # parameters of one statement
# Everything that may change; a memo changes with its times alone.
_STAMP = ("external_task_id", "updated_at", "timeline", "state", "task_id", "units_estimated", "units_deducted")
_PAID = "account = ? AND product <> '' AND state IN ('sending', 'unclear', 'accepted', 'ready', 'failed')"
_Stamp = tuple[object, ...]


class PaidEntries(Generic[K]):
    """Those of one account that were sent, newest first, each as what `keep` makes of it.

    Times in entries are those of the processes that wrote them.
    """

    def __init__(self, store: Store, account: str, limit: int, keep: Callable[[JournalEntry], K]) -> None:
        self._store = store
        self._account = account
        self.limit = limit
        self._keep = keep
        self._stamps: list[_Stamp] = []
        self._kept: dict[_Stamp, K] = {}
        self._newest: Sequence[K] = ()

    async def newest(self) -> Sequence[K]:
        """At most `limit`; the same object as last time if nothing has changed. Raises StorageError."""
        known = self._kept

        def work(tx: Transaction) -> tuple[list[_Stamp], list[Row]]:
            order = f"WHERE {_PAID} ORDER BY created_at DESC LIMIT ?"
            rows = tx.fetch(f"SELECT {', '.join(_STAMP)} FROM tasks {order}", self._account, self.limit)  # noqa: S608 - names of ours
            stamps = [tuple(row.values()) for row in rows]
            return stamps, self._read(tx, [str(stamp[0]) for stamp in stamps if stamp not in known])

        stamps, rows = await self._store.run(work, write=False)
        if rows or stamps != self._stamps:
            # A row may have changed since its stamp was read; it is read again next time.
            read = {row["external_task_id"]: self._keep(JournalEntry.from_row(row)) for row in rows}
            kept = {stamp: known[stamp] if stamp in known else read[stamp[0]] for stamp in stamps}
            self._stamps, self._kept, self._newest = stamps, kept, tuple(kept.values())
        return self._newest

    def _read(self, tx: Transaction, external_task_ids: Sequence[str]) -> list[Row]:
        rows: list[Row] = []
        for start in range(0, len(external_task_ids), _AT_ONCE):
            some = external_task_ids[start : start + _AT_ONCE]
            marks = ", ".join("?" * len(some))
            sql = f"SELECT {', '.join(COLUMNS)}, timeline FROM tasks "  # noqa: S608 - names of ours
            rows += tx.fetch(f"{sql}WHERE account = ? AND external_task_id IN ({marks})", self._account, *some)
        return rows
