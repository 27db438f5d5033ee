"""What callers of a store rely on, whichever it is."""

from __future__ import annotations

from functools import partial
from typing import Any

import anyio
import pytest

from kling_mcp.store import Store, Transaction
from kling_mcp.store.shared_keys import shared_key
from postgres.places import Place

pytestmark = pytest.mark.anyio


def put_handle(tx: Transaction, name: str, error: str = "", at: float = 1.5) -> int:
    return tx.execute(
        "INSERT INTO handles (handle_id, account, principal, tool, owner, status, error, created_at, updated_at, "
        "expires_at) VALUES (?, 'a', '', 't', 'o', 'working', ?, ?, ?, ?)",
        name,
        error,
        at,
        at,
        at,
    )


async def handles(store: Store) -> list[Any]:
    rows = await store.run(lambda tx: tx.fetch("SELECT handle_id FROM handles ORDER BY handle_id"), write=False)
    return [row["handle_id"] for row in rows]


async def test_rows_written_by_one_process_are_read_by_another(place: Place) -> None:
    one, other = place.store(), place.store()
    assert await one.run(lambda tx: put_handle(tx, "h1", at=1790000000.123456), write=True) == 1
    [row] = await other.run(lambda tx: tx.fetch("SELECT * FROM handles"), write=False)
    assert dict(row) == {
        "handle_id": "h1",
        "account": "a",
        "principal": "",
        "tool": "t",
        "names": "[]",
        "owner": "o",
        "status": "working",
        "error": "",
        "created_at": 1790000000.123456,
        "updated_at": 1790000000.123456,
        "expires_at": 1790000000.123456,
    }


async def test_work_that_fails_leaves_nothing(place: Place) -> None:
    store = place.store()

    def work(tx: Transaction) -> None:
        put_handle(tx, "h1")
        raise LookupError

    with pytest.raises(LookupError):
        await store.run(work, write=True)
    assert await handles(store) == []


async def test_changed_rows_are_counted(place: Place) -> None:
    store = place.store()

    def work(tx: Transaction) -> tuple[int, int]:
        for name in ("h1", "h2"):
            put_handle(tx, name)
        changed = tx.execute("UPDATE handles SET error = ? WHERE account = ?", "x", "a")
        return changed, tx.execute("DELETE FROM handles WHERE handle_id = ?", "nobody")

    assert await store.run(work, write=True) == (2, 0)


async def test_marks_in_literals_are_no_parameters(place: Place) -> None:
    store = place.store()
    [row] = await store.run(
        lambda tx: tx.fetch("SELECT '100%? it''s' AS one, ? AS two, 'h?' LIKE 'h%' AS three", "?%s"), write=False
    )
    assert (row["one"], row["two"], bool(row["three"])) == ("100%? it's", "?%s", True)


@pytest.mark.parametrize("text", ["Zoë 背面 👩‍🎤", "a\\b'c\"d%s?", "\u202eabc\x1b[0m", "x" * 5000])
async def test_every_text_comes_back_as_it_was(place: Place, text: str) -> None:
    store = place.store()
    await store.run(lambda tx: put_handle(tx, "h1", text), write=True)
    [row] = await store.run(lambda tx: tx.fetch("SELECT error FROM handles WHERE error = ?", text), write=False)
    assert row["error"] == text


async def test_writers_of_many_processes_lose_no_update(place: Place) -> None:
    """Each reads a number and writes one more: any overlap would lose one."""
    first = place.store()
    await first.run(lambda tx: put_handle(tx, "h1", "0"), write=True)

    def count_on(tx: Transaction) -> None:
        [row] = tx.fetch("SELECT error FROM handles WHERE handle_id = 'h1'")
        tx.execute("UPDATE handles SET error = ? WHERE handle_id = 'h1'", str(int(row["error"]) + 1))

    async with anyio.create_task_group() as group:
        for _ in range(4):
            store = place.store()
            for _ in range(10):
                group.start_soon(partial(store.run, count_on, write=True))
    [row] = await first.run(lambda tx: tx.fetch("SELECT error FROM handles"), write=False)
    assert row["error"] == "40"


async def test_replicas_that_need_a_key_at_once_have_the_same(place: Place) -> None:
    keys: set[bytes] = set()

    async def need(store: Store) -> None:
        keys.add(await shared_key(store, "callbacks"))

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(need, place.store())
    assert len(keys) == 1
    assert await shared_key(place.store(), "another") not in keys


async def test_a_closed_store_opens_again(place: Place) -> None:
    store = place.store()
    await store.run(lambda tx: put_handle(tx, "h1"), write=True)
    store.close()
    assert await handles(store) == ["h1"]
    assert not store.was_damaged
