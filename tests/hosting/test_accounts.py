"""Accounts of callers in memory: few of them, each the same while somebody uses it, closed when nobody does."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import anyio
import pytest
from helpers import last_line, requests_to, structured, text_of
from virtual_time import VirtualClock

from hosting.conftest import Serve
from hosting.http_server import House, calling, creation, kling
from kling_mcp.account import Account
from kling_mcp.api.auth import ApiKey
from kling_mcp.errors import AuthError, ConnectionFailedError
from kling_mcp.runtime import MAX_IDLE_ACCOUNTS, MAX_IDLE_STRANGERS
from kling_mcp.simulator import Faults, World
from kling_mcp.store.sqlite import SqliteStore
from kling_mcp.store.verified import VerifiedStore

pytestmark = pytest.mark.anyio

ACCESS, SECRET = "access-key-of-cleo", "secret-key-of-cleo-with-more-than-32-characters"
PAIR = {"X-Kling-Access-Key": ACCESS, "X-Kling-Secret-Key": SECRET}
HALF = {"X-Kling-Access-Key": ACCESS, "X-Kling-Secret-Key": "guessed-secret-with-more-than-32-characters"}


async def known(house: House, *names: str) -> list[weakref.ref[Account]]:
    """The accounts of these keys, which Kling has accepted."""
    refs = []
    for name in names:
        account = house.runtime.account(ApiKey(name))
        await account.client.verify_credentials()
        refs.append(weakref.ref(account))
        del account
    gc.collect()
    return refs


def numbered(word: str, count: int) -> list[str]:
    return [f"{word}-{number}" for number in range(count)]


async def test_idle_accounts_are_dropped_and_their_files_closed(serve: Serve) -> None:
    async with serve() as house:
        await house.post(calling("find_elements"), kling("anna"))
        [anna] = await known(house, "anna")
        await known(house, *numbered("other", MAX_IDLE_ACCOUNTS))
        assert anna() is None
        assert len(house.runtime._accounts) == MAX_IDLE_ACCOUNTS
        again = await house.post(calling("find_elements"), kling("anna"))
        assert 'isError":false' in again.text.replace(" ", "")


async def test_most_recently_used_accounts_are_kept(serve: Serve) -> None:
    async with serve() as house:
        kept = await known(house, *numbered("key", MAX_IDLE_ACCOUNTS))
        await known(house, "key-0", "one-more")
        assert kept[0]() is not None
        assert kept[1]() is None


async def test_invented_keys_push_out_no_account_that_kling_knows(serve: Serve) -> None:
    async with serve() as house:
        [anna] = await known(house, "anna")
        for name in numbered("invented", 3 * MAX_IDLE_ACCOUNTS):
            house.runtime.account(ApiKey(name))
        gc.collect()
        assert anna() is not None
        assert len(house.runtime._accounts) == MAX_IDLE_STRANGERS + 1


async def test_a_wait_keeps_its_account(serve: Serve, faults: Faults, world: World, clock: VirtualClock) -> None:
    """Else a second wait would poll on its own, and a second queue would let twice as many creations through."""
    faults.slow_task(120)
    answers: list[str] = []
    async with serve() as house:

        async def wait() -> None:
            body = calling("create_element_and_wait", **creation("Mia"), wait_seconds=300)
            answers.append((await house.post(body, kling("anna"))).text)

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await clock.sleep(30)
            anna = weakref.ref(house.runtime.account(ApiKey("anna")))
            for number in range(2 * MAX_IDLE_ACCOUNTS):
                house.runtime.account(ApiKey(f"key-{number}"))
            gc.collect()
            assert anna() is not None
            assert house.runtime.account(ApiKey("anna")) is anna()
    assert "element_ids" in answers[0]
    assert len(requests_to(world, "create")) == 1


class TestHalfAKeyPair:
    """State is named by the access key alone, so that a new secret keeps it. Whoever has only that must see nothing."""

    @pytest.fixture
    def world(self, clock: VirtualClock) -> World:
        return World(clock.wall, key_pairs={ACCESS: SECRET})

    async def test_half_a_key_pair_reads_no_journal(self, serve: Serve, faults: Faults) -> None:
        faults.slow_task(300)
        async with serve() as house:
            async with house.client(headers=PAIR) as client:
                made = structured(await client.call_tool("create_element", creation("Mia")))
            async with house.client(headers=HALF) as client:
                for tool, arguments in (
                    ("wait_for_tasks", {"wait_seconds": 0}),
                    ("wait_for_tasks", {"ids": [made["task_id"]], "wait_seconds": 0}),
                    ("create_element", creation("Mia")),
                    ("get_element", {"id": made["external_task_id"]}),
                ):
                    refused = await client.call_tool(tool, arguments)
                    assert last_line(refused)["kind"] == "auth"
                    assert last_line(refused)["created"] == "no"
                    assert made["external_task_id"] not in text_of(refused) or "id" in arguments
            async with house.client(headers=PAIR) as client:
                waited = structured(await client.call_tool("wait_for_tasks", {"wait_seconds": 0}))
        assert [task["task_id"] for task in waited["tasks"]] == [made["task_id"]]

    async def test_key_pair_is_verified_with_one_request(self, serve: Serve, world: World) -> None:
        async with serve() as house, house.client(headers=PAIR) as client:
            for _ in range(5):
                structured(await client.call_tool("wait_for_tasks", {"wait_seconds": 0}))
        assert len(world.requests) == 1

    async def test_proof_that_failed_is_asked_for_again(self, tmp_path: Path, clock: VirtualClock) -> None:
        answers: list[Exception | None] = [AuthError("no", http_status=401), ConnectionFailedError("down"), None]

        async def prove() -> None:
            if (answer := answers.pop(0)) is not None:
                raise answer

        store = VerifiedStore(SqliteStore(tmp_path, clock), prove)
        for error in (AuthError, ConnectionFailedError):
            with pytest.raises(error):
                await store.run(lambda tx: tx.fetch("SELECT 1 AS one"), write=False)
        assert await store.run(lambda tx: tx.fetch("SELECT 1 AS one"), write=False) == [{"one": 1}]
        assert not store.was_damaged
        store.close()
