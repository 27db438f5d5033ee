"""Reads entries outside the journal of an account: for a look at all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_mcp.tasks.entry import COLUMNS, JournalEntry

if TYPE_CHECKING:
    from kling_mcp.store import Row, Store, Transaction


async def read_entries(store: Store, account: str | None, limit: int, *, kind: str = "") -> list[JournalEntry]:
    """The newest entries of one account or all, and of one kind or all; newest first.

    Their times are those of the processes that wrote them.
    """
    conditions = {"account": account, "kind": kind or None}
    wanted = {column: value for column, value in conditions.items() if value is not None}
    where = f"WHERE {' AND '.join(f'{column} = ?' for column in wanted)} " if wanted else ""

    def work(tx: Transaction) -> list[Row]:
        sql = f"SELECT {', '.join(COLUMNS)} FROM tasks {where}ORDER BY created_at DESC LIMIT ?"  # noqa: S608 - names of ours
        return tx.fetch(sql, *wanted.values(), limit)

    return [JournalEntry.from_row(row) for row in await store.run(work, write=False)]
